"""The `sequence` extension: an event older than what was applied of its order is not written any more.

Per source and order the newest applied sequence is remembered, and the newest that arrived; sequences
compare as text, as CloudEvents says, so producers pad their numbers. The memory is bounded: what is
forgotten guards no more. Events without a sequence never pass through here.

An event that arrives after a newer one merges with nobody (`apart`): whether it is overtaken is decided
when its turn comes, because the newer one may still fail.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from service.core.events.events import Contribution
from service.core.events.order_event import Order
from service.core.hubspot.verdicts import Stale
from service.core.intake.memory import remember
from service.core.waiting.slots import Slot

# Lines, one for each order.
REACH: Final = 10_000

# Source and order: within it, sequences count.
_Line = tuple[str, Order]


class Sequences:
    """The memory; `reach` = lines remembered, the oldest forgotten first."""

    def __init__(self, reach: int = REACH) -> None:
        self._reach = reach
        self._arrived: OrderedDict[_Line, str] = OrderedDict()
        # The newest sequence and its event's id.
        self._applied: OrderedDict[_Line, tuple[str, str]] = OrderedDict()

    def arrive(self, contribution: Contribution) -> Contribution:
        """The event as it may travel: apart from others where a newer one came before it."""
        sequence = contribution.event.sequence
        if sequence is None:
            return contribution
        line = _line(contribution)
        if sequence < self._arrived.get(line, ""):
            return replace(contribution, apart=True)
        remember(self._arrived, line, sequence, self._reach)
        return contribution

    def overtaken(self, slots: Sequence[Slot]) -> Mapping[int, Stale]:
        """Which of these slots (by their place) are older than what was applied."""
        if not self._applied:
            return {}
        verdicts = ((at, self._verdict(slot.contributions[0])) for at, slot in enumerate(slots))
        return {at: verdict for at, verdict in verdicts if verdict is not None}

    def applied(self, contributions: Iterable[Contribution]) -> None:
        """These events were written: also one whose values others in the same write overwrote."""
        for contribution in contributions:
            sequence = contribution.event.sequence
            if sequence is not None:
                line = _line(contribution)
                if sequence >= self._applied.get(line, ("", ""))[0]:
                    newest = (sequence, contribution.event.id)
                    remember(self._applied, line, newest, self._reach)

    def _verdict(self, event: Contribution) -> Stale | None:
        sequence = event.event.sequence
        if sequence is None or not event.apart or event.delivery.forced:
            return None
        newest, by = self._applied.get(_line(event), ("", ""))
        return Stale(None, tuple(event.values), by) if sequence < newest else None


def _line(contribution: Contribution) -> _Line:
    return contribution.event.source, contribution.order
