"""Association calls about one pair of records, v3, v4 and dated."""

from service.twin.account.links import LinkType, type_name
from service.twin.account.portal import Portal
from service.twin.operations import rendering
from service.twin.operations.answers import Answer, not_found
from service.twin.operations.call import Call
from service.twin.operations.envelopes import answered
from service.twin.operations.linking import (
    Pair,
    by_default,
    default_of,
    ends,
    labels,
    link,
    missing_end,
    named_type,
    read_types,
    shown_v4,
)


def _pair(portal: Portal, call: Call, types: tuple[LinkType, ...]) -> Pair:
    start, end = ends(call)
    pair = Pair(start, call.params["id"], end, call.params["to_id"], types)
    if missing_end(portal, pair):
        raise not_found()
    return pair


def put_v4(portal: Portal, call: Call) -> Answer:
    """`PUT /crm/v4/objects/…/associations/…`: 201 with the labels."""
    pair = _pair(portal, call, read_types(call.read_json()))
    link(portal, pair)
    return Answer(201, labels(portal, pair))


def put_default(portal: Portal, call: Call) -> Answer:
    """`PUT …/associations/default/…`, no body: 200, seen from both ends."""
    start, end = ends(call)
    pair = _pair(portal, call, (default_of(start, end),))
    link(portal, pair)
    back = Pair(end, pair.end_id, start, pair.start_id, (default_of(end, start),))
    results = [by_default(portal, pair), by_default(portal, back)]
    return answered(portal, call, 200, results, [])


def put_v3(portal: Portal, call: Call) -> Answer:
    """`PUT /crm/v3/objects/…/associations/{to}/{to_id}/{type}`: 200 with the record."""
    start, end = ends(call)
    pair = _pair(portal, call, (named_type(start, end, call.params["type"]),))
    link(portal, pair)
    table = portal.table(start)
    record = table.find(pair.start_id, None)
    if record is None:
        raise not_found()
    return Answer(200, rendering.read(portal, table, record, rendering.Asking(())))


def delete(portal: Portal, call: Call) -> Answer:
    """`DELETE …/associations/…`: 204, whatever was linked."""
    start, end = ends(call)
    kind = named_type(start, end, call.params["type"]) if "type" in call.params else None
    portal.links.unlink(start, call.params["id"], end, call.params["to_id"], kind)
    return Answer(204)


def list_links(portal: Portal, call: Call) -> Answer:
    """`GET …/objects/{kind}/{id}/associations/{to}`: the linked records, v3 or v4."""
    start, end = ends(call)
    if portal.table(start).find(call.params["id"], None) is None:
        raise not_found()
    linked = sorted(portal.links.of(start.name, end.name, call.params["id"]).items())
    if call.version == "v3":
        name = type_name(start, end)
        return Answer(200, {"results": [{"id": one, "type": name} for one, _ in linked]})
    return Answer(200, {"results": [shown_v4(one, kinds) for one, kinds in linked]})
