"""Events at the pace of their outcomes: a fixed number between publish and outcome, and the books of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice
from time import perf_counter

from tests.load.traffic import Traffic
from tests.load.wire import Publishing

STRIDE = 100  # events in one write


class Flow:
    """What is published and not answered yet, and what was."""

    def __init__(self, publishing: Publishing, in_flight: int) -> None:
        self._publishing, self._limit = publishing, in_flight
        self._sent: dict[str, float] = {}  # event id -> when
        self._answered = asyncio.Event()
        self.published = 0
        self.outcomes: Counter[str] = Counter()
        self.unexpected: list[str] = []  # an outcome of no event that waits for one: a second one
        self.waits: list[float] = []  # seconds from publish to outcome, since somebody looked

    @property
    def missing(self) -> int:
        """Events without an outcome."""
        return len(self._sent)

    async def keep_up(
        self,
        traffic: Traffic,
        stop: asyncio.Event,
        every: int,
        between: Callable[[], Awaitable[None]],
    ) -> None:
        """Publish until `stop`; after `every` events, with none in flight, `between` is awaited."""
        since = 0
        for events in traffic.rounds():
            while stride := list(islice(events, STRIDE)):
                await self._room(self._limit - STRIDE)
                if stop.is_set():
                    return
                self._send(stride)
            since += len(traffic)
            if since >= every:
                since = 0
                await self._room(0)
                await between()

    def _send(self, events: list[tuple[str, str, bytes]]) -> None:
        now = perf_counter()
        self._sent.update((name, now) for name, _, _ in events)
        self.published += len(events)
        self._publishing.send([(key, body) for _, key, body in events])

    async def note(self, receipts: AsyncIterator[list[tuple[str, str]]]) -> None:
        """Match outcomes with events, for as long as they come."""
        async for found in receipts:
            now = perf_counter()
            for status, name in found:
                sent = self._sent.pop(name, None)
                if sent is None:
                    self.unexpected.append(name)
                    continue
                self.outcomes[status] += 1
                self.waits.append(now - sent)
            self._answered.set()

    async def settled(self, seconds: float) -> None:
        """Return when nothing is missing, or after so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._room(0)
        except TimeoutError:
            return

    def looked(self) -> list[float]:
        """The waits since the last look, ascending."""
        waits, self.waits = self.waits, []
        return sorted(waits)

    async def _room(self, at_most: int) -> None:
        while len(self._sent) > at_most:
            self._answered.clear()
            await self._answered.wait()
