"""What became of replays: the service's outcomes, heard on a queue of our own that ends with us."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from service.core.letters.replays import SILENT
from service.rabbitmq.overhearing import overhearing


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
    """Listen to the outcomes exchange on a queue of our own."""
    receipts = Receipts()
    async with overhearing(url, exchange, receipts.hear, name="ordersync dlq receipts"):
        yield receipts
