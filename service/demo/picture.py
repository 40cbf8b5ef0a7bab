"""One order as the local HubSpot holds it, with its lines, its buyer and its stage by name."""

from collections.abc import Mapping
from typing import Any

import orjson
from rich.table import Table

from service.core.graph.pipelines import OrderPipeline, pipelines_of
from service.core.hubspot.answers import BatchReply
from service.demo.samples import ID_PROPERTY
from service.hubspot.http import Http
from service.settings.config import Settings

_SHOWN = ("hs_order_name", "hs_fulfillment_status", "hs_total_price")


async def as_held(settings: Settings) -> Table:
    """The first order, by its key, that has lines and a buyer. HubSpot's side is asked, not the service."""
    table = Table("one order as HubSpot holds it", "", box=None, pad_edge=False)
    async with Http(settings.hubspot.base_url, timeout=settings.hubspot.timeout) as http:
        headers = {"authorization": f"Bearer {_token(settings)}"}
        graph = await _document(http, "/_twin/graph/orders", headers, by=ID_PROPERTY)
        stages = pipelines_of(await _document(http, "/crm/v3/pipelines/orders", headers))
    whole = (
        key for key, each in graph.items() if each["links"].keys() >= {"line_items", "contacts"}
    )
    if (key := min(whole, default=None)) is None:
        return table
    order = graph[key]
    held = order["properties"]
    table.add_row(f"order {key}", ", ".join(held[name] for name in _SHOWN if held.get(name)))
    table.add_row("stage", _stage(held, stages))
    for line in order["links"].get("line_items", {}).values():
        said = line["properties"]
        table.add_row("line", f"{said.get('quantity')} x {said.get('name')} at {said.get('price')}")
    for buyer in order["links"].get("contacts", {}).values():
        table.add_row("buyer", buyer["properties"].get("email", ""))
    return table


async def _document(
    http: Http, path: str, headers: Mapping[str, str], **query: str
) -> dict[str, Any]:
    reply = await http.ask("GET", path, headers=headers, query=query)
    if not isinstance(reply, BatchReply) or reply.status != 200:
        return {}
    document = orjson.loads(reply.body)
    return document if isinstance(document, dict) else {}


def _stage(held: Mapping[str, str], pipelines: tuple[OrderPipeline, ...]) -> str:
    names = {stage.id: stage.label for each in pipelines for stage in each.stages}
    return names.get(held.get("hs_pipeline_stage", ""), "none")


def _token(settings: Settings) -> str:
    return settings.hubspot.token.get_secret_value() if settings.hubspot.token else ""
