"""What the account holds, as tests and people look at it: records by their keys, and what is linked."""

from typing import Any

from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.clock import iso
from service.twin.operations.rendering import system_value


def state(portal: Portal, kind: str, by: str = "") -> dict[str, dict[str, Any]]:
    """Every record of a type by its unique value (by id where it has none), or by property `by`.

    A live record wins over archived ones that held the same value before.
    """
    table = portal.table(portal.kind(kind))
    shown: dict[str, dict[str, Any]] = {}
    for record in reversed(list(table.everything())):
        key = record.properties.get(by, record.id) if by else table.key_of(record)
        shown[key] = {
            "id": record.id,
            "archived": record.archived_at is not None,
            "properties": dict(record.properties),
            "createdAt": iso(record.created),
            "updatedAt": system_value(table, record, "hs_lastmodifieddate") or iso(record.updated),
        }
    return shown


def graph(portal: Portal, kind: str, by: str = "") -> dict[str, dict[str, Any]]:
    """As `state`, with `links`: object type → key → id, labels and properties of the linked record."""
    table = portal.table(portal.kind(kind))
    shown = state(portal, kind, by)
    for each in shown.values():
        each["links"] = {
            other.kind.name: linked
            for other in portal.tables.values()
            if (linked := _linked(portal, table, other, each["id"]))
        }
    return shown


def _linked(portal: Portal, table: Table, other: Table, record_id: str) -> dict[str, Any]:
    ends = table.kind.name, other.kind.name
    meanings = portal.links.types.between(*ends)
    shown = {}
    for end_id, kinds in sorted(portal.links.of(*ends, record_id).items()):
        record: Record = other.live[end_id]
        labels = sorted(meaning.label or "" for k in kinds if (meaning := meanings.get(k)))
        shown[other.key_of(record)] = {
            "id": end_id,
            "labels": [label for label in labels if label],
            "properties": dict(record.properties),
        }
    return shown
