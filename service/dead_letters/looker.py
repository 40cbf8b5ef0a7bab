"""The dead-letter queue, read from its front: held unacknowledged, given back in place.

Laws. One looker at a time: an exclusive queue beside the dead letters is the lock, and the broker takes it
away with its owner's connection, however that ends. Nothing read is kept here but what the caller
keeps: the broker holds the messages, so fifty thousand of them cost no memory. What is not taken goes
back by one nack when looking ends (which RabbitMQ 4.3 does not count as a delivery); killed, the
connection's end gives it back and costs one of a million deliveries.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, cast

import aiormq
import structlog
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)
from pamqp.commands import Basic
from yarl import URL

from service.clock import stamp
from service.core import letters
from service.core.events import Delivery
from service.core.letters import Letter
from service.topology import KEPT_LIMIT

log = structlog.get_logger(__name__)

TIMEOUT: Final = 30.0  # seconds for any answer of the broker
WORN: Final = 1_000  # deliveries of one message; far from the limit, but somebody looks a lot


class DeadLettersError(Exception):
    """The dead letters cannot be looked at. The message says why and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One dead letter on the queue."""

    delivery: Delivery
    letter: Letter


class Looker:
    """Reads one queue from its front. Use `looking`."""

    def __init__(self, channel: AbstractChannel, queue: str, id_property: str | None) -> None:
        self._channel, self.queue, self._id_property = channel, queue, id_property
        self.most_delivered = 0  # of any letter read

    async def read(self, limit: int | None = None) -> AsyncIterator[Found]:
        """The letters from where reading stands, until the queue is empty or `limit` are read."""
        read = 0
        while limit is None or read < limit:
            message = await self._channel.basic_get(self.queue, no_ack=False, timeout=TIMEOUT)
            if isinstance(message.delivery, Basic.GetEmpty):
                return
            read += 1
            delivery = _delivery(message, self.queue)
            count = delivery.headers.get("x-delivery-count", 0)
            self.most_delivered = max(self.most_delivered, count if type(count) is int else 0)
            yield Found(delivery, letters.read(delivery, self._id_property))

    async def take(self, found: Found) -> None:
        """Off the queue for good: it is elsewhere, confirmed."""
        await self._channel.basic_ack(found.delivery.tag, wait=True)

    async def give_back(self) -> None:
        """Everything read and not taken returns to its place; reading starts at the front again."""
        await self._channel.basic_nack(0, multiple=True, requeue=True, wait=True)
        # The broker works a channel's commands off in order: when this is answered, all is back.
        await self._channel.basic_qos(prefetch_count=0, timeout=TIMEOUT)


@asynccontextmanager
async def looking(url: str, queue: str, id_property: str | None) -> AsyncIterator[Looker]:
    """Look at the queue, alone; at the end, what was not taken is given back.

    Raises:
        DeadLettersError: somebody else is looking, or looking would cost letters.
    """
    connection = await aiormq.connect(URL(url).update_query(name="ordersync dlq"))
    try:
        await _lock(connection, queue)
        await _check_limit(connection, queue)
        looker = Looker(await connection.channel(publisher_confirms=False), queue, id_property)
        try:
            yield looker
        finally:
            with suppress(ChannelClosed, ConnectionError, RuntimeError):
                await looker.give_back()
            _warn_of_wear(looker)
    finally:
        await connection.close()


async def _lock(connection: AbstractConnection, queue: str) -> None:
    channel = await connection.channel()
    try:
        await channel.queue_declare(f"{queue}.lock", exclusive=True, timeout=TIMEOUT)
    except ChannelLockedResource:
        raise DeadLettersError(
            f"somebody else is working on {queue}: one at a time, or each would see what the other "
            "does not hold; wait, or find the connection called `ordersync dlq`"
        ) from None
    except ChannelAccessRefused:
        raise DeadLettersError(
            f"the broker's user may not declare {queue}.lock, the lock that keeps two operators apart: "
            "give it the configure permission for that name"
        ) from None


async def _check_limit(connection: AbstractConnection, queue: str) -> None:
    """A queue declared by somebody else may have a low delivery limit, or none: say so before looking."""
    channel = await connection.channel()
    wanted = {"x-queue-type": "quorum", "x-delivery-limit": KEPT_LIMIT}
    try:
        await channel.queue_declare(queue, durable=True, passive=True, timeout=TIMEOUT)
        await channel.queue_declare(queue, durable=True, arguments=wanted, timeout=TIMEOUT)  # type: ignore[arg-type]
    except ChannelNotFoundEntity:
        raise DeadLettersError(
            f"there is no queue {queue}; run `ordersync topology apply`"
        ) from None
    except ChannelAccessRefused:
        log.debug("limit_unchecked", queue=queue)  # an identity that may only read and publish
    except ChannelPreconditionFailed as error:
        log.warning(
            "queue_differs",
            queue=queue,
            broker=str(error),
            message=(
                "this queue was declared by somebody else: where its delivery limit is low, or there is "
                "none on RabbitMQ 4 (then it is 20), every look costs each letter a delivery, and the "
                "last one deletes it"
            ),
        )


def _warn_of_wear(looker: Looker) -> None:
    if looker.most_delivered > WORN:
        log.warning("letters_worn", queue=looker.queue, deliveries=looker.most_delivered)


def _delivery(message: DeliveredMessage, queue: str) -> Delivery:
    frame = cast("Basic.GetOk", message.delivery)
    return Delivery(
        0,
        frame.delivery_tag or 0,
        queue,
        frame.exchange or "",
        frame.routing_key or "",
        bool(frame.redelivered),
        message.header.properties,
        message.body,
        stamp(),
    )
