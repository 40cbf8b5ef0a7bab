"""A gateway that answers in HubSpot's place: 4xx in JSON, none of it a word about an order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Self

LENGTH = b"content-length:"
ANSWERS: Sequence[tuple[int, bytes]] = (
    (400, b"{}"),
    (400, b'{"message":"Bad Request"}'),
    (400, b'{"status":"error","message":"internal error","category":"INTERNAL_ERROR"}'),
    (422, b'{"error":{"code":"UNPROCESSABLE","message":"blocked"}}'),
    (409, b'{"status":"error","message":"try later"}'),
)


class Gateway:
    """Answers every call with the next of `ANSWERS`."""

    def __init__(self) -> None:
        self.port = 0
        self.answers = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Serve for the length of a block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [
                    int(line[len(LENGTH) :])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(LENGTH)
                ]
                await reader.readexactly(sum(lengths))
                status, body = ANSWERS[self.answers % len(ANSWERS)]
                self.answers += 1
                writer.write(
                    b"HTTP/1.1 %d No\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (status, len(body), body)
                )
                await writer.drain()
        writer.close()
