"""Batch writes: create, update and upsert, as HubSpot answers them.

The order of judgement is HubSpot's as far as it is known: shape, size, identifying property,
duplicates, then each input's values. With a trace id on every input the refused ones become entries
of a 207; without, one refused input refuses the batch and nothing is written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from service.twin.account.portal import Portal
from service.twin.account.records import Table
from service.twin.faults.faults import Anonymous, Merged, RecordFault, Refuse
from service.twin.operations import rendering
from service.twin.operations.answers import Answer, Refusal, refusal, validation
from service.twin.operations.call import Call
from service.twin.operations.envelopes import answered, missing_error, missing_text, nothing
from service.twin.operations.inputs import (
    read_entry,
    read_inputs,
    refuse_duplicates,
    refuse_identity,
    without_identical,
)
from service.twin.operations.plans import (
    Detail,
    Entry,
    Plan,
    Planner,
    RecordRefusal,
    property_message,
)
from service.twin.operations.writing import applied

# Four refused properties came back with three nested errors: the list is cut short.
_NESTED_ERRORS = 3
_GOOD = {"create": 201, "update": 200, "upsert": 200, "read": 200}


def batch_write(portal: Portal, call: Call) -> Answer:
    """`batch/create`, `batch/update` and `batch/upsert`."""
    verb, table = call.operation, portal.table(call.table_kind)
    inputs = read_inputs(call)
    if not inputs:
        return nothing(call, _GOOD[verb])
    entries = [read_entry(raw, verb) for raw in inputs]
    if verb == "create" and portal.options.merge_identical:
        entries = without_identical(entries)
    refuse_identity(table, entries, verb)
    refuse_duplicates(table, entries, verb)
    planner = Planner(portal, table)
    plans = [_planned(portal, table, planner, entry, verb) for entry in entries]
    _strike(plans, call.chosen.records, portal.options.portal_id)
    _refuse_whole(portal, table, plans, verb, collided=planner.collided)
    results = _written(portal, call, table, plans)
    errors = _errors(portal, table, plans, call.chosen.records)
    return answered(portal, call, _GOOD[verb], results, errors)


def _planned(portal: Portal, table: Table, planner: Planner, entry: Entry, verb: str) -> Plan:
    plan = Plan(entry)
    values = entry.properties
    if verb != "create":
        plan.record = table.find(entry.id, entry.id_property)
    if plan.record is None and verb == "upsert" and entry.id_property is not None:
        values = {entry.id_property: entry.id, **values}
        archived = table.find_archived(entry.id, entry.id_property)
        if archived is not None and portal.options.archived_holder == "revive":
            plan.record, plan.revive = archived, True
        elif archived is not None and portal.options.archived_holder == "conflict":
            plan.new_id = portal.next_id()
            plan.refusal = planner.held(plan, entry.id_property, entry.id, archived.id)
            return plan
    if plan.record is None and (verb == "update" or (verb == "upsert" and not entry.id_property)):
        plan.refusal = RecordRefusal("OBJECT_NOT_FOUND", missing_text(table), missing=True)
        return plan
    if plan.record is None:
        plan.new_id = portal.next_id()
    return planner.settle(plan, values)


def _strike(plans: Sequence[Plan], faults: Mapping[int, RecordFault], portal_id: int) -> None:
    for index, fault in faults.items():
        if isinstance(fault, Refuse | Anonymous) and plans[index].refusal is None:
            plans[index].refusal = seeded_refusal(fault, plans[index].entry, portal_id)


def seeded_refusal(fault: Refuse | Anonymous, entry: Entry, portal_id: int) -> RecordRefusal:
    """The refusal that a fault puts on a record; by default of its first property's value."""
    name = fault.property_name or next(iter(entry.properties), "?")
    if fault.category != "VALIDATION_ERROR":
        return RecordRefusal(fault.category, fault.message or "The record could not be written")
    text = fault.message or f"{entry.properties.get(name, '')} was not one of the allowed options"
    details = (Detail(fault.code, name, text),)
    return RecordRefusal(fault.category, property_message(details, portal_id), details)


def _refuse_whole(
    portal: Portal, table: Table, plans: Sequence[Plan], verb: str, *, collided: bool
) -> None:
    refused = [plan.refusal for plan in plans if plan.refusal and not plan.refusal.missing]
    if not refused:
        return
    options, address = portal.options, table.kind.address
    traced = all(plan.entry.trace for plan in plans)
    by_properties = any(each.details for each in refused)
    if (
        not traced
        or (verb == "update" and by_properties and options.update_errors == "400")
        or (len(refused) == len(plans) and options.all_refused == "400")
        or (collided and options.collisions == "batch")
        or (options.create_bad_target == "400" and any(each.context for each in refused))
        or any(plan.entry.id_property == address != "" for plan in plans)
    ):
        raise whole_refusal(refused, options.portal_id)


def whole_refusal(refused: Sequence[RecordRefusal], portal_id: int) -> Refusal:
    """The batch refused because of some inputs: all property faults, or the first conflict."""
    details = [detail for each in refused for detail in each.details]
    if not details:
        first = refused[0]
        status = 409 if first.category == "CONFLICT" else 400
        context = {"context": first.context} if first.context else {}
        return refusal(status, first.message, first.category, **context)
    nested = [
        {
            "message": detail.message,
            "code": detail.code,
            "context": {"propertyName": [detail.name]},
        }
        for detail in details[:_NESTED_ERRORS]
    ]
    return validation(property_message(details, portal_id), errors=nested)


def _written(
    portal: Portal, call: Call, table: Table, plans: Sequence[Plan]
) -> list[dict[str, Any]]:
    faults = call.chosen.records
    results = []
    for index, plan in enumerate(plans):
        if plan.refusal is not None:
            continue
        struck = faults.get(index)
        if struck is not None and not struck.written:
            continue
        result = _apply(portal, call, table, plan)
        if struck is None:
            results.append(result)
        elif isinstance(struck, Merged):
            results.append(rendering.under_another_id(portal, table, result))
    return results


def _apply(portal: Portal, call: Call, table: Table, plan: Plan) -> dict[str, Any]:
    entry = plan.entry
    record = applied(portal, call, table, plan)
    result = rendering.written(portal, table, record, entry.properties, plan.clean)
    if call.operation == "upsert":
        result["new"] = plan.record is None
    if portal.options.trace_echo and entry.trace is not None:
        result["objectWriteTraceId"] = entry.trace
    return result


def _errors(
    portal: Portal, table: Table, plans: Sequence[Plan], faults: Mapping[int, RecordFault]
) -> list[dict[str, Any]]:
    errors: list[dict[str, Any]] = []
    missing: list[Plan] = []
    for index, plan in enumerate(plans):
        if plan.refusal is None:
            continue
        if plan.refusal.missing:
            missing.append(plan)
        else:
            struck = faults.get(index)
            errors.append(_error(plan, anonymous=isinstance(struck, Anonymous)))
    if missing:
        entry = missing_error(table, [plan.entry.id for plan in missing])
        if portal.options.trace_on_missing:
            entry["context"]["objectWriteTraceId"] = [plan.entry.trace for plan in missing]
        errors.append(entry)
    return errors


def _error(plan: Plan, *, anonymous: bool) -> dict[str, Any]:
    refused = plan.refusal
    if refused is None:
        raise LookupError("only a refused plan has an error entry")
    entry: dict[str, Any] = {
        "status": "error",
        "category": refused.category,
        "message": refused.message,
    }
    if not anonymous:
        entry["context"] = {"objectWriteTraceId": [plan.entry.trace], **refused.context}
        if refused.category == "CONFLICT" and refused.existing:
            entry["context"]["existingId"] = [refused.existing]
    return entry
