"""Association batches: v3, v4 and dated.

Recorded answers agree on the results and differ on the success code (200 and 201), so clients must
not switch on it; the twin sends the one of the specification.
"""

from collections.abc import Callable, Sequence
from typing import Any

from service.twin.account.kinds import Kind
from service.twin.account.links import LinkType, type_name
from service.twin.account.portal import Portal
from service.twin.operations.answers import Answer, validation
from service.twin.operations.call import Call, expect_object
from service.twin.operations.envelopes import answered
from service.twin.operations.inputs import read_inputs
from service.twin.operations.linking import (
    Pair,
    by_default,
    default_of,
    ends,
    labels,
    link,
    missing_end,
    named_type,
    plain_link,
    read_end,
    read_types,
    shown_v4,
)

LARGEST_CREATE, LARGEST_READ, LARGEST_ARCHIVE = 2000, 1000, 100

Linking = Callable[[Portal, Pair], dict[str, Any]]


def _pairs(call: Call, most: int) -> list[tuple[dict[str, Any], Pair]]:
    start, end = ends(call)
    pairs = []
    for raw in read_inputs(call, most) or ():
        given = expect_object(raw, "`inputs[]`")
        pairs.append(
            (
                given,
                Pair(
                    start, read_end(given.get("from"), "from"), end, read_end(given.get("to"), "to")
                ),
            )
        )
    return pairs


def _linked(portal: Portal, call: Call, pairs: Sequence[Pair], good: int, show: Linking) -> Answer:
    results, errors = [], []
    for pair in pairs:
        missing = missing_end(portal, pair)
        if missing is None:
            link(portal, pair)
            results.append(show(portal, pair))
        else:
            errors.append(missing)
    return answered(portal, call, good, results, errors)


def create_v4(portal: Portal, call: Call) -> Answer:
    """`batch/create` of v4 and dated: 201, 207 where a record is missing."""
    pairs = [
        Pair(pair.start, pair.start_id, pair.end, pair.end_id, read_types(given.get("types")))
        for given, pair in _pairs(call, LARGEST_CREATE)
    ]
    return _linked(portal, call, pairs, 201, labels)


def create_default(portal: Portal, call: Call) -> Answer:
    """`batch/associate/default`: 200."""
    default = default_of(*ends(call))
    pairs = [
        Pair(pair.start, pair.start_id, pair.end, pair.end_id, (default,))
        for _, pair in _pairs(call, LARGEST_CREATE)
    ]
    return _linked(portal, call, pairs, 200, by_default)


def create_v3(portal: Portal, call: Call) -> Answer:
    """`batch/create` of v3: 201; `type` is a name or a number."""
    pairs = [
        Pair(
            pair.start,
            pair.start_id,
            pair.end,
            pair.end_id,
            (named_type(pair.start, pair.end, given.get("type")),),
        )
        for given, pair in _pairs(call, LARGEST_CREATE)
    ]
    return _linked(portal, call, pairs, 201, plain_link)


def archive_batch(portal: Portal, call: Call) -> Answer:
    """`batch/archive` and `batch/labels/archive`: 204; dated versions answer 200 with a body."""
    start, end = ends(call)
    inputs = read_inputs(call, LARGEST_CREATE) or ()
    asked = [expect_object(raw, "`inputs[]`") for raw in inputs]
    if len({read_end(given.get("from"), "from") for given in asked}) > LARGEST_ARCHIVE:
        raise validation(f"At most {LARGEST_ARCHIVE} distinct from ids are supported")
    for given in asked:
        targets = given.get("to")
        for target in targets if isinstance(targets, list) else [targets]:
            pair = Pair(start, read_end(given.get("from"), "from"), end, read_end(target, "to"))
            _unlink(portal, pair, given.get("types"))
    if call.version.startswith("20"):
        return answered(portal, call, 200, [], [])
    return Answer(204)


def _unlink(portal: Portal, pair: Pair, types: Any) -> None:
    kinds: tuple[LinkType | None, ...] = (None,) if types is None else read_types(types)
    for kind in kinds:
        portal.links.unlink(pair.start, pair.start_id, pair.end, pair.end_id, kind)


def read_v4(portal: Portal, call: Call) -> Answer:
    """`batch/read` of v4: 200, 207 where a record has no links."""
    return _read(portal, call, shown_v4)


def read_v3(portal: Portal, call: Call) -> Answer:
    """`batch/read` of v3."""
    start, end = ends(call)
    return _read(portal, call, lambda one, _: {"id": one, "type": type_name(start, end)})


def _read(
    portal: Portal, call: Call, show: Callable[[str, set[LinkType]], dict[str, Any]]
) -> Answer:
    start, end = ends(call)
    results, errors = [], []
    for raw in read_inputs(call, LARGEST_READ) or ():
        given = read_end(raw, "inputs[]")
        linked = portal.links.of(start.name, end.name, given)
        if linked:
            to = [show(one, kinds) for one, kinds in sorted(linked.items())]
            results.append({"from": {"id": given}, "to": to})
        else:
            errors.append(_unlinked(start, end, given))
    return answered(portal, call, 200, results, errors)


def _unlinked(start: Kind, end: Kind, given: str) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {end.singular} is associated with {start.singular} {given}.",
        "context": {
            "fromObjectId": [given],
            "fromObjectType": [start.singular],
            "toObjectType": [end.singular],
        },
    }
