"""Contributions of one order -> one wish for its graph: what the merged write asks for.

Law: carried out, the wish leaves HubSpot as its events would have, one by one. Lines merge per property; the later
list of keys is the list; links are kept in their order, because two of them may turn out to be one record under two
names. Where one write cannot say the same as two, the events keep apart (`mergeable`):

- a line that an earlier event takes away, or may take away (it is not in its list), and a later one names again: the
  second starts from nothing, and a merged write would find the first one's values;
- one link with two ways to deal with a missing target: each event is to be judged by its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.core.events.events import Contribution
from service.core.events.graph import Graph, Lines, Link, Target, Unlink


@dataclass(frozen=True, slots=True)
class Wish:
    """What the events of a slot ask for together, beyond properties. `links`: a tuple per event, in their order.

    `taken_away`: every line key that one of them names to be removed; a list says so by leaving it out.
    """

    lines: Lines | None
    links: tuple[tuple[Link | Unlink, ...], ...]
    taken_away: frozenset[str] = frozenset()


def wish_of(contributions: Iterable[Contribution]) -> Wish:
    """The wish of events that may share a write."""
    lines: Lines | None = None
    links: list[tuple[Link | Unlink, ...]] = []
    gone: frozenset[str] = frozenset()
    for contribution in contributions:
        if (graph := contribution.graph) is not None:
            lines = _together(lines, graph.lines)
            links.append(graph.links)
            gone |= graph.lines.remove if graph.lines is not None else frozenset()
    return Wish(lines, tuple(links), gone)


def mergeable(waiting: Iterable[Contribution], arriving: Contribution) -> bool:
    """Whether an event may share the write of those that wait."""
    graph = arriving.graph
    if graph is None:
        return True
    before = wish_of(waiting)
    return _lines_mergeable(before.lines, graph.lines) and _links_mergeable(before.links, graph)


def _together(before: Lines | None, after: Lines | None) -> Lines | None:
    if before is None or after is None:
        return after or before
    if after.replaces:
        return Lines(True, _items(before, after, after.items), frozenset())
    kept = [key for key in (*before.items, *after.items) if key not in after.remove]
    items = _items(before, after, dict.fromkeys(kept))
    # Its list, without what goes.
    if before.replaces:
        return Lines(True, items, frozenset())
    return Lines(False, items, before.remove | after.remove)


def _items(before: Lines, after: Lines, keys: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
    return {key: {**before.items.get(key, {}), **after.items.get(key, {})} for key in keys}


def _lines_mergeable(before: Lines | None, after: Lines | None) -> bool:
    if before is None or after is None:
        return True
    named = after.items.keys()
    return not (named & before.remove) and (not before.replaces or named <= before.items.keys())


def _links_mergeable(before: Iterable[tuple[Link | Unlink, ...]], after: Graph) -> bool:
    links = (link for event in before for link in event)
    ways: dict[Target, Link] = {link.target: link for link in links if isinstance(link, Link)}
    for link in after.links:
        known = ways.get(link.target)
        if not isinstance(link, Link) or known is None:
            continue
        if (known.on_missing, known.properties) != (link.on_missing, link.properties):
            return False
    return True
