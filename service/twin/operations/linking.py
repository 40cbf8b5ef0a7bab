"""What association calls share: pairs of records, types of links, and how a link is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.twin.account.kinds import Kind, kind_named
from service.twin.account.links import LinkType, default_type, type_name
from service.twin.account.portal import Portal
from service.twin.operations.answers import Refusal, bad_shape, refusal, validation
from service.twin.operations.call import Call, expect_list, expect_object, expect_text

_CATEGORIES = frozenset(("HUBSPOT_DEFINED", "USER_DEFINED", "INTEGRATOR_DEFINED", "WORK"))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records to be linked or unlinked, and the types of the link."""

    start: Kind
    start_id: str
    end: Kind
    end_id: str
    types: tuple[LinkType, ...] = ()


def ends(call: Call) -> tuple[Kind, Kind]:
    """The two object types in a path; a 400 for a name nobody knows."""
    return call.table_kind, _kind(call.params["to"])


def _kind(name: str) -> Kind:
    if kind := kind_named(name):
        return kind
    raise refusal(400, f"Unable to infer object type from: {name}")


def read_types(given: Any) -> tuple[LinkType, ...]:
    """Association types in a body: a list of category and number."""
    types = []
    for each in expect_list(given, "`types`"):
        spec = expect_object(each, "`types[]`")
        category, number = spec.get("associationCategory"), spec.get("associationTypeId")
        if category not in _CATEGORIES or type(number) is not int:
            raise bad_shape("Cannot deserialize an association type")
        types.append(LinkType(str(category), number))
    return tuple(types)


def missing_end(portal: Portal, pair: Pair) -> dict[str, Any] | None:
    """The error entry for a pair of which one record does not exist."""
    for side, kind, given in (
        ("FROM", pair.start, pair.start_id),
        ("TO", pair.end, pair.end_id),
    ):
        if portal.table(kind).find(given, None) is None:
            return {
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "subCategory": f"crm.associations.{side}_OBJECT_NOT_FOUND",
                "message": f"No {kind.singular} with ID {given} exists",
                "context": {"objectType": [kind.singular], "id": [given]},
            }
    return None


def default_of(start: Kind, end: Kind) -> LinkType:
    """The default type between two object types; a 400 if the twin knows none."""
    if kind := default_type(start, end):
        return kind
    raise validation(f"No default association type exists between {start.name} and {end.name}")


def link(portal: Portal, pair: Pair) -> None:
    """Link a pair by all its types."""
    for kind in pair.types:
        portal.links.link(pair.start, pair.start_id, pair.end, pair.end_id, kind)


def labels(portal: Portal, pair: Pair) -> dict[str, Any]:
    """A v4 result: the two ends and their labels."""
    numeric = portal.options.numeric_association_ids
    return {
        "fromObjectTypeId": pair.start.type_id,
        "fromObjectId": int(pair.start_id) if numeric else pair.start_id,
        "toObjectTypeId": pair.end.type_id,
        "toObjectId": int(pair.end_id) if numeric else pair.end_id,
        "labels": [],
    }


def plain_link(_: Portal, pair: Pair) -> dict[str, Any]:
    """A v3 result."""
    return {
        "from": {"id": pair.start_id},
        "to": {"id": pair.end_id},
        "type": type_name(pair.start, pair.end),
    }


def by_default(_: Portal, pair: Pair) -> dict[str, Any]:
    """A result of `associate/default`."""
    kind = pair.types[0]
    return {
        "from": {"id": pair.start_id},
        "to": {"id": pair.end_id},
        "associationSpec": {"associationCategory": kind.category, "associationTypeId": kind.id},
    }


def read_end(given: Any, where: str) -> str:
    """The id in `{"id": …}`; a 400 for any other shape."""
    return expect_text(expect_object(given, where).get("id"), f"`{where}.id`")


def named_type(start: Kind, end: Kind, given: Any) -> LinkType:
    """A type by number, or the default one by its v3 name; a 400 for anything else."""
    text = expect_text(given, "`type`")
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return LinkType("HUBSPOT_DEFINED", int(text))
    if text == type_name(start, end):
        return default_of(start, end)
    raise validation(f"Invalid association type: {text[:80]}")


def shown_v4(end_id: str, kinds: set[LinkType]) -> dict[str, Any]:
    """One linked record as v4 shows it."""
    types = [{"category": kind.category, "typeId": kind.id} for kind in sorted(kinds)]
    return {"toObjectId": end_id, "associationTypes": types}


def wanted_links(portal: Portal, start: Kind, associations: Sequence[Any]) -> list[Pair]:
    """The links a create asks for, without the record's id; a 400 if a target does not exist."""
    pairs = []
    for raw in associations:
        given = expect_object(raw, "`associations[]`")
        target = read_end(given.get("to"), "to")
        types = read_types(given.get("types") or [])
        pairs.append(Pair(start, "", _end_of(portal, start, target, types), target, types))
    return pairs


def _end_of(portal: Portal, start: Kind, target: str, types: tuple[LinkType, ...]) -> Kind:
    """The type a target has: the one whose default type is asked for and that holds the id."""
    fitting = [
        table.kind
        for table in portal.tables.values()
        if default_type(start, table.kind) in types
        or any(t.category != "HUBSPOT_DEFINED" for t in types)
    ]
    for kind in fitting:
        if portal.table(kind).find(target, None) is not None:
            return kind
    raise _bad_target(fitting[0] if fitting else start, target)


def _bad_target(kind: Kind, target: str) -> Refusal:
    return validation(
        "One or more associations are invalid",
        context={
            "INVALID_OBJECT_IDS": [f"{kind.label}={target} is not valid"],
            "objectId": [target],
            "objectType": [kind.label],
        },
    )
