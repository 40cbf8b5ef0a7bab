"""Delivery -> Contribution | Malformed: the only place that reads an order event.

A CloudEvents 1.0 event in the structured or the binary content mode of the RabbitMQ binding. `OrderEvent`
is the wire shape itself: schemas/order-event.v1.json is exported from it. Whatever is wrong is said at
once, every fault with its path, and nothing is invented: an event without an id is malformed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import (
    ValidationError,
)
from pydantic_core import from_json

from service.core.events.contradictions import contradictions
from service.core.events.deliveries import Delivery
from service.core.events.graph import Graph, graph_of
from service.core.events.malformed import Fault, Malformed, faults_of, identity_of, leniently
from service.core.events.order_event import (
    OPERATIONS,
    READER,
    RECORD_ID,
    STRUCTURED,
    ArchiveEvent,
    Operation,
    Order,
    OrderEvent,
)
from service.core.events.scalars import as_hubspot
from service.core.reasons import Code

# bytes; CloudEvents asks consumers to accept at least 64 KiB.
MAX_BODY = 256 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """An order event together with its delivery: what a slot is made of."""

    delivery: Delivery
    event: OrderEvent
    operation: Operation
    order: Order
    # As HubSpot takes them; "" clears.
    values: Mapping[str, str]
    came_back: bool = (
        # Out of the dead letters: checked against what is newer before it is written.
        False
    )
    # Merges with no other event.
    apart: bool = False
    # From a queue of bulk: it gives way to live events, and is checked likewise.
    backfill: bool = False
    # lines, links, stage; None = the event carries properties alone.
    graph: Graph | None = None

    @property
    def checked(self) -> bool:
        """Whether what HubSpot holds is read before it is written."""
        return self.came_back or self.backfill

    @property
    def identity(self) -> tuple[str, str]:
        """`source` + `id`: the same pair is the same event."""
        return self.event.source, self.event.id


class _Unreadable(Exception):
    def __init__(self, code: Code, *faults: tuple[str, str]) -> None:
        super().__init__(code)
        self.code, self.faults = code, tuple(Fault(*fault) for fault in faults)


def parse(delivery: Delivery, id_property: str) -> Contribution | Malformed:
    """Read one delivery; `id_property` is the configured default. Total: it never raises."""
    document: Any = None
    try:
        if delivery.size > MAX_BODY:
            raise _Unreadable(Code.OVERSIZED, ("", _oversized(delivery)))  # noqa: TRY301  (the one way out)
        if delivery.fault is not None:
            document = leniently(delivery.body)
            raise _Unreadable(  # noqa: TRY301
                Code.NOT_CLOUDEVENT,
                ("", f"its AMQP properties cannot be read: {delivery.fault}"),
            )
        if _is_structured(delivery):
            event = READER.validate_json(delivery.body)
        else:
            document = _from_headers(delivery)
            event = READER.validate_python(document)
        if _may_contradict_itself(event):
            _check(document or leniently(delivery.body))
        return _contribution(delivery, event, id_property)
    except ValidationError as error:
        document = document if document is not None else leniently(delivery.body)
        code, faults = faults_of(error, binary=not _is_structured(delivery))
        if code is Code.INVALID_EVENT:
            faults = _together(faults, document)
    except _Unreadable as error:
        if document is None:
            # Of a structured event that was read; nothing else ends here with this code and no document.
            was_read = error.code is Code.INVALID_EVENT and _is_structured(delivery)
            document = leniently(delivery.body) if was_read else _attributes(delivery)
        code, faults = error.code, error.faults
    return Malformed(delivery, code, faults, identity_of(document))


def _oversized(delivery: Delivery) -> str:
    said = f"the body has {delivery.size} bytes, more than {MAX_BODY}"
    if delivery.unread:
        said += "; it was not read, and RabbitMQ itself moves the message to the dead letters"
    return said


def _may_contradict_itself(event: OrderEvent) -> bool:
    """Whether the event has more than properties, or not even those: all others are spared the look."""
    if isinstance(event, ArchiveEvent):
        return False
    return event.data.complete or "properties" not in event.data.model_fields_set


def _check(document: Any) -> None:
    if found := tuple(contradictions(document)):
        raise _Unreadable(Code.INVALID_EVENT, *found)


def _together(faults: tuple[Fault, ...], document: Any) -> tuple[Fault, ...]:
    """The faults of the shape and the contradictions, one per path."""
    known = {fault.path for fault in faults}
    more = (Fault(*found) for found in contradictions(document))
    return (*faults, *(fault for fault in more if fault.path not in known))


def _is_structured(delivery: Delivery) -> bool:
    content_type = delivery.properties.content_type
    return content_type is not None and (
        content_type == STRUCTURED or content_type.partition(";")[0].strip().lower() == STRUCTURED
    )


def _from_headers(delivery: Delivery) -> dict[str, Any]:
    """The event of a binary-mode message: attributes in `ce-*` headers, the body is `data`."""
    document = _attributes(delivery)
    if not document:
        raise _Unreadable(
            Code.NOT_CLOUDEVENT,
            ("content_type", f"neither {STRUCTURED} nor ce-* headers: this is not a CloudEvent"),
        )
    content_type = (
        (delivery.properties.content_type or "application/json").partition(";")[0].strip().lower()
    )
    if content_type != "application/json":
        raise _Unreadable(
            Code.NOT_CLOUDEVENT,
            ("content_type", "the data of a binary event must be application/json"),
        )
    document["datacontenttype"] = content_type
    if delivery.body:
        try:
            # The reader of structured events too.
            document["data"] = from_json(delivery.body)
        except ValueError as error:
            raise _Unreadable(
                Code.INVALID_JSON, ("data", f"the body is not JSON: {error}")
            ) from None
    return document


def _attributes(delivery: Delivery) -> dict[str, Any]:
    headers = delivery.headers.items()
    return {n[3:]: value for n, value in headers if n.startswith("ce-") and n != "ce-data"}


def _contribution(delivery: Delivery, event: OrderEvent, default: str) -> Contribution:
    order = Order(event.data.id_property or default, event.subject)
    if order.id_property == RECORD_ID and not (order.key.isascii() and order.key.isdigit()):
        raise _Unreadable(
            Code.INVALID_EVENT, ("subject", "must be digits: it is HubSpot's record id")
        )
    operation, back = OPERATIONS[event.type], delivery.came_back
    if isinstance(event, ArchiveEvent):
        return Contribution(
            delivery=delivery,
            event=event,
            operation=operation,
            order=order,
            values={},
            came_back=back,
            apart=back,
        )
    properties = event.data.properties.items()
    values = {n: v if type(v) is str else as_hubspot(v) for n, v in properties}
    if values.get(order.id_property, order.key) != order.key:
        raise _Unreadable(
            Code.INVALID_EVENT,
            (
                f"data.properties.{order.id_property}",
                "differs from the subject: it identifies the order and cannot be changed by an event",
            ),
        )
    return Contribution(
        delivery=delivery,
        event=event,
        operation=operation,
        order=order,
        values=values,
        came_back=back,
        apart=back,
        graph=graph_of(event.data) if event.data.complete else None,
    )
