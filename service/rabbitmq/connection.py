"""The only place that opens a connection to RabbitMQ, and the errors by which one is lost.

`connect` is for who reads or writes the frames of his channels himself: the service's consumer and publisher,
and whoever looks at letters that nobody can decode. All others speak aio-pika, on a `session` (docs/adr/0012).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import unquote

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection as Session
from aio_pika.abc import AbstractIncomingMessage as IncomingMessage
from aiormq.abc import AbstractChannel as Channel
from aiormq.abc import AbstractConnection as Connection
from aiormq.abc import DeliveredMessage
from yarl import URL

from service.rabbitmq.wire import Bystander, Wire

# A peer that hangs up during the handshake ends aiormq's frame reader: StopAsyncIteration comes through.
LOST: Final = (
    aiormq.exceptions.AMQPError,
    OSError,
    EOFError,
    asyncio.TimeoutError,
    RuntimeError,
    StopAsyncIteration,
)
OPENED_WITHIN: Final = 30.0  # seconds

__all__ = [
    "LOST",
    "Channel",
    "Connection",
    "DeliveredMessage",
    "IncomingMessage",
    "Session",
    "connect",
    "session",
    "version_of",
]


async def connect(url: str, name: str, wire: Wire | None = None) -> Connection:
    """A connection that the broker's operators see as `name`.

    Raises:
        AMQPError, OSError: the broker cannot be reached, or does not let us in.
    """
    return await aiormq.connect(_named(url, name), transport_factory=wire or Wire(Bystander()))


@asynccontextmanager
async def session(url: str, name: str, *, within: float = OPENED_WITHIN) -> AsyncIterator[Session]:
    """aio-pika's connection, for the length of the block; opened `within` seconds.

    Raises:
        AMQPConnectionError: the broker cannot be reached, or does not let us in.
    """
    opened = await aio_pika.connect(_named(url, name), timeout=within, connection_class=_OnWire)
    try:
        yield opened
    finally:
        await opened.close()


class _OnWire(aio_pika.Connection):
    """Its bytes pass through `Wire`, for which an end is an error with a name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kwargs["transport_factory"] = Wire(Bystander())


def virtual_host(url: str) -> str:
    """Its name, as RabbitMQ has it: what stands behind the first `/` of the address; `/` where nothing does."""
    return unquote(URL(url).raw_path[1:]) or "/"


def version_of(opened: Session) -> str:
    """RabbitMQ's own version; "?" where it does not say."""
    transport = opened.transport
    told = transport.connection.server_properties.get("version", "?") if transport else "?"
    return told.decode() if isinstance(told, bytes) else str(told)


def _named(url: str, name: str) -> URL:
    return URL(url).update_query(name=name)
