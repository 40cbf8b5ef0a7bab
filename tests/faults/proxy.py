"""A TCP proxy that breaks what passes through it, as networks do, and sees AMQP frames go by.

`up` is from the client to the server. A watch is asked about every chunk (AMQP: about every frame)
and may withhold it: from then on nothing passes in that direction of that link.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.faults.amqp import Frame, Frames

Direction = Literal["up", "down"]
Watch = Callable[["Link", Direction, Frame], bool]
CHUNK = 65536
NO_LINGER = struct.pack("ii", 1, 0)  # close sends a reset


@dataclass(eq=False)
class Link:
    """One proxied connection."""

    number: int
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    role: str = ""  # AMQP: "consumer" or "publisher", once it has shown what it is
    withheld: set[Direction] = field(default_factory=set)

    def close(self) -> None:
        """Both sides, as a proxy that goes away does (FIN)."""
        self.client.close()
        self.server.close()

    def close_server_side(self) -> None:
        """The server hears of the end, the client does not."""
        self.withheld |= {"up", "down"}
        self.server.close()

    def reset(self) -> None:
        """Both sides, abruptly (RST)."""
        for writer in (self.client, self.server):
            sock: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()


class Proxy:
    """Forwards to the first target that answers; every switch works on living links at once."""

    def __init__(
        self,
        *targets: tuple[str, int],
        amqp: bool,
        ended: Callable[[Link], None] = lambda _: None,
    ) -> None:
        self.targets, self._amqp, self._ended = targets, amqp, ended
        self.links: dict[int, Link] = {}
        self.watch: Watch | None = None
        self.refusing = False  # new connections are closed at once
        self.dropping: set[Direction] = set()  # half-open: what comes is thrown away
        self.delay = 0.0  # seconds, each way
        self.rate = 0.0  # bytes a second, each way; 0 = as fast as it goes
        self.truncating = False  # the next chunk goes down cut in the middle, then the link ends
        self.port = 0
        self._numbers = 0
        self._pumps: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Proxy"]:
        """Serve for the length of a block."""
        await self.listen()
        try:
            yield self
        finally:
            self.close()
            self.cut()
            for pump in tuple(self._pumps):
                pump.cancel()
            if self._pumps:
                await asyncio.wait(self._pumps, timeout=5.0)

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Take no connections: whoever tries is refused by the kernel."""
        self._server.close()

    def cut(self) -> None:
        """End every link with a FIN."""
        for link in tuple(self.links.values()):
            link.close()

    def reset(self) -> None:
        """End every link with a reset."""
        for link in tuple(self.links.values()):
            link.reset()

    def heal(self) -> None:
        """Forward as if nothing had been; links that lost bytes cannot go on, so they end."""
        damaged = self.dropping or any(link.withheld for link in self.links.values())
        self.refusing, self.delay, self.rate, self.truncating = False, 0.0, 0.0, False
        self.dropping, self.watch = set(), None
        if damaged:
            self.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        for target in self.targets:
            with suppress(OSError):
                theirs, server = await asyncio.open_connection(*target, limit=CHUNK)
                break
        else:
            writer.transport.abort()
            return
        self._numbers += 1
        link = Link(self._numbers, writer, server)
        self.links[link.number] = link
        pumps = [
            asyncio.create_task(self._pump(link, "up", reader, server)),
            asyncio.create_task(self._pump(link, "down", theirs, writer)),
        ]
        self._pumps.update(pumps)
        for pump in pumps:
            pump.add_done_callback(self._pumps.discard)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        silent = bool(link.withheld) and pumps[1].done() and not pumps[0].done()
        if silent:  # the server's end is kept from the client: it finds out by itself
            self._end(link)
            await asyncio.wait(pumps)
        link.close()
        self._end(link)

    def _end(self, link: Link) -> None:
        if self.links.pop(link.number, None) is not None:
            self._ended(link)

    async def _pump(
        self,
        link: Link,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        frames = Frames()
        late: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forward(late, writer))
            with suppress(OSError):
                while octets := await reader.read(CHUNK):
                    passing = self._seen(link, direction, frames, octets)
                    if direction in self.dropping or direction in link.withheld:
                        continue
                    if self.truncating and direction == "down" and len(passing) > 8:
                        self.truncating = False
                        late.put_nowait((0.0, passing[: len(passing) // 2]))
                        break
                    late.put_nowait((asyncio.get_running_loop().time() + self.delay, passing))
            late.put_nowait(None)

    def _seen(self, link: Link, direction: Direction, frames: Frames, octets: bytes) -> bytes:
        """What of the octets passes; asks the watch."""
        if not self._amqp:
            if self.watch is not None and not self.watch(link, direction, Frame(octets, "")):
                link.withheld.add(direction)
            return octets
        passing: list[bytes] = []
        for frame in frames.feed(octets):
            if frame.method == "basic.consume":
                link.role = "consumer"
            elif frame.method == "confirm.select":
                link.role = "publisher"
            if direction in link.withheld:
                break
            if self.watch is not None and not self.watch(link, direction, frame):
                self._write_rest(link, direction, passing)
                link.withheld.add(direction)
                break
            passing.append(frame.octets)
        return b"".join(passing)

    def _write_rest(self, link: Link, direction: Direction, passing: list[bytes]) -> None:
        """What stood before the withheld frame in the same chunk still passes."""
        writer = link.server if direction == "up" else link.client
        writer.write(b"".join(passing))

    async def _forward(
        self, late: asyncio.Queue[tuple[float, bytes] | None], writer: asyncio.StreamWriter
    ) -> None:
        """Write what comes when it is due, until the end (None)."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while (item := await late.get()) is not None:
                due, octets = item
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                if self.rate:
                    await self._trickle(octets, writer)
                else:
                    writer.write(octets)
                    await writer.drain()

    async def _trickle(self, octets: bytes, writer: asyncio.StreamWriter) -> None:
        step = 256
        for start in range(0, len(octets), step):
            writer.write(octets[start : start + step])
            await writer.drain()
            if self.rate:
                await asyncio.sleep(step / self.rate)
