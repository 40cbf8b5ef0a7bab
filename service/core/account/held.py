"""One order as HubSpot holds it: its values, everything that they were, its lines, links and stage by name.

    definitions -> which properties to ask for
    the order with histories -> values, changes
    its links -> lines and other records, each by a name that people know

Source: HubSpot's OpenAPI file orders.v3.json (`ValueWithTimestamp`: value, timestamp, sourceType, sourceId,
sourceLabel, updatedByUserId) and its guide to associations in a read of one record.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from service.core.account.definitions import Definitions
from service.core.account.filters import PIPELINE, STAGE
from service.core.account.orders import USUAL
from service.core.graph.lines import LINE_ITEMS, key_within
from service.core.graph.pipelines import OrderPipeline
from service.core.hubspot.answers import name_of, objects
from service.core.waiting.claims import STAGE_PROPERTIES

# Types of other records, and the property that people know one by.
KNOWN_BY: Final[Mapping[str, str]] = {
    "contacts": "email",
    "companies": "name",
    "deals": "dealname",
    "tickets": "subject",
    "invoices": "hs_number",
}
LINKED: Final = (LINE_ITEMS, *KNOWN_BY)
LINE_PROPERTIES: Final = ("name", "hs_sku", "quantity", "price")


@dataclass(frozen=True, slots=True)
class Change:
    """Values that were written together, stages by name. `by`: what wrote them, and who where HubSpot says it."""

    at: str
    by: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One line; `key` None: ordersync did not write it."""

    record_id: str
    key: str | None
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HeldLink:
    """One other record, by the name that people know it by."""

    to: str
    record_id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """The order. `stage`, `pipeline` by name where the account says it."""

    record_id: str
    updated: str | None
    archived: str | None
    pipeline: str | None
    stage: str | None
    properties: Mapping[str, str]
    changes: tuple[Change, ...] = ()
    lines: tuple[HeldLine, ...] = ()
    links: tuple[HeldLink, ...] = ()


def asked_for(definitions: Definitions | None) -> tuple[str, ...]:
    """The properties whose histories to read: what somebody can write; the usual ones where that is not known."""
    if definitions is None:
        return USUAL
    return tuple(sorted(name for name, each in definitions.items() if not each.read_only))


def held_order(entry: Mapping[str, Any], pipelines: tuple[OrderPipeline, ...]) -> HeldOrder:
    """The record of an answer with histories."""
    values = {name: entries[0][1] for name, entries in _histories(entry).items() if entries}
    given = entry.get("properties")
    values |= {
        n: str(v) for n, v in (given if isinstance(given, dict) else {}).items() if n in USUAL and v
    }
    stages = [stage for pipeline in pipelines for stage in pipeline.stages]
    named = {each.id: each.label for each in (*stages, *(each.name for each in pipelines))}
    changes = tuple(
        replace(each, values={n: _known(n, v, named) for n, v in each.values.items()})
        for each in _changes(entry)
    )
    return HeldOrder(
        record_id=name_of(entry.get("id")) or "",
        updated=name_of(entry.get("updatedAt")),
        archived=name_of(entry.get("archivedAt")),
        pipeline=_known(PIPELINE, values.get(PIPELINE), named),
        stage=_known(STAGE, values.get(STAGE), named),
        properties={name: value for name, value in sorted(values.items()) if value},
        changes=changes,
    )


_Text = TypeVar("_Text", str, str | None)


def _known(name: str, value: _Text, named: Mapping[str, str]) -> _Text:
    """A stage or pipeline by its label, where the account says it; other values as they are."""
    return named.get(value, value) if name in STAGE_PROPERTIES and value else value


def linked(entry: Mapping[str, Any]) -> dict[str, list[str]]:
    """Object type -> ids of the records that the order is linked to, each once."""
    shown = entry.get("associations")
    found: dict[str, list[str]] = {}
    for name, page in (shown if isinstance(shown, dict) else {}).items():
        # "line items" in an answer is "line_items" in an address.
        ids = (
            name_of(each.get("id"))
            for each in objects(page if isinstance(page, dict) else {}, "results")
        )
        found[name.replace(" ", "_")] = list(dict.fromkeys(each for each in ids if each))
    return found


def held_lines(
    body: Mapping[str, Any], line_id_property: str | None, key: str
) -> Iterator[HeldLine]:
    """Lines out of a read of them."""
    for entry in objects(body, "results"):
        values = _texts(entry)
        own = values.get(line_id_property or "", "")
        yield HeldLine(
            name_of(entry.get("id")) or "",
            key_within(key, own),
            {name: values[name] for name in LINE_PROPERTIES if values.get(name)},
        )


def held_links(body: Mapping[str, Any], to: str) -> Iterator[HeldLink]:
    """Other records out of a read of them."""
    for entry in objects(body, "results"):
        yield HeldLink(to, name_of(entry.get("id")) or "", _texts(entry).get(KNOWN_BY[to]))


def _texts(entry: Mapping[str, Any]) -> dict[str, str]:
    given = entry.get("properties")
    return {
        n: str(v) for n, v in (given if isinstance(given, dict) else {}).items() if v is not None
    }


def _histories(entry: Mapping[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """Property -> when, value, by whom; the newest first."""
    given = entry.get("propertiesWithHistory")
    found: dict[str, list[tuple[str, str, str]]] = {}
    if not isinstance(given, dict):
        return found
    for name in given:
        entries = (
            (name_of(each.get("timestamp")) or "", str(each.get("value") or ""), _source(each))
            for each in objects(given, name)
        )
        found[name] = sorted(entries, key=lambda each: each[0], reverse=True)
    return found


def _changes(entry: Mapping[str, Any]) -> Iterator[Change]:
    together: dict[tuple[str, str], dict[str, str]] = {}
    for name, entries in _histories(entry).items():
        for at, value, by in entries:
            together.setdefault((at, by), {})[name] = value
    for (at, by), values in sorted(together.items()):
        yield Change(at, by, dict(sorted(values.items())))


def _source(entry: Mapping[str, Any]) -> str:
    words = [name_of(entry.get(name)) for name in ("sourceType", "sourceId")]
    label, user = name_of(entry.get("sourceLabel")), name_of(entry.get("updatedByUserId"))
    told = " ".join(word for word in words if word)
    if label and label not in told:
        told += f" ({label})"
    return f"{told}, user {user}" if user and user != words[1] else told
