"""Letters that were set aside for a replay, in a queue of their own: they wait there for as long as it takes.

Law: nothing waits in our hands. A letter is fetched when it is its turn, and settled a moment later, so
that a replay may last for hours whatever the broker's `consumer_timeout`, and the dead letters are free for
a colleague's look meanwhile. One replay at a time: an exclusive queue is the lock, as for a look.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from service.clock import stamp
from service.core.events.deliveries import Delivery
from service.core.letters import letters
from service.dead_letters.looker import TIMEOUT, DeadLettersError, FoundLetter, LockedOutError
from service.rabbitmq.connection import Channel, Connection, DeliveredMessage, connect
from service.rabbitmq.errors import (
    ChannelAccessRefused,
    ChannelLockedResource,
    ChannelNotFoundEntity,
)
from service.rabbitmq.topology import KEPT_LIMIT

# After the name of the letters' queue.
REPLAYING: Final = ".replaying"


class Staging:
    """The letters of one replay. Use `staging`."""

    def __init__(self, channel: Channel, queue: str, id_property: str | None) -> None:
        self._channel, self.queue, self._id_property = channel, queue, id_property

    async def some(self, most: int) -> list[FoundLetter]:
        """The next letters, the oldest first; none = no more are there."""
        some: list[FoundLetter] = []
        while len(some) < most and (found := await self._next()) is not None:
            some.append(found)
        return some

    async def take(self, found: FoundLetter) -> None:
        """Off the queue for good: it is elsewhere, confirmed."""
        await self._channel.basic_ack(found.delivery.tag, wait=True)

    async def give_back(self) -> None:
        """What was fetched and not taken goes back to its place."""
        await self._channel.basic_nack(0, multiple=True, requeue=True, wait=True)

    async def waiting(self) -> int:
        """How many letters wait."""
        declared = await self._channel.queue_declare(self.queue, passive=True, timeout=TIMEOUT)
        return declared.message_count or 0

    async def _next(self) -> FoundLetter | None:
        message = await self._channel.basic_get(self.queue, timeout=TIMEOUT)
        if not message.delivery_tag:
            return None  # Basic.GetEmpty
        delivery = _delivery(message, self.queue)
        return FoundLetter(delivery, letters.read(delivery, self._id_property))


def _delivery(message: DeliveredMessage, queue: str) -> Delivery:
    """Its properties can be read: it was written by `Sender`."""
    return Delivery(
        epoch=0,
        tag=message.delivery_tag or 0,
        queue=queue,
        exchange=message.exchange or "",
        routing_key=message.routing_key or "",
        redelivered=bool(message.redelivered),
        properties=message.header.properties,
        body=message.body,
        received_at=stamp(),
    )


@asynccontextmanager
async def staging(url: str, letters_queue: str, id_property: str | None) -> AsyncIterator[Staging]:
    """The place beside a queue of letters, ours alone until the end.

    Raises:
        DeadLettersError: somebody else replays, or the user may not declare what a replay needs.
    """
    queue = letters_queue + REPLAYING
    connection = await connect(url, "ordersync dlq replay")
    try:
        await _lock(connection, queue)
        channel = await connection.channel(publisher_confirms=False)
        await channel.queue_declare(
            queue,
            durable=True,
            arguments={"x-queue-type": "quorum", "x-delivery-limit": KEPT_LIMIT},
            timeout=TIMEOUT,
        )
        yield Staging(channel, queue, id_property)
    finally:
        await connection.close()


async def left_aside(url: str, letters_queue: str) -> int:
    """How many letters an interrupted replay, or one under way, has set aside. Changes nothing."""
    connection = await connect(url, "ordersync dlq")
    try:
        channel = await connection.channel(publisher_confirms=False)
        with suppress(ChannelNotFoundEntity, ChannelAccessRefused):
            queue = letters_queue + REPLAYING
            return (
                await channel.queue_declare(queue, passive=True, timeout=TIMEOUT)
            ).message_count or 0
        return 0
    finally:
        await connection.close()


async def _lock(connection: Connection, queue: str) -> None:
    channel = await connection.channel()
    try:
        await channel.queue_declare(f"{queue}.lock", exclusive=True, timeout=TIMEOUT)
    except ChannelLockedResource:
        raise DeadLettersError(
            f"somebody else is working on {queue}: one replay at a time; wait for its end, or find the "
            "connection called `ordersync dlq replay`"
        ) from None
    except ChannelAccessRefused:
        raise LockedOutError(
            f"the broker's user may not declare {queue} and {queue}.lock, where a replay keeps its "
            "letters: give it the configure permission for these names"
        ) from None
