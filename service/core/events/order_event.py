"""The wire shape of an order event: a CloudEvents 1.0 event, its operation and its order.

schemas/order-event.v1.json is exported from here. Unknown fields are ignored, nothing is filled in.
"""

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    model_validator,
)
from pydantic_core import PydanticCustomError

from service.core.events.order_graph import (
    RECORD_ID as RECORD_ID,  # noqa: PLC0414  (its readers know it from here)
)
from service.core.events.order_graph import (
    WRITTEN_RULES,
    LineItems,
    LinkEntry,
    NonEmpty,
    Properties,
    UnlinkEntry,
)

# HubSpot\'s object type that order events write.
ORDERS: Final = "orders"
STRUCTURED = "application/cloudevents+json"
TIME_PATTERN = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$"
)
_TIME = re.compile(TIME_PATTERN, re.ASCII)


class Operation(StrEnum):
    """What an event asks of HubSpot."""

    CREATE = "create"
    UPSERT = "upsert"
    UPDATE = "update"
    ARCHIVE = "archive"


OPERATIONS: Final[Mapping[str, Operation]] = {
    f"ordersync.order.{operation}.v1": operation for operation in Operation
}


def _with_offset(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise PydanticCustomError(
            "time", "must be RFC 3339 with seconds and an offset, as 2026-11-22T10:00:00Z"
        )
    try:
        # The rest is in the pattern; datetime's knows no small z.
        date.fromisoformat(value[:10])
    except ValueError:  # the 31st of a shorter month
        raise PydanticCustomError("time", "is not a day of the calendar") from None
    return value


EventId = Annotated[str, Field(min_length=1, max_length=255)]
Timestamp = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time", "pattern": TIME_PATTERN}),
    AfterValidator(_with_offset),
]


class Written(BaseModel):
    """`data` of a create, upsert or update. `properties` may be absent beside another part."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        json_schema_extra={"allOf": WRITTEN_RULES},
    )
    properties: Properties = {}
    id_property: NonEmpty | None = None
    pipeline: NonEmpty | None = None
    stage: NonEmpty | None = None
    line_items: LineItems | None = None
    associations: list[LinkEntry] | None = None
    dissociations: list[UnlinkEntry] | None = None

    @property
    def complete(self) -> bool:
        """Whether it carries more than properties."""
        return not (
            self.stage is None
            and self.pipeline is None
            and self.line_items is None
            and self.associations is None
            and self.dissociations is None
        )


class Archived(BaseModel):
    """`data` of an archive: nothing but, perhaps, its identifying property."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    properties: None = None
    id_property: NonEmpty | None = None
    pipeline: None = None
    stage: None = None
    line_items: None = None
    associations: None = None
    dissociations: None = None


class Envelope(BaseModel):
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


class _KeyedEvent(Envelope):
    """An event that may make the order, and so needs a key of the producer's."""

    data: Written

    @model_validator(mode="after")
    def _needs_a_key_of_yours(self) -> Self:
        if self.data.id_property == RECORD_ID:
            raise PydanticCustomError(
                "id_property",
                "needs a property of yours where the order may be created: hs_object_id is given out by HubSpot",
            )
        return self


class CreateEvent(_KeyedEvent):
    """Create the order; one that is there already is refused."""

    type: Literal["ordersync.order.create.v1"]


class UpsertEvent(_KeyedEvent):
    """Create the order or change it."""

    type: Literal["ordersync.order.upsert.v1"]


class UpdateEvent(Envelope):
    """Change an order that exists."""

    type: Literal["ordersync.order.update.v1"]
    data: Written


class ArchiveEvent(Envelope):
    """Take the order out of HubSpot; one that is not there is archived already."""

    type: Literal["ordersync.order.archive.v1"]
    data: Archived = Archived()


OrderEvent = CreateEvent | UpsertEvent | UpdateEvent | ArchiveEvent
READER: TypeAdapter[OrderEvent] = TypeAdapter(Annotated[OrderEvent, Field(discriminator="type")])
ENVELOPE: TypeAdapter[Envelope] = TypeAdapter(
    Envelope
)  # for the other faults of an event of no known type


class Order(NamedTuple):
    """Which order: a value of the identifying property. One order, one lane."""

    id_property: str
    key: str
