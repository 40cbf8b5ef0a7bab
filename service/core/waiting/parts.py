"""What is known of the parts of one order's write: its own record, its lines, its links.

A slot carries it from try to try, so that nothing that is proven done is sent again, and its outcomes are made of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from service.core.events.graph import Target
from service.core.reasons import Reason


class PartStatus(StrEnum):
    """What became of a line or a link."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    REJECTED = "rejected"
    LINKED = "linked"
    UNLINKED = "unlinked"
    NOT_FOUND = "not_found"
    SKIPPED = "skipped"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    UNRESOLVED = "unresolved"


DONE = frozenset(
    {
        PartStatus.CREATED,
        PartStatus.UPDATED,
        PartStatus.UNCHANGED,
        PartStatus.REMOVED,
        PartStatus.LINKED,
        PartStatus.UNLINKED,
        PartStatus.SKIPPED,
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """One line or link: what became of it, the other record's id, and why where it is not as it was to be."""

    status: PartStatus
    record_id: str | None = None
    reason: Reason | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.status in DONE


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one slot. `record_id`: the order's, or that of who holds its key. Lines by key, links by target."""

    record_id: str | None = None
    written: bool = False
    created: bool | None = None
    lines: Mapping[str, Part] = field(default_factory=dict)
    # Lines that are written and linked to their order.
    attached: frozenset[str] = frozenset()
    removed: Mapping[str, Part] = field(default_factory=dict)
    links: Mapping[Target, Part] = field(default_factory=dict)
