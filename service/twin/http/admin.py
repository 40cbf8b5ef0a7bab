"""`/_twin/…`: looking into the twin and steering it; not HubSpot's, and never limited or faulty."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from service.twin.account.kinds import kind_named
from service.twin.faults import read_script
from service.twin.twin import Twin

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(twin: Twin) -> list[BaseRoute]:
    """The routes of `/_twin/`."""

    async def journal(_: Request) -> Response:
        return _json(twin.journal.shown())

    async def stats(_: Request) -> Response:
        return _json(twin.stats())

    async def state(request: Request) -> Response:
        kind = kind_named(request.path_params["kind"])
        if kind is None:
            return _json({"error": "no such object type"}, 404)
        return _json(twin.state(kind.name, request.query_params.get("by", "")))

    async def reset(_: Request) -> Response:
        twin.reset()
        return _json({"reset": True})

    async def arm(request: Request) -> Response:
        try:
            rules = read_script(orjson.loads(await request.body()))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        twin.arm(rules)
        return _json({"rules": len(rules)})

    return [
        Route("/_twin/journal", journal, methods=["GET"]),
        Route("/_twin/stats", stats, methods=["GET"]),
        Route("/_twin/reset", reset, methods=["POST"]),
        Route("/_twin/faults", arm, methods=["POST", "PUT"]),
        Route("/_twin/{kind}", state, methods=["GET"]),
    ]


def _json(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
