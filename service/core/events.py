"""Delivery -> Contribution | Malformed: the only place that reads an order event.

A CloudEvents 1.0 event in the structured or the binary content mode of the RabbitMQ binding. `OrderEvent`
is the wire shape itself: schemas/order-event.v1.json is exported from it. Whatever is wrong is said at
once, every fault with its path, and nothing is invented: an event without an id is malformed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol, Self

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError, from_json

from service.core.reasons import Code

MAX_BODY = 256 * 1024  # bytes; CloudEvents asks consumers to accept at least 64 KiB
RECORD_ID = "hs_object_id"  # the identifying property that is HubSpot's own record id
STRUCTURED = "application/cloudevents+json"
TIME_PATTERN = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$"
)
_TIME = re.compile(TIME_PATTERN, re.ASCII)
_FAULTS_SHOWN = 20  # of one event; the rest is counted
_FAULTS_READ = 2_000  # naming 80,000 of one message would hold up the others for half a second
_STEP_SHOWN = 100  # characters of one step of a path: a property's name may fill the message


class Operation(StrEnum):
    """What an event asks of HubSpot."""

    UPSERT = "upsert"
    UPDATE = "update"
    ARCHIVE = "archive"


OPERATIONS: Final[Mapping[str, Operation]] = {
    f"ordersync.order.{operation}.v1": operation for operation in Operation
}

Scalar = str | int | float | bool | None


def _with_offset(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise PydanticCustomError(
            "time", "must be RFC 3339 with seconds and an offset, as 2026-11-22T10:00:00Z"
        )
    try:
        date.fromisoformat(value[:10])  # the rest is in the pattern; datetime's knows no small z
    except ValueError:  # the 31st of a shorter month
        raise PydanticCustomError("time", "is not a day of the calendar") from None
    return value


NonEmpty = Annotated[str, Field(min_length=1, max_length=1024)]
EventId = Annotated[str, Field(min_length=1, max_length=255)]
Timestamp = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time", "pattern": TIME_PATTERN}),
    AfterValidator(_with_offset),
]
PropertyName = Annotated[str, Field(min_length=1, max_length=255)]


class Written(BaseModel):
    """`data` of an upsert or update."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)
    properties: dict[PropertyName, Scalar]
    id_property: NonEmpty | None = None


class Archived(BaseModel):
    """`data` of an archive: no properties."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    properties: None = None
    id_property: NonEmpty | None = None


class _Envelope(BaseModel):
    """The CloudEvents attributes that every order event carries."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    specversion: Literal["1.0"]
    id: EventId
    source: NonEmpty
    subject: NonEmpty
    time: Timestamp
    datacontenttype: Literal["application/json"] | None = None
    sequence: NonEmpty | None = None
    traceparent: str | None = None
    tracestate: str | None = None


class UpsertEvent(_Envelope):
    """Create the order or change it."""

    type: Literal["ordersync.order.upsert.v1"]
    data: Written

    @model_validator(mode="after")
    def _needs_a_key_of_yours(self) -> Self:
        if self.data.id_property == RECORD_ID:
            raise PydanticCustomError(
                "id_property",
                "an upsert needs a property of yours: hs_object_id is given out by HubSpot",
            )
        return self


class UpdateEvent(_Envelope):
    """Change an order that exists."""

    type: Literal["ordersync.order.update.v1"]
    data: Written


class ArchiveEvent(_Envelope):
    """Take the order out of HubSpot; one that is not there is archived already."""

    type: Literal["ordersync.order.archive.v1"]
    data: Archived = Archived()


OrderEvent = UpsertEvent | UpdateEvent | ArchiveEvent
_READER: TypeAdapter[OrderEvent] = TypeAdapter(Annotated[OrderEvent, Field(discriminator="type")])
_ENVELOPE: TypeAdapter[_Envelope] = TypeAdapter(
    _Envelope
)  # for the other faults of an event of no known type


class Order(NamedTuple):
    """Which order: a value of the identifying property. One order, one lane."""

    id_property: str
    key: str


class Properties(Protocol):
    """The AMQP properties of a message, as far as we read or copy them."""

    content_type: str | None
    content_encoding: str | None
    headers: Any
    delivery_mode: int | None
    correlation_id: str | None
    reply_to: str | None
    message_id: str | None
    timestamp: datetime | None
    message_type: str | None
    app_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One AMQP message handed to us. It exists until it is settled, or until its epoch ends."""

    epoch: int  # the channel it came on; an ack on any other is a lie
    tag: int
    queue: str
    exchange: str
    routing_key: str
    redelivered: bool
    properties: Properties
    body: bytes
    received_at: datetime

    @property
    def returns(self) -> int:
        """How often it went back to the queue before, as far as the broker counts: 0 the first time.

        RabbitMQ 4.3 counts only what looks like a failure in `x-delivery-count`, everything in
        `x-acquired-count`. On what was never delivered before, both are the producer's invention.
        """
        if not self.redelivered:
            return 0
        counts = (self.headers.get(n) for n in ("x-delivery-count", "x-acquired-count"))
        return max((c for c in counts if type(c) is int), default=0)

    @property
    def headers(self) -> Mapping[str, Any]:
        """The message's headers, {} where it has none."""
        return self.properties.headers or {}

    @property
    def replays(self) -> int:
        """How often this event was replayed out of the dead letters."""
        count = self.headers.get("ordersync-replays", 0)
        return count if type(count) is int and count > 0 else 0

    @property
    def came_back(self) -> bool:
        """Whether it comes out of the dead letters, however: by `dlq replay`, by a shovel, by hand.

        Any header of ours says so, and the broker's x-death. A producer's event has neither.
        """
        for name in self.properties.headers or ():  # noqa: SIM110  (every event pays; a generator is dearer)
            if name.startswith("ordersync-") or name == "x-death":
                return True
        return False

    @property
    def forced(self) -> bool:
        """Whether an operator wants it written over whatever is newer."""
        force = self.headers.get("ordersync-force")  # any AMQP value, a list too
        return force is True or force == "true"


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """An order event together with its delivery: what a slot is made of."""

    delivery: Delivery
    event: OrderEvent
    operation: Operation
    order: Order
    values: Mapping[str, str]  # as HubSpot takes them; "" clears
    came_back: bool = (
        False  # out of the dead letters: checked against what is newer before it is written
    )
    apart: bool = False  # merges with no other event

    @property
    def identity(self) -> tuple[str, str]:
        """`source` + `id`: the same pair is the same event."""
        return self.event.source, self.event.id


class Fault(NamedTuple):
    """One thing that is wrong with an event."""

    path: str  # "data.properties.total", "ce-id", "" for the whole
    message: str


class Identity(NamedTuple):
    """What could be read of a malformed event, so that its producer can find it."""

    id: str | None = None
    source: str | None = None
    type: str | None = None
    time: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Malformed:
    """A delivery that holds no order event."""

    delivery: Delivery
    code: Code
    faults: tuple[Fault, ...]
    identity: Identity

    @property
    def message(self) -> str:
        """Every fault in one sentence."""
        shown = "; ".join(
            f"{path}: {message}" if path else message
            for path, message in self.faults[:_FAULTS_SHOWN]
        )
        hidden = len(self.faults) - _FAULTS_SHOWN
        return f"{shown}; and {hidden} more faults" if hidden > 0 else shown


class _Unreadable(Exception):  # noqa: N818  (a turn in parse(), never seen outside)
    def __init__(self, code: Code, path: str, message: str) -> None:
        super().__init__(message)
        self.code, self.fault = code, Fault(path, message)


def parse(delivery: Delivery, id_property: str) -> Contribution | Malformed:
    """Read one delivery; `id_property` is the configured default. Total: it never raises."""
    document: Any = None
    try:
        if len(delivery.body) > MAX_BODY:
            raise _Unreadable(  # noqa: TRY301  (the one way out)
                Code.OVERSIZED, "", f"the body has {len(delivery.body)} bytes, more than {MAX_BODY}"
            )
        if _is_structured(delivery):
            event = _READER.validate_json(delivery.body)
        else:
            document = _from_headers(delivery)
            event = _READER.validate_python(document)
        return _contribution(delivery, event, id_property)
    except ValidationError as error:
        document = document if document is not None else _leniently(delivery.body)
        code, faults = _faults(error, binary=not _is_structured(delivery))
    except _Unreadable as error:
        document = document if document is not None else _attributes(delivery)
        code, faults = error.code, (error.fault,)
    return Malformed(delivery, code, faults, _identity(document))


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
            "content_type",
            f"neither {STRUCTURED} nor ce-* headers: this is not a CloudEvent",
        )
    content_type = (
        (delivery.properties.content_type or "application/json").partition(";")[0].strip().lower()
    )
    if content_type != "application/json":
        raise _Unreadable(
            Code.NOT_CLOUDEVENT,
            "content_type",
            "the data of a binary event must be application/json",
        )
    document["datacontenttype"] = content_type
    if delivery.body:
        try:
            document["data"] = from_json(delivery.body)  # the reader of structured events too
        except ValueError as error:
            raise _Unreadable(Code.INVALID_JSON, "data", f"the body is not JSON: {error}") from None
    return document


def _attributes(delivery: Delivery) -> dict[str, Any]:
    headers = delivery.headers.items()
    return {n[3:]: value for n, value in headers if n.startswith("ce-") and n != "ce-data"}


def _contribution(delivery: Delivery, event: OrderEvent, default: str) -> Contribution:
    order = Order(event.data.id_property or default, event.subject)
    if order.id_property == RECORD_ID and not (order.key.isascii() and order.key.isdigit()):
        raise _Unreadable(
            Code.INVALID_EVENT, "subject", "must be digits: it is HubSpot's record id"
        )
    operation, back = OPERATIONS[event.type], delivery.came_back
    if isinstance(event, ArchiveEvent):
        return Contribution(delivery, event, operation, order, {}, back, back)
    values = {name: as_hubspot(value) for name, value in event.data.properties.items()}
    if values.get(order.id_property, order.key) != order.key:
        raise _Unreadable(
            Code.INVALID_EVENT,
            f"data.properties.{order.id_property}",
            "differs from the subject: it identifies the order and cannot be changed by an event",
        )
    return Contribution(delivery, event, operation, order, values, back, back)


def as_hubspot(value: Scalar) -> str:
    """A property's value as HubSpot takes it: always a string, "" clears, no exponents."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():  # pragma: no branch  (the union is closed)
            return format(Decimal(repr(value)), "f")


def _leniently(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _identity(document: Any) -> Identity:
    if not isinstance(document, dict):
        return Identity()
    known = (document.get(name) for name in Identity._fields)
    return Identity(
        *(value if isinstance(value, str) and 0 < len(value) <= 1024 else None for value in known)
    )


def _faults(error: ValidationError, *, binary: bool) -> tuple[Code, tuple[Fault, ...]]:
    """Every fault once, with its path; a value of no allowed type is one fault, not one a type."""
    if error.error_count() > _FAULTS_READ:
        return Code.INVALID_EVENT, (
            Fault("", f"more than {_FAULTS_READ} faults: too many to name"),
        )
    details = error.errors(include_url=False, include_context=True)
    if details[0]["type"] == "json_invalid":
        return Code.INVALID_JSON, (Fault("", f"the body is not JSON: {details[0]['msg']}"),)
    if details[0]["type"] in _NO_TYPE and isinstance(details[0]["input"], dict):
        details += _envelope_errors(details[0]["input"])
    faults = {fault.path: fault for fault in (_fault(detail, binary=binary) for detail in details)}
    return Code.INVALID_EVENT, tuple(faults.values())


def _envelope_errors(document: dict[str, Any]) -> list[ErrorDetails]:
    try:
        _ENVELOPE.validate_python(document)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _fault(detail: ErrorDetails, *, binary: bool) -> Fault:
    loc = detail["loc"][1:] if detail["loc"] and detail["loc"][0] in OPERATIONS else detail["loc"]
    path = [_step(str(step)) for step in loc]
    if path[:2] == ["data", "properties"] and len(path) > 3:
        return Fault(
            ".".join(path[:3]),
            _NAME if path[3] == "[key]" else "must be a string, number, boolean or null",
        )
    if detail["type"] in _NO_TYPE:
        path, message = ["type"], f"must be one of {', '.join(OPERATIONS)}"
    else:
        message = _MESSAGES.get(detail["type"], detail["msg"])
    if binary and path and path[0] != "data":
        path[0] = f"ce-{path[0]}"
    return Fault(".".join(path), message)


def _step(name: str) -> str:
    return name if len(name) <= _STEP_SHOWN else f"{name[:_STEP_SHOWN]}…"


_NO_TYPE = {"union_tag_not_found", "union_tag_invalid"}
_NAME = "a property's name has 1 to 255 characters"
_MESSAGES = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "none_required": "an archive carries no properties",
}
