"""Search: filters, sorting, pages, the query, and an index that lags behind."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.twin.lab import ARCHIVE, SEARCH, hubspot, inputs, make, put

pytestmark = pytest.mark.looptime

PROPERTIES = ("paid_at:datetime",)


async def shop(client: httpx.AsyncClient) -> None:
    await put(client, "A-1", hs_order_name="Camping tent", hs_total_price="9", hs_tags="red")
    await put(client, "A-2", hs_order_name="Climbing rope", hs_total_price="10")
    await put(client, "B-3", hs_order_name="Tent pegs", hs_total_price="100.5", hs_tags="blue")
    await put(client, "B-4", hs_order_name="Map", paid_at="2026-11-22T10:00:00Z")


async def found(client: httpx.AsyncClient, **body: Any) -> list[str]:
    answer = await client.post(SEARCH, json={"properties": ["shop_order_id"], "limit": 50, **body})
    assert answer.status_code == 200, answer.text
    return [result["properties"]["shop_order_id"] for result in answer.json()["results"]]


def where(name: str, operator: str, **more: Any) -> dict[str, Any]:
    one = {"propertyName": name, "operator": operator, **more}
    return {"filterGroups": [{"filters": [one]}]}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (where("hs_order_name", "EQ", value="map"), ["B-4"]),
        (where("hs_tags", "NEQ", value="red"), ["A-2", "B-3", "B-4"]),
        (where("hs_total_price", "GT", value="9.5"), ["A-2", "B-3"]),
        (where("hs_total_price", "GTE", value="10.0"), ["A-2", "B-3"]),
        (where("hs_total_price", "LT", value="10"), ["A-1"]),
        (where("hs_total_price", "LTE", value="10"), ["A-1", "A-2"]),
        (where("hs_total_price", "BETWEEN", value="9", highValue="10"), ["A-1", "A-2"]),
        (where("shop_order_id", "IN", values=["A-1", "B-4"]), ["A-1", "B-4"]),
        (where("shop_order_id", "NOT_IN", values=["A-1", "B-4"]), ["A-2", "B-3"]),
        (where("hs_tags", "HAS_PROPERTY"), ["A-1", "B-3"]),
        (where("hs_tags", "NOT_HAS_PROPERTY"), ["A-2", "B-4"]),
        (where("hs_order_name", "CONTAINS_TOKEN", value="tent"), ["A-1", "B-3"]),
        (where("hs_order_name", "CONTAINS_TOKEN", value="cl*"), ["A-2"]),
        (where("hs_order_name", "NOT_CONTAINS_TOKEN", value="tent"), ["A-2", "B-4"]),
        (where("paid_at", "GT", value="2026-11-22T09:59:59Z"), ["B-4"]),
        (where("paid_at", "LT", value="1795341600001"), ["B-4"]),
        ({"query": "tent"}, ["A-1", "B-3"]),
        ({"query": "TENT pegs"}, ["B-3"]),
        ({"filterGroups": []}, ["A-1", "A-2", "B-3", "B-4"]),
    ],
)
async def test_filters(asked: dict[str, Any], expected: list[str]):
    async with hubspot(properties=PROPERTIES) as (_, client):
        await shop(client)

        assert await found(client, **asked) == expected


async def test_groups_are_alternatives_and_filters_in_them_all_hold():
    async with hubspot(properties=PROPERTIES) as (_, client):
        await shop(client)
        tent = {"propertyName": "hs_order_name", "operator": "CONTAINS_TOKEN", "value": "tent"}
        blue = {"propertyName": "hs_tags", "operator": "EQ", "value": "blue"}
        paid = {"propertyName": "paid_at", "operator": "HAS_PROPERTY"}

        asked = {"filterGroups": [{"filters": [tent, blue]}, {"filters": [paid]}]}
        assert await found(client, **asked) == ["B-3", "B-4"]


@pytest.mark.parametrize(
    ("sorts", "expected"),
    [
        (["hs_total_price"], ["A-1", "A-2", "B-3"]),
        (["-hs_total_price"], ["B-3", "A-2", "A-1"]),
        ([{"propertyName": "hs_order_name", "direction": "DESCENDING"}], ["B-3", "A-2", "A-1"]),
    ],
)
async def test_sorting_goes_by_the_property_s_type(sorts: list[Any], expected: list[str]):
    async with hubspot(properties=PROPERTIES) as (_, client):
        await shop(client)

        assert (
            await found(client, **where("hs_total_price", "HAS_PROPERTY"), sorts=sorts) == expected
        )


async def test_results_come_in_pages_with_their_total():
    async with hubspot() as (_, client):
        await put(client, *(f"A-{n}" for n in range(12)))

        first = (await client.post(SEARCH, json={"limit": 10})).json()
        after = first["paging"]["next"]["after"]
        second = (await client.post(SEARCH, json={"limit": 10, "after": after})).json()

        assert (first["total"], len(first["results"]), len(second["results"])) == (12, 10, 2)
        assert "paging" not in second


async def test_archived_orders_are_never_found():
    async with hubspot() as (_, client):
        ids = await put(client, "A-1", "A-2")
        await client.post(ARCHIVE, json=inputs({"id": ids["A-1"]}))

        assert await found(client) == ["A-2"]


async def test_the_index_lags_behind():
    async with hubspot(search_lag=5.0) as (_, client):
        await put(client, "A-1", hs_tags="old")
        assert await found(client) == []
        await asyncio.sleep(6)
        ids = await put(client, "A-1", hs_tags="new")
        assert await found(client, **where("hs_tags", "EQ", value="old")) == ["A-1"]
        await client.post(ARCHIVE, json=inputs({"id": ids["A-1"]}))
        assert await found(client) == ["A-1"]
        await asyncio.sleep(6)
        assert await found(client) == []


@pytest.mark.parametrize(
    "body",
    [
        {"filterGroups": [{"filters": []}] * 6},
        {
            "filterGroups": [
                {"filters": [{"propertyName": "hs_tags", "operator": "HAS_PROPERTY"}] * 7}
            ]
        },
        {"limit": 201},
        {"limit": -1},
        {"after": "10000", "limit": 1},
        {"query": "x" * 3001},
        {"sorts": ["unheard_of"]},
        where("unheard_of", "EQ", value="x"),
        where("hs_tags", "LIKE", value="x"),
        where("hs_tags", "EQ"),
        where("hs_total_price", "GT", value="much"),
        where("hs_createdate", "GT", value="soon"),
        {"filterGroups": "x"},
    ],
)
async def test_a_search_beyond_the_limits_is_a_400(body: dict[str, Any]):
    async with hubspot() as (_, client):
        assert (await client.post(SEARCH, json=body)).status_code == 400


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("EQ", "mia"), ["A-1"]),
        (("NEQ", "mia"), ["A-2"]),
        (("HAS_PROPERTY", None), ["A-1"]),
        (("NOT_HAS_PROPERTY", None), ["A-2"]),
    ],
)
async def test_orders_are_found_by_their_buyer_or_the_lack_of_one(
    condition: tuple[str, str | None], expected: list[str]
):
    operator, value = condition
    async with hubspot() as (_, client):
        ids = await put(client, "A-1", "A-2")
        mia = await make(client, "contacts", email="mia@example.com")
        path = f"/crm/v4/objects/orders/{ids['A-1']}/associations/default/contacts/{mia}"
        await client.put(path)
        asked = {"propertyName": "associations.contact", "operator": operator}
        told = await client.post(
            SEARCH,
            json={
                "filterGroups": [
                    {"filters": [asked if value is None else {**asked, "value": mia}]}
                ],
                "properties": ["shop_order_id"],
            },
        )

        keys = [each["properties"]["shop_order_id"] for each in told.json()["results"]]
        assert keys == expected
