"""What ordersync reads and writes, as JSON Schema 2020-12: made of the models, never by hand.

The order event's model is the parser's own. Outcome and dead-letter headers are built as plain
documents by the core; the models here say what those promise, and tests hold real ones against
them. Schemas are open: fields are added in a version, never removed or narrowed.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from service.core.events.order_event import OPERATIONS, RECORD_ID, OrderEvent, Timestamp
from service.core.letters.failure import Failure
from service.core.reasons import Code
from service.core.settlement.outcomes import Status

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_Operation = Literal["upsert", "update", "archive"]
_CODES: Final = [str(code) for code in Code]
_FINE: Final[list[JsonValue]] = [Status.APPLIED, Status.SUPERSEDED]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, populate_by_name=True)


class EventReference(_Model):
    """The event that this is the outcome of; null where a malformed one could not be read."""

    id: str | None
    source: str | None
    type: str | None
    time: str | None


class OrderReference(_Model):
    """The order it was about."""

    id_property: str | None = Field(description="the identifying property; null where malformed")
    key: str | None = Field(description="its value: the event's subject")
    record_id: str | None = Field(description="HubSpot's record id; null where unknown")


class ReasonGiven(_Model):
    """Why the event was not applied."""

    code: str = Field(
        pattern="^[a-z][a-z_]*$", examples=_CODES, description="stable; more may be added"
    )
    message: str = Field(description="one sentence that a person understands")
    http_status: int | None
    category: str | None = Field(description="HubSpot's")
    correlation_id: str | None = Field(description="HubSpot's: what its support asks for")
    property: str | None = Field(description="the property at fault, where HubSpot names it")


class BatchReference(_Model):
    """The last batch it travelled in."""

    size: int = Field(ge=1, le=100, description="records in it")
    merged: int = Field(ge=1, description="events in the same record's write, this one included")


class ReplayReference(_Model):
    """How it came back out of the dead letters."""

    number: int = Field(ge=0, description="replays so far; 0 where it came back by other means")
    id: str | None = Field(description="of this replay alone, as `ordersync dlq replay` gave it")
    forced: bool = Field(description="written over whatever was newer: an operator's decision")
    left_out: list[str] = Field(
        description="properties that were not written, because HubSpot holds something newer; of a "
        "superseded event all of them"
    )


class OutcomeData(_Model):
    """What became of the event."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"status": {"enum": _FINE}}},
            "then": {"properties": {"reason": {"type": "null"}}},
            "else": {"properties": {"reason": {"type": "object"}}},
            "dependentSchemas": {
                "superseded_by": {
                    "if": {"properties": {"status": {"const": Status.SUPERSEDED}}},
                    "then": {"properties": {"superseded_by": {"type": ["string", "null"]}}},
                    "else": {"properties": {"superseded_by": {"type": "null"}}},
                }
            },
        }
    )

    status: Literal["applied", "superseded", "rejected", "exhausted", "malformed"]
    event: EventReference
    order: OrderReference
    operation: _Operation | None = Field(description="null where malformed")
    created: bool | None = Field(
        description="of the events that one write applied, true for one at most; null where it cannot be known"
    )
    reason: ReasonGiven | None = Field(description="null where applied or superseded")
    attempts: int = Field(ge=0, description="calls to HubSpot that it was part of")
    batch: BatchReference | None = Field(description="null where it never travelled")
    superseded_by: str | None = Field(
        description="id of the event that overwrote it; null where a replay met newer values whose "
        "event is not known"
    )
    replay: ReplayReference | None = Field(
        None, description="null unless it came out of the dead letters"
    )
    received_at: Timestamp
    settled_at: Timestamp


class Outcome(_Model):
    """The receipt of one order event: a structured CloudEvent."""

    specversion: Literal["1.0"]
    id: str = Field(
        pattern="^[0-9a-f]{32}$",
        description="the same event settled twice (after a crash) has the same id: drop the repeat",
    )
    source: Literal["/ordersync"]
    type: Literal["ordersync.order.outcome.v1"]
    time: Timestamp
    datacontenttype: Literal["application/json"]
    subject: str | None = Field(None, description="the order's key; absent where unreadable")
    correlationid: str | None = Field(None, description="the event's id; absent where unreadable")
    traceparent: str | None = Field(None, description="the event's, where it had one")
    data: OutcomeData


class _Plain(GenerateJsonSchema):
    """A field's name is title enough."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


def documents() -> Mapping[str, dict[str, Any]]:
    """File name -> schema."""
    return {
        "order-event.v1.json": _document(
            "order-event.v1",
            "Order event",
            "A CloudEvents 1.0 event that asks to create, change or archive an order. Beyond what "
            "a schema can say: a property that is the identifying one must equal the subject, and "
            "the body has at most 256 KB. Unknown fields are ignored.",
            _order_event(),
        ),
        "outcome.v1.json": _document(
            "outcome.v1",
            "Outcome",
            "The receipt of one order event: one for each, whatever became of it.",
            Outcome.model_json_schema(schema_generator=_Plain),
        ),
        "dead-letter.v1.json": _document(
            "dead-letter.v1",
            "Dead letter headers",
            "The AMQP headers that ordersync adds to an event that failed; the producer's own "
            "stand beside them, the body is the original, byte for byte. What the broker "
            "dead-letters by itself (delivery limit) has x-death instead.",
            TypeAdapter(Failure).json_schema(schema_generator=_Plain),
        ),
    }


def text(document: Mapping[str, Any]) -> str:
    """A schema as it is written to its file."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def _document(name: str, title: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    head = {"$schema": DIALECT, "$id": f"urn:ordersync:schemas:{name}", "title": title}
    return (
        head
        | {"description": description}
        | {key: value for key, value in schema.items() if key not in {*head, "description"}}
    )


def _order_event() -> dict[str, Any]:
    """The parser's model, and what its validators check beyond the fields."""
    schema = TypeAdapter(OrderEvent).json_schema(schema_generator=_Plain)
    for model in schema["$defs"].values():
        kind = model["properties"].get("type", {}).get("const")
        if kind in OPERATIONS:
            model["allOf"] = [_never_the_record_id if kind.endswith("upsert.v1") else _digits]
    return schema


def _with_record_id(then: Any) -> dict[str, Any]:
    by_record_id = {
        "properties": {"id_property": {"const": RECORD_ID}},
        "required": ["id_property"],
    }
    return {"if": {"properties": {"data": by_record_id}, "required": ["data"]}, "then": then}


_never_the_record_id: Final = _with_record_id(False)
_digits: Final = _with_record_id({"properties": {"subject": {"pattern": "^[0-9]+$"}}})
