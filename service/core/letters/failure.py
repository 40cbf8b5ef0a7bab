"""What went wrong with one event: a field for each header that ordersync adds to a dead letter.

Law: a header is described once. Its name is the field's (core/headers.py), `Carried` says how much of it
is written and how it is read back, `Field` what the schema says of it; schemas/dead-letter.v1.json is
exported from this class.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args

from pydantic import ConfigDict, Field, WithJsonSchema

from service.core.events.order_event import TIME_PATTERN
from service.core.headers import header
from service.core.outgoing import iso
from service.core.reasons import Code

# The status of what the broker gave up on.
UNDELIVERED: Final = "undelivered"
# The reason of a message that nothing explains.
UNEXPLAINED: Final = "unknown"
# Bytes of what happened in earlier replays.
HISTORY_MAX: Final = 1024


@lru_cache(maxsize=1024)  # failures come in crowds
def moment(text: str | None) -> datetime | None:
    """A time in UTC, also where it says no offset; None where there is none to read. Total."""
    try:
        read = None if text is None else datetime.fromisoformat(text.upper())  # no small z
        return read and (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # no time, or one that UTC's calendar has not
        return None


def text_of(value: Any) -> str | None:
    """A text that says something; headers may hold anything."""
    return value if isinstance(value, str) and value else None


def _time_of(value: Any) -> str | None:
    at = moment(text_of(value))
    return None if at is None else iso(at)


def _number_of(value: Any) -> int | None:
    return value if type(value) is int else None


def _count_of(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


@dataclass(frozen=True, slots=True)
class Carried:
    """How a field travels: read back by `read`, as `unsaid` where that finds nothing; texts are bounded."""

    read: Callable[[Any], Any] = text_of
    unsaid: Any = None
    most: int = 256  # bytes of UTF-8


_TEXT: Final = Carried()
# A text that readers may count on.
_SAID: Final = Carried(unsaid="")
_NUMBER: Final = Carried(_number_of)
_MOMENT: Final = WithJsonSchema(
    {"format": "date-time", "pattern": TIME_PATTERN, "type": "string"}, mode="validation"
)
_MOMENT_IF_SAID: Final = WithJsonSchema(
    {
        "anyOf": [
            {"format": "date-time", "pattern": TIME_PATTERN, "type": "string"},
            {"type": "null"},
        ]
    }
)
_COUNT: Final = WithJsonSchema({"minimum": 0, "type": "integer"})

Status = Literal["rejected", "exhausted", "malformed", "undelivered", "unknown"]
Text = Annotated[str | None, _TEXT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What ordersync adds to the headers of an event that failed. The body is the producer's.

    What ordersync writes says all that has no default here. A message of somebody else's may not: then
    a number or a time is None, and a text empty.
    """

    __pydantic_config__: ClassVar = ConfigDict(alias_generator=header)

    status: Annotated[
        str,
        _SAID,
        WithJsonSchema({"enum": list(get_args(Status)), "type": "string"}),
        Field(
            description="`undelivered`, `unknown`: moved letters of the broker's and of nobody's"
        ),
    ]
    reason: Annotated[
        str,
        Carried(unsaid=UNEXPLAINED),
        Field(pattern="^[a-z][a-z_]*$", examples=[str(code) for code in Code]),
    ]
    message: Annotated[str, Carried(unsaid="", most=2048), Field(description="at most 2 KB")]
    category: Text = None
    http_status: Annotated[int | None, _NUMBER] = None
    correlation_id: Text = None
    property: Text = None
    part: Annotated[
        Text, Field(description="the part of the event that failed, where it has parts")
    ] = None
    attempts: Annotated[int | None, _NUMBER, _COUNT]
    failed_at: Annotated[str | None, Carried(_time_of), _MOMENT]
    exchange: Annotated[str, _SAID, Field(description="that it was published to")]
    routing_key: Annotated[str, _SAID]
    queue: Annotated[str, _SAID, Field(description="that it was consumed from")]
    event_id: Text = None
    event_source: Text = None
    id_property: Annotated[
        Text, Field(description="the identifying property that it was written by")
    ] = None
    order: Annotated[Text, Field(description="the event's subject")] = None
    fingerprint: Annotated[
        str, _SAID, Field(pattern="^[0-9a-f]{16}$", description="same cause, same value")
    ]
    replays: Annotated[int, Carried(_count_of, unsaid=0), _COUNT]
    first_failed_at: Annotated[
        str | None, Carried(_time_of), _MOMENT_IF_SAID, Field(description="before any replay")
    ] = None
    history: Annotated[
        str | None,
        Carried(most=HISTORY_MAX),
        Field(description="a line for each replay, the newest last"),
    ] = None
    message_id: Annotated[Text, Field(description="the message_id that the event came with")] = None
    headers_dropped: Annotated[
        int | None, _NUMBER, Field(ge=1, description="producer's headers that had no room in 8 KB")
    ] = None

    def to_headers(self) -> dict[str, Any]:
        """As they are written; a field that says nothing has no header."""
        return {
            each.header: short(value, each.how.most) if isinstance(value, str) else value
            for each in HEADERS
            if (value := getattr(self, each.field)) is not None
        }

    @classmethod
    def from_headers(cls, headers: Mapping[str, Any]) -> Self:
        """As they are read back, whoever wrote them. Total: what cannot be read is as if unsaid."""
        return cls(**given(headers))


@dataclass(frozen=True, slots=True)
class Header:
    """One header, the field that it carries, and how."""

    field: str
    header: str
    how: Carried


def given(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Field -> what a message's headers say."""
    read = ((each, each.how.read(headers.get(each.header))) for each in HEADERS)
    return {each.field: each.how.unsaid if value is None else value for each, value in read}


def short(value: str, most: int = _TEXT.most) -> str:
    """At most so many bytes of UTF-8."""
    text = value.encode(errors="replace")
    return text.decode() if len(text) <= most else text[: most - 3].decode(errors="ignore") + "…"


def _carried(kind: Any) -> Carried:
    return next(each for each in kind.__metadata__ if isinstance(each, Carried))


HEADERS: Final = tuple(
    Header(each.name, header(each.name), _carried(each.type)) for each in fields(Failure)
)
