"""Merging two records into one, and forgetting one for good: dated versions only."""

from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.operations import rendering
from service.twin.operations.answers import Answer, not_found, validation
from service.twin.operations.call import Call, Written, expect_text
from service.twin.operations.inputs import refuse_non_unique


def merge(portal: Portal, call: Call) -> Answer:
    """`POST …/merge`: the primary record takes what it lacks; the other id now means it."""
    table = portal.table(call.table_kind)
    document = call.read_object()
    primary = _named(table, document.get("primaryObjectId"))
    other = _named(table, document.get("objectIdToMerge"))
    if primary is other:
        raise validation("A record cannot be merged into itself")
    table.archive(other, call.stamp)
    taken = {k: v for k, v in other.properties.items() if k not in primary.properties}
    table.write(primary, taken, call.stamp)
    elder = [alias for alias, meant in table.aliases.items() if meant == other.id]
    table.aliases |= dict.fromkeys([other.id, *elder], primary.id)
    call.writes.append(Written(table.kind.name, primary.id, table.key_of(primary), taken))
    return Answer(200, rendering.read(portal, table, primary, rendering.Asking(())))


def forget(portal: Portal, call: Call) -> Answer:
    """`POST …/gdpr-delete`: 204; nothing of the record is kept."""
    table = portal.table(call.table_kind)
    document = call.read_object()
    id_property = document.get("idProperty")
    if id_property is not None:
        refuse_non_unique(table, expect_text(id_property, "`idProperty`"), "gdpr-delete")
    given = expect_text(document.get("objectId"), "`objectId`")
    if record := table.find(given, id_property):
        table.archive(record, call.stamp)
        call.writes.append(Written(table.kind.name, record.id, table.key_of(record), {}))
        table.forget(record)
    return Answer(204)


def _named(table: Table, given: object) -> Record:
    if record := table.find(expect_text(given, "`primaryObjectId` or `objectIdToMerge`"), None):
        return record
    raise not_found()
