"""Property values: what each type accepts, what it is stored as, and what it is refused with."""

from typing import Any

import pytest

from service.twin import TwinOptions
from service.twin.account.definitions import parse_property
from tests.twin.lab import ORDERS, UPSERT, fresh, hubspot, inputs, order

CUSTOM = (
    "count:number",
    "gift:bool",
    "due:date",
    "paid_at:datetime",
    "size:enumeration:S|M|L",
    "note:string",
)


@pytest.mark.parametrize(
    ("name", "sent", "stored"),
    [
        ("note", "x", "x"),
        ("note", 12, "12"),
        ("note", 1.5, "1.5"),
        ("note", True, "true"),
        ("note", " padded ", " padded "),
        ("count", "12.50", "12.50"),
        ("count", 7, "7"),
        ("count", "-1e3", "-1e3"),
        ("gift", True, "true"),
        ("gift", "FALSE", "false"),
        ("due", "2026-11-30", "2026-11-30"),
        ("due", 1_796_342_400_000, "2026-12-04"),
        ("due", "2026-11-30T00:00:00Z", "2026-11-30"),
        ("paid_at", "2026-11-30T10:00:00+02:00", "2026-11-30T08:00:00.000Z"),
        ("paid_at", "1764489600123", "2025-11-30T08:00:00.123Z"),
        ("paid_at", "2026-11-30T10:00:00", "2026-11-30T10:00:00.000Z"),
        ("size", "M", "M"),
        ("hs_currency_code", "EUR", "EUR"),
        ("hs_total_price", "10.00", "10.00"),
    ],
)
async def test_values_are_stored_as_text_in_the_form_of_their_type(
    name: str, sent: Any, stored: str
):
    async with hubspot(properties=CUSTOM) as (twin, client):
        answer = await client.post(UPSERT, json=inputs(order("A-1", **{name: sent})))

        assert answer.status_code == 200, answer.text
        assert answer.json()["results"][0]["properties"][name] == stored
        assert twin.state()["A-1"]["properties"][name] == stored


@pytest.mark.parametrize(
    ("name", "sent", "code", "message"),
    [
        ("count", "many", "INVALID_INTEGER", "many was not a valid number."),
        ("count", "nan", "INVALID_INTEGER", "nan was not a valid number."),
        ("count", "1_000", "INVALID_INTEGER", "1_000 was not a valid number."),
        ("gift", "maybe", "INVALID_OPTION", "maybe was not one of the allowed options"),
        ("due", "tomorrow", "INVALID_LONG", "tomorrow was not a valid long."),
        ("due", "2026-11-30T10:30:00Z", "INVALID_DATE", "is at 10:30:00.000 UTC, not midnight!"),
        ("paid_at", "soon", "INVALID_LONG", "soon was not a valid long."),
        ("paid_at", "999999999999999", "INVALID_LONG", "was not a valid long."),
        ("size", "XXL", "INVALID_OPTION", "XXL was not one of the allowed options: [S, M, L]"),
        ("hs_currency_code", "EURO", "INVALID_OPTION", "EURO was not one of"),
        (
            "hs_pipeline_stage",
            "shipped",
            "INVALID_OPTION",
            "shipped is not a valid pipeline stage ID",
        ),
        ("hs_object_id", "1", "READ_ONLY_VALUE", '"hs_object_id" is a read only property'),
        ("hs_createdate", "", "READ_ONLY_VALUE", '"hs_createdate" is a read only property'),
        ("color", "red", "PROPERTY_DOESNT_EXIST", 'Property "color" does not exist'),
    ],
)
async def test_values_are_refused_with_a_code_and_a_sentence(
    name: str, sent: str, code: str, message: str
):
    async with hubspot(properties=CUSTOM) as (twin, client):
        answer = await client.post(ORDERS, json=fresh(**{name: sent}))

        assert answer.status_code == 400
        (nested,) = answer.json()["errors"]
        assert nested["code"] == code
        assert message in nested["message"]
        assert nested["context"] == {"propertyName": [name]}
        assert twin.state() == {}


@pytest.mark.parametrize("nothing", ["", None])
async def test_the_empty_string_and_null_clear_a_property(nothing: str | None):
    async with hubspot(properties=CUSTOM) as (twin, client):
        await client.post(UPSERT, json=inputs(order("A-1", due="2026-11-30", note="x")))

        answer = await client.post(UPSERT, json=inputs(order("A-1", due=nothing)))

        assert answer.status_code == 200
        assert twin.state()["A-1"]["properties"] == {"shop_order_id": "A-1", "note": "x"}


async def test_a_contact_address_is_checked_and_lowercased():
    async with hubspot() as (_, client):
        good = await client.post(
            "/crm/v3/objects/contacts/batch/upsert",
            json=inputs({"id": "A@Shop.Example", "idProperty": "email", "properties": {}}),
        )
        again = await client.post(
            "/crm/v3/objects/contacts/batch/upsert",
            json=inputs({"id": "a@shop.example", "idProperty": "email", "properties": {}}),
        )
        bad = await client.post("/crm/v3/objects/contacts", json=fresh(email="nobody"))

        assert good.json()["results"][0]["id"] == again.json()["results"][0]["id"]
        assert bad.json()["errors"][0]["code"] == "INVALID_EMAIL"


@pytest.mark.parametrize("text", ["due", "due:moment", "size:enumeration", "note:string:a|b"])
def test_a_wrong_definition_is_refused_with_a_sentence(text: str):
    with pytest.raises(ValueError, match=r"write name:type|an enumeration"):
        parse_property(text)


def test_definitions_can_be_for_another_type():
    kind, definition = parse_property("line_items.weight:number")

    assert (kind, definition.name, definition.type) == ("line_items", "weight", "number")
    assert TwinOptions().properties == ()
