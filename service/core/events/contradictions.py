"""Parts of one event that contradict each other: what no shape of a single field can say.

They are looked for in the document as it came, so that an event with other faults tells these, too. The order
of entries means nothing: a line or a link that is named twice is a fault, not a wish and its correction.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from service.core.events.order_graph import RECORD_ID, as_named, object_type

Contradiction = tuple[str, str]  # path, sentence
ARCHIVE: Final = "ordersync.order.archive.v1"
_PARTS: Final = ("stage", "line_items", "associations", "dissociations")
_STAGES_OF_HUBSPOT: Final = ("hs_pipeline", "hs_pipeline_stage")


def contradictions(document: Any) -> Iterator[Contradiction]:
    """Every contradiction within an event's `data`, with its path; the document may be anything."""
    data = document.get("data") if isinstance(document, Mapping) else None
    if isinstance(data, Mapping) and document.get("type") != ARCHIVE:
        for find in _FINDERS:
            yield from find(data)


def _properties(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """They may be absent where another part stands in their place."""
    if "properties" not in data and all(data.get(part) is None for part in _PARTS):
        yield "data.properties", "is required"


def _stages(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    properties = data.get("properties")
    if data.get("pipeline") is not None and data.get("stage") is None:
        yield "data.pipeline", "needs a stage beside it"
    if data.get("stage") is not None and isinstance(properties, Mapping):
        for name in _STAGES_OF_HUBSPOT:
            if name in properties:
                yield f"data.properties.{name}", "stands beside stage: name one of them"


def _lines(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    lines = data.get("line_items")
    if not isinstance(lines, Mapping):
        return
    replaces = lines.get("mode", "replace") == "replace"
    if replaces and lines.get("items") is None:
        yield "data.line_items.items", "is required: with replace these are all the lines"
    if replaces and lines.get("remove") is not None:
        yield (
            "data.line_items.remove",
            "belongs to the mode merge: replace removes what is not listed",
        )
    keys: set[str] = set()
    for at, line in enumerate(_objects(lines.get("items"))):
        key = line.get("key")
        if isinstance(key, str) and key in keys:
            yield f"data.line_items.items.{at}.key", "names a line that an earlier item names"
        elif isinstance(key, str):
            keys.add(key)
    removed: set[str] = set()
    for at, key in enumerate(_listed(lines.get("remove"))):
        if isinstance(key, str) and key in keys | removed:
            other = "an item" if key in keys else "an earlier entry"
            yield f"data.line_items.remove.{at}", f"names a line that {other} names"
        elif isinstance(key, str):
            removed.add(key)


def _links(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    named: dict[tuple[str, str, str], str] = {}
    alone: dict[str, str] = {}
    for part in ("associations", "dissociations"):
        for at, link in enumerate(_objects(data.get(part))):
            path, name = f"data.{part}.{at}", _name(link)
            yield from _impossible(path, link)
            if name is None:
                continue
            if name in named:
                yield path, f"names the record that {named[name]} names"
            named.setdefault(name, path)
            if link.get("exclusive") is True and (other := alone.setdefault(name[0], path)) != path:
                yield (
                    f"{path}.exclusive",
                    f"contradicts {other}: one link of a type can be the only one",
                )


def _impossible(path: str, link: Mapping[str, Any]) -> Iterator[Contradiction]:
    by, value = link.get("by"), link.get("value")
    if by == RECORD_ID:
        if isinstance(value, str) and not (value.isascii() and value.isdigit()):
            yield f"{path}.value", "must be digits: it is HubSpot's record id"
        if link.get("on_missing") == "create":
            yield (
                f"{path}.on_missing",
                "cannot be create by hs_object_id: HubSpot gives out record ids",
            )
    properties = link.get("properties")
    if not (isinstance(by, str) and isinstance(value, str) and isinstance(properties, Mapping)):
        return
    own = properties.get(by, value)
    if not isinstance(own, str) or as_named(by, own) != as_named(by, value):
        yield f"{path}.properties.{by}", "differs from the value that identifies the record"


def _name(link: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Which record it names, however it spells that."""
    to, by, value = link.get("to"), link.get("by"), link.get("value")
    value = str(value) if type(value) is int else value
    if isinstance(to, str) and isinstance(by, str) and isinstance(value, str):
        return object_type(to), by, as_named(by, value)
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The entries, each in its place; one that is no object holds nothing."""
    yield from (entry if isinstance(entry, Mapping) else {} for entry in _listed(value))


_FINDERS: Final[tuple[Callable[[Mapping[str, Any]], Iterator[Contradiction]], ...]] = (
    _properties,
    _stages,
    _lines,
    _links,
)
