"""`/_twin/…`: looking into the twin and steering it; not HubSpot's, and never limited or faulty."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from service.twin.faults import read_script
from service.twin.twin import Twin

Endpoint = Callable[[Request], Awaitable[Response]]
Look = Callable[[str, str], dict[str, Any]]


def routes(twin: Twin) -> list[BaseRoute]:
    """The routes of `/_twin/`."""

    async def journal(request: Request) -> Response:
        asked = request.query_params
        return _json(twin.journal.shown(asked.get("kind", ""), asked.get("action", "")))

    async def stats(_: Request) -> Response:
        return _json(twin.stats())

    def seen(look: Look) -> Endpoint:
        async def shown(request: Request) -> Response:
            kind = twin.portal.kinds.named(request.path_params["kind"])
            if kind is None:
                return _json({"error": "no such object type"}, 404)
            return _json(look(kind.name, request.query_params.get("by", "")))

        return shown

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
        Route("/_twin/graph/{kind}", seen(twin.graph), methods=["GET"]),
        Route("/_twin/{kind}", seen(twin.state), methods=["GET"]),
    ]


def _json(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
