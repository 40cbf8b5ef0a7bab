"""What ends together: messages to be confirmed, then deliveries to be acked, then lanes that go on.

Law: a delivery is acked only after every message of its closing is confirmed. Whoever carries a closing
out does it in this order, and a closing that is not carried out settles nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution
from service.core.events.malformed import Malformed
from service.core.intake.crashes import accused
from service.core.outgoing import Outgoing
from service.core.settlement.outcomes import Settlement, conclude, conclude_malformed
from service.core.settlement.retries import Exhausted, Finish
from service.core.waiting.slots import slot_of


@dataclass(frozen=True, slots=True, eq=False)
class Closing:
    """What ends together: publish `messages`; when all are confirmed, ack `deliveries`; then say `settled`."""

    number: int
    since: float
    settlements: tuple[Settlement, ...] = ()  # events that end
    # Deliveries of events that ended before.
    repeats: tuple[tuple[Delivery, Outgoing], ...] = ()
    # Slots that leave their lanes.
    finished: tuple[Finish, ...] = ()

    @property
    def messages(self) -> list[Outgoing]:
        """Every outcome, each with its dead letter where it has one, in the events' order."""
        found: list[Outgoing] = []
        for settlement in self.settlements:
            found.append(settlement.outcome)
            if settlement.dead_letter is not None:
                found.append(settlement.dead_letter)
        return found + [outcome for _, outcome in self.repeats]

    @property
    def deliveries(self) -> list[Delivery]:
        """What the messages answer, in the events' order."""
        return [s.delivery for s in self.settlements] + [delivery for delivery, _ in self.repeats]


class Answers:
    """What ends without a call, until somebody takes it: malformed events, condemned ones, repeats."""

    def __init__(self) -> None:
        self.events: list[Malformed | Contribution] = []
        self.repeats: list[tuple[Delivery, Outgoing]] = []

    def add(self, event: Malformed | Contribution) -> None:
        """A malformed event; or one that killed its process too often: it is not tried once more."""
        self.events.append(event)

    def repeat(self, delivery: Delivery, outcome: Outgoing) -> None:
        """Its event ended before, with this outcome."""
        self.repeats.append((delivery, outcome))

    def lose(self, epochs: frozenset[int]) -> None:
        """These channels have ended."""
        self.events = [event for event in self.events if event.delivery.epoch not in epochs]
        self.repeats = [each for each in self.repeats if each[0].epoch not in epochs]

    def take(self, number: int, now: float, stamp: datetime) -> Closing:
        """All of them."""
        events, self.events = self.events, []
        repeats, self.repeats = self.repeats, []
        settlements = tuple(_settlement(event, now, stamp) for event in events)
        return Closing(number, now, settlements, tuple(repeats))


def _settlement(event: Malformed | Contribution, now: float, stamp: datetime) -> Settlement:
    if isinstance(event, Malformed):
        return conclude_malformed(event, stamp)
    (settlement,) = conclude(Finish(slot_of(event, now), Exhausted(accused(event))), 1, stamp)
    return settlement
