"""A flow of complete orders, carried out against the twin: every call through the real client's addresses."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson

from service.core.graph.directory import Directory
from service.core.graph.order_flow import Account, complete
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.requests import Call
from service.core.waiting.batch import Batch
from service.core.waiting.slots import Slot
from service.hubspot.client import HubSpot
from service.hubspot.token import StaticToken
from service.twin import Transport, Twin, TwinOptions

LINE_ID = "ordersync_line_id"
ORDER_ID = "shop_order_id"
ACCOUNT = Account(ORDER_ID, LINE_ID)
PROPERTIES = {
    "orders": {ORDER_ID: True, "note": False},
    "line_items": {LINE_ID: True, "name": False},
    "companies": {"shop_customer_no": True},
}


class Stand:
    """A twin, a client, and what both have seen."""

    def __init__(self, twin: Twin, http: httpx.AsyncClient, hubspot: HubSpot) -> None:
        self.twin, self.http, self.hubspot = twin, http, hubspot
        self.directory = Directory()
        self.calls: list[Call] = []
        self.number = 0
        self.now = 0.0

    async def carry(self, batch: Batch) -> Any:
        """The fates of a batch."""
        self.number += 1
        flow = complete(batch, f"t{self.number}", ACCOUNT, self.directory, self.now)
        try:
            calls = next(flow)
            while True:
                calls = flow.send(tuple([await self.send(call) for call in calls]))
        except StopIteration as end:
            return end.value

    async def send(self, call: Call) -> BatchReply | NoReply:
        self.calls.append(call)
        return await self.hubspot.send(call)

    async def get(self, path: str, **query: str) -> Any:
        answer = await self.http.get(path, params=query)
        return orjson.loads(answer.content)

    async def post(self, path: str, body: Any) -> Any:
        answer = await self.http.post(path, json=body)
        assert answer.status_code < 300, answer.text
        return orjson.loads(answer.content) if answer.content else None

    async def order(self, key: str) -> Any:
        """An order as the twin holds it."""
        names = [ORDER_ID, "note", "hs_order_name", "hs_pipeline", "hs_pipeline_stage"]
        body = {"idProperty": ORDER_ID, "inputs": [{"id": key}], "properties": names}
        answer = await self.post("/crm/v3/objects/orders/batch/read", body)
        return answer["results"][0]

    async def links(self, record_id: str, to: str) -> dict[str, list[Any]]:
        """The links of an order: record id -> labels."""
        answer = await self.get(f"/crm/v4/objects/orders/{record_id}/associations/{to}")
        return {
            str(each["toObjectId"]): sorted(t.get("label") or "" for t in each["associationTypes"])
            for each in answer["results"]
        }

    async def lines(self, record_id: str) -> dict[str, dict[str, str]]:
        """The lines of an order that are linked to it: key property -> properties."""
        found = {}
        for line in await self.links(record_id, "line_items"):
            held = await self.get(
                f"/crm/v3/objects/line_items/{line}", properties=f"{LINE_ID},name,quantity,price"
            )
            if held.get("id") == line and not held.get("archived"):
                found[held["properties"].get(LINE_ID)] = held["properties"]
        return found


@contextlib.asynccontextmanager
async def stand(**options: Any) -> AsyncIterator[Stand]:
    twin = Twin(TwinOptions(**{"calls": 0, "search_calls": 0, **options}))
    with contextlib.closing(twin):
        transport = Transport(twin)
        http = httpx.AsyncClient(
            transport=transport,
            base_url="http://twin",
            headers={"Authorization": "Bearer pat-test"},
        )
        async with (
            http,
            HubSpot(
                "http://twin", "v3", StaticToken("pat-test"), timeout=5, transport=Transport(twin)
            ) as hubspot,
        ):
            made = Stand(twin, http, hubspot)
            for kind, names in PROPERTIES.items():
                for name, unique in names.items():
                    with contextlib.suppress(AssertionError):
                        await made.post(
                            f"/crm/v3/properties/{kind}",
                            {
                                "name": name,
                                "label": name,
                                "type": "string",
                                "fieldType": "text",
                                "groupName": "order_information",
                                "hasUniqueValue": unique,
                            },
                        )
            yield made


def batch_of(*slots: Slot) -> Batch:
    return Batch(slots[0].operation, slots[0].order.id_property, 0, slots, "size")
