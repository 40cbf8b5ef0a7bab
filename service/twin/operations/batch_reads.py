"""Batch calls that send ids alone: read and archive."""

from collections.abc import Mapping
from typing import Any

from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.faults.faults import Anonymous, Merged, RecordFault, Refuse
from service.twin.operations import rendering
from service.twin.operations.answers import Answer
from service.twin.operations.call import Call, expect_text
from service.twin.operations.envelopes import answered, missing_error, nothing
from service.twin.operations.inputs import (
    LARGEST_HISTORY_BATCH,
    read_id,
    read_inputs,
    read_names,
    refuse_non_unique,
    refuse_repeated,
    too_many,
)
from service.twin.operations.writing import archive


def batch_read(portal: Portal, call: Call) -> Answer:
    """`batch/read`: found records, and one error that names all missing ids as sent."""
    table = portal.table(call.table_kind)
    inputs = read_inputs(call)
    if not inputs:
        return nothing(call, 200)
    ids = [read_id(raw) for raw in inputs]
    asking = _asking(portal, call, len(ids))
    found = _found(table, call, ids)
    results, errors = [], []
    for place, record in found.items():
        match call.chosen.records.get(place):
            case Refuse() | Anonymous() as fault:
                errors.append(_unreadable(fault, ids[place]))
            case fault:
                results += _shown(portal, table, record, asking, fault)
    met = {ids[place] for place in found}
    missing = list(dict.fromkeys(given for given in ids if given not in met))
    errors += [missing_error(table, missing)] if missing else []
    return answered(portal, call, 200, results, errors)


def _asking(portal: Portal, call: Call, count: int) -> rendering.Asking:
    document = call.read_object()
    asking = rendering.Asking(
        read_names(document, "properties"),
        read_names(document, "propertiesWithHistory"),
        rendering.shows_nulls(portal, call),
    )
    if asking.history and count > LARGEST_HISTORY_BATCH:
        raise too_many(LARGEST_HISTORY_BATCH, " for property histories")
    return asking


def _found(table: Table, call: Call, ids: list[str]) -> Mapping[int, Record]:
    """The records by the place of the first input that names them."""
    id_property = call.read_object().get("idProperty")
    if id_property is not None:
        refuse_non_unique(table, expect_text(id_property, "`idProperty`"), "read")
    seek = table.find_archived if call.flag("archived") else table.find
    first = {given: place for place, given in reversed(list(enumerate(ids)))}
    sought = {place: seek(given, id_property) for given, place in first.items()}
    return {place: record for place, record in sorted(sought.items()) if record is not None}


def _shown(
    portal: Portal,
    table: Table,
    record: Record,
    asking: rendering.Asking,
    fault: RecordFault | None,
) -> list[dict[str, Any]]:
    """The result, unless a fault makes it vanish; as after a merge, if that is the fault."""
    if fault is None:
        return [rendering.read(portal, table, record, asking)]
    if not isinstance(fault, Merged):
        return []
    read = rendering.read(portal, table, record, asking)
    return [rendering.under_another_id(portal, table, read)]


def _unreadable(fault: Refuse | Anonymous, given: str) -> dict[str, Any]:
    message = fault.message or "The record could not be read"
    made = {"status": "error", "category": fault.category, "message": message}
    return made if isinstance(fault, Anonymous) else {**made, "context": {"ids": [given]}}


def batch_archive(portal: Portal, call: Call) -> Answer:
    """`batch/archive`: always 204; ids that are not there are as good as archived."""
    table = portal.table(call.table_kind)
    ids = [read_id(raw) for raw in read_inputs(call) or ()]
    refuse_repeated(ids)
    for place, given in enumerate(ids):
        struck = call.chosen.records.get(place)
        record = table.find(given, None)
        if record is not None and (struck is None or struck.written):
            archive(portal, call, table, record)
    return Answer(204)
