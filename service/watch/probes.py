"""`/livez`, `/readyz` and `/metrics` on one port, beside the pipeline and never in its way.

Alive means that the loop turns and the pipeline is not wedged: it never depends on RabbitMQ or
HubSpot, or an outage of theirs would restart every replica. Ready means that events are carried,
or would be; what HubSpot makes us wait for is told beside it, and takes no readiness away. Signals
are the app's: the server inside leaves them alone.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from service.watch.metrics import Metrics

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response


class Health(Protocol):
    """Why not, in sentences; an empty list means yes."""

    def live(self) -> list[str]:
        """What keeps the process from ever recovering by itself."""
        ...

    def ready(self) -> list[str]:
        """What keeps it from carrying events just now."""
        ...

    def waits(self) -> list[str]:
        """What holds events up though the replica does all that it can."""
        ...


class ProbesError(Exception):
    """The port cannot be had. The message says what to change."""


async def serve(host: str, port: int, health: Health, metrics: Metrics) -> None:
    """Answer until cancelled.

    Raises:
        ProbesError: the address cannot be bound.
    """
    await serve_on(listen(host, port), health, metrics)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ProbesError(
            f"cannot listen on {host}:{port}: {error.strerror}; set ORDERSYNC_HTTP__HOST and "
            "ORDERSYNC_HTTP__PORT to an address that is free"
        ) from error


async def serve_on(listening: socket.socket, health: Health, metrics: Metrics) -> None:
    """Answer on a socket until cancelled; closes it."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # SIGTERM starts the app's drain, not this server's end.
            yield

    config = uvicorn.Config(
        application(health, metrics),
        access_log=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    server = Server(config)
    try:
        await server.serve(sockets=[listening])
    finally:
        if server.started:
            await server.shutdown(sockets=[listening])
        listening.close()


def application(health: Health, metrics: Metrics) -> "Starlette":
    """The three pages as an ASGI application."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def answer(faults: list[str], beside: Sequence[str] = ()) -> "Response":
        status, code = ("unavailable", 503) if faults else ("ok", 200)
        return JSONResponse({"status": status, "reasons": [*faults, *beside]}, status_code=code)

    async def livez(_: "Request") -> "Response":
        return answer(health.live())

    async def readyz(_: "Request") -> "Response":
        return answer(health.ready(), health.waits())

    async def exposition(_: "Request") -> "Response":
        body, content_type = metrics.render()
        return Response(body, media_type=content_type)

    return Starlette(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics", exposition),
        ]
    )
