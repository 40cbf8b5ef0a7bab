"""What the twin's tests share: a twin with a client, inputs, and HubSpot's specification at hand.

Answers that HubSpot's OpenAPI files describe are validated in passing, in every test, wherever the
reference folder lies beside the repository.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.twin import Transport, Twin, TwinOptions
from tests.twin.specification import Specification

SHARED = Path(__file__).resolve().parents[3] / "shared"
REFERENCE = SHARED / "reference" / "hubspot"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="HubSpot's specification and answers are not beside the project"
)
UPSERT = "/crm/v3/objects/orders/batch/upsert"
UPDATE = "/crm/v3/objects/orders/batch/update"
CREATE = "/crm/v3/objects/orders/batch/create"
READ = "/crm/v3/objects/orders/batch/read"
ARCHIVE = "/crm/v3/objects/orders/batch/archive"
ORDERS = "/crm/v3/objects/orders"
SEARCH = "/crm/v3/objects/orders/search"

_SPECIFICATION = Specification(REFERENCE / "openapi")


async def _valid(response: httpx.Response) -> None:
    await response.aread()
    request = response.request
    faults = _SPECIFICATION.faults(request.method, request.url.path, response)
    assert not faults, f"{request.method} {request.url.path} → {response.status_code}: {faults}"


@contextlib.asynccontextmanager
async def hubspot(**options: Any) -> AsyncIterator[tuple[Twin, httpx.AsyncClient]]:
    """A twin without limits, unless `options` say otherwise, and a client that reaches it."""
    usual = {"calls": 0, "search_calls": 0, "unset": "omit", "numeric_association_ids": False}
    twin = Twin(TwinOptions(**{**usual, **options}))
    faulty = bool(twin.options.faults) or twin.options.numeric_association_ids
    hooks = {} if faulty or twin.options.unset == "null" else {"response": [_valid]}
    with contextlib.closing(twin):
        async with client_of(twin, event_hooks=hooks) as client:
            yield twin, client


def client_of(twin: Twin, **named: Any) -> httpx.AsyncClient:
    """A client with a token, in the twin's process."""
    return httpx.AsyncClient(
        transport=Transport(twin),
        base_url="http://twin",
        headers={"Authorization": "Bearer pat-test"},
        **named,
    )


def order(key: str, *, trace: str | None = None, **properties: Any) -> dict[str, Any]:
    """An input by `shop_order_id`, its key repeated inside `properties`."""
    made: dict[str, Any] = {
        "id": key,
        "idProperty": "shop_order_id",
        "properties": {"shop_order_id": key, **properties},
    }
    return made if trace is None else {**made, "objectWriteTraceId": trace}


def fresh(*, trace: str | None = None, **properties: Any) -> dict[str, Any]:
    """An input of a create."""
    made: dict[str, Any] = {"properties": properties, "associations": []}
    return made if trace is None else {**made, "objectWriteTraceId": trace}


def inputs(*listed: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a batch call."""
    return {"inputs": list(listed)}


async def put(client: httpx.AsyncClient, *keys: str, **properties: Any) -> dict[str, str]:
    """Upsert orders and return key → record id."""
    answer = await client.post(UPSERT, json=inputs(*(order(key, **properties) for key in keys)))
    assert answer.status_code == 200, answer.text
    return {
        result["properties"]["shop_order_id"]: result["id"] for result in answer.json()["results"]
    }


LINE_KEY = "shop_line_id"


@contextlib.asynccontextmanager
async def shop(**options: Any) -> AsyncIterator[tuple[Twin, httpx.AsyncClient]]:
    """A twin whose line items have a unique property."""
    unique = ("shop_order_id", f"line_items.{LINE_KEY}")
    async with hubspot(**{"unique": unique, **options}) as (twin, client):
        yield twin, client


def line(key: str, *, trace: str | None = None, **properties: Any) -> dict[str, Any]:
    """An input by `shop_line_id`, its key repeated inside `properties`."""
    made = order(key, trace=trace, **properties)
    named = {LINE_KEY: made["properties"].pop("shop_order_id"), **made["properties"]}
    return {**made, "idProperty": LINE_KEY, "properties": named}


async def put_lines(client: httpx.AsyncClient, *keys: str, **properties: Any) -> dict[str, str]:
    """Upsert line items and return key → record id."""
    path = "/crm/v3/objects/line_items/batch/upsert"
    answer = await client.post(path, json=inputs(*(line(key, **properties) for key in keys)))
    assert answer.status_code == 200, answer.text
    return {result["properties"][LINE_KEY]: result["id"] for result in answer.json()["results"]}


async def make(client: httpx.AsyncClient, kind: str, **properties: Any) -> str:
    """Create one record of a type and return its id."""
    answer = await client.post(f"/crm/v3/objects/{kind}", json=fresh(**properties))
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


def pair(start: str, end: str, *types: int, **more: Any) -> dict[str, Any]:
    """One input of an association call."""
    named = [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": each} for each in types
    ]
    return {"from": {"id": start}, "to": {"id": end}, **({"types": named} if named else {}), **more}
