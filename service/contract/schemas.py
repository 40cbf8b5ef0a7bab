"""What ordersync reads and writes, as JSON Schema 2020-12: made of the models, never by hand.

The order event's model is the parser's own, an outcome's is the document that the core fills in, a dead
letter's headers are the fields of its failure. Schemas are open: fields are added in a version, never
removed or narrowed.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from service.core.events.order_event import OPERATIONS, RECORD_ID, OrderEvent
from service.core.letters.failure import Failure
from service.core.settlement.outcome import Outcome

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_MAKING: Final = ("create.v1", "upsert.v1")  # these may make the order


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
            "a schema can say: a property that is the identifying one must equal the subject, the same "
            "line or link is named once, one link of a type is the exclusive one, and the body has "
            "at most 256 KB. Unknown fields are ignored.",
            _order_event(),
        ),
        "outcome.v1.json": _document(
            "outcome.v1",
            "Outcome",
            "The receipt of one order event: one for each, whatever became of it.",
            TypeAdapter(Outcome).json_schema(schema_generator=_Plain),
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
            model["allOf"] = [_never_the_record_id if kind.endswith(_MAKING) else _digits]
    return schema


def _with_record_id(then: Any) -> dict[str, Any]:
    by_record_id = {
        "properties": {"id_property": {"const": RECORD_ID}},
        "required": ["id_property"],
    }
    return {"if": {"properties": {"data": by_record_id}, "required": ["data"]}, "then": then}


_never_the_record_id: Final = _with_record_id(False)
_digits: Final = _with_record_id({"properties": {"subject": {"pattern": "^[0-9]+$"}}})
