"""Stages: by id and within their pipeline, listed in order, and gone when they are archived."""

import json
from typing import Any

import httpx
import pytest

from tests.twin.lab import CREATE, REFERENCE, fresh, hubspot, inputs, make, needs_reference, put

PIPELINES = "/crm/v3/pipelines/orders"
OPEN = "4b27b500-f031-4927-9811-68a0b525cbae"
DEFAULT = "14a2e10e-5471-408a-906e-c51f3b04369e"
B2B: dict[str, Any] = {"pipelines": ("B2B:Asked|Packed",)}


async def refused(client: httpx.AsyncClient, **properties: str) -> list[dict[str, Any]]:
    """The property faults of an order that is made with these values."""
    answer = await client.post(CREATE, json=inputs(fresh(**properties)))
    if answer.status_code == 201:
        return []
    listed: list[dict[str, Any]] = json.loads(answer.json()["message"].partition(": ")[2])
    return listed


@pytest.mark.parametrize(
    ("properties", "bad"),
    [
        ({"hs_pipeline_stage": OPEN}, None),
        ({"hs_pipeline_stage": "Open"}, "hs_pipeline_stage"),
        ({"hs_pipeline_stage": OPEN.upper()}, "hs_pipeline_stage"),
        ({"hs_pipeline_stage": "b2b-asked"}, "hs_pipeline_stage"),
        ({"hs_pipeline": "B2B", "hs_pipeline_stage": "b2b-asked"}, None),
        ({"hs_pipeline": "B2B", "hs_pipeline_stage": OPEN}, "hs_pipeline_stage"),
        ({"hs_pipeline": "b2b", "hs_pipeline_stage": OPEN}, "hs_pipeline"),
    ],
)
async def test_a_stage_is_one_of_its_pipeline(properties: dict[str, str], bad: str | None):
    async with hubspot(**B2B) as (_, client):
        found = await refused(client, **properties)

        assert [(each["name"], each["error"]) for each in found] == (
            [(bad, "INVALID_OPTION")] if bad else []
        )


async def test_a_stage_alone_means_the_default_pipeline():
    async with hubspot(**B2B) as (twin, client):
        await put(client, "A-1", hs_pipeline_stage=OPEN)

        assert twin.state()["A-1"]["properties"]["hs_pipeline"] == DEFAULT


async def test_pipelines_and_stages_are_listed_by_display_order():
    async with hubspot(**B2B) as (_, client):
        made = await client.post(
            PIPELINES,
            json={
                "label": "First",
                "displayOrder": -1,
                "stages": [
                    {"label": "Late", "displayOrder": 2},
                    {"label": "Early", "displayOrder": 1},
                ],
            },
        )
        listed = (await client.get(PIPELINES)).json()["results"]

        assert made.status_code == 201
        assert [each["label"] for each in listed] == ["First", "Order Pipeline", "B2B"]
        assert [each["label"] for each in listed[0]["stages"]] == ["Early", "Late"]


async def test_an_archived_stage_takes_no_records_and_is_not_listed():
    async with hubspot() as (_, client):
        await put(client, "A-1", hs_pipeline_stage=OPEN)
        gone = await client.delete(f"{PIPELINES}/{DEFAULT}/stages/{OPEN}")
        twice = await client.delete(f"{PIPELINES}/{DEFAULT}/stages/{OPEN}")
        stages = (await client.get(f"{PIPELINES}/{DEFAULT}/stages")).json()["results"]

        assert [gone.status_code, twice.status_code] == [204, 404]
        assert OPEN not in {each["id"] for each in stages}
        assert len(await refused(client, hs_pipeline_stage=OPEN)) == 1


@needs_reference
async def test_the_refusal_of_a_deal_s_stage_is_the_recorded_one():
    body = REFERENCE / "bodies-graph" / "400-stage-not-valid.json"
    theirs = json.loads(body.read_text(encoding="utf-8"))
    (recorded,) = json.loads(theirs["message"].partition(": ")[2])
    async with hubspot() as (_, client):
        deal = await make(client, "deals", dealname="D")
        answer = await client.patch(
            f"/crm/v3/objects/deals/{deal}", json={"properties": {"dealstage": "registered"}}
        )

    (ours,) = json.loads(answer.json()["message"].partition(": ")[2])
    assert {key: ours[key] for key in recorded} == recorded
