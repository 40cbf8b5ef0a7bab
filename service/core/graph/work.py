"""One order's graph under way: the slot, what of it is known to be done, and what has gone wrong.

A flow keeps one `Work` per slot and carries it through its steps. Each step does what of the order it can, leaves out
what is done, and writes down what it learnt; `verdict` is the sum.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from service.core.events.events import Contribution
from service.core.events.graph import Lines, Link, Target, Unlink
from service.core.hubspot.lookups import Found, Missing
from service.core.hubspot.verdicts import (
    Applied,
    Cause,
    Fate,
    Halted,
    Partly,
    Rejected,
    Retryable,
    Verdict,
)
from service.core.reasons import Code, Reason
from service.core.waiting.claims import STAGE_PROPERTIES
from service.core.waiting.parts import Part, PartStatus, Progress
from service.core.waiting.slots import Slot
from service.core.waiting.wishes import Wish, wish_of

_UNCLEAR: Final = "HubSpot's answer says nothing of a part of this order"
_NO_LINES: Final = Lines(False, {}, frozenset())
Failure = Rejected | Retryable | Halted


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """More than one record answers to the name."""


# What HubSpot says of a name.
Answer = Found | Missing | Ambiguous | Verdict


@dataclass(slots=True, eq=False)
class Work:
    """Mutable while its flow runs, and the flow's alone."""

    slot: Slot
    wish: Wish
    # The configured identifying property's value: its lines' keys begin with it.
    own_key: str | None
    # Whether its events chose the identifying property, and not the set-up.
    chosen: bool = False
    record_id: str | None = None
    written: bool = False
    created: bool | None = None
    # The object types to which its create brought links: which of them were made is to be read.
    inline: frozenset[str] = frozenset()
    lines: dict[str, Part] = field(default_factory=dict)
    attached: set[str] = field(default_factory=set)
    removed: dict[str, Part] = field(default_factory=dict)
    links: dict[Target, Part] = field(default_factory=dict)
    targets: dict[Target, str] = field(default_factory=dict)
    # Of these, the ones that no call of this try has named.
    remembered: set[Target] = field(default_factory=set)
    # Why a target has no record id.
    unfound: dict[Target, Answer] = field(default_factory=dict)
    # Of a replay: what is not written because HubSpot holds something newer.
    older: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    # The order's own verdict where it was not written, and the failures of its parts.
    refused: Verdict | None = None
    _failures: list[Failure] = field(default_factory=list)
    _links_failed: dict[Target, Failure] = field(default_factory=dict)

    @classmethod
    def on(cls, slot: Slot, own_key: str | None, *, chosen: bool = False) -> "Work":
        """Begin, or go on where the try before ended."""
        known = slot.progress or Progress()
        return cls(
            slot,
            wish_of(slot.contributions),
            own_key,
            chosen,
            record_id=known.record_id,
            written=known.written,
            created=known.created,
            lines={key: part for key, part in known.lines.items() if part.done},
            attached=set(known.attached),
            removed={key: part for key, part in known.removed.items() if part.done},
            links={target: part for target, part in known.links.items() if part.done},
        )

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What stands against it so far."""
        return (*self._failures, *self._links_failed.values())

    @property
    def going(self) -> bool:
        """Whether its order is written, and nothing of it says stop: its parts may be written."""
        halted = any(isinstance(failure, Halted) for failure in self.failures)
        return self.written and self.refused is None and not halted

    @property
    def unlinked(self) -> bool:
        """Whether this very try created the order, so that nothing is linked to it but what came `inline`.

        An earlier try may have made a link that a target found since makes superfluous.
        """
        return self.created is True and self.slot.progress is None

    @property
    def wanted_links(self) -> Iterator[Link | Unlink]:
        """Every link that its events name; of one target the latest."""
        latest = {link.target: link for links in self.wish.links for link in links}
        yield from latest.values()

    @property
    def wanted_lines(self) -> Lines:
        """The lines that its events ask for; none where they ask for nothing."""
        return self.wish.lines or _NO_LINES

    @property
    def events(self) -> tuple[Contribution, ...]:
        """Whose work it is."""
        return self.slot.contributions

    @property
    def anything_left(self) -> bool:
        """Whether a replay still has something to write."""
        events = self.events
        named = {name for event in events for name in event.values} | {
            name
            for event in events
            if event.graph is not None and event.graph.stage is not None
            for name in STAGE_PROPERTIES
        }
        return bool(named - self.older or self.wish.lines is not None or list(self.wanted_links))

    def leave_out_values(self, names: set[str]) -> None:
        """Values of the order that are older than what it holds."""
        self.older |= names
        self.left_out.extend(sorted(names))

    def leave_out_of_line(self, key: str, names: set[str]) -> None:
        """Values of a line that are older than what it holds."""
        lines = self.wanted_lines
        kept = {name: value for name, value in lines.items[key].items() if name not in names}
        items = {**lines.items, key: kept}
        self.wish = replace(self.wish, lines=replace(lines, items=items))
        self.left_out.extend(f"line_items.{key}.{name}" for name in sorted(names))

    def leave_out_line(self, key: str) -> None:
        """A line that was taken away since."""
        lines = self.wanted_lines
        items = {each: values for each, values in lines.items.items() if each != key}
        self.wish = replace(self.wish, lines=replace(lines, items=items))
        self.left_out.append(f"line_items.{key}")

    def leave_out_links(self, links: Sequence[Link | Unlink]) -> None:
        """Links that would take away something that may be newer."""
        gone = {link.target for link in links}
        kept = tuple(
            tuple(link for link in event if link.target not in gone) for event in self.wish.links
        )
        self.wish = replace(self.wish, links=kept)
        self.left_out.extend(f"associations.{' '.join(link.spelt)}" for link in links)

    def line(self, key: str, verdict: Verdict) -> None:
        """A line was written, or was not."""
        match verdict:
            case Applied(record_id, created):
                status = PartStatus.CREATED if created else PartStatus.UPDATED
                self.lines[key] = Part(status, record_id)
            case Rejected(reason):
                told = Reason(
                    code=Code.LINE_ITEM_REJECTED,
                    message=f"line {key}: {reason.message}",
                    http_status=reason.http_status,
                    category=reason.category,
                    correlation_id=reason.correlation_id,
                    property=reason.property,
                )
                self._line_failed(key, PartStatus.REJECTED, Rejected(told))
            case Retryable() | Halted():
                self._line_failed(key, PartStatus.UNRESOLVED, verdict)
            case _:
                raise AssertionError(verdict)

    def _line_failed(self, key: str, status: PartStatus, failure: Failure) -> None:
        known = self.lines.get(key)
        self.lines[key] = Part(status, known.record_id if known else None, failure.reason)
        self._failures.append(failure)

    def fail(self, failure: Failure) -> None:
        """Something of it cannot be done, now or ever."""
        self._failures.append(failure)

    def link(self, target: Target, status: PartStatus, failure: Failure | None = None) -> None:
        """A link is as it was to be, or is not."""
        reason = None if failure is None else failure.reason
        self.links[target] = Part(status, self.targets.get(target), reason)
        self._links_failed.pop(target, None)
        if failure is not None:
            self._links_failed[target] = failure

    def verdict(self) -> Fate:
        """The worst part decides."""
        if self.refused is not None:
            return Partly(self.progress(), self.refused)
        for kind in (Halted, Rejected, Retryable):
            for failure in self.failures:
                if isinstance(failure, kind):
                    return Partly(self.progress(), failure)
        # Of no kind that ends anything: asked again, and never taken for success.
        if self.failures:
            return Partly(self.progress(), unresolved(Code.ASSOCIATION_UNRESOLVED, _UNCLEAR))
        return Partly(self.progress(), Applied(self.record_id, self.created, tuple(self.left_out)))

    def progress(self) -> Progress:
        """What is known so far."""
        return Progress(
            record_id=self.record_id,
            written=self.written,
            created=self.created,
            lines=dict(self.lines),
            attached=frozenset(self.attached),
            removed=dict(self.removed),
            links=dict(self.links),
        )


def unresolved(code: Code, message: str) -> Retryable:
    """A part that could not be tried, or whose answer says nothing."""
    return Retryable(Reason(code, message), Cause.SILENCE, ambiguous=True)
