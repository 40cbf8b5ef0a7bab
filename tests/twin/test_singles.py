"""Calls about one order, and the list."""

import pytest

from tests.twin.lab import ORDERS, fresh, hubspot, put


async def test_an_order_is_created_read_updated_and_archived_by_its_id():
    async with hubspot() as (twin, client):
        created = await client.post(ORDERS, json=fresh(shop_order_id="A-1", hs_order_name="one"))
        path = f"{ORDERS}/{created.json()['id']}"

        read = await client.get(path, params={"properties": "hs_order_name,shop_order_id"})
        changed = await client.patch(path, json={"properties": {"hs_order_name": "two"}})
        gone = await client.delete(path)
        gone_again = await client.delete(path)

        assert [a.status_code for a in (created, read, changed, gone, gone_again)] == [
            201,
            200,
            200,
            204,
            204,
        ]
        assert read.json()["properties"]["hs_order_name"] == "one"
        assert changed.json()["properties"]["hs_order_name"] == "two"
        assert twin.state()["A-1"]["archived"] is True
        assert (await client.get(path)).status_code == 404
        assert (await client.get(path, params={"archived": "true"})).json()["archived"] is True


async def test_an_order_is_read_and_updated_by_its_key():
    async with hubspot() as (_, client):
        await put(client, "A-1")
        by_key = {"idProperty": "shop_order_id", "properties": "hs_order_name"}

        changed = await client.patch(
            f"{ORDERS}/A-1", params=by_key, json={"properties": {"hs_order_name": "two"}}
        )
        read = await client.get(f"{ORDERS}/A-1", params=by_key)

        assert changed.status_code == read.status_code == 200
        assert read.json()["properties"]["hs_order_name"] == "two"


async def test_history_is_told_of_one_order_too():
    async with hubspot() as (_, client):
        ids = await put(client, "A-1", hs_order_name="one")
        await put(client, "A-1", hs_order_name="")

        read = await client.get(
            f"{ORDERS}/{ids['A-1']}", params={"propertiesWithHistory": "hs_order_name"}
        )

        history = read.json()["propertiesWithHistory"]["hs_order_name"]
        assert [entry["value"] for entry in history] == ["", "one"]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_a_missing_order_is_a_404_without_category(method: str):
    async with hubspot() as (_, client):
        answer = await client.request(method, f"{ORDERS}/42", json={"properties": {}})

        assert answer.status_code == 404
        assert answer.json()["message"] == "resource not found"
        assert "category" not in answer.json()


async def test_an_id_that_is_no_number_is_told_so():
    async with hubspot() as (_, client):
        answer = await client.get(f"{ORDERS}/A-1")

        assert answer.json()["category"] == "OBJECT_NOT_FOUND"
        assert "objectId are usually numeric" in answer.json()["message"]


async def test_the_list_comes_in_pages():
    async with hubspot() as (_, client):
        ids = await put(client, *(f"A-{n}" for n in range(25)))
        seen: list[str] = []
        params = {"limit": "10"}
        while params:
            page = (await client.get(ORDERS, params=params)).json()
            seen += [result["id"] for result in page["results"]]
            after = page.get("paging", {}).get("next", {}).get("after")
            params = {"limit": "10", "after": after} if after else {}

        assert seen == sorted(ids.values(), key=int)


@pytest.mark.parametrize(
    "params", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"after": "x"}]
)
async def test_a_wrong_page_is_a_400(params: dict[str, str]):
    async with hubspot() as (_, client):
        assert (await client.get(ORDERS, params=params)).status_code == 400


async def test_a_create_needs_properties():
    async with hubspot() as (_, client):
        assert (await client.post(ORDERS, json={})).status_code == 400


async def test_two_orders_are_merged_into_one():
    async with hubspot() as (twin, client):
        ids = await put(client, "A-1", "A-2", hs_order_name="x")
        await put(client, "A-2", hs_tags="kept")

        merged = await client.post(
            "/crm/objects/2026-03/orders/merge",
            json={"primaryObjectId": ids["A-1"], "objectIdToMerge": ids["A-2"]},
        )
        read = await client.get(f"{ORDERS}/{ids['A-2']}")

        third = await put(client, "A-3")
        await client.post(
            "/crm/objects/2026-03/orders/merge",
            json={"primaryObjectId": third["A-3"], "objectIdToMerge": ids["A-1"]},
        )
        eldest = await client.get(f"{ORDERS}/{ids['A-2']}")

        assert merged.json()["id"] == read.json()["id"]
        assert merged.json()["id"] not in ids.values()
        assert eldest.json()["id"] == twin.state()["A-3"]["id"] != third["A-3"]
        assert twin.state()["A-3"]["properties"]["hs_tags"] == "kept"
