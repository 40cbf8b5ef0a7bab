"""Messages -> the broker, confirmed and mandatory: what goes out of the dead letters is somewhere else first."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import aiormq
from aiormq.abc import AbstractChannel
from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    DeliveryError,
    PublishError,
)
from pamqp.commands import Basic
from yarl import URL

from service.clock import stamp
from service.core.letters.dead_letters import sendable, writable
from service.core.letters.replays import Replay
from service.rabbitmq.topology import KEPT_LIMIT

TIMEOUT: Final = 30.0  # seconds for a confirm; a blocked broker (memory, disk) sends none
WINDOW: Final = 100  # messages in flight


class NotSentError(Exception):
    """The broker did not take a message; its dead letter is where it was. The message says why."""


async def _nothing(number: int) -> None:
    """What follows on a confirm where nothing has to."""
    del number


class Sender:
    """Publishes; use `sending`."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    async def send(
        self, messages: Sequence[Replay], then: Callable[[int], Awaitable[None]] = _nothing
    ) -> None:
        """Publish in order; returns when all are confirmed. `then` follows on each one's confirm.

        Raises:
            NotSentError: the broker took not all of them.
        """
        failed: list[NotSentError] = []

        async def one(number: int, message: Replay) -> None:
            try:
                await self._publish(message)
            except (
                NotSentError
            ) as error:  # the others end in peace: what is confirmed is followed up
                failed.append(error)
            else:
                await then(number)

        async with asyncio.TaskGroup() as tasks:
            for number, message in enumerate(messages):
                tasks.create_task(one(number, message))
        if failed:
            raise failed[0]

    async def keep_queue(self, name: str) -> None:
        """Declare a queue that keeps what is put there: quorum, durable, with a limit that no look reaches."""
        await self._channel.queue_declare(
            name,
            durable=True,
            arguments={"x-queue-type": "quorum", "x-delivery-limit": KEPT_LIMIT},
            timeout=TIMEOUT,
        )

    async def _publish(self, message: Replay) -> None:
        properties = Basic.Properties(
            content_type=message.like.content_type,
            content_encoding=message.like.content_encoding,
            correlation_id=message.like.correlation_id,
            reply_to=sendable(message.like.reply_to),
            message_type=message.like.message_type,
            # A letter of the broker's has whatever headers its producer's client could write.
            headers=writable(message.headers) or None,
            delivery_mode=2,
            message_id=uuid4().hex,  # the client tells returned messages apart by it
            timestamp=message.like.timestamp or stamp(),
            app_id=message.like.app_id or "ordersync dlq",
        )
        try:
            await self._channel.basic_publish(
                message.body,
                exchange=message.exchange,
                routing_key=message.routing_key,
                properties=properties,
                mandatory=True,
                timeout=TIMEOUT,
            )
        except (AMQPError, TimeoutError, RuntimeError) as error:
            where = f"exchange {message.exchange!r} with routing key {message.routing_key!r}"
            raise NotSentError(f"nothing more was sent: {where}: {_why(error)}") from error


def _why(error: Exception) -> str:
    match error:
        case PublishError():
            return "no queue is bound there; give `--to-queue`"
        case DeliveryError():
            return "the broker refused it: a queue is full or in trouble"
        case ChannelNotFoundEntity():
            return "there is no such exchange; give `--to-queue`"
        case ChannelAccessRefused():
            return "the broker's user may not publish there"
        case TimeoutError():
            return f"no confirm in {TIMEOUT:g} s: the broker may be out of memory or disk"
        case _:
            return f"the channel died: {error!r}"


@asynccontextmanager
async def sending(url: str) -> AsyncIterator[Sender]:
    """A connection that only publishes."""
    connection = await aiormq.connect(URL(url).update_query(name="ordersync dlq sender"))
    try:
        yield Sender(await connection.channel(publisher_confirms=True, on_return_raises=True))
    finally:
        await connection.close()
