"""A look at the dead letters, alone: the lock, the queue's limit, and what is given back at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from service.core.letters import letters
from service.dead_letters.looker import (
    HOLD,
    PARKED,
    TIMEOUT,
    DeadLettersError,
    LockedOutError,
    Looker,
)
from service.rabbitmq.connection import Channel, Connection, connect
from service.rabbitmq.errors import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)
from service.rabbitmq.inbox import Inbox
from service.rabbitmq.topology import KEPT_LIMIT
from service.rabbitmq.wire import Wire

log = structlog.get_logger(__name__)

# Seconds that a look waits for another one's end.
PATIENCE: Final = 30.0
# Seconds between tries for the lock.
PAUSE: Final = 0.3
# Deliveries of one message; far from the limit, but somebody looks a lot.
WORN: Final = 1_000


@asynccontextmanager
async def looking(
    url: str,
    queue: str,
    id_property: str | None,
    *,
    hold: float = HOLD,
    patience: float = PATIENCE,
) -> AsyncIterator[Looker]:
    """Look at the queue, alone; at the end, what was not taken is given back.

    A look is over in seconds: for `patience` seconds the end of another one is waited for.

    Raises:
        DeadLettersError: somebody else is looking, or looking would cost letters.
    """
    # Properties that nobody can decode, or a body too large to hold, must not end the look at the others.
    inbox = Inbox(largest=letters.READABLE)
    connection = await connect(url, "ordersync dlq", Wire(inbox))
    inbox.learn(connection.server_properties)
    try:
        lock = await _lock(connection, queue, patience)
        await _check_limit(connection, queue)
        channel = await connection.channel(publisher_confirms=False)
        looker = Looker(channel, queue, id_property, hold)
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


async def _lock(connection: Connection, queue: str, patience: float) -> Channel:
    """The channel that holds the lock. A lock whose owner has just gone may take the broker a moment."""
    until = asyncio.get_running_loop().time() + patience
    while True:
        channel = await connection.channel()
        try:
            await channel.queue_declare(f"{queue}.lock", exclusive=True, timeout=TIMEOUT)
        except ChannelLockedResource:
            if asyncio.get_running_loop().time() > until:
                break
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


async def _check_limit(connection: Connection, queue: str) -> None:
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
        # An identity that may only read and publish.
        log.debug("limit_unchecked", queue=queue)
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
