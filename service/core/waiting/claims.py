"""The single things that an event asks for, and which of them later events of its order overtake.

Law: an event is superseded when everything that it claims was overtaken before it was written, and not before.
A part of it (a line, a link) is superseded when all that the event claims of that part is.

    claim                       overtaken by a later
    property                    value of that property, or a stage where it is the stage's property
    line (that it is there)     naming of that line, its removal, a list without it
    line's property             value of it, its removal, a list without it
    list (these are all)        list
    removal of a line           naming of that line, a list
    link                        link or unlink of the same record, an exclusive link of that type to another
    labels of a link            labels for the same record, its unlink, an exclusive link to another
    exclusive (the only one)    exclusive link of that type
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from service.core.events.events import Contribution
from service.core.events.graph import Graph, Lines, Link, Target, Unlink

STAGE_PROPERTIES: Final = ("hs_pipeline", "hs_pipeline_stage")


class Claim(NamedTuple):
    """One thing asked for. `part`: a line's key, a link's target, None for what is the order's own."""

    kind: Literal["property", "line", "list", "removal", "link", "labels", "exclusive"]
    part: str | Target | None = None
    name: str = ""


def claims(contribution: Contribution) -> frozenset[Claim]:
    """Everything that an event asks for; empty for an archive, and for an upsert without a value."""
    properties = (Claim("property", None, name) for name in contribution.values)
    graph = contribution.graph
    return frozenset((*properties, *(() if graph is None else _graph_claims(graph))))


def left(claimed: frozenset[Claim], later: Contribution) -> frozenset[Claim]:
    """What of `claimed` a later event of the same order leaves standing."""
    if not claimed:
        return claimed
    standing = claimed - {Claim("property", None, name) for name in later.values}
    graph = later.graph
    if graph is None:
        return standing
    if graph.stage is not None:
        standing -= {Claim("property", None, name) for name in STAGE_PROPERTIES}
    if graph.lines is not None:
        standing = frozenset(each for each in standing if not _line_overtaken(each, graph.lines))
    named = frozenset(link.target for link in graph.links)
    for link in graph.links:
        standing = frozenset(each for each in standing if not _link_overtaken(each, link, named))
    return standing


def overtaken_by(
    contribution: Contribution, laters: Sequence[Contribution]
) -> tuple[frozenset[Claim], Contribution | None]:
    """What is left of an event's claims after later ones, and the later one that took the last of them."""
    standing = claims(contribution)
    for later in laters:
        before, standing = standing, left(standing, later)
        if before and not standing:
            return standing, later
    return standing, None


def _graph_claims(graph: Graph) -> Iterator[Claim]:
    if graph.stage is not None:
        yield from (Claim("property", None, name) for name in STAGE_PROPERTIES)
    if graph.lines is not None:
        yield from _lines_claims(graph.lines)
    for link in graph.links:
        yield from _link_claims(link)


def _lines_claims(lines: Lines) -> Iterator[Claim]:
    if lines.replaces:
        yield Claim("list")
    for key, values in lines.items.items():
        yield Claim("line", key)
        yield from (Claim("line", key, name) for name in values)
    yield from (Claim("removal", key) for key in lines.remove)


def _link_claims(link: Link | Unlink) -> Iterator[Claim]:
    yield Claim("link", link.target)
    if isinstance(link, Link) and link.labels is not None:
        yield Claim("labels", link.target)
    if isinstance(link, Link) and link.exclusive:
        yield Claim("exclusive", None, link.target.object)


def _line_overtaken(claim: Claim, later: Lines) -> bool:
    match claim.kind, claim.part:
        case "list", _:
            return later.replaces
        case "removal", str(key):
            return later.replaces or key in later.items
        case "line", str(key) if key in later.items:
            return not claim.name or claim.name in later.items[key]
        case "line", str(key):
            return later.replaces or key in later.remove
        case _:
            return False


def _link_overtaken(claim: Claim, later: Link | Unlink, named: frozenset[Target]) -> bool:
    """`named`: the targets of the later event's links; an exclusive link spares them."""
    same = claim.part == later.target
    gives_labels = isinstance(later, Unlink) or later.labels is not None
    excludes = isinstance(later, Link) and later.exclusive
    match claim.kind, claim.part:
        case "link" | "labels", Target(object=kind) if excludes and kind == later.target.object:
            if claim.part not in named:
                return True
            return same and (claim.kind == "link" or gives_labels)
        case "link", Target():
            return same
        case "labels", Target():
            return same and gives_labels
        case "exclusive", _:
            return excludes and later.target.object == claim.name
        case _:
            return False
