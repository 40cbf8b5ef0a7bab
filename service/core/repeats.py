"""The deliveries of an event that is held already, or was applied: the same outcome, no second write.

Law: of one event (`source` + `id`) at most one delivery travels. A repeat of a held event waits for it. A
repeat of an applied or superseded event gets the outcome that the first one got, as far as a bounded
memory reaches. An event that failed is forgotten: its repeat, or its replay, is tried anew.
"""

from dataclasses import dataclass

from service.core.events import Contribution
from service.core.outgoing import Outgoing

Identified = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fresh:
    """Not seen before: take it in."""


@dataclass(frozen=True, slots=True)
class Held:
    """The event is held: the repeat waits for what becomes of it."""


class Repeats:
    """The memory; `reach` = outcomes remembered, the oldest forgotten first."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._held: dict[Identified, list[Contribution]] = {}
        self._outcomes: dict[Identified, Outgoing] = {}

    def arrive(self, contribution: Contribution) -> Fresh | Held | Outgoing:
        """What this delivery is: Fresh, Held, or the outcome that its event got (to be sent again)."""
        identity = contribution.identity
        outcome = self._outcomes.get(identity)
        if outcome is not None and not contribution.delivery.replays:
            return outcome
        waiting = self._held.get(identity)
        if waiting is None:
            self._held[identity] = []
            return Fresh()
        waiting.append(contribution)
        return Held()

    def applied(self, contribution: Contribution, outcome: Outgoing) -> tuple[Contribution, ...]:
        """The event is done; returns the repeats that waited for it, to be answered the same."""
        self._outcomes[contribution.identity] = outcome
        if len(self._outcomes) > self._reach:
            del self._outcomes[next(iter(self._outcomes))]
        return tuple(self._held.pop(contribution.identity, ()))

    def failed(self, contribution: Contribution) -> tuple[Contribution, ...]:
        """The event failed, or its delivery died; returns the repeats that waited, to be tried anew."""
        return tuple(self._held.pop(contribution.identity, ()))
