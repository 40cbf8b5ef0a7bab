"""Merging two records into one."""

from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.operations import rendering
from service.twin.operations.answers import Answer, not_found, validation
from service.twin.operations.call import Call, Written, expect_text


def merge(portal: Portal, call: Call) -> Answer:
    """`POST …/merge`: the primary record takes what it lacks, links and addresses of the other.

    By documentation the survivor has a new id, and both old ones lead to it; see `merge_ids`.
    """
    table = portal.table(call.table_kind)
    document = call.read_object()
    primary = _named(table, document.get("primaryObjectId"))
    other = _named(table, document.get("objectIdToMerge"))
    if primary is other:
        raise validation("A record cannot be merged into itself")
    merged = f"{primary.id};{other.id}"
    portal.links.move(table.kind.name, other.id, primary.id)
    table.archive(other, call.stamp)
    taken = {k: v for k, v in other.properties.items() if k not in primary.properties}
    table.write(primary, taken | _addresses(table, primary, other), call.stamp)
    elder = [alias for alias, meant in table.aliases.items() if meant == other.id]
    table.aliases |= dict.fromkeys([other.id, *elder], primary.id)
    if portal.options.merge_ids == "new":
        old, new = primary.id, portal.next_id()
        table.rename(primary, new)
        portal.links.move(table.kind.name, old, new)
    primary.properties["hs_merged_object_ids"] = merged
    key = table.key_of(primary)
    call.writes.append(
        Written(action="merged", kind=table.kind.name, id=primary.id, key=key, properties=taken)
    )
    return Answer(200, rendering.read(portal, table, primary, rendering.Asking(())))


def _addresses(table: Table, primary: Record, other: Record) -> dict[str, str]:
    """The other's addresses as further ones of the survivor."""
    kind = table.kind
    if not kind.address:
        return {}
    own = primary.properties.get(kind.address)
    listed = [
        value
        for record in (primary, other)
        for value in table.claimed(kind.address, record.properties)
        if value != own
    ]
    return {kind.further: ";".join(dict.fromkeys(listed))} if own else {}


def _named(table: Table, given: object) -> Record:
    if record := table.find(expect_text(given, "`primaryObjectId` or `objectIdToMerge`"), None):
        return record
    raise not_found()
