"""Property definitions and pipelines: they can be made, changed and archived, and writes obey."""

from typing import Any

import pytest

from tests.twin.lab import UPSERT, hubspot, inputs, order

PROPERTIES = "/crm/v3/properties/orders"
PIPELINES = "/crm/v3/pipelines/orders"
DEFAULT = "14a2e10e-5471-408a-906e-c51f3b04369e"


def definition(name: str, **more: Any) -> dict[str, Any]:
    made = {"name": name, "label": name, "type": "string", "fieldType": "text"}
    return {**made, "groupName": "order_information", **more}


async def test_a_unique_property_made_by_a_call_identifies_orders():
    async with hubspot(unique=()) as (twin, client):
        made = await client.post(PROPERTIES, json=definition("erp_id", hasUniqueValue=True))
        body = inputs({"id": "E-1", "idProperty": "erp_id", "properties": {}})
        upsert = await client.post(UPSERT, json=body)

        assert made.status_code == 201
        assert made.json()["hasUniqueValue"] is True
        assert upsert.status_code == 200
        assert set(twin.state()) == {"E-1"}


async def test_definitions_are_listed_read_and_archived():
    async with hubspot() as (_, client):
        options = [{"label": "Small", "value": "S", "hidden": False}]
        await client.post(
            PROPERTIES,
            json=definition("size", type="enumeration", fieldType="select", options=options),
        )

        listed = await client.get(PROPERTIES)
        read = await client.get(f"{PROPERTIES}/size")
        small = await client.post(UPSERT, json=inputs(order("A-1", size="S")))
        large = await client.post(UPSERT, json=inputs(order("A-1", size="L")))
        gone = await client.delete(f"{PROPERTIES}/size")
        after = await client.post(UPSERT, json=inputs(order("A-1", size="S")))
        archived = await client.get(PROPERTIES, params={"archived": "true"})

        assert {"size", "hs_order_name", "shop_order_id"} <= {
            each["name"] for each in listed.json()["results"]
        }
        assert [option["value"] for option in read.json()["options"]] == ["S"]
        assert [a.status_code for a in (small, large, gone, after)] == [200, 400, 204, 400]
        assert [each["name"] for each in archived.json()["results"]] == ["size"]


async def test_at_most_ten_properties_are_unique():
    async with hubspot(unique=()) as (_, client):
        answers = [
            await client.post(PROPERTIES, json=definition(f"key_{n}", hasUniqueValue=True))
            for n in range(11)
        ]

        assert [answer.status_code for answer in answers] == [201] * 10 + [400]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (definition("hs_order_name"), 409),
        (definition("Wrong Name"), 400),
        (definition("x", type="colour"), 400),
        (definition("x", fieldType="slider"), 400),
        (definition("x", type="bool", fieldType="booleancheckbox", hasUniqueValue=True), 400),
        ({"name": "x"}, 400),
    ],
)
async def test_a_wrong_definition_is_refused(body: dict[str, Any], status: int):
    async with hubspot() as (_, client):
        assert (await client.post(PROPERTIES, json=body)).status_code == status


async def test_hubspot_s_own_properties_stay_as_they_are():
    async with hubspot() as (_, client):
        path = f"{PROPERTIES}/hs_order_name"

        assert (await client.delete(path)).status_code == 400
        assert (await client.get(f"{PROPERTIES}/unheard_of")).status_code == 404


async def test_definitions_are_made_in_batches():
    async with hubspot() as (_, client):
        made = await client.post(
            f"{PROPERTIES}/batch/create", json=inputs(definition("one"), definition("Wrong Name"))
        )

        assert (made.status_code, len(made.json()["errors"])) == (207, 1)
        assert (await client.get(f"{PROPERTIES}/one")).status_code == 200


async def test_the_order_pipeline_has_the_ids_of_every_portal():
    async with hubspot() as (_, client):
        (pipeline,) = (await client.get(PIPELINES)).json()["results"]
        stages = (await client.get(f"{PIPELINES}/{DEFAULT}/stages")).json()["results"]

        assert pipeline["id"] == DEFAULT
        assert pipeline == (await client.get(f"/crm/v3/pipelines/order/{DEFAULT}")).json()
        assert [stage["label"] for stage in stages] == [
            "Open",
            "Processed",
            "Shipped",
            "Delivered",
            "Cancelled",
        ]


async def test_a_new_stage_is_accepted_and_a_deleted_one_is_not():
    async with hubspot() as (_, client):
        made = await client.post(f"{PIPELINES}/{DEFAULT}/stages", json={"label": "Lost"})
        stage = made.json()["id"]

        before = await client.post(UPSERT, json=inputs(order("A-1", hs_pipeline_stage=stage)))
        gone = await client.delete(f"{PIPELINES}/{DEFAULT}/stages/{stage}")
        after = await client.post(UPSERT, json=inputs(order("A-2", hs_pipeline_stage=stage)))

        assert [a.status_code for a in (made, before, gone, after)] == [201, 200, 204, 400]


async def test_pipelines_are_made():
    async with hubspot() as (_, client):
        made = await client.post(PIPELINES, json={"label": "B2B", "stages": [{"label": "Asked"}]})
        path = f"{PIPELINES}/{made.json()['id']}"

        shown = await client.get(path)

        assert made.status_code == 201
        assert shown.json() == made.json()
        assert [stage["label"] for stage in shown.json()["stages"]] == ["Asked"]
        assert (await client.post(PIPELINES, json={})).status_code == 400
