"""AMQP 0-9-1 frames as bytes (sections 2.3.5 and 4.2.6), as far as the hot path reads and writes them.

A frame is its kind, channel and size, that many bytes of payload, and an end. pamqp knows them all; its
loops over the fields of each cost more than what is done with an event. Tables, dates and what is rare
are left to it.
"""

import struct
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from pamqp import encode
from pamqp.commands import Basic
from pamqp.frame import marshal

from service.core.outgoing import Outgoing

# kind, channel, size of the payload.
START: Final = struct.Struct(">BHI")
END: Final = 0xCE
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8

# Whatever pamqp meets in a table: text that is not UTF-8, a date outside the calendar, no such type, an
# early end, tables within tables without end.
UNDECODABLE: Final = (
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    OSError,
    RecursionError,
    struct.error,
)

# class, weight, size of the body, flags of the properties.
_CONTENT: Final = struct.Struct(">HHQH")
_BASIC: Final = 60
_PERSISTENT: Final = b"\x02"
_END: Final = bytes([END])


def published(
    message: Outgoing, exchange: str, message_id: str, channel: int, most: int
) -> Iterator[bytes]:
    """One persistent, mandatory publish: method, header, and the body in parts of `most` bytes."""
    yield _method(exchange, message.routing_key, channel)
    yield _frame(HEADER, channel, _header(message, message_id))
    body = message.body
    for start in range(0, len(body), most):
        yield _frame(BODY, channel, body[start : start + most])


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return START.pack(kind, channel, len(payload)) + payload + _END


@lru_cache(maxsize=128)
def _method(exchange: str, routing_key: str, channel: int) -> bytes:
    """A handful of routing keys: their frames are made once."""
    publish = Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True)
    return marshal(publish, channel)


def _header(message: Outgoing, message_id: str) -> bytes:
    flags, values = 0, []
    # In the order that the protocol gives them.
    for flag, value in (
        (0x8000, _short(message.content_type)),
        (0x4000, _short(message.content_encoding)),
        (0x2000, _table(message.headers)),
        (0x1000, _PERSISTENT),
        (0x0400, _short(message.correlation_id)),
        (0x0200, _short(message.reply_to)),
        (0x0080, _short(message_id)),
        (0x0040, _date(message.timestamp)),
        (0x0020, _short(message.message_type)),
        (0x0008, _short(message.app_id)),
    ):
        if value is not None:
            flags |= flag
            values.append(value)
    return _CONTENT.pack(_BASIC, 0, len(message.body), flags) + b"".join(values)


def _short(text: str | None) -> bytes | None:
    """A short string: its length in a byte. Longer than 255 bytes cannot be sent."""
    if text is None:
        return None
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def _table(headers: Any) -> bytes | None:
    return None if headers is None else encode.field_table(headers)


def _date(moment: datetime | None) -> bytes | None:
    return None if moment is None else encode.timestamp(moment)
