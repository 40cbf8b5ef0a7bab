"""One connection's bytes. Ours are written at once; the broker's are offered to us before aiormq reads them.

Laws. `write` never waits: frames leave in the order in which they were made, and nobody hangs in a queue
whose connection is gone. What is written is small beside what the broker has given us to hold (an ack per
delivery, an outcome per event), so that the socket's buffer is bounded by that. A connection that has
ended is told once, at the moment at which the end is read.

aiormq asks a transport factory for a reader and a writer (a documented argument), and of the reader for
`readexactly` and `at_eof`. Handshake, heartbeats, channels and every frame that `Reader.take` leaves are its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Protocol, cast

from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from aiormq.exceptions import InvalidFrameError
from pamqp.heartbeat import Heartbeat
from yarl import URL

from service.clock import stamp
from service.rabbitmq.frames import BODY, END, HEADER, HEARTBEAT, METHOD, START

READ: Final = 256 * 1024  # bytes at most at a time
_KINDS: Final = frozenset({METHOD, HEADER, BODY, HEARTBEAT})
_STILL_HERE: Final = Heartbeat().marshal()


class Reader(Protocol):
    """Who reads a connection's frames before aiormq does."""

    def take(self, kind: int, channel: int, payload: bytes, now: datetime) -> bool:
        """Whether the frame is ours; aiormq never sees it then."""
        ...

    def ended(self) -> None:
        """Nothing comes any more, and nothing that was written after the end was read."""
        ...


async def _at_once() -> None:
    pass


class Bystander:
    """Reads nothing: all frames are aiormq's."""

    def take(self, _kind: int, _channel: int, _payload: bytes, _now: datetime) -> bool:
        """Never."""
        return False

    def ended(self) -> None:
        """Whoever waits for an answer is told by aiormq."""


class Wire(TransportFactory):
    """For one connection: give it to aiormq as the transport's factory."""

    def __init__(self, reader: Reader, room: Callable[[], Awaitable[None]] = _at_once) -> None:
        """`room` returns when more may be read."""
        self._take, self._ended, self._room = reader.take, reader.ended, room
        self._reader: asyncio.StreamReader  # both since `create`
        self._writer: asyncio.StreamWriter
        self._rest = b""  # an unfinished frame
        self._others = bytearray()  # whole frames for aiormq

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; aiormq reads from us what we did not take."""
        transport = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        self._reader, self._writer = await transport.create(url, **kwargs)
        return cast("asyncio.StreamReader", self), self._writer

    def write(self, frames: bytes) -> None:
        """Whole frames; on a connection that has ended they go nowhere."""
        if not self._writer.is_closing():
            self._writer.write(frames)

    def at_eof(self) -> bool:
        """Never: an end is an error, which `readexactly` raises.

        Where this says yes, aiormq stops reading without one, and whoever waits for an answer of the
        broker's gets an Exception that nobody can catch by its name.
        """
        return False

    async def readexactly(self, size: int) -> bytes:
        """The next bytes that are aiormq's.

        Raises:
            IncompleteReadError: the connection has ended.
            InvalidFrameError: content out of turn; the connection is of no use any more.
        """
        try:
            while len(self._others) < size:
                await self._room()
                arrived = await self._reader.read(READ)
                if not arrived:
                    raise asyncio.IncompleteReadError(bytes(self._others), size)  # noqa: TRY301
                self._sort(self._rest + arrived)
        except BaseException:  # aiormq stops reading by cancelling
            self._ended()
            raise
        wanted = bytes(self._others[:size])
        del self._others[:size]
        return wanted

    def _sort(self, arrived: bytes) -> None:
        """What the reader takes to the reader, the rest to aiormq, in the order in which they came."""
        at, now, taken = 0, stamp(), False
        while at + START.size <= len(arrived):
            kind, channel, size = START.unpack_from(arrived, at)
            # A peer that does not speak AMQP: aiormq knows what to say.
            if kind not in _KINDS:
                self._others += arrived[at:]
                at = len(arrived)
                break
            start, end = at + START.size, at + START.size + size
            if end >= len(arrived):
                break
            if arrived[end] != END:
                raise InvalidFrameError(f"no end after a frame of {size} bytes")
            if self._take(kind, channel, arrived[start:end], now):
                taken = True
            else:
                self._others += arrived[at : end + 1]
            at = end + 1
        self._rest = arrived[at:]
        if taken and not self._others:
            # aiormq takes a connection for dead on which it reads no frame. One that has deliveries to
            # send sends no heartbeats.
            self._others += _STILL_HERE
