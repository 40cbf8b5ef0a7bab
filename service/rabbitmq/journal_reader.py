"""The journal, read without taking anything away: every message from a time on, up to where it ended when we began.

    its last chunk  ->  where it ends, and when that was written
    from `since` on, or from the beginning  ->  message, message, ... up to that end

Law: a stream has no end that a reader could see, so that the end is looked up first; what is written meanwhile is
not waited for. Frames are read as they come (`wire`): aiormq takes a task for each message, and there may be many.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from service.core.settlement.journal import JOURNAL, written_at
from service.rabbitmq.connection import LOST, Channel, Connection, connect
from service.rabbitmq.errors import ChannelAccessRefused, ChannelNotFoundEntity
from service.rabbitmq.frames import BODY, HEADER, METHOD
from service.rabbitmq.wire import Wire

# Messages on their way at most: RabbitMQ's credit for a stream.
PREFETCH: Final = 1000
# It is given anew in parts.
ACKED: Final = 250
# Seconds for any answer of the broker, and between two messages that must come.
TIMEOUT: Final = 10.0
# Seconds for the first message where RabbitMQ counts none: a journal in which nothing is says nothing.
FIRST: Final = 1.0
# Seconds without a message, after which the last chunk has come.
SILENCE: Final = 0.1
_DELIVER: Final = b"\x00\x3c\x00\x3c"  # class 60, method 60
_TAG: Final = struct.Struct(">Q")
# Of the body, behind class and weight.
_SIZE: Final = struct.Struct(">4xQ")
# In the table of headers: its name as a short string, then a signed number of 64 bits.
_OFFSET: Final = b"\x0fx-stream-offsetl"
_NUMBER: Final = struct.Struct(">q")


class JournalUnreadError(Exception):
    """The journal cannot be read. The message says why."""


@dataclass(slots=True)
class _Page:
    """What has come on one channel and was not read yet; the message that is coming."""

    bodies: list[bytes] = field(default_factory=list)
    tag: int = 0
    offset: int = -1
    missing: int = 0
    parts: list[bytes] = field(default_factory=list)

    def take(self, kind: int, payload: bytes) -> bool:
        """Whether the frame is a part of a delivery."""
        if kind == METHOD:
            if not payload.startswith(_DELIVER):
                return False
            (self.tag,) = _TAG.unpack_from(payload, 5 + payload[4])
        elif kind == HEADER:
            (self.missing,) = _SIZE.unpack_from(payload)
            if (at := payload.find(_OFFSET)) >= 0:
                (self.offset,) = _NUMBER.unpack_from(payload, at + len(_OFFSET))
            self._whole()
        elif kind == BODY:
            self.parts.append(payload)
            self.missing -= len(payload)
            self._whole()
        return True

    def _whole(self) -> None:
        if self.missing <= 0:
            self.bodies.append(b"".join(self.parts))
            self.parts.clear()


class _Frames:
    """Reads deliveries; all other frames are aiormq's."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.over = False
        self.pages: dict[int, _Page] = {}

    def take(self, kind: int, channel: int, payload: bytes, _now: datetime) -> bool:
        page = self.pages.get(channel)
        taken = page is not None and page.take(kind, payload)
        if taken:
            self.news.set()
        return taken

    def ended(self) -> None:
        self.over = True
        self.news.set()


class JournalReader:
    """Use `reading`. `offset`: the number of the last message that was read; `end`: of the journal's last one."""

    def __init__(self, connection: Connection, frames: _Frames) -> None:
        self._connection, self._frames = connection, frames
        self.offset = self.end = -1
        # RFC 3339; None where nothing says when the last outcome was written.
        self.newest: str | None = None

    async def bodies(self, since: datetime | None) -> AsyncIterator[list[bytes]]:
        """All messages from `since` on, None = from the beginning, as they come; nothing where there are none.

        Raises:
            JournalUnreadError: there is no journal, or it may not be read.
        """
        if self.end < 0:
            await self._find_end()
        if self.end < 0 or (since is not None and self._older(since)):
            return
        async with self._page("first" if since is None else since) as (channel, page):
            acked = 0
            while page.offset < self.end or page.missing > 0:
                await self._news(TIMEOUT)
                bodies, page.bodies = page.bodies, []
                self.offset = page.offset
                if page.tag - acked >= ACKED:
                    acked = page.tag
                    await channel.basic_ack(acked, multiple=True, wait=False)
                yield bodies

    def _older(self, since: datetime) -> bool:
        return self.newest is not None and datetime.fromisoformat(self.newest) < since

    async def _find_end(self) -> None:
        async with self._page("last") as (channel, page):
            if not await self._begun(channel):
                return
            with suppress(TimeoutError):
                while True:
                    await self._news(SILENCE)
            self.end = page.offset
            self.newest = max(filter(None, map(written_at, page.bodies)), default=None)

    async def _begun(self, channel: Channel) -> bool:
        """Whether anything comes. RabbitMQ's count is up to 5 s old, but above 0 once there was a message."""
        said = await channel.queue_declare(JOURNAL, passive=True, timeout=TIMEOUT)
        try:
            await self._news(TIMEOUT if said.message_count else FIRST)
        except TimeoutError:
            if said.message_count:
                why = f"RabbitMQ sends nothing of {JOURNAL} for {TIMEOUT:.0f} s: try again"
                raise JournalUnreadError(why) from None
            return False
        return True

    @asynccontextmanager
    async def _page(self, start: Any) -> AsyncIterator[tuple[Channel, _Page]]:
        channel = await self._connection.channel()
        page = self._frames.pages[channel.number] = _Page()
        try:
            await channel.basic_qos(prefetch_count=PREFETCH, timeout=TIMEOUT)
            await channel.basic_consume(
                JOURNAL, _unread, arguments={"x-stream-offset": start}, timeout=TIMEOUT
            )
        except ChannelNotFoundEntity:
            raise JournalUnreadError(
                f"there is no stream {JOURNAL}: `ordersync topology apply` declares it"
            ) from None
        except ChannelAccessRefused:
            raise JournalUnreadError(f"the broker's user may not read {JOURNAL}") from None
        yield channel, page
        del self._frames.pages[channel.number]
        with suppress(*LOST):
            await channel.close()

    async def _news(self, seconds: float) -> None:
        """Return when something has come.

        Raises:
            TimeoutError: nothing has.
            ConnectionError: nothing will.
        """
        async with asyncio.timeout(seconds):
            await self._frames.news.wait()
        self._frames.news.clear()
        if self._frames.over:
            raise ConnectionError("the connection ended while the journal was read")


async def _unread(message: Any) -> None:
    """Its frames never get so far."""
    del message


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[JournalReader]:
    """A connection that only reads the journal.

    Raises:
        AMQPConnectionError: the broker cannot be reached.
    """
    frames = _Frames()
    connection = await connect(url, "ordersync order", Wire(frames))
    try:
        yield JournalReader(connection, frames)
    finally:
        with suppress(*LOST):
            await connection.close()
