"""AMQP at the price of its bytes: a connection with one channel, for a load that must not be the bottleneck."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from pamqp import frame
from pamqp.commands import Basic, Channel, Confirm, Connection
from pamqp.constants import FRAME_HEADER
from pamqp.header import ContentHeader

from tests.faults.amqp import Frame, Frames

READ = 256 * 1024
FRAME_MAX = 128 * 1024


class Wire:
    """One connection, channel 1 open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = Frames()
        self._ready: list[Frame] = []

    async def ask(self, method: Any, channel: int = 1) -> Any:
        """A method, and the one that answers it."""
        self._writer.write(frame.marshal(method, channel))
        return await self._answer()

    def send(self, octets: bytes) -> None:
        """Whole frames."""
        self._writer.write(octets)

    async def flushed(self) -> None:
        """Return when the broker takes more."""
        await self._writer.drain()

    async def frames(self) -> AsyncIterator[list[Frame]]:
        """What comes, a read at a time; ends with the connection."""
        while octets := await self._reader.read(READ):
            yield list(self._frames.feed(octets))

    async def opened(self, url: str) -> None:
        """The handshake, without heartbeats: both ends are on this machine."""
        parts = urlsplit(url)
        self._writer.write(b"AMQP\x00\x00\x09\x01")
        await self._answer()
        login = f"\0{parts.username}\0{parts.password}"
        tune = await self.ask(Connection.StartOk({}, "PLAIN", login, "en_US"), 0)
        ok = Connection.TuneOk(tune.channel_max, FRAME_MAX, 0)
        self._writer.write(frame.marshal(ok, 0))
        await self.ask(Connection.Open(unquote(parts.path[1:]) or "/"), 0)
        await self.ask(Channel.Open())

    async def _answer(self) -> Any:
        while not self._ready:
            octets = await self._reader.read(READ)
            if not octets:
                raise ConnectionError("the broker hung up")
            self._ready += self._frames.feed(octets)
        return _read(self._ready.pop(0))


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """A connection for the length of the block."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 5672, limit=READ)
    made = Wire(reader, writer)
    try:
        await made.opened(url)
        yield made
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class Publishing:
    """Messages on the wire, confirmed; `confirmed` counts."""

    def __init__(self, on: Wire, exchange: str, content_type: str) -> None:
        self._wire, self._exchange = on, exchange
        self._properties = Basic.Properties(content_type=content_type, delivery_mode=2)
        self._methods: dict[str, bytes] = {}
        self._headers: dict[int, bytes] = {}
        self._low = 0
        self._above: set[int] = set()

    @property
    def confirmed(self) -> int:
        """How many the broker has taken."""
        return self._low + len(self._above)

    async def begin(self) -> None:
        """Confirms from here on."""
        await self._wire.ask(Confirm.Select())

    def send(self, messages: list[tuple[str, bytes]]) -> None:
        """(routing key, body) each, in one write."""
        self._wire.send(b"".join(part for each in messages for part in self._marshalled(*each)))

    async def listen(self) -> None:
        """Count confirms until the connection ends."""
        async for frames in self._wire.frames():
            for each in frames:
                method = _read(each)
                if not isinstance(method, Basic.Ack):
                    raise ConnectionError(f"the broker says {method}")
                self._acked(method.delivery_tag or 0, multiple=bool(method.multiple))

    def _acked(self, tag: int, *, multiple: bool) -> None:
        if multiple:
            self._above = {each for each in self._above if each > tag}
            self._low = max(self._low, tag)
        else:
            self._above.add(tag)
        while self._low + 1 in self._above:
            self._low += 1
            self._above.remove(self._low)

    def _marshalled(self, key: str, body: bytes) -> Iterator[bytes]:
        if key not in self._methods:
            publish = Basic.Publish(exchange=self._exchange, routing_key=key)
            self._methods[key] = frame.marshal(publish, 1)
        yield self._methods[key]
        if (size := len(body)) not in self._headers:
            head = ContentHeader(body_size=size, properties=self._properties)
            self._headers[size] = frame.marshal(head, 1)
        yield self._headers[size]
        yield b"\x03\x00\x01%b%b\xce" % (size.to_bytes(4), body)


async def receipts(on: Wire, queue: str) -> AsyncIterator[list[tuple[str, str]]]:
    """(routing key, correlation id) of every message of a queue, taken as it comes, a read at a time."""
    await on.ask(Basic.Consume(queue=queue, no_ack=True))
    key = ""
    async for frames in on.frames():
        found: list[tuple[str, str]] = []
        for each in frames:
            if each.method == "basic.deliver":
                key = _read(each).routing_key
            elif each.octets[0] == FRAME_HEADER:
                found.append((key, _read(each).properties.correlation_id or ""))
        yield found


def _read(each: Frame) -> Any:
    """What pamqp makes of a frame."""
    return frame.unmarshal(each.octets)[2]
