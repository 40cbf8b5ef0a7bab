"""Records as HubSpot shows them: the properties asked for or sent, and the default ones."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from service.twin.account.definitions import AMOUNTS
from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table, history_of
from service.twin.clock import iso
from service.twin.operations.call import Call


def system_value(table: Table, record: Record, name: str) -> str | None:
    """A property that HubSpot keeps or computes itself; None if `name` is none of those."""
    created, modified = table.kind.dates
    if name == "hs_object_id":
        return record.id
    if name == created:
        return iso(record.created)
    if name == modified:
        return iso(record.updated)
    return amounts(record).get(name) if table.kind.amounts else None


def amounts(record: Record) -> dict[str, str]:
    """What HubSpot computes for a line: price x quantity, less the discount of each piece."""
    price, quantity, discount, percentage = (
        Decimal(record.properties.get(name) or default)
        for name, default in (
            ("price", "0"),
            ("quantity", "1"),
            ("discount", "0"),
            ("hs_discount_percentage", "0"),
        )
    )
    each = discount or price * percentage / 100
    sums = (price - each) * quantity, price * quantity, each * quantity
    return dict(zip(AMOUNTS, (f"{value:.2f}" for value in sums), strict=True))


def value_of(table: Table, record: Record, name: str) -> str | None:
    """Any property of a record; None if it has no value."""
    value = record.properties.get(name)
    return system_value(table, record, name) if value is None else value


def written(
    portal: Portal, table: Table, record: Record, sent: Collection[str], clean: Mapping[str, str]
) -> dict[str, Any]:
    """A record as a write answers it: what was `sent`, as stored, and the default properties.

    `clean` is what was stored: the same, but for an identifying property that was not repeated.
    """
    created, modified = table.kind.dates
    shown = clean if len(clean) == len(sent) else {name: clean[name] for name in sent}
    created_at, updated_at = iso(record.created), iso(record.updated)
    return {
        "id": record.id,
        "properties": {
            **shown,
            **(amounts(record) if table.kind.amounts else {}),
            created: created_at,
            modified: updated_at,
            "hs_object_id": record.id,
            "hs_object_source": "INTEGRATION",
            "hs_object_source_id": portal.source_id,
            "hs_object_source_label": "INTEGRATION",
        },
        "createdAt": created_at,
        "updatedAt": updated_at,
        "archived": False,
    }


@dataclass(frozen=True, slots=True)
class Asking:
    """What a read asks for; `nulls` shows a property without value as null, not at all else."""

    properties: Sequence[str]
    history: Sequence[str] = ()
    nulls: bool = False


def read(portal: Portal, table: Table, record: Record, asking: Asking) -> dict[str, Any]:
    """A record as a read answers it: the properties asked for that exist, and the dates and id."""
    created, modified = table.kind.dates
    properties: dict[str, str | None] = {
        created: iso(record.created),
        modified: iso(record.updated),
        "hs_object_id": record.id,
    }
    for name in asking.properties:
        value = value_of(table, record, name)
        if value is not None or (asking.nulls and name in table.definitions):
            properties[name] = value
    result: dict[str, Any] = {
        "id": record.id,
        "properties": properties,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.updated),
        "archived": record.archived_at is not None,
    }
    if record.archived_at is not None:
        result["archivedAt"] = iso(record.archived_at)
    if asking.history:
        result["propertiesWithHistory"] = _histories(portal, table, record, asking.history)
    return result


def _histories(
    portal: Portal, table: Table, record: Record, names: Iterable[str]
) -> dict[str, list[dict[str, Any]]]:
    """Values with the time they were written, newest first."""
    source = {"sourceType": "INTEGRATION", "sourceId": str(portal.options.app_id)}
    return {
        name: [
            {"value": value, "timestamp": iso(stamp), **source}
            for stamp, value in history_of(record, name, portal.options.history_depth)
        ]
        for name in names
        if name in table.definitions
    }


def shows_nulls(portal: Portal, call: Call) -> bool:
    """Whether a property without value is shown as null: the specification since 2026-09."""
    match portal.options.unset:
        case "auto":
            return call.version >= "2026-09" and call.version != "v3"
        case mode:
            return mode == "null"


def under_another_id(portal: Portal, table: Table, result: dict[str, Any]) -> dict[str, Any]:
    """A result as after a merge: under another id, which means the same record."""
    other = portal.next_id()
    table.aliases[other] = result["id"]
    result["id"] = result["properties"]["hs_object_id"] = other
    return result
