"""Labels of links: an account's own, HubSpot's primary one, and what a create does to those there."""

from typing import Any

import httpx
import pytest

from service.twin import Twin
from tests.twin.lab import fresh, hubspot, inputs, make, pair

ROOT = "/crm/v4/associations/orders/companies"
LABELS = {"labels": ("orders.companies:Bill to|Ship to/Shipped from",)}


async def two(client: httpx.AsyncClient) -> tuple[str, str]:
    return await make(client, "orders", shop_order_id="A-1"), await make(
        client, "companies", name="C"
    )


async def numbers(client: httpx.AsyncClient) -> dict[str, int]:
    """Label → number, as the account tells it; the plain one under `plain`."""
    told = (await client.get(f"{ROOT}/labels")).json()["results"]
    return {each["label"] or "plain": each["typeId"] for each in told}


def labelled(start: str, end: str, *own: int, plain: bool) -> dict[str, Any]:
    made = pair(start, end, *([934] if plain else []))
    own_types = [{"associationCategory": "USER_DEFINED", "associationTypeId": each} for each in own]
    return {**made, "types": [*made.get("types", []), *own_types]}


def held(twin: Twin) -> list[str]:
    links = twin.graph()["A-1"]["links"]
    labels: list[str] = links["companies"]["C"]["labels"] if links else ["not linked"]
    return labels


async def test_labels_are_listed_with_numbers_of_the_account_for_both_directions():
    async with hubspot(**LABELS) as (_, client):
        there = await numbers(client)
        back = (await client.get("/crm/v4/associations/companies/orders/labels")).json()["results"]

        assert there.keys() == {"plain", "Primary", "Bill to", "Ship to"}
        assert (there["plain"], there["Primary"]) == (934, 509)
        assert {each["label"] for each in back} == {None, "Primary", "Bill to", "Shipped from"}
        assert {
            each["category"] for each in back if each["label"] in ("Bill to", "Shipped from")
        } == {"USER_DEFINED"}


async def test_a_label_is_made_and_deleted_by_call():
    async with hubspot() as (_, client):
        made = await client.post(f"{ROOT}/labels", json={"label": "Bill to", "name": "bill_to"})
        number = made.json()["results"][0]["typeId"]
        before = await numbers(client)
        gone = await client.delete(f"{ROOT}/labels/{number}")

        assert before["Bill to"] == number
        assert gone.status_code == 204
        assert "Bill to" not in await numbers(client)


async def test_a_create_replaces_labels_and_the_default_keeps_them():
    async with hubspot(**LABELS, unique=("shop_order_id", "companies.name")) as (twin, client):
        order, company = await two(client)
        known = await numbers(client)

        async def create(*own: int) -> httpx.Response:
            body = inputs(labelled(order, company, *own, plain=True))
            return await client.post(f"{ROOT}/batch/create", json=body)

        both = await create(known["Bill to"], known["Ship to"])
        assert held(twin) == ["Bill to", "Ship to"]
        one = await create(known["Ship to"])
        assert held(twin) == ["Ship to"]
        await client.post(f"{ROOT}/batch/associate/default", json=inputs(pair(order, company)))
        assert held(twin) == ["Primary", "Ship to"]
        await create()
        assert held(twin) == ["Primary"]

        assert set(both.json()["results"][0]["labels"]) == {"Bill to", "Ship to"}
        assert one.json()["results"][0]["labels"] == ["Ship to"]


@pytest.mark.parametrize(("mode", "after"), [("ignored", ["not linked"]), ("linked", ["Bill to"])])
async def test_a_label_alone_on_a_new_pair(mode: str, after: list[str]):
    options = {**LABELS, "label_only": mode, "unique": ("shop_order_id", "companies.name")}
    async with hubspot(**options) as (twin, client):
        order, company = await two(client)
        known = await numbers(client)

        answer = await client.post(
            f"{ROOT}/batch/create",
            json=inputs(labelled(order, company, known["Bill to"], plain=False)),
        )

        assert answer.status_code == 201
        assert held(twin) == after


async def test_without_its_plain_type_no_link_is_left():
    async with hubspot(**LABELS, unique=("shop_order_id", "companies.name")) as (twin, client):
        order, company = await two(client)
        known = await numbers(client)
        whole = labelled(order, company, known["Bill to"], plain=True)
        await client.post(f"{ROOT}/batch/create", json=inputs(whole))

        label = labelled(order, company, known["Bill to"], plain=False)
        await client.post(f"{ROOT}/batch/labels/archive", json=inputs(label))
        assert held(twin) == []
        await client.post(f"{ROOT}/batch/create", json=inputs(whole))
        assert held(twin) == ["Bill to"]
        plain = labelled(order, company, plain=True)
        await client.post(f"{ROOT}/batch/labels/archive", json=inputs(plain))
        assert held(twin) == ["not linked"]


async def test_a_record_has_one_primary_company_at_most():
    async with hubspot(unique=("shop_order_id", "companies.name")) as (twin, client):
        order, company = await two(client)
        other = await make(client, "companies", name="D")
        for each in (company, other):
            body = inputs(pair(order, each, 934, 509))
            await client.post(f"{ROOT}/batch/create", json=body)

        links = twin.graph()["A-1"]["links"]["companies"]
        assert {key: link["labels"] for key, link in links.items()} == {"C": [], "D": ["Primary"]}


async def test_v3_lists_an_id_once_per_type():
    async with hubspot() as (_, client):
        order, company = await two(client)
        await client.post(f"{ROOT}/batch/create", json=inputs(pair(order, company, 934, 509)))

        listed = await client.get(
            f"/crm/v3/objects/orders/{order}", params={"associations": "companies"}
        )

        results = listed.json()["associations"]["companies"]["results"]
        assert [each["type"] for each in results] == [
            "order_to_company",
            "order_to_company_unlabeled",
        ]


async def test_the_types_of_a_custom_object_have_to_be_asked_for():
    async with hubspot(custom=("2-123456:parcels",)) as (twin, client):
        order = await make(client, "orders", shop_order_id="A-1")
        parcel = await make(client, "2-123456", name="P")
        root = "/crm/v4/associations/orders/2-123456"
        (plain,) = (await client.get(f"{root}/labels")).json()["results"]
        types = [{"associationCategory": "USER_DEFINED", "associationTypeId": plain["typeId"]}]

        made = await client.post(
            f"{root}/batch/create", json=inputs({**pair(order, parcel), "types": types})
        )

        assert plain["label"] is None
        assert made.status_code == 201
        assert twin.graph()["A-1"]["links"]["parcels"][parcel]["id"] == parcel


async def test_a_create_with_no_types_links_nothing_and_succeeds():
    async with hubspot() as (twin, client):
        company = await make(client, "companies", name="C")
        body = {
            **fresh(shop_order_id="A-1"),
            "associations": [{"to": {"id": company}, "types": []}],
        }

        answer = await client.post("/crm/v3/objects/orders", json=body)

        assert answer.status_code == 201
        assert twin.graph()["A-1"]["links"] == {}
