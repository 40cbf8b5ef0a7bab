"""Bytes of the consuming connection -> Delivery, a read at a time.

aiormq reads a frame at a time and gives every delivery a task of its own: half of what an event costs on
its way in. `Inbox` takes the deliveries out of what arrives on a wire and leaves everything else for aiormq
to read. A channel's content frames never interleave (AMQP 0-9-1, 4.2.6), so that one half-read delivery
per channel is all that it ever holds.

A body that is too large is never joined: its bytes go by, and the delivery says how many they were.
Properties that cannot be decoded are one message's fault, not the connection's: it is handed over without.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from aiormq.exceptions import InvalidFrameError
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from service.core.events.deliveries import (
    DELIVERED,
    READ_AT_MOST,
    Delivery,
    Unread,
    counter_of,
)
from service.rabbitmq.frames import BODY, HEADER, METHOD, UNDECODABLE

_DELIVER: Final = b"\x00\x3c\x00\x3c"  # class 60, method 60
_TAG: Final = struct.Struct(">QB")  # delivery tag, redelivered
# Of the body, behind class and weight.
_SIZE: Final = struct.Struct(">4xQ")


@dataclass(slots=True)
class _Reading:
    """What is known of a channel's next delivery."""

    epoch: int
    queue: str
    deliver: Callable[[Delivery], None]
    counter: str
    # Bytes of a body that is held.
    largest: int
    method: bytes | None = None
    properties: Basic.Properties | None = None
    fault: str | None = None
    missing: int = 0  # bytes of the body
    # Bytes of a body that is too large to be held.
    size: int = 0
    digest: blake2b | None = None  # of the same
    body: list[bytes] = field(default_factory=list)


class Inbox:
    """Reads a consuming connection's frames: name the channels whose deliveries to take."""

    def __init__(
        self, ended: Callable[[], None] = lambda: None, *, largest: int = READ_AT_MOST
    ) -> None:
        """`ended` is told when the connection's end is read; of bodies above `largest` only the size is."""
        self.ended, self._largest = ended, largest
        self._channels: dict[int, _Reading] = {}
        self._counter = DELIVERED

    def learn(self, server: Mapping[str, Any]) -> None:
        """Take in what the broker says of itself (its server properties)."""
        version = server.get("version", "")
        self._counter = counter_of(version.decode() if isinstance(version, bytes) else str(version))

    def read(
        self, channel: int, epoch: int, queue: str, deliver: Callable[[Delivery], None]
    ) -> None:
        """From now on the channel's deliveries are `deliver`'s; it must not fail."""
        self._channels[channel] = _Reading(
            epoch=epoch, queue=queue, deliver=deliver, counter=self._counter, largest=self._largest
        )

    def take(self, kind: int, channel: int, payload: bytes, now: datetime) -> bool:
        """Whether the frame is a part of a delivery."""
        reading = self._channels.get(channel)
        return reading is not None and _take(reading, kind, payload, now)


def _take(reading: _Reading, kind: int, payload: bytes, now: datetime) -> bool:
    """Whether the frame is a part of a delivery; the last one hands it over.

    Raises:
        InvalidFrameError: not the part that has to come.
    """
    if reading.method is None:
        if kind == METHOD and payload.startswith(_DELIVER):
            reading.method = payload
            return True
        return False
    if kind == HEADER and reading.properties is None:
        (reading.missing,) = _SIZE.unpack_from(payload)
        if reading.missing > reading.largest:
            reading.size, reading.digest = reading.missing, blake2b(digest_size=16)
        reading.properties, reading.fault = _properties(payload)
    elif kind == BODY and reading.properties is not None:
        if reading.digest is None:
            reading.body.append(payload)
        else:
            reading.digest.update(payload)
        reading.missing -= len(payload)
    else:
        raise InvalidFrameError(f"a delivery's content was expected, not a frame of kind {kind}")
    if reading.missing <= 0:
        _hand_over(reading, reading.method, reading.properties, now)
    return True


def _hand_over(
    reading: _Reading, method: bytes, properties: Basic.Properties, now: datetime
) -> None:
    after = 5 + method[4]  # the consumer's tag
    tag, redelivered = _TAG.unpack_from(method, after)
    exchange, routing_key = _address(method[after + _TAG.size :])
    body = reading.body[0] if len(reading.body) == 1 else b"".join(reading.body)
    delivery = Delivery(
        epoch=reading.epoch,
        tag=tag,
        queue=reading.queue,
        exchange=exchange,
        routing_key=routing_key,
        redelivered=bool(redelivered & 1),
        properties=properties,
        body=body,
        received_at=now,
        fault=reading.fault,
        counter=reading.counter,
        unread=None if reading.digest is None else Unread(reading.size, reading.digest.digest()),
    )
    reading.method, reading.properties, reading.body, reading.digest = None, None, [], None
    reading.deliver(delivery)


@lru_cache(maxsize=1024)
def _address(encoded: bytes) -> tuple[str, str]:
    """Exchange and routing key: two short strings, a handful of pairs."""
    exchange = encoded[1 : 1 + encoded[0]]
    routing_key = encoded[2 + encoded[0] :]
    return exchange.decode(errors="replace"), routing_key.decode(errors="replace")


def _properties(payload: bytes) -> tuple[Basic.Properties, str | None]:
    """The properties of a content header, or none and why they cannot be read."""
    header = ContentHeader()
    try:
        header.unmarshal(payload)
    except UNDECODABLE as error:
        return Basic.Properties(), f"{type(error).__name__}: {error}"
    return header.properties, None
