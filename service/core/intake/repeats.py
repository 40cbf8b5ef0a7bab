"""The deliveries of an event that is held already, or was applied: the same outcome, no second write.

Law: of one event (`source` + `id`) at most one living delivery travels. A repeat of a held event waits
for it. A repeat of an applied or superseded event gets the outcome that the first one got, as far as a
bounded memory reaches. An event that failed is forgotten: its repeat, or its replay, is tried anew.

A delivery whose channel died holds nothing, though its call may still be out: its redelivery takes its
place in the lane at once. Had it to wait for the call, newer events of the order would pass it.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from service.core.events.events import Contribution
from service.core.intake.memory import remember
from service.core.outgoing import Outgoing

Identified = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fresh:
    """Not seen before: take it in."""


@dataclass(frozen=True, slots=True)
class Held:
    """The event is held: the repeat waits for what becomes of it."""


@dataclass(slots=True, eq=False)
class _Holding:
    holder: Contribution
    waiting: list[Contribution] = field(default_factory=list)


class Repeats:
    """The memory; `reach` = outcomes remembered, the oldest forgotten first."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._held: dict[Identified, _Holding] = {}
        self._outcomes: OrderedDict[Identified, Outgoing] = OrderedDict()

    def arrive(self, contribution: Contribution) -> Fresh | Held | Outgoing:
        """What this delivery is: Fresh, Held, or the outcome that its event got (to be sent again)."""
        identity = contribution.identity
        outcome = self._outcomes.get(identity)
        if outcome is not None and not contribution.delivery.replays:
            return outcome
        holding = self._held.get(identity)
        if holding is None:
            self._held[identity] = _Holding(contribution)
            return Fresh()
        holding.waiting.append(contribution)
        return Held()

    def applied(self, contribution: Contribution, outcome: Outgoing) -> tuple[Contribution, ...]:
        """The event is done; returns the repeats that waited for it, to be answered the same."""
        # A replay's outcome is the newest, not as old as the first.
        remember(self._outcomes, contribution.identity, outcome, self._reach)
        return self._released(contribution)

    def failed(self, contribution: Contribution) -> tuple[Contribution, ...]:
        """The event failed; returns the repeats that waited, to be tried in its place."""
        return self._released(contribution)

    def forget(self, dead: frozenset[int]) -> tuple[Contribution, ...]:
        """Channels died: what they brought neither holds nor waits, in flight or not.

        Returns the repeats on living channels that waited for one of them, to be tried in its place.
        """
        released: list[Contribution] = []
        for holding in tuple(self._held.values()):
            holding.waiting = [c for c in holding.waiting if c.delivery.epoch not in dead]
            if holding.holder.delivery.epoch in dead:
                released += self._released(holding.holder)
        return tuple(released)

    def _released(self, holder: Contribution) -> tuple[Contribution, ...]:
        """What waited for this delivery; nothing where another one took its place."""
        holding = self._held.get(holder.identity)
        if holding is None or holding.holder is not holder:
            return ()
        del self._held[holder.identity]
        return tuple(holding.waiting)
