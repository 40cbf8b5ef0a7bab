"""The state file: what a twin knew, the next one knows."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from service.twin import Twin, TwinOptions
from tests.twin.lab import (
    ARCHIVE,
    READ,
    UPSERT,
    fresh,
    hubspot,
    inputs,
    order,
    pair,
    put,
    put_lines,
)


async def test_orders_survive_with_their_history_and_their_archived_state(tmp_path: Path):
    state = str(tmp_path / "portal.sqlite")
    async with hubspot(state=state) as (twin, client):
        ids = await put(client, "A-1", "A-2", hs_order_name="one")
        await put(client, "A-1", hs_order_name="two")
        await client.post(ARCHIVE, json=inputs({"id": ids["A-2"]}))
        before = twin.state()
    async with hubspot(state=state, seed=5) as (twin, client):
        assert twin.state() == before
        read = await client.post(
            READ,
            json={
                **inputs({"id": "A-1"}),
                "idProperty": "shop_order_id",
                "propertiesWithHistory": ["hs_order_name"],
            },
        )
        history = read.json()["results"][0]["propertiesWithHistory"]["hs_order_name"]
        assert [entry["value"] for entry in history] == ["two", "one"]
        again = await client.post(UPSERT, json=inputs(order("A-1"), order("A-3")))
        fates = {r["properties"]["shop_order_id"]: r["new"] for r in again.json()["results"]}
        assert fates == {"A-1": False, "A-3": True}
        assert twin.state()["A-3"]["id"] not in ids.values()


async def test_links_definitions_and_pipelines_survive(tmp_path: Path):
    state = str(tmp_path / "portal.sqlite")
    async with hubspot(state=state) as (_, client):
        ids = await put(client, "A-1")
        line = (await client.post("/crm/v3/objects/line_items", json=fresh(name="Tent"))).json()
        path = f"/crm/v4/objects/orders/{ids['A-1']}/associations/default/line_items/{line['id']}"
        await client.put(path)
        made = {"name": "erp_id", "label": "ERP", "type": "string", "fieldType": "text"}
        await client.post(
            "/crm/v3/properties/orders", json={**made, "groupName": "x", "hasUniqueValue": True}
        )
        await client.post("/crm/v3/pipelines/orders", json={"label": "B2B", "stages": []})
    async with hubspot(state=state) as (_, client):
        links = await client.get(f"/crm/v4/objects/orders/{ids['A-1']}/associations/line_items")
        assert [one["toObjectId"] for one in links.json()["results"]] == [line["id"]]
        definition = await client.get("/crm/v3/properties/orders/erp_id")
        assert definition.json()["hasUniqueValue"] is True
        pipelines = (await client.get("/crm/v3/pipelines/orders")).json()["results"]
        assert [each["label"] for each in pipelines] == ["Order Pipeline", "B2B"]


async def test_labels_links_and_archived_lines_survive(tmp_path: Path):
    state, unique = str(tmp_path / "portal.sqlite"), ("shop_order_id", "line_items.shop_line_id")
    async with hubspot(state=state, unique=unique) as (twin, client):
        ids = await put(client, "A-1") | await put_lines(client, "A-1/1", "A-1/2")
        made = await client.post(
            "/crm/v4/associations/orders/line_items/labels", json={"label": "x"}
        )
        own = {
            "associationCategory": "USER_DEFINED",
            "associationTypeId": made.json()["results"][0]["typeId"],
        }
        links = [pair(ids["A-1"], ids[key], 513) for key in ("A-1/1", "A-1/2")]
        links[0]["types"].append(own)
        path = "/crm/v4/associations/orders/line_items/batch/create"
        await client.post(path, json=inputs(*links))
        await client.delete(f"/crm/v3/objects/line_items/{ids['A-1/2']}")
        before = twin.graph()
    async with hubspot(state=state, unique=unique) as (twin, _):
        assert twin.graph() == before
        assert before["A-1"]["links"]["line_items"].keys() == {"A-1/1"}
        assert before["A-1"]["links"]["line_items"]["A-1/1"]["labels"] == ["x"]


def test_a_file_of_another_version_is_refused_with_a_sentence(tmp_path: Path):
    path = str(tmp_path / "portal.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE facts (name TEXT)")

    with pytest.raises(ValueError, match="another version of the twin: delete it"):
        Twin(TwinOptions(state=path))


async def test_a_reset_and_a_merge_reach_the_file(tmp_path: Path):
    state = str(tmp_path / "portal.sqlite")
    async with hubspot(state=state) as (_, client):
        ids = await put(client, "A-1", "A-2")
        await client.post(
            "/crm/objects/2026-03/orders/merge",
            json={"primaryObjectId": ids["A-1"], "objectIdToMerge": ids["A-2"]},
        )
    async with hubspot(state=state) as (twin, client):
        read = await client.get(f"/crm/v3/objects/orders/{ids['A-2']}")
        assert read.json()["id"] == twin.state()["A-1"]["id"] not in ids.values()
        await client.post("/_twin/reset")
    async with hubspot(state=state) as (twin, _):
        assert twin.state() == {}


async def test_a_refused_batch_leaves_the_file_alone(tmp_path: Path):
    state = str(tmp_path / "portal.sqlite")
    async with hubspot(state=state) as (_, client):
        await client.post(UPSERT, json=inputs(order("A-1"), order("A-2", color="red")))
    async with hubspot(state=state) as (twin, _):
        assert twin.state() == {}
