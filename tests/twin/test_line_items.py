"""Line items: keys that the account made, computed amounts, and the currency of each."""

import json
from typing import Any

import pytest

from tests.twin.lab import REFERENCE, fresh, inputs, line, make, needs_reference, put_lines, shop

LINES = "/crm/v3/objects/line_items"


async def test_a_line_is_upserted_by_its_key_and_never_doubled():
    async with shop() as (twin, client):
        first = await client.post(f"{LINES}/batch/upsert", json=inputs(line("A-1/1", name="Tent")))
        again = await client.post(f"{LINES}/batch/upsert", json=inputs(line("A-1/1", quantity=2)))

        assert first.json()["results"][0]["new"] is True
        assert again.json()["results"][0]["new"] is False
        assert list(twin.state("line_items")) == ["A-1/1"]
        held = twin.state("line_items")["A-1/1"]["properties"]
        assert (held["name"], held["quantity"]) == ("Tent", "2")


async def test_a_line_is_read_updated_and_archived_by_its_key_or_id():
    async with shop() as (twin, client):
        ids = await put_lines(client, "A-1/1", "A-1/2", price="5")

        by_key = {"idProperty": "shop_line_id", "properties": ["price", "shop_line_id"]}
        read = await client.post(
            f"{LINES}/batch/read", json=inputs({"id": "A-1/1"}, {"id": "no"}) | by_key
        )
        path = f"{LINES}/{ids['A-1/1']}"
        changed = await client.patch(path, json={"properties": {"name": "Pan"}})
        gone = await client.post(f"{LINES}/batch/archive", json=inputs({"id": ids["A-1/2"]}))
        listed = await client.get(LINES)

        assert read.status_code == 207
        assert read.json()["results"][0]["properties"]["price"] == "5.00"
        assert read.json()["errors"][0]["context"] == {"ids": ["no"]}
        assert changed.json()["properties"]["name"] == "Pan"
        assert gone.status_code == 204
        assert [each["id"] for each in listed.json()["results"]] == [ids["A-1/1"]]
        assert twin.state("line_items")["A-1/2"]["archived"] is True


@pytest.mark.parametrize(
    ("sent", "amounts"),
    [
        ({"price": 400, "quantity": 8}, ("3200.00", "3200.00", "0.00")),
        ({"price": "19.90", "quantity": "3", "discount": "0.90"}, ("57.00", "59.70", "2.70")),
        (
            {"price": "10", "quantity": "2", "hs_discount_percentage": "25"},
            ("15.00", "20.00", "5.00"),
        ),
        ({"price": "7.5"}, ("7.50", "7.50", "0.00")),
        ({"name": "Gift"}, ("0.00", "0.00", "0.00")),
    ],
)
async def test_amounts_are_computed(sent: dict[str, Any], amounts: tuple[str, str, str]):
    async with shop() as (_, client):
        made = (await client.post(LINES, json=fresh(**sent))).json()["properties"]
        told = (made["amount"], made["hs_pre_discount_amount"], made["hs_total_discount"])

        assert told == amounts


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"price": "-1"}, "INVALID_PRICE"),
        ({"amount": "5"}, "READ_ONLY_VALUE"),
        ({"hs_line_item_currency_code": "EURO"}, "INVALID_OPTION"),
        ({"quantity": "three"}, "INVALID_INTEGER"),
        ({"quantity": "3 "}, "LEADING_TRAILING_WHITESPACE"),
    ],
)
async def test_one_bad_line_of_a_batch_is_refused_alone(sent: dict[str, Any], code: str):
    async with shop() as (twin, client):
        answer = await client.post(
            f"{LINES}/batch/upsert",
            json=inputs(
                line("A-1/1", trace="t-1", name="Tent"), line("A-1/2", trace="t-2", **sent)
            ),
        )

        assert answer.status_code == 207
        (entry,) = answer.json()["errors"]
        assert entry["context"] == {"objectWriteTraceId": ["t-2"]}
        assert json.loads(entry["message"].partition(": ")[2])[0]["error"] == code
        assert list(twin.state("line_items")) == ["A-1/1"]


async def test_histories_are_kept_of_lines_as_of_orders():
    async with shop() as (_, client):
        await put_lines(client, "A-1/1", quantity="1")
        await put_lines(client, "A-1/1", quantity="2")

        read = await client.post(
            f"{LINES}/batch/read",
            json={
                **inputs({"id": "A-1/1"}),
                "idProperty": "shop_line_id",
                "propertiesWithHistory": ["quantity"],
            },
        )

        history = read.json()["results"][0]["propertiesWithHistory"]["quantity"]
        assert [each["value"] for each in history] == ["2", "1"]


@needs_reference
async def test_a_created_line_has_the_outline_of_the_recorded_one():
    body = REFERENCE / "bodies-graph" / "201-line-item-create.json"
    theirs = json.loads(body.read_text(encoding="utf-8"))
    async with shop() as (_, client):
        ours = (await client.post(LINES, json=fresh(name="Item 7", price=400, quantity=8))).json()

    assert ours.keys() == theirs.keys()
    assert ours["properties"].keys() <= theirs["properties"].keys()
    for name in ("price", "quantity", "amount", "hs_pre_discount_amount", "hs_total_discount"):
        assert ours["properties"][name] == theirs["properties"][name]


@pytest.mark.parametrize(("cascades", "left"), [(False, 2), (True, 1)])
async def test_whether_an_order_s_lines_go_with_it_is_a_switch(cascades: bool, left: int):
    """A line that another record holds, too, stays in either case."""
    async with shop(archive_cascades=cascades) as (twin, client):
        order_id = await make(client, "orders", shop_order_id="A-1")
        deal = await make(client, "deals", dealname="d")
        lines = await put_lines(client, "A-1/1", "A-1/2")
        for kind, record in (("orders", order_id), ("deals", deal)):
            for each in list(lines.values())[: 2 if kind == "orders" else 1]:
                path = f"/crm/v4/objects/{kind}/{record}/associations/default/line_items/{each}"
                await client.put(path)

        await client.delete(f"/crm/v3/objects/orders/{order_id}")

        assert (
            len([1 for each in twin.state("line_items").values() if not each["archived"]]) == left
        )


@pytest.mark.parametrize(("merges", "made"), [(True, 2), (False, 3)])
async def test_inputs_of_a_create_that_say_the_same_are_one(merges: bool, made: int):
    """Documented; whatever their trace ids, and in whatever order their properties stand."""
    async with shop(merge_identical=merges) as (twin, client):
        listed = [
            fresh(trace="t-1", name="Tent", quantity="1"),
            fresh(trace="t-2", quantity="1", name="Tent"),
            fresh(trace="t-3", name="Tent", quantity="2"),
        ]

        answer = await client.post(f"{LINES}/batch/create", json=inputs(*listed))

        assert len(answer.json()["results"]) == len(twin.written("line_items")) == made
