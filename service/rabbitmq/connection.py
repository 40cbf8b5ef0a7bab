"""The one way to open a connection to RabbitMQ, and the errors by which one is lost."""

import asyncio
from typing import Final

import aiormq
from aiormq.abc import AbstractConnection
from yarl import URL

from service.rabbitmq.wire import Wire

# A peer that hangs up during the handshake ends aiormq's frame reader: StopAsyncIteration comes through.
LOST: Final = (
    aiormq.exceptions.AMQPError,
    OSError,
    EOFError,
    asyncio.TimeoutError,
    RuntimeError,
    StopAsyncIteration,
)


async def connect(url: str, name: str, wire: Wire | None = None) -> AbstractConnection:
    """A connection that the broker's operators see as `name`.

    Raises:
        AMQPError, OSError: the broker cannot be reached, or does not let us in.
    """
    return await aiormq.connect(URL(url).update_query(name=name), transport_factory=wire)
