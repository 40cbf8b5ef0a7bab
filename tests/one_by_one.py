"""The measure of all merging: what HubSpot holds when every event is applied alone, in order.

A second twin is driven with one record a call, by code that shares nothing with the service's encoders.
"""

from collections.abc import Iterable
from typing import Any

import httpx
import orjson

from service.twin import Twin, TwinOptions, app

BEARER = {"authorization": "Bearer t"}
Shown = dict[str, tuple[bool, dict[str, str]]]


async def one_by_one(
    events: Iterable[dict[str, Any]], options: TwinOptions, id_property: str
) -> Shown:
    """The end state after `events`, each in a call of its own."""
    twin = Twin(options)
    transport = httpx.ASGITransport(app(twin))
    async with httpx.AsyncClient(
        base_url="http://twin", transport=transport, headers=BEARER
    ) as client:
        for event in events:
            await _apply(client, event, id_property)
    return shown(twin, id_property)


def shown(twin: Twin, id_property: str) -> Shown:
    """Every order by its key: archived or not, and its values without HubSpot's own clockwork."""
    return {
        key: (
            order["archived"],
            {n: v for n, v in order["properties"].items() if not _clockwork(n) and v},
        )
        for key, order in twin.state(by=id_property).items()
    }


def _clockwork(name: str) -> bool:
    return name in {"hs_createdate", "hs_lastmodifieddate", "hs_object_id"} or name.startswith(
        "hs_object_source"
    )


async def _apply(client: httpx.AsyncClient, event: dict[str, Any], id_property: str) -> None:
    operation, key = event["type"].split(".")[2], event["subject"]
    if operation == "archive":
        known = await _post(client, "read", {"inputs": [{"id": key}], "idProperty": id_property})
        found = [{"id": record["id"]} for record in known["results"]]
        if found:
            await _post(client, "archive", {"inputs": found})
        return
    values = {name: _text(value) for name, value in event["data"]["properties"].items()}
    record = {"id": key, "idProperty": id_property, "properties": values | {id_property: key}}
    await _post(client, operation, {"inputs": [record]})


async def _post(client: httpx.AsyncClient, operation: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(
        f"/crm/v3/objects/orders/batch/{operation}", content=orjson.dumps(body)
    )
    return orjson.loads(answer.content) if answer.content else {}


def _text(value: Any) -> str:
    return {None: "", True: "true", False: "false"}.get(value, str(value))
