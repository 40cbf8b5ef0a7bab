"""The merge algebra: which events of one order may share a write, and what the write says.

Law: a merged write leaves HubSpot as applying its events one by one would have. Where that is not so,
the events keep apart: an update before an upsert (the update fails on an order that does not exist yet,
the upsert creates it), and anything across an archive (archived records keep their values and can be
restored). What comes out of the dead letters merges with nobody: which of its values are stale depends
on its own time. `None` from `coalesce` means: wait your turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from service.core.events.events import Contribution
from service.core.events.order_event import Operation, Order
from service.core.waiting.claims import overtaken_by
from service.core.waiting.parts import Progress
from service.core.waiting.wishes import mergeable

# (what waits, what arrives) -> what both together are. A pair that is not here keeps apart.
MERGES: Final[Mapping[tuple[Operation, Operation], Operation]] = {
    (Operation.UPSERT, Operation.UPSERT): Operation.UPSERT,
    # The upsert made sure that it exists.
    (Operation.UPSERT, Operation.UPDATE): Operation.UPSERT,
    (Operation.UPDATE, Operation.UPDATE): Operation.UPDATE,
    (Operation.ARCHIVE, Operation.ARCHIVE): Operation.ARCHIVE,
}


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One order's pending write. All that isolation and retries need to know is data on it."""

    order: Order
    operation: Operation
    # In arrival order, never empty.
    contributions: tuple[Contribution, ...]
    # When the first of them arrived, monotonic seconds.
    born: float
    attempts: int = 0  # calls that carried it
    # Of these, the ones that count towards giving up.
    failures: int = 0
    first_sent: float | None = None
    not_before: float = 0.0
    # Slots under one suspicion travel together and with nobody else; 0 = free.
    company: int = 0
    # Takes no more contributions.
    sealed: bool = False
    # An earlier try may have been applied: `created` cannot be known.
    ambiguous: bool = False
    # Came out of the dead letters, or in bulk: what is newer in HubSpot is read before it is written.
    checked: bool = False
    # What earlier tries have done of its graph.
    progress: Progress | None = None
    # Somebody of its company is at fault: a part of them travels at a time.
    suspected: bool = False

    @property
    def weight(self) -> int:
        """Bytes of its events' bodies."""
        return sum(len(c.delivery.body) for c in self.contributions)

    @property
    def complete(self) -> bool:
        """Whether one of its events carries lines, links or a stage."""
        return any(event.graph is not None for event in self.contributions)

    @property
    def numbered(self) -> bool:
        """Whether any of its events carries a sequence."""
        return any(c.event.sequence is not None for c in self.contributions)

    def merged(self) -> dict[str, str]:
        """The values that the write carries: field by field, the latest."""
        if len(self.contributions) == 1:
            return dict(self.contributions[0].values)
        values: dict[str, str] = {}
        for contribution in self.contributions:
            values.update(contribution.values)
        return values


def slot_of(contribution: Contribution, now: float, not_before: float = 0.0) -> Slot:
    """A slot of its own for one event."""
    return Slot(
        contribution.order,
        contribution.operation,
        (contribution,),
        now,
        not_before=not_before,
        checked=contribution.checked and not contribution.delivery.forced,
    )


def coalesce(slot: Slot, contribution: Contribution) -> Slot | None:
    """The slot with the event merged in, or None where the two must keep apart."""
    merged = MERGES.get((slot.operation, contribution.operation))
    if merged is None or slot.sealed or slot.attempts:
        return None
    if contribution.apart or slot.contributions[-1].apart:
        return None
    if not mergeable(slot.contributions, contribution):
        return None
    return replace(slot, operation=merged, contributions=(*slot.contributions, contribution))


def separate(slot: Slot) -> tuple[Slot, ...]:
    """One sealed slot an event, in order: blame needs solitude."""
    return tuple(
        replace(
            slot,
            operation=contribution.operation,
            contributions=(contribution,),
            failures=0,
            not_before=0.0,
            company=0,
            sealed=True,
            progress=None,
            suspected=False,
        )
        for contribution in slot.contributions
    )


def forgiven(slot: Slot) -> Slot:
    """The slot as if it had not failed: the failures were nobody's. What it is refused for stays known."""
    if not slot.failures:
        return replace(slot, not_before=0.0) if slot.attempts else slot
    return replace(slot, failures=0, first_sent=None, company=0, not_before=0.0, suspected=False)


def acquitted(slot: Slot, company: int) -> Slot:
    """The slot as one of whom nothing is known: somebody else of its company was at fault."""
    return replace(slot, company=company, suspected=False)


def without_epochs(slot: Slot, dead: frozenset[int]) -> Slot | None:
    """What is left of a waiting slot when channels have died; None when nothing is."""
    left = tuple(c for c in slot.contributions if c.delivery.epoch not in dead)
    if len(left) == len(slot.contributions):
        return slot
    if not left:
        return None
    operation = left[0].operation
    for contribution in left[1:]:
        operation = MERGES.get((operation, contribution.operation), operation)
    return replace(slot, operation=operation, contributions=left)


def overwriter(slot: Slot, index: int) -> Contribution | None:
    """The later event that overtook the last claim of event `index`; None while one stands.

    An event that claims nothing (an archive, an upsert that only wants the order to exist) is never overtaken.
    """
    event, laters = slot.contributions[index], slot.contributions[index + 1 :]
    if event.graph is not None or any(later.graph is not None for later in laters):
        return overtaken_by(event, laters)[1]
    surviving = set(event.values)
    for later in laters if surviving else ():
        surviving.difference_update(later.values)
        if not surviving:
            return later
    return None
