"""What became of replays: the service's outcomes, heard on a queue of our own that ends with us."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson

from service.core.letters.replays import SILENT
from service.rabbitmq.connection import IncomingMessage, session

# Seconds for any answer of the broker.
TIMEOUT: Final = 30.0


class Receipts:
    """Outcomes by the id of their replay. Use `hearing`."""

    def __init__(self) -> None:
        self._heard: dict[str, str] = {}
        self._wanted: set[str] = set()
        self._news = asyncio.Event()

    def expect(self, names: Iterable[str]) -> None:
        """These replays are about to be sent; outcomes of others are let go."""
        self._wanted.update(names)

    def hear(self, body: bytes) -> None:
        """One outcome, of whomever."""
        if b'"replay":{' not in body:
            return  # a live event's
        replay: dict[str, Any] = orjson.loads(body)["data"]["replay"]
        if (name := replay["id"]) in self._wanted:
            self._wanted.discard(name)
            self._heard[name] = orjson.loads(body)["data"]["status"]
            self._news.set()

    async def fates(self, names: Iterable[str], seconds: float) -> dict[str, str]:
        """Replay -> status, `no outcome` for those that had none within `seconds`."""
        expected = list(names)
        try:
            async with asyncio.timeout(seconds):
                while any(name not in self._heard for name in expected):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        return {name: self._heard.pop(name, SILENT) for name in expected}


@asynccontextmanager
async def hearing(url: str, exchange: str) -> AsyncIterator[Receipts]:
    """Listen to the outcomes exchange on an exclusive queue, beside the readers of the result queue."""
    async with session(url, "ordersync dlq receipts") as opened:
        channel = await opened.channel(publisher_confirms=False)
        queue = await channel.declare_queue(exclusive=True, timeout=TIMEOUT)
        await queue.bind(exchange, "outcome.#", timeout=TIMEOUT)
        receipts = Receipts()

        async def heard(message: IncomingMessage) -> None:
            receipts.hear(message.body)

        await queue.consume(heard, no_ack=True, timeout=TIMEOUT)
        yield receipts
