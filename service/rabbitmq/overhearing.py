"""Outcomes as they are published, heard beside the readers of the result queue.

Law: whoever listens takes nothing from anybody. The queue is the listener's own and ends with him.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from service.rabbitmq.connection import IncomingMessage, session

# Seconds for any answer of the broker.
TIMEOUT: Final = 30.0


@asynccontextmanager
async def overhearing(
    url: str,
    exchange: str,
    hear: Callable[[bytes], None],
    *,
    name: str,
    ended: Callable[[], object] = lambda: None,
) -> AsyncIterator[None]:
    """Each outcome's body -> `hear`, for the length of the block; `ended`: the connection has gone.

    Raises:
        AMQPConnectionError: the broker cannot be reached.
    """
    async with session(url, name) as opened:
        opened.close_callbacks.add(lambda *_: ended())
        channel = await opened.channel(publisher_confirms=False)
        queue = await channel.declare_queue(exclusive=True, timeout=TIMEOUT)
        await queue.bind(exchange, "outcome.#", timeout=TIMEOUT)

        async def heard(message: IncomingMessage) -> None:
            hear(message.body)

        await queue.consume(heard, no_ack=True, timeout=TIMEOUT)
        yield
