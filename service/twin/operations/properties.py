"""Calls about property definitions: list, read, create one or many, archive.

`hasUniqueValue` can be set at creation only, for at most ten properties of a type.
"""

import re
from typing import Any

from service.twin.account.definitions import FIELD_TYPES, PropertyDefinition
from service.twin.account.portal import Portal
from service.twin.account.records import Table
from service.twin.clock import iso
from service.twin.operations.answers import Answer, Refusal, bad_shape, refusal, validation
from service.twin.operations.call import Call, expect_list, expect_object, expect_text
from service.twin.operations.envelopes import answered
from service.twin.operations.inputs import read_inputs

MOST_UNIQUE = 10
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_FIELD_TYPES = frozenset(FIELD_TYPES.values()) | {
    "calculation_equation",
    "checkbox",
    "file",
    "html",
    "radio",
    "textarea",
}


def list_properties(portal: Portal, call: Call) -> Answer:
    """`GET /crm/v3/properties/{kind}`: all definitions, the archived ones with `archived=true`."""
    table = portal.table(call.table_kind)
    if call.flag("archived"):
        gone = {"archived": True, "archivedAt": iso(call.stamp)}
        listed = table.archived_definitions.values()
        return Answer(200, {"results": [_shown(call, each) | gone for each in listed]})
    return Answer(200, {"results": [_shown(call, each) for each in table.definitions.values()]})


def get_property(portal: Portal, call: Call) -> Answer:
    """`GET …/{name}`: one definition."""
    return Answer(200, _shown(call, _met(portal.table(call.table_kind), call.params["name"])))


def create_property(portal: Portal, call: Call) -> Answer:
    """`POST …`: 201 with the definition; 409 if the name is taken."""
    definition = _created(portal.table(call.table_kind), call.read_object())
    return Answer(201, _shown(call, definition))


def archive_property(portal: Portal, call: Call) -> Answer:
    """`DELETE …/{name}`: 204; values are kept, writes are refused."""
    table = portal.table(call.table_kind)
    definition = _met(table, call.params["name"])
    if definition.hubspot_defined:
        raise validation(f"Property {definition.name} is defined by HubSpot and cannot be archived")
    table.undefine(definition.name)
    return Answer(204)


def create_properties(portal: Portal, call: Call) -> Answer:
    """`POST …/batch/create`: 201, 207 where some are refused."""
    table = portal.table(call.table_kind)
    results, errors = [], []
    for raw in read_inputs(call) or ():
        given = expect_object(raw, "`inputs[]`")
        try:
            results.append(_shown(call, _created(table, given)))
        except Refusal as refused:
            errors.append({**refused.envelope, "context": {"name": [str(given.get("name"))]}})
    return answered(portal, call, 201, results, errors)


def _met(table: Table, name: str) -> PropertyDefinition:
    if (definition := table.definitions.get(name)) is not None:
        return definition
    raise _missing(name)


def _missing(name: str) -> Refusal:
    return refusal(404, f'Property "{name}" does not exist', "OBJECT_NOT_FOUND")


def _created(table: Table, given: dict[str, Any]) -> PropertyDefinition:
    definition = read_definition(given)
    if definition.name in table.definitions:
        message = f"A property named '{definition.name}' already exists."
        raise refusal(409, message, "CONFLICT", subCategory="Properties.PROPERTY_EXISTS")
    if definition.unique and len(table.holders) >= MOST_UNIQUE:
        raise validation(f"At most {MOST_UNIQUE} unique properties are allowed for an object type")
    table.archived_definitions.pop(definition.name, None)
    table.define(definition)
    return definition


def read_definition(given: dict[str, Any]) -> PropertyDefinition:
    """A definition from the body that creates it; a 400 for what HubSpot refuses."""
    for name in ("name", "label", "type", "fieldType", "groupName"):
        if given.get(name) is None:
            raise bad_shape(f"some required attributes are not set: [{name}]")
    name, type_name = _text(given, "name", ""), _text(given, "type", "")
    field_type = _text(given, "fieldType", "")
    if not _NAME.fullmatch(name):
        raise validation(f"Invalid property name: {name[:80]}")
    if type_name not in FIELD_TYPES or field_type not in _FIELD_TYPES:
        raise bad_shape(f"Cannot deserialize `type` or `fieldType` from {type_name[:40]}")
    unique = given.get("hasUniqueValue") is True
    if unique and type_name not in ("string", "number"):
        raise validation("Only string and number properties can have unique values")
    return PropertyDefinition(
        name=name,
        type=type_name,
        label=_text(given, "label", name),
        group=_text(given, "groupName", ""),
        field_type=field_type,
        description=_text(given, "description", ""),
        unique=unique,
        options=_options(given),
    )


def _text(given: dict[str, Any], name: str, default: str) -> str:
    value = given.get(name)
    return default if value is None else expect_text(value, f"`{name}`")


def _options(given: dict[str, Any]) -> tuple[str, ...]:
    listed = expect_list(given.get("options") or [], "`options`")
    return tuple(
        expect_text(expect_object(each, "`options[]`").get("value"), "`value`") for each in listed
    )


def _shown(call: Call, definition: PropertyDefinition) -> dict[str, Any]:
    return {
        "name": definition.name,
        "label": definition.label or definition.name,
        "type": definition.shown_type,
        "fieldType": definition.field_type or FIELD_TYPES[definition.shown_type],
        "description": definition.description,
        "groupName": definition.group or f"{call.table_kind.singular}information",
        "options": [
            {"label": option, "value": option, "displayOrder": place, "hidden": False}
            for place, option in enumerate(definition.options)
        ],
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": False,
        "hasUniqueValue": definition.unique,
        "hidden": False,
        "hubspotDefined": definition.hubspot_defined,
        "formField": not definition.read_only,
        "archived": False,
        "modificationMetadata": {
            "archivable": not definition.hubspot_defined,
            "readOnlyDefinition": definition.hubspot_defined,
            "readOnlyValue": definition.read_only,
        },
    }
