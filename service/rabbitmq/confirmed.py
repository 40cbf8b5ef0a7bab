"""Messages -> RabbitMQ, confirmed and mandatory, for who has time: files that are published, letters that move.

Law: `send` returns when the broker has all of them, and says for the first one that it does not have why. The
service itself publishes by `publisher`, which costs a tenth and tries again for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractExchange

from service.clock import stamp
from service.rabbitmq.connection import Session, session
from service.rabbitmq.errors import (
    AMQPError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    DeliveryError,
    PublishError,
)
from service.rabbitmq.topology import KEPT_LIMIT

# Seconds for a confirm; a blocked broker (memory, disk) sends none.
TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One message and where it goes; exchange "" = the queue that the routing key names."""

    exchange: str
    routing_key: str
    body: bytes
    app_id: str
    content_type: str | None
    headers: Mapping[str, Any] | None = None
    content_encoding: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    timestamp: datetime | None = None  # None = now
    message_type: str | None = None


class NotTakenError(Exception):
    """The broker does not have a message; the text says why. `number` is its place, from 0."""

    def __init__(self, number: int, error: Exception) -> None:
        super().__init__(_why(error))
        self.number = number
        # The others fail because the channel is gone, after the broker said what was wrong with one.
        self.follows = isinstance(error, RuntimeError)
        self.unrouted = isinstance(error, PublishError | ChannelNotFoundEntity)
        # It may have it, or take it later.
        self.unanswered = isinstance(error, TimeoutError | RuntimeError)


async def _nothing(number: int) -> None:
    """What follows on a confirm where nothing has to."""
    del number


class Post:
    """One channel that publishes; use `posting`."""

    def __init__(self, opened: Session, channel: AbstractChannel) -> None:
        self._opened, self._channel = opened, channel
        self._exchanges: dict[str, AbstractExchange] = {"": channel.default_exchange}

    async def send(
        self, postings: Sequence[Posting], then: Callable[[int], Awaitable[None]] = _nothing
    ) -> None:
        """Publish in order; returns when all are confirmed. `then` follows on each one's confirm.

        Raises:
            NotTakenError: the broker took not all of them; what it took is followed up.
        """
        failed: list[NotTakenError] = []

        async def one(number: int, posting: Posting) -> None:
            try:
                await self._publish(posting)
            except (AMQPError, TimeoutError, RuntimeError) as error:
                failed.append(NotTakenError(number, error))
            else:
                await then(number)

        for posting in postings:
            if posting.exchange not in self._exchanges:
                found = await self._channel.get_exchange(posting.exchange, ensure=False)
                self._exchanges[posting.exchange] = found
        async with asyncio.TaskGroup() as tasks:
            for number, posting in enumerate(postings):
                tasks.create_task(one(number, posting))
        if failed:
            raise min(failed, key=lambda each: each.follows)

    async def keep_queue(self, name: str) -> None:
        """Declare a queue that keeps what is put there: quorum, durable, with a limit that no look reaches."""
        await self._channel.declare_queue(
            name,
            durable=True,
            arguments={"x-queue-type": "quorum", "x-delivery-limit": KEPT_LIMIT},
            timeout=TIMEOUT,
        )

    async def finds(self, exchange: str) -> bool:
        """Whether it is there. Asked on a channel of its own, which a no ends."""
        channel = await self._opened.channel()
        try:
            await channel.get_exchange(exchange, ensure=True)
        except ChannelNotFoundEntity:
            return False
        await channel.close()
        return True

    async def _publish(self, posting: Posting) -> None:
        message = Message(
            posting.body,
            headers=dict(posting.headers or {}),
            content_type=posting.content_type,
            content_encoding=posting.content_encoding,
            delivery_mode=DeliveryMode.PERSISTENT,
            correlation_id=posting.correlation_id,
            reply_to=posting.reply_to,
            # The client tells returned messages apart by it.
            message_id=uuid4().hex,
            timestamp=posting.timestamp or stamp(),
            type=posting.message_type,
            app_id=posting.app_id,
        )
        exchange = self._exchanges[posting.exchange]
        await exchange.publish(message, posting.routing_key, mandatory=True, timeout=TIMEOUT)


@asynccontextmanager
async def posting_on(url: str, name: str) -> AsyncIterator[Post]:
    """A connection that only publishes.

    Raises:
        AMQPConnectionError: the broker cannot be reached.
    """
    async with session(url, name) as opened:
        # aio-pika would hand what comes back to a callback, and call the publish a success.
        yield Post(opened, await opened.channel(on_return_raises=True))


def _why(error: Exception) -> str:
    match error:
        case PublishError():
            return "no queue is bound there, or there is no such queue"
        case DeliveryError():
            return "the broker refused it: a queue is full or in trouble"
        case ChannelNotFoundEntity():
            return "there is no such exchange"
        case ChannelAccessRefused():
            return "the broker's user may not publish there"
        case TimeoutError():
            return f"no confirm in {TIMEOUT:g} s: the broker may be out of memory or disk"
        case _:
            return f"the channel died: {error!r}"
