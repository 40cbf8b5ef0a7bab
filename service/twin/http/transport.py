"""The twin in the caller's process: an httpx transport without sockets, fit for virtual time.

Unlike `httpx.ASGITransport` it keeps a server's manners: read timeouts count, a call goes on after
its client gave up, and a dropped connection is the transport error that a socket would give.
"""

import asyncio
from types import TracebackType
from typing import Any, Self

import httpx
from starlette.types import ASGIApp, Message

from service.twin.http.app import ConnectionCutError, app
from service.twin.twin import Twin


class Transport(httpx.AsyncBaseTransport):
    """Carries requests to a twin: `httpx.AsyncClient(transport=Transport(twin))`."""

    def __init__(self, twin: Twin) -> None:
        self._app = app(twin)
        self._serving: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Serve one request; raises httpx's transport errors as a socket would."""
        exchange = _Exchange(await request.aread())
        task = asyncio.create_task(exchange.run(self._app, _scope(request)))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        try:
            async with asyncio.timeout(timeouts.get("read")):
                await exchange.finished.wait()
        except TimeoutError:
            raise httpx.ReadTimeout("the twin did not answer in time", request=request) from None
        finally:
            exchange.gone.set()
        return exchange.response(request)

    async def aclose(self) -> None:
        """Wait for the calls whose clients gave up."""
        while self._serving:
            await asyncio.wait(self._serving)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self


class _Exchange:
    """One request and what came back."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._head: Message = {}
        self._received = b""
        self._whole = False
        self.finished = asyncio.Event()
        self.gone = asyncio.Event()

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except ConnectionCutError:
            self._whole = False
        finally:
            self.finished.set()

    async def _receive(self) -> Message:
        if self._body is None:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
        else:
            self._received += message.get("body", b"")
            self._whole = not message.get("more_body", False)

    def response(self, request: httpx.Request) -> httpx.Response:
        if not self._head:
            raise httpx.RemoteProtocolError(
                "Server disconnected without sending a response.", request=request
            )
        if not self._whole:
            raise httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body", request=request
            )
        return httpx.Response(
            self._head["status"],
            headers=self._head["headers"],
            stream=httpx.ByteStream(self._received),
        )


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
        "root_path": "",
    }
