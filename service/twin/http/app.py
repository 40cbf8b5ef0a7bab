"""The HTTP face: routes to operations, ASGI in and out, and uvicorn on a socket.

Nothing is decided here. A route names its operation; an endpoint reads the call, has the twin reply
and puts the reply on the wire, a dropped connection included.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.twin.account.kinds import Kind
from service.twin.account.portal import Portal
from service.twin.gates.oauth import TokenOffice
from service.twin.http import admin
from service.twin.http.routes import Path, paths
from service.twin.operations.answers import Answer, Dropped, Halved, Reply, refusal
from service.twin.operations.call import Call
from service.twin.twin import Twin


class ConnectionCutError(ConnectionResetError):
    """The twin dropped the connection; what an in-process client meets instead of a reset."""


class _Dated(Convertor[str]):
    """A dated API version in a path: `2026-03`, `2026-09-beta`."""

    regex = r"20\d\d-\d\d(?:-beta)?"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("dated", _Dated())


class Endpoint:
    """One operation behind one route, as an ASGI application."""

    def __init__(self, twin: Twin, path: Path) -> None:
        self._twin = twin
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the call, have the twin reply, and send what it says."""
        call = self._call(scope, await _body(receive))
        known = all(kind for _, kind in _ends(call))
        reply = await self._twin.reply(
            call,
            self._path.operation if known else _unknown_kind,
            lambda seconds: _until_gone(receive, seconds),
            open_to_all=self._path.open,
        )
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
            operation=self._path.name,
            kind=twin.portal.kinds.named(params.get("kind", "")),
            params=params,
            query=parse_qs(raw.decode("latin-1"), keep_blank_values=True) if raw else {},
            body=body,
            token=secret.strip() if scheme.lower() == "bearer" else "",
            version=params.get("version", self._path.version),
            now=twin.clock.now(),
            stamp=twin.clock.stamp(),
            correlation_id=twin.portal.uuid(),
            group=self._path.group,
            end=twin.portal.kinds.named(params.get("to", "")),
        )


def _ends(call: Call) -> Iterator[tuple[str, Kind | None]]:
    """The object types that a path names, by the names of its parameters."""
    for name, kind in (("kind", call.kind), ("to", call.end)):
        if name in call.params:
            yield name, kind


def _unknown_kind(_: Portal, call: Call) -> Answer:
    unknown = next(call.params[name] for name, kind in _ends(call) if kind is None)
    raise refusal(400, f"Unable to infer object type from: {unknown[:80]}")


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
        case Halved(answer):
            body = answer.encoded()
            await send(_head(answer, len(body)))
            half = body[: len(body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await _drop(scope, abrupt=False)
        case Dropped():
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


def app(twin: Twin) -> ASGIApp:
    """The twin's ASGI application: HubSpot's paths and `/_twin/`."""
    office = TokenOffice(twin.access)
    served = [
        Route(path.pattern, Endpoint(twin, path), methods=[path.method]) for path in paths(office)
    ]
    lost = {404: _lost(twin), 405: _lost(twin)}
    return Starlette(routes=[*served, *admin.routes(twin)], exception_handlers=lost)


def _lost(twin: Twin) -> Callable[[Request, Exception], Response]:
    """The answer where no route fits: HubSpot's envelope."""

    def answer(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        message = "resource not found" if status == 404 else f"HTTP {status}: wrong method"
        made = refusal(status, message).answer(twin.portal.uuid())
        return Response(made.encoded(), status, media_type="application/json")

    return answer
