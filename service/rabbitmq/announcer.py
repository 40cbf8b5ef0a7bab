"""What people are told of at once -> the exchange of operations, beside everything else.

Law: nobody waits for it, and nothing fails for it. It has a connection of its own for as long as there is
something to tell, since a publish to an exchange that is gone ends its channel with all that was sent on it. Told
in order; while the broker is away it waits, and beyond WAITING the oldest is forgotten. An announcement that no
queue takes was meant for nobody.
"""

import asyncio
from collections import deque
from typing import Final, NoReturn

import structlog

from service.core.outgoing import Outgoing
from service.rabbitmq.confirmed import NotTakenError, Post, Posting, posting_on
from service.rabbitmq.connection import LOST

log = structlog.get_logger(__name__)

# Announcements; a night has fewer transitions.
WAITING: Final = 100
# Seconds between tries.
AGAIN: Final = 5.0


class Announcer:
    """`tell` returns at once; `run` until it is cancelled."""

    def __init__(self, url: str, exchange: str) -> None:
        self._url, self._exchange = url, exchange
        self._waiting: deque[Outgoing] = deque(maxlen=WAITING)
        self._told = asyncio.Event()

    def tell(self, announcement: Outgoing) -> None:
        """One more."""
        self._waiting.append(announcement)
        self._told.set()

    async def run(self) -> NoReturn:
        """Publish what is told, in order."""
        while True:
            await self._told.wait()
            self._told.clear()
            if not await self._sent():
                await asyncio.sleep(AGAIN)
                self._told.set()

    async def _sent(self) -> bool:
        """Whether the broker has all that was told, or never will."""
        try:
            async with posting_on(self._url, "ordersync operations") as post:
                if not await post.finds(self._exchange):
                    log.warning(
                        "operations_unheard",
                        error=f"there is no exchange {self._exchange}",
                        fix="ordersync topology apply",
                    )
                    self._waiting.clear()
                while self._waiting:
                    await self._publish(post, self._waiting[0])
        except (*LOST, NotTakenError) as error:
            log.warning("operations_unheard", error=str(error), waiting=len(self._waiting))
            return False
        return True

    async def _publish(self, post: Post, oldest: Outgoing) -> None:
        try:
            await post.send((self._posting(oldest),))
        except NotTakenError as error:
            if error.unanswered:
                raise
            if not error.unrouted:
                log.warning("operations_unheard", error=str(error))
        # Else it was forgotten meanwhile.
        if self._waiting and self._waiting[0] is oldest:
            self._waiting.popleft()

    def _posting(self, announcement: Outgoing) -> Posting:
        return Posting(
            exchange=self._exchange,
            routing_key=announcement.routing_key,
            body=announcement.body,
            app_id="ordersync",
            content_type=announcement.content_type,
        )
