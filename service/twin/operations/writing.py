"""Carrying out what was judged, and entering it into the call: the journal's only source."""

from collections.abc import Iterator
from dataclasses import replace

from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.operations.call import Action, Call, Written
from service.twin.operations.linking import link
from service.twin.operations.plans import Plan


def applied(portal: Portal, call: Call, table: Table, plan: Plan) -> Record:
    """Carry out a plan that is not refused, and note the write in the call."""
    record = plan.record
    if record is None:
        record = table.create(plan.new_id, plan.clean, call.stamp)
    else:
        if plan.revive:
            table.revive(record)
        table.write(record, plan.clean, call.stamp)
    action: Action = "created" if plan.record is None else "updated"
    key = table.key_of(record)
    call.writes.append(
        Written(action=action, kind=table.kind.name, id=record.id, key=key, properties=plan.clean)
    )
    for pair in plan.links:
        link(portal, call, replace(pair, ids=(record.id, pair.ids[1])))
    return record


def archive(portal: Portal, call: Call, table: Table, record: Record) -> None:
    """Archive a record; by a switch its lines, too, those that no other record has."""
    lines = [*_own_lines(portal, table, record)] if portal.options.archive_cascades else []
    key = table.key_of(record)
    call.writes.append(
        Written(action="archived", kind=table.kind.name, id=record.id, key=key, properties={})
    )
    portal.archive(table, record, call.stamp)
    for lines_table, line in lines:
        archive(portal, call, lines_table, line)


def _own_lines(portal: Portal, table: Table, record: Record) -> Iterator[tuple[Table, Record]]:
    """The records that are parts of this one alone."""
    for part in (each for each in portal.kinds.all if each.part):
        for line_id in portal.links.of(table.kind.name, part.name, record.id):
            parents = [portal.links.of(part.name, each.name, line_id) for each in portal.kinds.all]
            line = portal.table(part).find(line_id, None)
            if line is not None and sum(map(len, parents)) == 1:
                yield portal.table(part), line
