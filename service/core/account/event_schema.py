"""The account's own JSON Schema (2020-12): the order event, with the properties that orders and lines have here.

For editors, which complete names and options from it, and for CI, which refuses with it what HubSpot would. It says no
more than `preflight` does. Text clears as "", everything as null, as in any event.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from service.core.account.definitions import Definition, Definitions
from service.core.account.preflight import AccountSchema

_CLEARED: Final[list[Any]] = ["", None]
_NUMBER: Final = r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)?$"
_MOMENT: Final = r"^(-?[0-9]{1,15}|[0-9]{4}-?[0-9]{2}-?[0-9]{2}([T ].*)?)?$"
_DATE: Final = r"^(-?[0-9]{1,15}|[0-9]{4}-?[0-9]{2}-?[0-9]{2}([T ]00:?00.*)?)?$"


def event_schema(base: Mapping[str, Any], account: AccountSchema) -> dict[str, Any]:
    """`base`, the order event's schema, narrowed to what the account takes."""
    line = {"properties": {"properties": {"$ref": "#/$defs/account_line_properties"}}}
    data = {
        "properties": {"$ref": "#/$defs/account_order_properties"},
        "line_items": {"properties": {"items": {"items": line}}},
        "stage": {"examples": [s.label for p in account.pipelines for s in p.stages]},
        "pipeline": {"examples": [p.name.label for p in account.pipelines]},
    }
    own = {
        "account_order_properties": properties_schema(account.orders),
        "account_line_properties": properties_schema(account.lines),
    }
    return {
        **base,
        "$id": "urn:ordersync:schemas:order-event.account",
        "title": "Order event of one account",
        "$defs": {**base.get("$defs", {}), **own},
        "allOf": [{"properties": {"data": {"properties": data}}}],
    }


def properties_schema(definitions: Definitions) -> dict[str, Any]:
    """The properties of one object type; any other name is refused."""
    return {
        "type": "object",
        "properties": {name: _property(each) for name, each in sorted(definitions.items())},
        "additionalProperties": False,
    }


def _property(definition: Definition) -> dict[str, Any]:
    told: dict[str, Any] = {"title": definition.label or definition.name}
    if definition.description:
        told["description"] = definition.description
    if definition.read_only:
        # Editors show the first, validators refuse by the second.
        return told | {"readOnly": True, "not": {}}
    return told | _value(definition)


def _value(definition: Definition) -> dict[str, Any]:
    match definition.type:
        case "number":
            return {"type": ["number", "string", "null"], "pattern": _NUMBER}
        case "bool":
            return {
                "anyOf": [
                    {"type": ["boolean", "null"]},
                    _text("^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])?$"),
                ]
            }
        case "date":
            return {"type": ["string", "integer", "null"], "pattern": _DATE}
        case "datetime":
            return {"type": ["string", "integer", "null"], "pattern": _MOMENT}
        case "enumeration" if definition.options and not definition.external:
            return _options(definition)
        case _:
            return {"type": ["string", "number", "boolean", "null"]}


def _options(definition: Definition) -> dict[str, Any]:
    values = [each.value for each in definition.options]
    if not definition.several:
        return {"anyOf": [{"enum": values + _CLEARED}, {"type": ["number", "boolean"]}]}
    one = "|".join(map(re.escape, values))
    return {
        "type": ["string", "number", "boolean", "null"],
        "pattern": f"^;*(({one})(;+({one}))*;*)?$",
    }


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}
