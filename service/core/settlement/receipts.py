"""The parts of one event's outcome: what became of each line and link that it names.

A part that later events of the same write overtook is `superseded` for this event. A part that was not tried because an
earlier one failed is `unresolved`. Leftovers that were archived stand in the outcome of the event whose list it was.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from service.core.events.events import Contribution
from service.core.events.graph import Graph, Link, Target, Unlink
from service.core.reasons import Reason
from service.core.waiting.claims import Claim, claims, overtaken_by
from service.core.waiting.parts import Part, Parts, PartStatus
from service.core.waiting.slots import Slot

_UNTRIED = Part(PartStatus.UNRESOLVED)
_SUPERSEDED = Part(PartStatus.SUPERSEDED)


def receipt(slot: Slot, index: int) -> dict[str, Any] | None:
    """`data.parts` of event `index`; None where the event carries neither lines, links nor a stage."""
    event = slot.contributions[index]
    if event.graph is None:
        return None
    standing, _ = overtaken_by(event, slot.contributions[index + 1 :])
    known = slot.parts or Parts()
    return {
        "order_written": known.written,
        "line_items": list(_lines(event, event.graph, standing, known)),
        "associations": list(_links(event.graph, standing, known)),
    }


def failed_part(slot: Slot, index: int) -> str | None:
    """The first part of the event that is not as it was to be, in words: `line 2`, `contact email mia@example.com`."""
    event, known = slot.contributions[index], slot.parts or Parts()
    if event.graph is None:
        return None
    for key in event.graph.lines.items if event.graph.lines else ():
        if not known.lines.get(key, _UNTRIED).done:
            return f"line {key}"
    for link in event.graph.links:
        if not known.links.get(link.target, _UNTRIED).done:
            return " ".join(link.spelt)
    return None


def _lines(
    event: Contribution, graph: Graph, standing: frozenset[Claim], known: Parts
) -> Iterator[dict[str, Any]]:
    if graph.lines is None:
        return
    claimed = claims(event)
    for key in graph.lines.items:
        overtaken = not _of_line(standing, key)
        part = _SUPERSEDED if overtaken else known.lines.get(key, _UNTRIED)
        yield {"key": key, **_document(part)}
    for key in sorted(graph.lines.remove):
        part = (
            known.removed.get(key, _UNTRIED) if Claim("removal", key) in standing else _SUPERSEDED
        )
        yield {"key": key, **_document(part)}
    if Claim("list") in claimed & standing:
        leftovers = known.removed.items()
        yield from (
            {"key": key, **_document(part)}
            for key, part in leftovers
            if key not in graph.lines.items
        )


def _of_line(standing: frozenset[Claim], key: str) -> bool:
    return any(claim.kind == "line" and claim.part == key for claim in standing)


def _links(graph: Graph, standing: frozenset[Claim], known: Parts) -> Iterator[dict[str, Any]]:
    for link in graph.links:
        to, by, value = link.spelt
        overtaken = not _of_link(standing, link.target)
        part = (
            _SUPERSEDED if overtaken else _as_wished(link, known.links.get(link.target, _UNTRIED))
        )
        yield {"to": to, "by": by, "value": value, **_document(part)}


def _of_link(standing: frozenset[Claim], target: Target) -> bool:
    return any(claim.kind in {"link", "labels"} and claim.part == target for claim in standing)


def _as_wished(link: Link | Unlink, part: Part) -> Part:
    """A link that a later event under another name took away again is not `linked` in this one."""
    opposite = PartStatus.UNLINKED if isinstance(link, Link) else PartStatus.LINKED
    return _SUPERSEDED if part.status is opposite else part


def _document(part: Part) -> dict[str, Any]:
    reason = None if part.reason is None else _reason(part.reason)
    return {"record_id": part.record_id, "status": part.status, "reason": reason}


def _reason(reason: Reason) -> Mapping[str, Any]:
    return {
        "code": reason.code,
        "message": reason.message,
        "http_status": reason.http_status,
        "category": reason.category,
        "correlation_id": reason.correlation_id,
        "property": reason.property,
    }
