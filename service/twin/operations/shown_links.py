"""Links as answers show them: v3 by names of types, v4 and dated by categories and numbers."""

from collections.abc import Collection
from typing import Any

from service.twin.account.kinds import Kind
from service.twin.account.link_types import HUBSPOT, PRIMARY, LinkType
from service.twin.account.portal import Portal
from service.twin.operations.answers import validation
from service.twin.operations.call import expect_text
from service.twin.operations.linking import plain_type
from service.twin.operations.pairs import Pair


def _id(portal: Portal, record_id: str) -> int | str:
    """Numbers, as recorded, or the text of the specification."""
    return int(record_id) if portal.options.numeric_association_ids else record_id


def labels(portal: Portal, pair: Pair) -> dict[str, Any]:
    """A v4 result: the two ends and the labels that were asked for, as text."""
    meanings = portal.links.types.between(*pair.names)
    texts = [meanings[kind].label for kind in pair.types]
    return {
        "fromObjectTypeId": pair.start.type_id,
        "fromObjectId": _id(portal, pair.ids[0]),
        "toObjectTypeId": pair.end.type_id,
        "toObjectId": _id(portal, pair.ids[1]),
        "labels": [text for text in texts if text is not None],
    }


def shown_v4(
    portal: Portal, ends: tuple[Kind, Kind], end_id: str, kinds: Collection[LinkType]
) -> dict[str, Any]:
    """One linked record: its types have a label, null for the plain one."""
    meanings = portal.links.types.between(ends[0].name, ends[1].name)
    types = [
        {"category": kind.category, "typeId": kind.id, "label": meanings[kind].label}
        for kind in sorted(kinds)
        if kind in meanings
    ]
    return {"toObjectId": _id(portal, end_id), "associationTypes": types}


def by_default(pair: Pair) -> dict[str, Any]:
    """A result of `associate/default`."""
    kind = pair.types[0]
    return {
        "from": {"id": pair.ids[0]},
        "to": {"id": pair.ids[1]},
        "associationSpec": {"associationCategory": kind.category, "associationTypeId": kind.id},
    }


def type_name(portal: Portal, start: Kind, end: Kind, kind: LinkType) -> str:
    """`order_to_contact`, as v3 names a type; the plain one is `…_unlabeled` beside a primary one."""
    name = f"{start.singular}_to_{end.singular}"
    types = portal.links.types
    label = types.between(start.name, end.name)[kind].label
    if label is None:
        return name if types.primary(start.name, end.name) is None else f"{name}_unlabeled"
    return name if label == PRIMARY else label.lower().replace(" ", "_")


def named_type(portal: Portal, start: Kind, end: Kind, given: Any) -> LinkType:
    """A type by number or by its v3 name; a 400 for anything else."""
    text = expect_text(given, "`type`")
    known = portal.links.types.between(start.name, end.name)
    if text.isascii() and text.isdecimal() and len(text) < 10:
        kind = LinkType(HUBSPOT, int(text))
        if kind in known:
            return kind
    if text == f"{start.singular}_to_{end.singular}":
        return plain_type(portal, start, end)
    for kind in known:
        if text == type_name(portal, start, end, kind):
            return kind
    raise validation(f"Invalid association type: {text[:80]}")


def shown_v3(
    portal: Portal, ends: tuple[Kind, Kind], end_id: str, kinds: Collection[LinkType]
) -> list[dict[str, Any]]:
    """One linked record, once per type."""
    known = portal.links.types.between(ends[0].name, ends[1].name)
    listed = [kind for kind in sorted(kinds) if kind in known]
    return [{"id": end_id, "type": type_name(portal, *ends, kind)} for kind in listed]


def v3_pair(portal: Portal, pair: Pair) -> list[dict[str, Any]]:
    """The two results of a v3 create."""
    there = type_name(portal, pair.start, pair.end, pair.types[0])
    opposite = portal.links.types.between(*pair.names)[pair.types[0]].back
    back = type_name(portal, pair.end, pair.start, opposite)
    first, second = ({"id": each} for each in pair.ids)
    return [
        {"from": first, "to": second, "type": there},
        {"from": second, "to": first, "type": back},
    ]
