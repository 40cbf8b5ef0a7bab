"""Contacts: further addresses, conflicts, and merges, after which two ids mean one record."""

from typing import Any

import pytest

from tests.twin.lab import fresh, hubspot, inputs, make, put

CONTACTS = "/crm/v3/objects/contacts"
BY_MAIL = {"idProperty": "email", "properties": ["email", "hs_additional_emails"]}


def by_mail(mail: str, **properties: Any) -> dict[str, Any]:
    return {"id": mail, "idProperty": "email", "properties": properties}


async def test_a_contact_is_found_by_a_further_address_and_shows_its_first():
    async with hubspot() as (_, client):
        mia = await make(
            client, "contacts", email="Mia@Example.com", hs_additional_emails="mia@work.example"
        )

        read = await client.post(
            f"{CONTACTS}/batch/read",
            json=inputs({"id": " MIA@work.example"}, {"id": "no@x.de"}) | BY_MAIL,
        )

        (result,) = read.json()["results"]
        assert result["id"] == mia
        assert result["properties"]["email"] == "mia@example.com"
        assert result["properties"]["hs_additional_emails"] == "mia@work.example"
        assert read.json()["errors"][0]["context"] == {"ids": ["no@x.de"]}


async def test_without_that_only_the_first_address_is_found():
    async with hubspot(secondary_lookup=False) as (_, client):
        await make(client, "contacts", email="a@x.de", hs_additional_emails="b@x.de")

        read = await client.post(
            f"{CONTACTS}/batch/read", json=inputs({"id": "a@x.de"}, {"id": "b@x.de"}) | BY_MAIL
        )

        assert len(read.json()["results"]) == 1


@pytest.mark.parametrize("taken", ["a@x.de", "b@x.de"])
async def test_a_new_contact_with_a_taken_address_is_a_conflict(taken: str):
    async with hubspot() as (_, client):
        held = await make(client, "contacts", email="a@x.de", hs_additional_emails="b@x.de")

        alone = await client.post(CONTACTS, json=fresh(email=taken))
        traced = await client.post(
            f"{CONTACTS}/batch/create", json=inputs(fresh(trace="t-1", email=taken))
        )

        assert alone.status_code == 409
        assert alone.json()["message"] == f"Contact already exists. Existing ID: {held}"
        (entry,) = traced.json()["errors"]
        assert entry["category"] == "CONFLICT"
        assert entry["context"] == {"objectWriteTraceId": ["t-1"], "existingId": [held]}


async def test_a_change_to_a_taken_address_is_the_refusal_with_coordinates():
    async with hubspot() as (_, client):
        held = await make(client, "contacts", email="a@x.de")
        other = await make(client, "contacts", email="b@x.de")

        answer = await client.patch(f"{CONTACTS}/{other}", json={"properties": {"email": "a@x.de"}})

        assert answer.status_code == 400
        assert f"on {other}. {held} already has that value." in answer.json()["message"]


async def test_an_address_that_was_given_up_is_free():
    async with hubspot() as (_, client):
        mia = await make(client, "contacts", email="a@x.de", hs_additional_emails="b@x.de;c@x.de")
        await client.patch(
            f"{CONTACTS}/{mia}", json={"properties": {"hs_additional_emails": "c@x.de"}}
        )

        await make(client, "contacts", email="b@x.de")
        await client.delete(f"{CONTACTS}/{mia}")
        await make(client, "contacts", email="c@x.de")


async def test_an_upsert_by_address_is_all_or_nothing_trace_ids_or_not():
    async with hubspot() as (twin, client):
        good = by_mail("a@x.de", firstname="A") | {"objectWriteTraceId": "t-1"}
        bad = by_mail("b@x.de", color="red") | {"objectWriteTraceId": "t-2"}

        refused = await client.post(f"{CONTACTS}/batch/upsert", json=inputs(good, bad))
        made = await client.post(f"{CONTACTS}/batch/upsert", json=inputs(good))

        assert refused.status_code == 400
        assert made.json()["results"][0]["new"] is True
        assert list(twin.state("contacts")) == ["a@x.de"]


async def test_an_update_by_address_is_refused():
    async with hubspot() as (_, client):
        await make(client, "contacts", email="a@x.de")

        answer = await client.post(
            f"{CONTACTS}/batch/update", json=inputs(by_mail("a@x.de", firstname="A"))
        )

        assert answer.status_code == 400


@pytest.mark.parametrize("merge_ids", ["new", "primary"])
async def test_after_a_merge_all_ids_and_addresses_lead_to_the_survivor(merge_ids: str):
    async with hubspot(merge_ids=merge_ids) as (twin, client):
        first = await make(client, "contacts", email="a@x.de", firstname="A")
        second = await make(client, "contacts", email="b@x.de", lastname="B")
        orders = await put(client, "A-1", "A-2")
        for order_id, contact in zip(orders.values(), (first, second), strict=True):
            path = f"/crm/v4/objects/orders/{order_id}/associations/default/contacts/{contact}"
            assert (await client.put(path)).status_code == 200

        body = {"primaryObjectId": first, "objectIdToMerge": second}
        merged = (await client.post(f"{CONTACTS}/merge", json=body)).json()["id"]
        by_id = await client.post(
            f"{CONTACTS}/batch/read", json=inputs({"id": first}, {"id": second})
        )
        mails = await client.post(
            f"{CONTACTS}/batch/read", json=inputs({"id": "a@x.de"}, {"id": "b@x.de"}) | BY_MAIL
        )

        assert (merged == first) is (merge_ids == "primary")
        assert {each["id"] for each in by_id.json()["results"]} == {merged}
        assert {each["id"] for each in mails.json()["results"]} == {merged}
        held = twin.state("contacts")["a@x.de"]["properties"]
        assert held["hs_additional_emails"] == "b@x.de"
        assert (held["firstname"], held["lastname"]) == ("A", "B")
        for key in orders:
            assert twin.graph()[key]["links"]["contacts"]["a@x.de"]["id"] == merged
        assert [each.written.id for each in twin.written("contacts", "merged")] == [merged]


@pytest.mark.parametrize(("accepted", "status"), [(False, 207), (True, 201)])
async def test_whether_an_old_id_can_be_linked_is_a_switch(accepted: bool, status: int):
    async with hubspot(link_by_merged_id=accepted) as (twin, client):
        first = await make(client, "contacts", email="a@x.de")
        second = await make(client, "contacts", email="b@x.de")
        body = {"primaryObjectId": first, "objectIdToMerge": second}
        merged = (await client.post(f"{CONTACTS}/merge", json=body)).json()["id"]
        order_id = await make(client, "orders", shop_order_id="A-1")
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 507}]

        answer = await client.post(
            "/crm/v4/associations/orders/contacts/batch/create",
            json=inputs({"from": {"id": order_id}, "to": {"id": second}, "types": types}),
        )

        assert answer.status_code == status
        links = twin.graph()["A-1"]["links"]
        assert links == {} if not accepted else links["contacts"]["a@x.de"]["id"] == merged
