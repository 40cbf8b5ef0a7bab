"""The dead-letter queue, read from its front: held unacknowledged, given back in place.

Laws. One looker at a time: an exclusive queue beside the dead letters is the lock, and the broker takes it
away with its owner's connection, however that ends. Nothing read is kept here but its tag: the broker
holds the messages, so fifty thousand of them cost no memory. What is not taken goes back by nacks when
looking ends, in its order (RabbitMQ 4.3 does not count that as a delivery); killed, the connection's end
gives it back, counts one of a million deliveries, and the broker shuffles what comes back in that way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from service.core.events.deliveries import Delivery
from service.core.letters import letters
from service.core.letters.letters import Letter
from service.rabbitmq.connection import connect
from service.rabbitmq.inbox import Inbox
from service.rabbitmq.topology import KEPT_LIMIT
from service.rabbitmq.wire import Wire

log = structlog.get_logger(__name__)

TIMEOUT: Final = 30.0  # seconds for any answer of the broker
# A quorum queue handles what comes back in one command as an Erlang map, and those of more than 32 keys
# have no order: sixty letters given back by one nack came back shuffled (3.10.8, 4.0, 4.3). From 32
# commands on that are not yet applied, its client in the broker lumps them together.
TOGETHER: Final = 32
PAGE: Final = 1_000  # letters that one consumer holds; a quorum queue gives at most 2000
SILENCE: Final = 0.05  # seconds without a delivery, after which the queue is asked
SILENCES: Final = 2  # that it must say to be empty
UNANSWERED: Final = 8
TRIES: Final = 5  # for the lock
PAUSE: Final = 0.3  # seconds between them
PARKED: Final = ".parked"  # after the queue's name
WORN: Final = 1_000  # deliveries of one message; far from the limit, but somebody looks a lot


class DeadLettersError(Exception):
    """The dead letters cannot be looked at. The message says why and what to do."""


class LockedOutError(DeadLettersError):
    """The broker's user may not declare the lock."""


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
        self._arrived: asyncio.Queue[Delivery] = asyncio.Queue()
        self._held: set[int] = set()  # tags
        self._consumers: list[str] = []
        self._numbers = count(1)
        self._room = 0  # deliveries that the consumers may still bring
        self._behind_returned = True  # what was returned before stands ahead of what never was

    async def read(self, limit: int | None = None) -> AsyncIterator[Found]:
        """The letters from where reading stands, until the queue is empty or `limit` are read."""
        read = 0
        while limit is None or read < limit:
            if (delivery := await self._next()) is None:
                return
            read += 1
            yield Found(delivery, letters.read(delivery, self._id_property))

    async def take(self, found: Found) -> None:
        """Off the queue for good: it is elsewhere, confirmed."""
        self._held.discard(found.delivery.tag)
        self._room += 1
        await self._channel.basic_ack(found.delivery.tag, wait=True)

    async def give_back(self) -> None:
        """Everything read and not taken returns to its place; reading starts at the front again.

        A quorum queue keeps what was returned before in a line of its own, ahead of the rest, and puts
        what is returned at its end (measured on 3.10.8: a look at the first four of ten put them last).
        So all that stands in that line is read before anything goes back, and it goes back in its
        order: few at a time (see TOGETHER), and no faster than the queue takes it.
        """
        while self._behind_returned and await self._next() is not None:
            pass
        for consumer in self._consumers:  # or what goes back comes here again
            await self._channel.basic_cancel(consumer, timeout=TIMEOUT)
        held = sorted(self._held)
        self._begin_anew()
        lasts = [*held[TOGETHER - 1 :: TOGETHER], *held[-1:]]
        for number, tag in enumerate(dict.fromkeys(lasts), start=1):
            await self._channel.basic_nack(tag, multiple=True, requeue=True, wait=True)
            if number % UNANSWERED == 0:
                await self._ready()
        await self._ready()

    def _begin_anew(self) -> None:
        self._arrived, self._held, self._consumers = asyncio.Queue(), set(), []
        self._room, self._behind_returned = 0, True

    async def _next(self) -> Delivery | None:
        """The next delivery; None = the queue has no more."""
        silent = 0
        while silent < SILENCES:
            if self._arrived.empty() and self._room <= 0:
                await self._consume()
            try:
                async with asyncio.timeout(SILENCE):
                    return self._seen(await self._arrived.get())
            except TimeoutError:
                silent = 0 if await self._ready() else silent + 1
        self._behind_returned = False
        return None

    async def _consume(self) -> None:
        """One more consumer: a quorum queue delivers at most PAGE to each that settles nothing."""
        tag = f"look-{next(self._numbers)}"
        self._room += PAGE
        self._consumers.append(tag)
        await self._channel.basic_qos(prefetch_count=PAGE, timeout=TIMEOUT)
        await self._channel.basic_consume(
            self.queue, _never_called, consumer_tag=tag, timeout=TIMEOUT
        )

    def arrived(self, delivery: Delivery) -> None:
        """One more is held."""
        self._held.add(delivery.tag)
        self._room -= 1
        self._arrived.put_nowait(delivery)

    def _seen(self, delivery: Delivery) -> Delivery:
        self._behind_returned = delivery.redelivered
        self.most_delivered = max(self.most_delivered, delivery.returns)
        return delivery

    async def _ready(self) -> int:
        """How many letters wait; asked of the queue, so that what it was told before has come to it."""
        declared = await self._channel.queue_declare(self.queue, passive=True, timeout=TIMEOUT)
        return declared.message_count or 0


@asynccontextmanager
async def looking(url: str, queue: str, id_property: str | None) -> AsyncIterator[Looker]:
    """Look at the queue, alone; at the end, what was not taken is given back.

    Raises:
        DeadLettersError: somebody else is looking, or looking would cost letters.
    """
    # Properties that nobody can decode, or a body too large to hold, must not end the look at the others.
    inbox = Inbox(largest=letters.READABLE)
    connection = await connect(url, "ordersync dlq", Wire(inbox))
    inbox.learn(connection.server_properties)
    try:
        lock = await _lock(connection, queue)
        await _check_limit(connection, queue)
        channel = await connection.channel(publisher_confirms=False)
        looker = Looker(channel, queue, id_property)
        inbox.read(channel.number, 0, queue, looker.arrived)
        try:
            yield looker
        finally:
            with suppress(ChannelClosed, ConnectionError, RuntimeError):
                await looker.give_back()
                await lock.queue_delete(f"{queue}.lock", timeout=TIMEOUT)
            _warn_of_wear(looker)
    finally:
        await connection.close()


async def _lock(connection: AbstractConnection, queue: str) -> AbstractChannel:
    """The channel that holds the lock. A lock whose owner has just gone may take the broker a moment."""
    for _ in range(TRIES):
        channel = await connection.channel()
        try:
            await channel.queue_declare(f"{queue}.lock", exclusive=True, timeout=TIMEOUT)
        except ChannelLockedResource:
            await asyncio.sleep(PAUSE)
        except ChannelAccessRefused:
            raise LockedOutError(
                f"the broker's user may not declare {queue}.lock, the lock that keeps two operators "
                "apart: give it the configure permission for that name"
            ) from None
        else:
            return channel
    raise DeadLettersError(
        f"somebody else is working on {queue}: one at a time, or each would see what the other "
        "does not hold; wait, or find the connection called `ordersync dlq`"
    )


async def _check_limit(connection: AbstractConnection, queue: str) -> None:
    """A queue declared by somebody else may have a low delivery limit, or none: say so before looking."""
    channel = await connection.channel()
    wanted = {"x-queue-type": "quorum", "x-delivery-limit": KEPT_LIMIT}
    try:
        await channel.queue_declare(queue, durable=True, passive=True, timeout=TIMEOUT)
        await channel.queue_declare(queue, durable=True, arguments=wanted, timeout=TIMEOUT)  # type: ignore[arg-type]
    except ChannelNotFoundEntity:
        raise DeadLettersError(
            f"there is no queue {queue}: "
            + (
                "nothing was parked yet"
                if queue.endswith(PARKED)
                else "check its name (`ordersync topology show`), or declare it "
                "(`ordersync topology apply`)"
            )
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


async def _never_called(message: DeliveredMessage) -> None:
    """The callback that aiormq asks for: the inbox is before it."""
    raise AssertionError(message)


def _warn_of_wear(looker: Looker) -> None:
    if looker.most_delivered > WORN:
        log.warning("letters_worn", queue=looker.queue, deliveries=looker.most_delivered)
