"""The wire shape of all that hangs on an order: its lines, its links to other records, its stage.

Every part is optional, and an absent part stays as it is in HubSpot. The models say which shapes there are;
contradictions between parts are `contradictions`' to find.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pydantic.config import JsonDict

# The identifying property that is HubSpot's own record id.
RECORD_ID: Final = "hs_object_id"
MAX_LINES: Final = 500  # per event
EMAIL: Final = "email"

Scalar = str | int | float | bool | None
NonEmpty = Annotated[str, Field(min_length=1, max_length=1024)]
PropertyName = Annotated[str, Field(min_length=1, max_length=255)]
Properties = dict[PropertyName, Scalar]

# The name of an object type in an event -> its name in HubSpot's addresses.
OBJECTS: Final[Mapping[str, str]] = {
    "contact": "contacts",
    "company": "companies",
    "deal": "deals",
    "cart": "carts",
    "discount": "discounts",
    "discount_code": "discount_codes",
    "invoice": "invoices",
    "payment": "commerce_payments",
    "quote": "quotes",
    "subscription": "subscriptions",
    "task": "tasks",
    "ticket": "tickets",
}
_NAMES: Final = sorted({*OBJECTS, *OBJECTS.values(), "payments"})
OBJECT_PATTERN: Final = f"^({'|'.join(_NAMES)}|2-[0-9]{{1,15}})$"


def object_type(name: str) -> str:
    """The object type's name in HubSpot's addresses: `contact` and `contacts` -> `contacts`."""
    return (
        OBJECTS.get(name.removesuffix("s"), name) if name == "payments" else OBJECTS.get(name, name)
    )


def as_named(by: str, value: str) -> str:
    """A target's value as it is compared: e-mails trimmed and in lower case."""
    return value.strip().lower() if by == EMAIL else value


def _number_as_text(value: object) -> object:
    """A record id may come as a number: shops keep ids as numbers."""
    return str(value) if type(value) is int else value


def _there(name: str) -> JsonDict:
    return {"properties": {name: {"not": {"type": "null"}}}, "required": [name]}


# What the models' own fields cannot say, for the JSON Schema: `contradictions` finds these.
_PARTS: Final = ("stage", "line_items", "associations", "dissociations")
WRITTEN_RULES: Final[list[JsonValue]] = [
    {"anyOf": [{"required": ["properties"]}, *(_there(part) for part in _PARTS)]},
    {"if": _there("pipeline"), "then": _there("stage")},
    {
        "if": _there("stage"),
        "then": {
            "properties": {
                "properties": {"properties": {"hs_pipeline": False, "hs_pipeline_stage": False}}
            }
        },
    },
]
_REPLACE_RULE: Final[JsonDict] = {
    "if": {"properties": {"mode": {"const": "replace"}}},
    "then": {
        "allOf": [_there("items"), {"properties": {"remove": {"type": "null"}}}],
    },
}
_BY_ID: Final[JsonDict] = {"properties": {"by": {"const": RECORD_ID}}, "required": ["by"]}
_ID_RULE: Final[JsonDict] = {
    "if": _BY_ID,
    "then": {"properties": {"value": {"pattern": "^[0-9]+$", "minimum": 0}}},
}
_CREATE_RULE: Final[JsonDict] = {
    "if": _BY_ID,
    "then": {"properties": {"on_missing": {"not": {"const": "create"}}}},
}

ObjectName = Annotated[str, Field(pattern=OBJECT_PATTERN)]
Value = Annotated[NonEmpty, BeforeValidator(_number_as_text, json_schema_input_type=str | int)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class LineEntry(_Part):
    """One line of an order; `key` names the line within its order, never its product."""

    key: Annotated[str, Field(min_length=1, max_length=255)]
    properties: Properties = {}


class LineItems(_Part):
    """`replace`: these are all the lines of the order. `merge`: only these, and some to `remove`."""

    model_config = ConfigDict(json_schema_extra={"allOf": [_REPLACE_RULE]})

    mode: Literal["replace", "merge"] = "replace"
    items: Annotated[list[LineEntry], Field(max_length=MAX_LINES)] | None = None
    remove: Annotated[list[NonEmpty], Field(max_length=MAX_LINES)] | None = None


class RecordName(_Part):
    """Another record: the one whose unique property `by` holds `value`."""

    model_config = ConfigDict(json_schema_extra={"allOf": [_ID_RULE]})

    to: ObjectName
    by: PropertyName
    value: Value


class LinkEntry(RecordName):
    """A link from the order to another record, and the course to take while that record is missing."""

    model_config = ConfigDict(json_schema_extra={"allOf": [_ID_RULE, _CREATE_RULE]})

    labels: list[NonEmpty] | None = None
    on_missing: Literal["wait", "skip", "fail", "create"] = "wait"
    properties: Properties | None = None
    exclusive: bool = False


class UnlinkEntry(RecordName):
    """A link that goes; both records stay."""
