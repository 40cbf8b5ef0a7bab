"""The HTTP face: routes to operations, ASGI in and out, and uvicorn on a socket.

Nothing is decided here. A route names its operation; an endpoint reads the call, has the twin reply
and puts the reply on the wire, a dropped connection included.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from service.twin import admin, batches, singles
from service.twin.answers import Answer, Cut, Reply, Truncated, refusal
from service.twin.calls import Call
from service.twin.kinds import kind_named
from service.twin.options import TwinOptions
from service.twin.twin import Operation, Twin


class ConnectionCutError(ConnectionResetError):
    """The twin dropped the connection; what an in-process client meets instead of a reset."""


class Endpoint:
    """One operation behind one route, as an ASGI application."""

    def __init__(self, twin: Twin, name: str, operation: Operation) -> None:
        """`name` is what faults and the journal call the operation."""
        self._twin = twin
        self._name = name
        self._operation = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        twin = self._twin
        call = self._call(scope, await _body(receive))
        if "kind" in call.params and call.kind is None:
            named = call.params["kind"]
            refused = refusal(400, f"Unable to infer object type from: {named}")
            reply: Reply = refused.answer(call.correlation_id)
        else:
            reply = await twin.reply(call, self._operation, lambda s: _until_gone(receive, s))
        await _put(reply, scope, send)

    def _call(self, scope: Scope, body: bytes) -> Call:
        twin = self._twin
        params: dict[str, str] = dict(scope["path_params"])
        token = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        scheme, _, secret = token.decode("latin-1").partition(" ")
        raw = scope["query_string"]
        return Call(
            method=scope["method"],
            path=scope["path"],
            operation=self._name,
            kind=kind_named(params.get("kind", "")),
            params=params,
            query=parse_qs(raw.decode("latin-1"), keep_blank_values=True) if raw else {},
            body=body,
            token=secret.strip() if scheme.lower() == "bearer" else "",
            version=params.get("version", "v3"),
            now=twin.clock.now(),
            stamp=twin.clock.stamp(),
            correlation_id=twin.portal.uuid(),
        )


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _until_gone(receive: Receive, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass


async def _put(reply: Reply, scope: Scope, send: Send) -> None:
    match reply:
        case Answer():
            await _put_answer(reply, send)
        case Truncated(answer):
            body = answer.encoded()
            await send(_head(answer, len(body)))
            half = body[: len(body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await _drop(scope, abrupt=False)
        case Cut():
            await _drop(scope, abrupt=True)


async def _put_answer(answer: Answer, send: Send) -> None:
    body = answer.encoded()
    await send(_head(answer, len(body)))
    await send({"type": "http.response.body", "body": body})


def _head(answer: Answer, length: int) -> dict[str, Any]:
    headers = [(k.lower().encode(), v.encode()) for k, v in answer.headers.items()]
    if answer.status != 204:
        headers.append((b"content-type", answer.content_type.encode()))
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _drop(scope: Scope, *, abrupt: bool) -> None:
    connection = scope.get("state", {}).get("connection")
    if connection is None:
        raise ConnectionCutError("the twin dropped the connection")
    await connection.drop(abrupt=abrupt)


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


def _listener(host: str, port: int) -> socket.socket:
    # The protocol must be named: asyncio sets TCP_NODELAY only on sockets that say IPPROTO_TCP, and
    # without it every answer waits 40 ms for the peer's delayed ACK (head and body are two writes).
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


_OBJECTS = ("/crm/v3/objects/{kind}", "/crm/objects/{version}/{kind}")


def build_app(twin: Twin) -> ASGIApp:
    """The twin's ASGI application: HubSpot's paths and `/_twin/`."""
    return Starlette(routes=[*_object_routes(twin), *admin.routes(twin)])


def _object_routes(twin: Twin) -> Iterator[BaseRoute]:
    batch_operations: dict[str, Operation] = {
        "upsert": batches.batch_write,
        "update": batches.batch_write,
        "read": batches.batch_read,
        "archive": batches.batch_archive,
        "create": batches.batch_write,
    }
    for name, operation in batch_operations.items():
        for root in _OBJECTS:
            yield _route(twin, "POST", f"{root}/batch/{name}", name, operation)
    single: list[tuple[str, str, str, Operation]] = [
        ("GET", "/{id}", "get", singles.get_one),
        ("PATCH", "/{id}", "update_one", singles.update_one),
        ("DELETE", "/{id}", "archive_one", singles.archive_one),
        ("GET", "", "list", singles.list_page),
        ("POST", "", "create_one", singles.create_one),
    ]
    for method, suffix, name, operation in single:
        for root in _OBJECTS:
            yield _route(twin, method, f"{root}{suffix}", name, operation)


def _route(twin: Twin, method: str, path: str, name: str, operation: Operation) -> Route:
    return Route(path, Endpoint(twin, name, operation), methods=[method])


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
    async with serving(twin or Twin(options), host, port) as url:
        if ready is not None:
            ready(url)
        await asyncio.get_running_loop().create_future()


@contextlib.asynccontextmanager
async def serving(twin: Twin, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `twin` for the length of a block; yields its base URL."""
    listener = _listener(host, port)
    url = f"http://{host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        twin.app,
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
        group.create_task(server.serve(sockets=[listener]), name="hubspot-twin")
        await listening.wait()
        try:
            yield url
        finally:
            server.should_exit = True
