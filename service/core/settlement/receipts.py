"""The parts of one event's outcome: what became of each line and link that it names.

A part that later events of the same write overtook is `superseded` for this event. A part that was not tried because an
earlier one failed is `unresolved`. Leftovers that were archived stand in the outcome of the event whose list it was.
"""

from collections.abc import Iterator
from typing import Any

from service.core.events.graph import Lines, Link, Target, Unlink
from service.core.reasons import Reason
from service.core.settlement.outcome import (
    Association,
    AssociationStatus,
    LineItem,
    LineItemStatus,
    Parts,
    ReasonGiven,
)
from service.core.waiting.claims import Claim, overtaken_by
from service.core.waiting.parts import Part, PartStatus, Progress
from service.core.waiting.slots import Slot

_UNTRIED = Part(PartStatus.UNRESOLVED)
_SUPERSEDED = Part(PartStatus.SUPERSEDED)


def receipt(slot: Slot, index: int) -> Parts | None:
    """`data.parts` of event `index`; None where the event carries neither lines, links nor a stage."""
    event = slot.contributions[index]
    if event.graph is None:
        return None
    standing, _ = overtaken_by(event, slot.contributions[index + 1 :])
    known = slot.progress or Progress()
    lines = _lines(event.graph.lines, standing, known) if event.graph.lines else ()
    return Parts(
        order_written=known.written,
        line_items=list(lines),
        associations=list(_links(event.graph.links, standing, known)),
    )


def failed_part(slot: Slot, index: int) -> str | None:
    """The first part that is not as the event wants it: `line 2`, `contact email mia@example.com`."""
    graph, known = slot.contributions[index].graph, slot.progress or Progress()
    if graph is None or not known.written:
        return None
    for key in graph.lines.items if graph.lines else ():
        if not known.lines.get(key, _UNTRIED).done:
            return f"line {key}"
    for link in graph.links:
        if not known.links.get(link.target, _UNTRIED).done:
            return " ".join(link.spelt)
    return None


def _lines(lines: Lines, standing: frozenset[Claim], known: Progress) -> Iterator[LineItem]:
    for key in lines.items:
        overtaken = not any(claim.kind == "line" and claim.part == key for claim in standing)
        yield _line(key, _SUPERSEDED if overtaken else known.lines.get(key, _UNTRIED))
    for key in sorted(lines.remove):
        claimed = Claim("removal", key) in standing
        yield _line(key, known.removed.get(key, _UNTRIED) if claimed else _SUPERSEDED)
    if Claim("list") in standing:
        leftovers = known.removed.items()
        yield from (_line(key, part) for key, part in leftovers if key not in lines.items)


def _line(key: str, part: Part) -> LineItem:
    status = LineItemStatus(part.status)
    return LineItem(key=key, record_id=part.record_id, status=status, reason=given(part.reason))


def _links(
    links: tuple[Link | Unlink, ...], standing: frozenset[Claim], known: Progress
) -> Iterator[Association]:
    for link in links:
        to, by, value = link.spelt
        part = _as_wished(link, known.links.get(link.target, _UNTRIED))
        part = part if _of_link(standing, link.target) else _SUPERSEDED
        yield Association(
            to=to,
            by=by,
            value=value,
            record_id=part.record_id,
            status=AssociationStatus(part.status),
            reason=given(part.reason),
        )


def _of_link(standing: frozenset[Claim], target: Target) -> bool:
    return any(claim.kind in {"link", "labels"} and claim.part == target for claim in standing)


def _as_wished(link: Link | Unlink, part: Part) -> Part:
    """A link that a later event took away again under another name is not `linked` by this one."""
    opposite = PartStatus.UNLINKED if isinstance(link, Link) else PartStatus.LINKED
    return _SUPERSEDED if part.status is opposite else part


def given(reason: Reason | None) -> ReasonGiven | Any:
    """A reason as outcomes carry it; None where there is none."""
    if reason is None:
        return None
    return ReasonGiven(
        code=reason.code,
        message=reason.message,
        http_status=reason.http_status,
        category=reason.category,
        correlation_id=reason.correlation_id,
        property=reason.property,
    )
