"""Association calls about one pair of records, v3, v4 and dated, and those about labels."""

from typing import Any

from service.twin.account.link_types import USER, LinkType
from service.twin.account.portal import Portal
from service.twin.operations import rendering
from service.twin.operations.answers import Answer, bad_shape, not_found
from service.twin.operations.association_batches import linked_page
from service.twin.operations.call import Call, expect_text
from service.twin.operations.envelopes import answered
from service.twin.operations.linking import link, link_by_default, plain_type, unlink
from service.twin.operations.pairs import Pair, bad_target, ends, exists, read_types, refuse_types
from service.twin.operations.shown_links import by_default, labels, named_type, shown_v3, shown_v4


def _pair(portal: Portal, call: Call, types: tuple[LinkType, ...]) -> Pair:
    start, end = ends(call)
    pair = Pair(start, end, (call.params["id"], call.params["to_id"]), types)
    for kind, given in zip((start, end), pair.ids, strict=True):
        if not exists(portal, kind, given):
            raise bad_target(kind, given)
    return pair


def put_v4(portal: Portal, call: Call) -> Answer:
    """`PUT /crm/v4/objects/…/associations/…`: 201 with the labels."""
    types = read_types(call.read_json())
    refuse_types(portal, *ends(call), types)
    pair = _pair(portal, call, types)
    link(portal, call, pair)
    return Answer(201, labels(portal, pair))


def put_default(portal: Portal, call: Call) -> Answer:
    """`PUT …/associations/default/…`, no body: 200, seen from both ends."""
    start, end = ends(call)
    pair = _pair(portal, call, (plain_type(portal, start, end),))
    link_by_default(portal, call, pair)
    back = Pair(end, start, pair.ids[::-1], (plain_type(portal, end, start),))
    return answered(portal, call, 200, [by_default(pair), by_default(back)], [])


def put_v3(portal: Portal, call: Call) -> Answer:
    """`PUT /crm/v3/objects/…/associations/{to}/{to_id}/{type}`: 200 with the record."""
    start, end = ends(call)
    pair = _pair(portal, call, (named_type(portal, start, end, call.params["type"]),))
    link(portal, call, pair, replace=False)
    table = portal.table(start)
    record = table.find(pair.ids[0], None)
    if record is None:
        raise not_found()
    return Answer(200, rendering.read(portal, table, record, rendering.Asking(())))


def delete(portal: Portal, call: Call) -> Answer:
    """`DELETE …/associations/…`: 204, whatever was linked."""
    start, end = ends(call)
    types: tuple[LinkType, ...] = ()
    if "type" in call.params:
        types = (named_type(portal, start, end, call.params["type"]),)
    unlink(portal, call, Pair(start, end, (call.params["id"], call.params["to_id"]), types))
    return Answer(204)


def list_links(portal: Portal, call: Call) -> Answer:
    """`GET …/objects/{kind}/{id}/associations/{to}`: the linked records; gone from 2026-09 on."""
    start, end = ends(call)
    dated = call.version.startswith("20")
    if portal.table(start).find(call.params["id"], None) is None or (
        dated and call.version >= "2026-09"
    ):
        raise not_found()
    page, following = linked_page(portal, call, call.params["id"], call.one("after"))
    if call.version == "v3":
        shown = [each for one, kinds in page for each in shown_v3(portal, (start, end), one, kinds)]
    else:
        shown = [shown_v4(portal, (start, end), one, kinds) for one, kinds in page]
    paging = {"paging": {"next": {"after": following}}} if following else {}
    return Answer(200, {"results": shown, **paging})


def list_labels(portal: Portal, call: Call) -> Answer:
    """`GET …/associations/{from}/{to}/labels`: the types of a pair, the plain one's label null."""
    return Answer(200, {"results": _labels(portal, call)})


def create_label(portal: Portal, call: Call) -> Answer:
    """`POST …/labels`: 200 with the new type, and its opposite where that has another label."""
    start, end = ends(call)
    given = call.read_object()
    if given.get("label") is None:
        raise bad_shape("some required attributes are not set: [label]")
    label = expect_text(given["label"], "`label`")
    inverse = expect_text(given.get("inverseLabel") or label, "`inverseLabel`")
    made = portal.links.types.define(start.name, end.name, label, inverse)
    shown = [each for each in _labels(portal, call) if each["typeId"] == made.id]
    return Answer(200, {"results": shown})


def delete_label(portal: Portal, call: Call) -> Answer:
    """`DELETE …/labels/{type}`: 204, also for one that is not there."""
    start, end = ends(call)
    text = call.params["type"]
    if text.isascii() and text.isdecimal() and len(text) < 10:
        portal.links.types.remove(start.name, end.name, LinkType(USER, int(text)))
    return Answer(204)


def _labels(portal: Portal, call: Call) -> list[dict[str, Any]]:
    start, end = ends(call)
    return [
        {"category": kind.category, "typeId": kind.id, "label": meaning.label}
        for kind, meaning in sorted(portal.links.types.between(start.name, end.name).items())
    ]
