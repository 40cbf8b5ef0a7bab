"""Groups of outcomes -> the journal. Nobody waits for it, and nothing fails by it.

    settled --- write ---> waiting, ROOM bytes at most --- run ---> publisher of its own --- confirmed ---> forgotten

Law: a journal that is missing, full, refused or slow holds up no outcome. Hence a connection of its own: a publish
that the broker's user may not do ends a channel, and what a stream does not take in time holds up its connection.
What finds no room is let go, the oldest first, and counted.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Self

import structlog

from service.core.outgoing import Outgoing
from service.core.settlement.journal import size_of
from service.rabbitmq import topology
from service.rabbitmq.publisher import WINDOW, Publisher
from service.settings.rabbitmq import JournalSettings

log = structlog.get_logger(__name__)

# Bytes that wait at most: some 100,000 outcomes.
ROOM: Final = 8 << 20
# Seconds between tries: a copy is in no hurry, and each try that fails is a line in the log.
BACKOFF: Final = (0.1, 1.0, 5.0, 30.0)
# Seconds that the end waits for what is still to be written.
PARTING: Final = 1.0


class JournalWriter:
    """`write` never waits; `run` writes until it is cancelled. `dropped` is told how many outcomes found no room."""

    def __init__(self, publisher: Publisher, dropped: Callable[[int], None]) -> None:
        self._publisher, self._dropped = publisher, dropped
        self._waiting: deque[Outgoing] = deque()
        # Bytes of what waits.
        self._load = 0
        self._dropping = False
        self._news, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()

    @classmethod
    async def of(
        cls,
        settings: JournalSettings,
        url: str,
        name: str,
        dropped: Callable[[int], None],
        *,
        declare: bool,
    ) -> Self | None:
        """As the settings have it, None where it is switched off. A journal that cannot be had ends no start."""
        if not settings.enabled:
            return None
        wanted = topology.Topology.of_journal(settings)
        try:
            await (topology.declare if declare else topology.check)(url, wanted)
        except topology.TopologyError as error:
            log.warning("journal_unavailable", error=str(error))
        publisher = Publisher(url, {"journal": ""}, name=f"{name}-journal", backoff=BACKOFF)
        return cls(publisher, dropped)

    def age(self, now: float) -> float:
        """Seconds since the oldest write under way began."""
        since = self._publisher.waiting_since
        return 0.0 if since is None else now - since

    def write(self, groups: Iterable[Outgoing]) -> None:
        """Take these to be written."""
        for group in groups:
            self._waiting.append(group)
            self._load += len(group.body)
        while self._load > ROOM:
            self._drop(self._waiting.popleft())
        self._idle.clear()
        self._news.set()

    async def run(self) -> None:
        """Write what comes."""
        while True:
            await self._news.wait()
            self._news.clear()
            while groups := self._some():
                await self._publisher.publish(groups)
                self._dropping = False
            self._idle.set()

    async def close(self) -> None:
        """Leave a moment to what is still to be written, then close the connection. `run` has to run until then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PARTING):
                await self._idle.wait()
        await self._publisher.close()

    def _some(self) -> list[Outgoing]:
        """The oldest of what waits."""
        groups = [self._waiting.popleft() for _ in range(min(WINDOW, len(self._waiting)))]
        self._load -= sum(len(group.body) for group in groups)
        return groups

    def _drop(self, group: Outgoing) -> None:
        self._load -= len(group.body)
        self._dropped(size_of(group))
        if not self._dropping:
            self._dropping = True
            log.warning("journal_dropping", error=self._publisher.trouble)
