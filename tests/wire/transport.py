"""The client's end of a connection: chunks that take their time, in both directions, and the ways in which it ends."""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

HIGH_WATER = 64 * 1024  # bytes; asyncio's own


class Transport(asyncio.Transport):
    """Bytes that the client writes reach `server` late; what `send` is given reaches the client late."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.Protocol,
        chance: Random,
        server: Callable[[bytes], None],
    ) -> None:
        super().__init__()
        self._loop, self._protocol, self._chance, self._server = loop, protocol, chance, server
        self.slowest = 0.01  # seconds that a chunk takes at most
        self.passing = True  # False: a black hole, in both directions, that nobody is told of
        self.reading = True  # whether the server reads
        self.gone: Callable[[], None] = lambda: None  # the client has closed or dropped it
        self._up: deque[bytes] = deque()
        self._up_size = 0
        self._pausing = False
        self._closing = self._lost = False
        self._down: deque[bytes | None] = deque()
        self._held_back = False  # the client does not read
        self._next = {"up": 0.0, "down": 0.0}
        loop.call_soon(protocol.connection_made, self)

    # --- what the client calls ---

    def write(self, data: Any) -> None:
        if self._closing or self._lost:
            return
        self._up.append(bytes(data))
        self._up_size += len(data)
        if self._up_size > HIGH_WATER and not self._pausing:
            self._pausing = True
            self._protocol.pause_writing()
        self._later("up", self._arrive)

    def pause_reading(self) -> None:
        self._held_back = True

    def resume_reading(self) -> None:
        self._held_back = False
        self._later("down", self._deliver)

    def is_reading(self) -> bool:
        return not self._held_back

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self._closing or self._lost

    def get_write_buffer_size(self) -> int:
        return self._up_size

    def close(self) -> None:
        """What is written still goes, as far as the server reads; what arrives is not read any more."""
        if not self.is_closing():
            self._closing = True
            self._loop.call_soon(self._end, None)

    def abort(self) -> None:
        if not self._lost:
            self._closing = True
            self._loop.call_soon(self._end, None)

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    # --- what the server calls ---

    def send(self, data: bytes) -> None:
        """Bytes for the client, cut anywhere."""
        at = 0
        while at < len(data):
            size = self._chance.choice((1, 7, 8, 300, 4096, 65536, max(65536, len(data) // 50)))
            self._down.append(data[at : at + size])
            at += size
        self._later("down", self._deliver)

    def finish(self) -> None:
        """The server closes: the client reads what was sent, and then the end (FIN)."""
        self.reading = False
        self._down.append(None)
        self._later("down", self._deliver)

    def reset(self) -> None:
        """Both directions end at once (RST): what was on its way is gone."""
        self.reading = False
        self._down.clear()
        self._up.clear()
        self._loop.call_soon(self._end, ConnectionResetError(104, "reset by peer"))

    def read_on(self) -> None:
        """The server reads again, after an alarm."""
        self.reading = True
        for _ in self._up:
            self._later("up", self._arrive)

    def pass_again(self) -> None:
        """The network carries again what it had stopped."""
        self.passing = True
        for _ in self._up:
            self._later("up", self._arrive)
        self._later("down", self._deliver)

    # --- chunks on their way ---

    def _later(self, way: str, arrival: Callable[[], None]) -> None:
        """Never before what was sent before."""
        at = max(self._next[way], self._loop.time() + self._chance.random() * self.slowest)
        self._next[way] = at
        self._loop.call_at(at, arrival)

    def _arrive(self) -> None:
        if self._up and self.reading and self.passing:
            data = self._up.popleft()
            self._up_size -= len(data)
            self._server(data)
        if self._pausing and self._up_size <= HIGH_WATER // 4 and not self._lost:
            self._pausing = False
            self._protocol.resume_writing()

    def _deliver(self) -> None:
        while self._down and self.passing and not (self._held_back or self.is_closing()):
            chunk = self._down.popleft()
            if chunk is not None:
                self._protocol.data_received(chunk)
            elif not self._protocol.eof_received():
                self.close()

    def _end(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(error)
            self._later("up", self._closed)

    def _closed(self) -> None:
        """The server reads what came before the end, if it reads."""
        for _ in tuple(self._up):
            self._arrive()
        if self.passing and self.reading:
            self.gone()
