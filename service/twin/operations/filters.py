"""One search filter as a condition on a record."""

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Any

from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.account.values import BadValueError, read_datetime
from service.twin.operations import rendering
from service.twin.operations.answers import bad_shape, validation
from service.twin.operations.call import expect_list, expect_object, expect_text

Condition = Callable[[Record], bool]
Sortable = tuple[float, str]

_LINKS = "associations."


def read_condition(portal: Portal, table: Table, given: Any) -> Condition:
    """A filter of the body as a condition; a `Refusal` for an unknown property or operator."""
    asked = expect_object(given, "`filters[]`")
    name = expect_text(asked.get("propertyName") or "", "`propertyName`")
    operator = expect_text(asked.get("operator") or "", "`operator`")
    if name.startswith(_LINKS):
        return _linked(portal, table, name.removeprefix(_LINKS), asked)
    if name not in table.definitions:
        raise validation(f'Property "{name}" does not exist')
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        wanted = operator == "HAS_PROPERTY"
        return lambda record: (rendering.value_of(table, record, name) is not None) is wanted
    test = _test(operator, asked, table.definitions[name].type)
    negative = operator in ("NEQ", "NOT_IN", "NOT_CONTAINS_TOKEN")

    def holds(record: Record) -> bool:
        value = rendering.value_of(table, record, name)
        # A record without the value differs from whatever is asked for, and equals nothing.
        return negative if value is None else test(value)

    return holds


def _test(operator: str, asked: dict[str, Any], type_name: str) -> Callable[[str], bool]:
    match operator:
        case "EQ" | "NEQ" | "LT" | "LTE" | "GT" | "GTE":
            limit = comparable(_value(asked, "value"), type_name)
            return _comparison(operator, limit, type_name)
        case "BETWEEN":
            low = comparable(_value(asked, "value"), type_name)
            high = comparable(_value(asked, "highValue"), type_name)
            return lambda value: low <= comparable(value, type_name) <= high
        case "IN" | "NOT_IN":
            listed = expect_list(asked.get("values"), "`values`")
            chosen = {comparable(expect_text(each, "`values[]`"), type_name) for each in listed}
            return lambda value: (comparable(value, type_name) in chosen) is (operator == "IN")
        case "CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN":
            pattern = re.compile(translate(_value(asked, "value").lower()))
            wanted = operator == "CONTAINS_TOKEN"
            return lambda value: _has_token(value, pattern) is wanted
        case _:
            raise bad_shape(f"Cannot deserialize `operator` from {operator[:40]}")


def _comparison(operator: str, limit: Sortable, type_name: str) -> Callable[[str], bool]:
    tests: dict[str, Callable[[Sortable], bool]] = {
        "EQ": lambda value: value == limit,
        "NEQ": lambda value: value != limit,
        "LT": lambda value: value < limit,
        "LTE": lambda value: value <= limit,
        "GT": lambda value: value > limit,
        "GTE": lambda value: value >= limit,
    }
    test = tests[operator]
    return lambda value: test(comparable(value, type_name))


def comparable(value: str, type_name: str) -> Sortable:
    """A value in the order of its type; text without case."""
    if type_name == "number":
        try:
            return float(value), ""
        except ValueError:
            raise validation(f"{value[:80]} was not a valid number.") from None
    if type_name in ("date", "datetime"):
        try:
            return 0.0, read_datetime(value)
        except BadValueError as error:
            raise validation(str(error)) from None
    return 0.0, value.lower()


def _value(asked: dict[str, Any], name: str) -> str:
    if asked.get(name) is None:
        raise validation(f"operator {asked['operator']} requires a {name}")
    return expect_text(asked[name], f"`{name}`")


def _has_token(value: str, pattern: re.Pattern[str]) -> bool:
    text = value.lower()
    return any(pattern.match(token) for token in (text, *re.split(r"[^\w*]+", text)))


def _linked(portal: Portal, table: Table, to_name: str, asked: dict[str, Any]) -> Condition:
    kind = portal.kinds.named(to_name)
    if kind is None:
        raise validation(f"Unable to infer object type from: {to_name[:80]}")
    if asked["operator"] in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        wants = asked["operator"] == "HAS_PROPERTY"
        return lambda record: bool(portal.links.of(table.kind.name, kind.name, record.id)) is wants
    listed = asked.get("values") or [_value(asked, "value")]
    wanted = {expect_text(each, "`value`") for each in expect_list(listed, "`values`")}
    negative = str(asked["operator"]).startswith("N")

    def holds(record: Record) -> bool:
        linked = portal.links.of(table.kind.name, kind.name, record.id)
        return wanted.isdisjoint(linked) is negative

    return holds
