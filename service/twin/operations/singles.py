"""Calls about one record, and the list of them."""

from collections.abc import Sequence
from typing import Any

from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.operations import rendering
from service.twin.operations.answers import Answer, bad_shape, not_found, refusal, validation
from service.twin.operations.batches import whole_refusal
from service.twin.operations.call import Call, expect_list
from service.twin.operations.inputs import refuse_non_unique
from service.twin.operations.plans import Entry, Plan, Planner, read_properties
from service.twin.operations.shown_links import shown_v3
from service.twin.operations.writing import applied, archive

LARGEST_PAGE = 100
_LONGEST_ID = 20


def create_one(portal: Portal, call: Call) -> Answer:
    """`POST …/orders`: 201 with the record."""
    table = portal.table(call.table_kind)
    plan = Plan(_entry(call), new_id=portal.next_id())
    record = _settled(portal, call, table, plan)
    sent = plan.entry.properties
    return Answer(201, rendering.written(portal, table, record, sent, plan.clean))


def get_one(portal: Portal, call: Call) -> Answer:
    """`GET …/orders/{id}`: 200 with the properties asked for."""
    table = portal.table(call.table_kind)
    record = _met(table, call, archived=call.flag("archived"))
    return Answer(200, _shown(portal, call, table, record))


def update_one(portal: Portal, call: Call) -> Answer:
    """`PATCH …/orders/{id}`: 200 with what was set."""
    table = portal.table(call.table_kind)
    entry = _entry(call)
    plan = Plan(entry, record=_met(table, call, archived=False))
    record = _settled(portal, call, table, plan)
    return Answer(200, rendering.written(portal, table, record, entry.properties, plan.clean))


def archive_one(portal: Portal, call: Call) -> Answer:
    """`DELETE …/orders/{id}`: 204, also for what is not there."""
    table = portal.table(call.table_kind)
    record = table.find(call.params["id"], None)
    if record is not None:
        archive(portal, call, table, record)
    return Answer(204)


def list_page(portal: Portal, call: Call) -> Answer:
    """`GET …/orders`: a page in order of id, `after` the last one of the page before."""
    table = portal.table(call.table_kind)
    limit = _limit(call)
    after = call.one("after", "0")
    if not after.isdecimal() or len(after) > _LONGEST_ID:
        raise validation(f"Invalid cursor: {after[:40]}")
    records = table.archived if call.flag("archived") else table.live
    # Ids rise, so insertion order is id order but for revived records.
    later = sorted((r for r in records.values() if int(r.id) > int(after)), key=lambda r: int(r.id))
    page = later[:limit]
    document: dict[str, Any] = {"results": [_shown(portal, call, table, r) for r in page]}
    if len(later) > limit:
        cursor = page[-1].id
        document["paging"] = {"next": {"after": cursor, "link": f"{call.path}?after={cursor}"}}
    return Answer(200, document)


def _limit(call: Call) -> int:
    text = call.one("limit", "10")
    if not text.isdecimal() or len(text) > _LONGEST_ID or not 1 <= int(text) <= LARGEST_PAGE:
        raise validation(f"limit must be between 1 and {LARGEST_PAGE}: {text[:40]}")
    return int(text)


def _entry(call: Call) -> Entry:
    document = call.read_object()
    if "properties" not in document:
        raise bad_shape("some required attributes are not set: [properties]")
    associations = expect_list(document.get("associations") or [], "`associations`")
    if call.method == "PATCH":
        associations = []
    return Entry("", None, None, read_properties(document["properties"]), associations=associations)


def _met(table: Table, call: Call, *, archived: bool) -> Record:
    """The record a path means, or the refusal: 404, or 400 for an id that is no number."""
    given = call.params["id"]
    id_property = call.one("idProperty") or None
    if id_property is not None:
        refuse_non_unique(table, id_property, "read" if call.method == "GET" else "update")
    elif not given.isdecimal():
        raise refusal(
            404,
            f"Object not found.  objectId are usually numeric. ({given[:80]})",
            "OBJECT_NOT_FOUND",
        )
    seek = table.find_archived if archived else table.find
    if record := seek(given, id_property):
        return record
    raise not_found()


def _settled(portal: Portal, call: Call, table: Table, plan: Plan) -> Record:
    Planner(portal, table).settle(plan, plan.entry.properties)
    if plan.refusal is not None:
        raise whole_refusal([plan.refusal], portal.options.portal_id)
    return applied(portal, call, table, plan)


def _shown(portal: Portal, call: Call, table: Table, record: Record) -> dict[str, Any]:
    asking = rendering.Asking(
        call.listed("properties"),
        call.listed("propertiesWithHistory"),
        rendering.shows_nulls(portal, call),
    )
    shown = rendering.read(portal, table, record, asking)
    if links := _links(portal, table, record, call.listed("associations")):
        shown["associations"] = links
    return shown


def _links(
    portal: Portal, table: Table, record: Record, asked: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The linked records of the types asked for, once per type of link; types without links are left out."""
    shown = {}
    for name in asked:
        if (kind := portal.kinds.named(name)) is None:
            raise refusal(400, f"Unable to infer object type from: {name[:80]}")
        linked = portal.links.of(table.kind.name, kind.name, record.id)
        if linked:
            ends = table.kind, kind
            results = [shown_v3(portal, ends, *each) for each in sorted(linked.items())]
            shown[kind.name] = {"results": [one for several in results for one in several]}
    return shown
