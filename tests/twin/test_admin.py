"""Looking into the twin: journal, state and counts over HTTP, bounded and switchable."""

import asyncio

import pytest

from service.twin import parse_fault
from tests.twin.lab import ARCHIVE, ORDERS, UPDATE, UPSERT, hubspot, inputs, order, put


async def test_the_journal_tells_calls_and_what_each_wrote():
    async with hubspot() as (_, client):
        ids = await put(client, "A-1", "A-2", hs_order_name="x")
        await client.post(UPDATE, json=inputs(order("A-1", hs_tags="y")))
        await client.post(ARCHIVE, json=inputs({"id": ids["A-2"]}))

        journal = (await client.get("/_twin/journal")).json()

        assert [(c["operation"], c["status"], c["size"]) for c in journal["calls"]] == [
            ("upsert", 200, 2),
            ("update", 200, 1),
            ("archive", 204, 1),
        ]
        assert [c["keys"] for c in journal["calls"]] == [["A-1", "A-2"], ["A-1"], ["A-2"]]
        assert [(w["operation"], w["key"]) for w in journal["writes"]] == [
            ("upsert", "A-1"),
            ("upsert", "A-2"),
            ("update", "A-1"),
            ("archive", "A-2"),
        ]
        assert journal["writes"][2]["properties"] == {"shop_order_id": "A-1", "hs_tags": "y"}


async def test_the_state_is_keyed_by_the_unique_value():
    async with hubspot() as (_, client):
        await put(client, "A-1", hs_order_name="x")
        await client.post(ORDERS, json={"properties": {"hs_order_name": "no key"}})

        orders = (await client.get("/_twin/orders")).json()
        by_name = (await client.get("/_twin/orders", params={"by": "hs_order_name"})).json()

        assert orders["A-1"]["properties"] == {"shop_order_id": "A-1", "hs_order_name": "x"}
        assert len(orders) == 2
        assert set(by_name) == {"x", "no key"}
        assert (await client.get("/_twin/moons")).status_code == 404


async def test_a_live_order_hides_the_archived_one_of_the_same_key():
    async with hubspot() as (twin, client):
        ids = await put(client, "A-1", hs_order_name="old")
        await client.post(ARCHIVE, json=inputs({"id": ids["A-1"]}))
        await put(client, "A-1", hs_order_name="new")

        assert twin.state()["A-1"]["properties"]["hs_order_name"] == "new"
        assert twin.state()["A-1"]["archived"] is False


async def test_the_counts():
    async with hubspot() as (_, client):
        await put(client, "A-1", "A-2")
        await client.post(UPSERT, json=inputs(order("A-3", color="red")))

        stats = (await client.get("/_twin/stats")).json()

        assert stats["calls"] == {"upsert": {"200": 1, "400": 1}}
        assert stats["total_calls"] == 2
        assert stats["records_written"] == {"upsert": 2}
        assert stats["busiest_window"] == 2
        assert stats["records"]["orders"] == {"live": 2, "archived": 0}


@pytest.mark.looptime
async def test_writes_are_entered_when_they_happen_though_their_answer_comes_later():
    async with hubspot(faults=(parse_fault("hang nth=1 seconds=60"),)) as (_, client):
        async with asyncio.TaskGroup() as group:
            hanging = group.create_task(client.post(UPSERT, json=inputs(order("A-1"))))
            await asyncio.sleep(1)
            await put(client, "A-2")
            journal = (await client.get("/_twin/journal")).json()
            hanging.cancel()

        assert [write["key"] for write in journal["writes"]] == ["A-1", "A-2"]
        assert [call["number"] for call in journal["calls"]] == [2]


async def test_a_reset_forgets():
    async with hubspot() as (twin, client):
        await put(client, "A-1")

        await client.post("/_twin/reset")

        assert twin.state() == {}
        assert twin.stats()["total_calls"] == 0
        await put(client, "A-1")


async def test_the_journal_is_bounded_and_can_be_off():
    async with hubspot(journal_size=3) as (_, client):
        for n in range(6):
            await put(client, *(f"A-{n}-{m}" for m in range(10)))
        journal = (await client.get("/_twin/journal")).json()
        assert [len(journal["calls"]), len(journal["writes"])] == [3, 30]
    async with hubspot(journal="calls") as (_, client):
        await put(client, "A-1")
        journal = (await client.get("/_twin/journal")).json()
        assert [len(journal["calls"]), len(journal["writes"])] == [1, 0]
    async with hubspot(journal="off") as (_, client):
        await put(client, "A-1")
        assert (await client.get("/_twin/journal")).json() == {"calls": [], "writes": []}
        assert (await client.get("/_twin/stats")).json()["records_written"] == {"upsert": 1}


async def test_looking_in_needs_no_token_and_costs_no_quota():
    async with hubspot(calls=1, tokens=("pat-only",)) as (twin, client):
        for _ in range(5):
            assert (await client.get("/_twin/stats")).status_code == 200

        assert twin.stats()["total_calls"] == 0
