"""The deliveries of an event that is held already, or is settled: the same outcome, no second write.

Law: of one event (`source` + `id`) at most one living delivery travels. A repeat of a held event waits
for it. A repeat of a settled event gets the outcome that the first one got, as far as a bounded memory
reaches: the same refusal, too. Were it tried anew, an old value could be written over a newer one, and one
outcome id would say two things. Only the dead letters bring an event back to be tried anew: `dlq replay`
counts what it sends, and so its outcome has another id; by hand, whatever failed is tried again.

A delivery whose channel died holds nothing, though its call may still be out: its redelivery takes its
place in the lane at once. Had it to wait for the call, newer events of the order would pass it.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from service.core.events.events import Contribution
from service.core.intake.memory import remember
from service.core.outgoing import Outgoing

# Outcomes; about 3 KB each.
REACH: Final = 5_000

Identified = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fresh:
    """Not seen before: take it in."""


@dataclass(frozen=True, slots=True)
class Held:
    """The event is held: the repeat waits for what becomes of it."""


class _Ended(NamedTuple):
    outcome: Outgoing
    failed: bool


@dataclass(slots=True, eq=False)
class _Holding:
    holder: Contribution
    waiting: list[Contribution] = field(default_factory=list)


class Repeats:
    """The memory; `reach` = outcomes remembered, the oldest forgotten first."""

    def __init__(self, reach: int = REACH) -> None:
        self._reach = reach
        self._held: dict[Identified, _Holding] = {}
        self._ended: OrderedDict[tuple[Identified, int], _Ended] = OrderedDict()

    def arrive(self, contribution: Contribution) -> Fresh | Held | Outgoing:
        """What this delivery is: Fresh, Held, or the outcome that its event got (to be sent again)."""
        identity = contribution.identity
        ended = self._ended.get((identity, contribution.delivery.replays))
        if ended is not None and not (ended.failed and contribution.came_back):
            return ended.outcome
        holding = self._held.get(identity)
        if holding is None:
            self._held[identity] = _Holding(contribution)
            return Fresh()
        holding.waiting.append(contribution)
        return Held()

    def settle(
        self, contribution: Contribution, outcome: Outgoing, *, failed: bool
    ) -> tuple[Contribution, ...]:
        """The event is settled; returns the repeats that waited for it: they arrive anew."""
        key = (contribution.identity, contribution.delivery.replays)
        remember(self._ended, key, _Ended(outcome, failed), self._reach)
        return self._released(contribution)

    def lose(self, epochs: frozenset[int]) -> tuple[Contribution, ...]:
        """Channels died: what they brought neither holds nor waits, in flight or not.

        Returns the repeats on living channels that waited for one of them: they arrive anew.
        """
        released: list[Contribution] = []
        for holding in tuple(self._held.values()):
            holding.waiting = [c for c in holding.waiting if c.delivery.epoch not in epochs]
            if holding.holder.delivery.epoch in epochs:
                released += self._released(holding.holder)
        return tuple(released)

    def _released(self, holder: Contribution) -> tuple[Contribution, ...]:
        """What waited for this delivery; nothing where another one took its place."""
        holding = self._held.get(holder.identity)
        if holding is None or holding.holder is not holder:
            return ()
        del self._held[holder.identity]
        return tuple(holding.waiting)
