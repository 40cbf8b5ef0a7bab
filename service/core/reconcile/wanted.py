"""The events of one order, as a file has them -> what the order is to be once all of them are applied.

Law: it is what the service would leave behind, event by event: properties and lines' properties field by field the
latest, a list of lines by its keys, links by their target. An archive forgets all before it; an update of an archived
order, and a create of one that is there, would be refused and change nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from service.core.events.events import Contribution
from service.core.events.graph import Graph, Lines, Link, Target, Unlink
from service.core.events.order_event import Operation, Order
from service.core.graph.pipelines import OrderPipeline, Unknown, resolve
from service.core.waiting.claims import STAGE_PROPERTIES


@dataclass(slots=True)
class WantedOrder:
    """What one order is to be. Built by `fold`, then only read."""

    order: Order
    # Archived in the end.
    gone: bool = False
    # One of its events may make it.
    makes: bool = False
    # Of its last event that counts.
    time: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    lines: dict[str, dict[str, str]] = field(default_factory=dict)
    # `lines` are all of ours that it is to have.
    whole: bool = False
    removed: set[str] = field(default_factory=set)
    links: dict[Target, Link] = field(default_factory=dict)
    unlinks: dict[Target, Unlink] = field(default_factory=dict)
    # Object types of which its links are to be the only ones.
    only: set[str] = field(default_factory=set)
    # Stages that nobody knows, in sentences.
    unknown: list[str] = field(default_factory=list)

    @property
    def wants_lines(self) -> bool:
        """Whether its lines have to be looked at."""
        return not self.gone and bool(self.lines or self.removed or self.whole)

    @property
    def objects(self) -> frozenset[str]:
        """The object types that its links lead to."""
        return frozenset(target.object for target in (*self.links, *self.unlinks))


def fold(events: Iterable[Contribution], pipelines: Sequence[OrderPipeline]) -> WantedOrder | None:
    """All events of one order, in the order in which they are published; None where there are none."""
    wanted: WantedOrder | None = None
    for event in events:
        if wanted is None:
            wanted = WantedOrder(event.order)
        _take(wanted, event, pipelines)
    return wanted


def _take(wanted: WantedOrder, event: Contribution, pipelines: Sequence[OrderPipeline]) -> None:
    match event.operation:
        case Operation.ARCHIVE:
            _forget(wanted)
            wanted.gone, wanted.time = True, event.event.time
            return
        case Operation.UPDATE if wanted.gone:
            return
        case Operation.CREATE if wanted.time and not wanted.gone:
            return
        case _:
            pass
    wanted.makes = wanted.makes or event.operation is not Operation.UPDATE
    wanted.gone, wanted.time = False, event.event.time
    key = event.order.id_property
    wanted.properties |= {name: value for name, value in event.values.items() if name != key}
    if event.graph is not None:
        _take_parts(wanted, event.graph, pipelines)


def _forget(wanted: WantedOrder) -> None:
    wanted.properties, wanted.lines, wanted.whole = {}, {}, False
    wanted.removed, wanted.links, wanted.unlinks, wanted.only = set(), {}, {}, set()
    wanted.makes = False


def _take_parts(wanted: WantedOrder, graph: Graph, pipelines: Sequence[OrderPipeline]) -> None:
    if graph.stage is not None:
        found = resolve(graph.stage, pipelines)
        if isinstance(found, Unknown):
            wanted.unknown.append(found.message)
        else:
            wanted.properties |= zip(STAGE_PROPERTIES, found, strict=True)
    if graph.lines is not None:
        _take_lines(wanted, graph.lines)
    _take_links(wanted, graph.links)


def _take_lines(wanted: WantedOrder, lines: Lines) -> None:
    named = {key: {**wanted.lines.get(key, {}), **values} for key, values in lines.items.items()}
    wanted.lines = named if lines.replaces else wanted.lines | named
    wanted.whole = wanted.whole or lines.replaces
    wanted.removed = (wanted.removed - lines.items.keys()) | lines.remove
    for key in lines.remove:
        wanted.lines.pop(key, None)


def _take_links(wanted: WantedOrder, links: Sequence[Link | Unlink]) -> None:
    """An exclusive link takes away all of its type but those of its own event."""
    made = [link for link in links if isinstance(link, Link)]
    for name in {link.target.object for link in links}:
        alone = any(link.exclusive for link in made if link.target.object == name)
        (wanted.only.add if alone else wanted.only.discard)(name)
        if alone:
            named = {link.target for link in made}
            kept = {t: each for t, each in wanted.links.items() if t.object != name or t in named}
            wanted.links = kept
    for link in links:
        _take_link(wanted, link)


def _take_link(wanted: WantedOrder, link: Link | Unlink) -> None:
    if isinstance(link, Unlink):
        wanted.links.pop(link.target, None)
        wanted.unlinks[link.target] = link
        return
    wanted.unlinks.pop(link.target, None)
    before = wanted.links.get(link.target)
    labels = link.labels if link.labels is not None or before is None else before.labels
    wanted.links[link.target] = replace(link, labels=labels)
