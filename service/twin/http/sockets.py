"""The twin on a socket: uvicorn, embedded, with connections that a fault can drop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from service.twin.http.app import app
from service.twin.options import TwinOptions
from service.twin.twin import Twin


class DroppableProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Uvicorn's protocol, with itself in the ASGI scope so that a fault can drop the connection."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        """As uvicorn calls it; the state of a server without lifespan is empty, so it is ours."""
        super().__init__(*positional, **named)
        self.app_state: dict[str, Any] = {"connection": self}
        self._gone = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let those who dropped the connection go on."""
        super().connection_lost(exc)
        self._gone.set()

    async def drop(self, *, abrupt: bool) -> None:
        """Close (`abrupt`: without sending what is buffered) and wait until it is closed."""
        if abrupt:
            self.transport.abort()
        else:
            self.transport.close()
        await self._gone.wait()


class _Server(uvicorn.Server):
    """Uvicorn that says when it is ready and leaves signals to whoever runs it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def serve(
    options: TwinOptions,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ready: Callable[[str], None] | None = None,
    twin: Twin | None = None,
) -> None:
    """Serve a twin on a socket until cancelled; `ready(url)` is called once it listens.

    Port 0 takes a free one. Give `twin` to look inside the twin that is served.
    """
    served = twin or Twin(options)
    try:
        async with serving(served, host, port) as url:
            if ready is not None:
                ready(url)
            await asyncio.get_running_loop().create_future()
    finally:
        if twin is None:
            served.close()


@contextlib.asynccontextmanager
async def serving(twin: Twin, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `twin` for the length of a block; yields its base URL."""
    listener = _listener(host, port)
    url = f"http://{host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app(twin),
        http=DroppableProtocol,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
    )
    listening = asyncio.Event()
    server = _Server(config, listening.set)
    async with asyncio.TaskGroup() as group:
        serving_task = group.create_task(server.serve(sockets=[listener]), name="hubspot-twin")
        try:
            await listening.wait()
            yield url
        finally:
            # Awaited here: a cancelled block would have the group cancel the server mid-shutdown.
            server.should_exit = True
            await asyncio.wait([serving_task])


def _listener(host: str, port: int) -> socket.socket:
    # The protocol must be named: asyncio sets TCP_NODELAY only on sockets that say IPPROTO_TCP, and
    # without it every answer waits 40 ms for the peer's delayed ACK (head and body are two writes).
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
