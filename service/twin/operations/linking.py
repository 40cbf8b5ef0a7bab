"""Making and removing links, by HubSpot's rules about labels, and entering each into the journal."""

from collections.abc import Collection, Sequence
from typing import Any

from service.twin.account.kinds import Kind
from service.twin.account.link_types import USER, LinkType
from service.twin.account.portal import Portal
from service.twin.operations.answers import validation
from service.twin.operations.call import Action, Call, Written, expect_object
from service.twin.operations.pairs import (
    TOO_MANY,
    Pair,
    bad_target,
    beyond_limit,
    exists,
    read_end,
    read_types,
    refuse_types,
    unknown_type,
)


def plain_type(portal: Portal, start: Kind, end: Kind) -> LinkType:
    """The type without a label between two object types; a 400 if the twin knows none."""
    if kind := portal.links.types.plain(start.name, end.name):
        return kind
    raise validation(f"No default association type exists between {start.name} and {end.name}")


def link(portal: Portal, call: Call, pair: Pair, *, replace: bool = True) -> None:
    """Link two records that exist. Labels that are there and not named go, unless `replace` is off.

    A label without the plain type on a pair that is not linked yet may do nothing, see the switch.
    """
    if not pair.types:
        return
    links, ids = portal.links, _resolved(portal, pair)
    before = links.held(pair.names, ids)
    wanted = set(pair.types)
    plain = links.types.plain(*pair.names)
    if plain is not None and plain not in before | wanted:
        if portal.options.label_only == "ignored" and all(k.category == USER for k in wanted):
            wanted = set()
        else:
            wanted.add(plain)
    if replace and wanted:
        gone = {kind for kind in before - wanted - {plain} if kind.category == USER}
        links.drop(pair.names, ids, gone)
    links.add(pair.names, ids, wanted)
    after = links.held(pair.names, ids)
    _note(portal, call, pair, "kept" if after == before else "linked", ids, after)


def link_by_default(portal: Portal, call: Call, pair: Pair) -> None:
    """Link by the plain type, keeping labels; to its first company a record is linked as primary."""
    primary = portal.links.types.primary(*pair.names)
    linked = portal.links.of(*pair.names, _resolved(portal, pair)[0])
    has_one = any(primary in kinds for kinds in linked.values())
    types = [plain_type(portal, pair.start, pair.end)]
    if primary is not None and portal.options.default_adds_primary and not has_one:
        types.append(primary)
    link(portal, call, Pair(pair.start, pair.end, pair.ids, tuple(types)), replace=False)


def unlink(portal: Portal, call: Call, pair: Pair) -> None:
    """Take types away, or all of them where none are named; without the plain one all are gone."""
    ids = _resolved(portal, pair)
    before = portal.links.held(pair.names, ids)
    plain = portal.links.types.plain(*pair.names)
    gone = before if not pair.types or plain in pair.types else before & set(pair.types)
    if gone:
        portal.links.drop(pair.names, ids, gone)
        _note(portal, call, pair, "unlinked", ids, gone)


def _resolved(portal: Portal, pair: Pair) -> tuple[str, str]:
    """The ids of the records that exist now, where the pair names those from before a merge."""
    first = portal.table(pair.start).find(pair.ids[0], None)
    second = portal.table(pair.end).find(pair.ids[1], None)
    return first.id if first else pair.ids[0], second.id if second else pair.ids[1]


def _note(
    portal: Portal,
    call: Call,
    pair: Pair,
    action: Action,
    ids: tuple[str, str],
    types: Collection[LinkType],
) -> None:
    keys = [
        portal.table(kind).key_of_id(record_id)
        for kind, record_id in zip((pair.start, pair.end), ids, strict=True)
    ]
    numbers = tuple(sorted(kind.id for kind in types))
    call.writes.append(
        Written(
            action=action,
            kind=pair.start.name,
            id=ids[0],
            key=keys[0],
            properties={},
            to_kind=pair.end.name,
            to_id=ids[1],
            to_key=keys[1],
            types=numbers,
        )
    )


def wanted_links(portal: Portal, start: Kind, associations: Sequence[Any]) -> list[Pair]:
    """The links a create asks for, without the record's own id; a 400 for one that cannot be made.

    `types: []` makes no link and is no error, as reported.
    """
    pairs = []
    for raw in associations:
        given = expect_object(raw, "`associations[]`")
        target = read_end(given.get("to"), "to")
        types = read_types(given.get("types") or [])
        if types:
            pairs.append(Pair(start, _end_of(portal, start, types), ("", target), types))
    for pair in pairs:
        _refuse_target(portal, pair)
    if beyond_limit(portal, pairs):
        raise validation(TOO_MANY)
    return pairs


def _end_of(portal: Portal, start: Kind, types: Sequence[LinkType]) -> Kind:
    """The object type that the types of a link lead to."""
    known = portal.links.types
    names = [set(known.ends_of(start.name, kind)) for kind in types]
    if common := set.intersection(*names):
        return portal.kind(min(common))
    for other in portal.kinds.all:
        if types[0] in known.between(other.name, start.name):
            refuse_types(portal, start, other, types)
    raise unknown_type(types[0])


def _refuse_target(portal: Portal, pair: Pair) -> None:
    granted, scope = portal.options.scopes, pair.end.scope("write")
    # A token without a right to the other object met the same answer as a missing one (reported).
    unseen = bool(granted) and scope not in granted
    if unseen or not exists(portal, pair.end, pair.ids[1]):
        more = {"objectId": [pair.ids[1]], "objectType": [pair.end.label]}
        raise bad_target(pair.end, pair.ids[1], **more)
