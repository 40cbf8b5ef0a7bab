"""Associations: single and batch, v3, v4 and dated, and links made by a create."""

from typing import Any

import httpx
import pytest

from tests.twin.lab import ORDERS, fresh, hubspot, inputs, make, put

V4 = "/crm/v4/associations/orders/line_items/batch"
V3 = "/crm/v3/associations/orders/line_items/batch"
DATED = "/crm/associations/2026-03/orders/line_items/batch"
TYPES = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 513}]


async def order_and_line(client: httpx.AsyncClient) -> tuple[str, str]:
    ids = await put(client, "A-1")
    line = await client.post("/crm/v3/objects/line_items", json=fresh(name="Tent"))
    return ids["A-1"], line.json()["id"]


def types(*numbers: int) -> list[dict[str, Any]]:
    return [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}
        for number in numbers
    ]


def pair(start: str, end: str, **more: Any) -> dict[str, Any]:
    return {"from": {"id": start}, "to": {"id": end}, **more}


@pytest.mark.parametrize("root", [V4, DATED])
async def test_links_are_made_read_and_dropped_in_batches(root: str):
    async with hubspot() as (_, client):
        order, line = await order_and_line(client)

        made = await client.post(f"{root}/create", json=inputs(pair(order, line, types=TYPES)))
        read = await client.post(f"{root}/read", json=inputs({"id": order}))
        gone = await client.post(
            f"{root}/archive", json=inputs({"from": {"id": order}, "to": [{"id": line}]})
        )
        after = await client.post(f"{root}/read", json=inputs({"id": order}))

        assert made.status_code == 201
        assert made.json()["results"][0] == {
            "fromObjectTypeId": "0-123",
            "fromObjectId": order,
            "toObjectTypeId": "0-8",
            "toObjectId": line,
            "labels": [],
        }
        (result,) = read.json()["results"]
        assert result["to"][0]["toObjectId"] == line
        assert result["to"][0]["associationTypes"] == [
            {"category": "HUBSPOT_DEFINED", "typeId": 513, "label": None}
        ]
        assert gone.status_code == (204 if root is V4 else 200)
        assert after.status_code == 207
        context = after.json()["errors"][0]["context"]
        assert context["fromObjectId"] == [order]


async def test_v3_batches_name_the_type():
    async with hubspot() as (_, client):
        order, line = await order_and_line(client)

        made = await client.post(
            f"{V3}/create", json=inputs(pair(order, line, type="order_to_line_item"))
        )
        read = await client.post(f"{V3}/read", json=inputs({"id": order}))
        gone = await client.post(
            f"{V3}/archive", json=inputs(pair(order, line, type="order_to_line_item"))
        )

        assert made.status_code == 201
        assert made.json()["results"][0]["type"] == "order_to_line_item"
        assert read.json()["results"][0]["to"] == [{"id": line, "type": "order_to_line_item"}]
        assert gone.status_code == 204


async def test_default_links_are_seen_from_both_ends():
    async with hubspot() as (_, client):
        order, line = await order_and_line(client)

        made = await client.post(f"{V4}/associate/default", json=inputs(pair(order, line)))
        back = await client.get(f"/crm/v4/objects/line_items/{line}/associations/orders")

        assert made.status_code == 200
        assert made.json()["results"][0]["associationSpec"]["associationTypeId"] == 513
        assert back.json()["results"] == [
            {
                "toObjectId": order,
                "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 514, "label": None}],
            }
        ]


async def test_a_missing_end_is_an_entry_of_a_207():
    async with hubspot() as (_, client):
        order, line = await order_and_line(client)

        answer = await client.post(
            f"{V4}/create",
            json=inputs(pair(order, line, types=TYPES), pair("77", line, types=TYPES)),
        )

        assert answer.status_code == 207
        (entry,) = answer.json()["errors"]
        assert entry["subCategory"] == "crm.associations.FROM_OBJECT_NOT_FOUND"
        assert entry["context"] == {"objectType": ["order"], "id": ["77"]}
        assert len(answer.json()["results"]) == 1


async def test_one_pair_is_linked_and_unlinked_by_its_path():
    async with hubspot() as (_, client):
        order, line = await order_and_line(client)
        v4 = f"/crm/v4/objects/orders/{order}/associations"

        put_v4 = await client.put(f"{v4}/line_items/{line}", json=TYPES)
        listed = await client.get(f"{v4}/line_items")
        dropped = await client.delete(f"{v4}/line_items/{line}")
        empty = await client.get(f"{v4}/line_items")
        default = await client.put(f"{v4}/default/line_items/{line}")
        missing = await client.put(f"{v4}/line_items/77", json=TYPES)

        assert put_v4.status_code == 201
        assert [one["toObjectId"] for one in listed.json()["results"]] == [line]
        assert dropped.status_code == 204
        assert empty.json()["results"] == []
        assert default.status_code == 200
        assert missing.status_code == 400
        assert missing.json()["context"] == {"INVALID_OBJECT_IDS": ["LINE_ITEM=77 is not valid"]}


async def test_v3_paths_take_a_type_by_number_or_name():
    async with hubspot() as (_, client):
        order, line = await order_and_line(client)
        path = f"/crm/v3/objects/order/{order}/associations/line_item/{line}"

        made = await client.put(f"{path}/513")
        listed = await client.get(f"/crm/v3/objects/order/{order}/associations/line_items")
        gone = await client.delete(f"{path}/order_to_line_item")
        wrong = await client.put(f"{path}/order_to_moon")

        assert made.json()["id"] == order
        assert listed.json()["results"] == [{"id": line, "type": "order_to_line_item"}]
        assert gone.status_code == 204
        assert wrong.status_code == 400


async def test_a_create_links_and_a_read_tells_the_links():
    async with hubspot() as (_, client):
        _, line = await order_and_line(client)
        link = {"to": {"id": line}, "types": TYPES}

        made = await client.post(ORDERS, json={"properties": {}, "associations": [link]})
        read = await client.get(
            f"{ORDERS}/{made.json()['id']}", params={"associations": "line_items,contacts"}
        )

        assert read.json()["associations"] == {
            "line_items": {"results": [{"id": line, "type": "order_to_line_item"}]}
        }


async def test_a_create_with_a_target_that_is_not_there_is_refused():
    async with hubspot() as (twin, client):
        link = {"to": {"id": "424242"}, "types": TYPES}
        one = {"properties": {}, "associations": [link]}

        alone = await client.post(ORDERS, json=one)
        traced = await client.post(
            f"{ORDERS}/batch/create", json=inputs({**one, "objectWriteTraceId": "t-1"})
        )

        assert alone.status_code == 400
        assert alone.json()["message"] == "One or more associations are invalid"
        assert alone.json()["context"]["objectId"] == ["424242"]
        assert traced.status_code == 207
        assert twin.state() == {}


async def test_ids_can_be_numbers_as_recorded():
    async with hubspot(numeric_association_ids=True) as (_, client):
        order, line = await order_and_line(client)

        made = await client.post(f"{V4}/create", json=inputs(pair(order, line, types=TYPES)))

        assert made.json()["results"][0]["fromObjectId"] == int(order)


@pytest.mark.parametrize(("verb", "count"), [("create", 2001), ("read", 1001), ("archive", 101)])
async def test_association_batches_have_limits_of_their_own(verb: str, count: int):
    async with hubspot() as (_, client):
        listed = [
            {"id": str(n), "from": {"id": str(n)}, "to": {"id": "1"}, "types": TYPES}
            for n in range(count)
        ]
        assert (await client.post(f"{V4}/{verb}", json=inputs(*listed))).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        inputs(pair("1", "2", types="x")),
        inputs(pair("1", "2", types=[{"associationCategory": "LOVE", "associationTypeId": 1}])),
        inputs({"from": "1", "to": {"id": "2"}, "types": TYPES}),
        inputs({"from": {"id": []}, "to": {"id": "2"}, "types": TYPES}),
    ],
)
async def test_a_link_of_the_wrong_shape_is_a_400(body: dict[str, Any]):
    async with hubspot() as (_, client):
        assert (await client.post(f"{V4}/create", json=body)).status_code == 400


async def test_unknown_types_are_refused():
    async with hubspot() as (_, client):
        unknown = await client.post("/crm/v4/associations/orders/moons/batch/read", json=inputs())
        no_default = await client.post(
            "/crm/v4/associations/contacts/tickets/batch/associate/default", json=inputs()
        )

        assert unknown.status_code == no_default.status_code == 400
        assert unknown.json()["message"] == "Unable to infer object type from: moons"


@pytest.mark.parametrize(
    ("end", "number", "telling"),
    [
        ("line_items", 514, "HUBSPOT_DEFINED=514 is invalid from object type 0-123"),
        ("line_items", 999, "One or more associations are invalid"),
        ("contacts", 513, "One or more associations are invalid"),
    ],
)
async def test_a_number_that_does_not_lead_there_refuses_the_call(
    end: str, number: int, telling: str
):
    async with hubspot() as (twin, client):
        order, line = await order_and_line(client)

        answer = await client.post(
            f"/crm/v4/associations/orders/{end}/batch/create",
            json=inputs(pair(order, line, types=types(513)), pair(order, line, types=types(number)))
            if end == "line_items"
            else inputs(pair(order, line, types=types(number))),
        )

        assert answer.status_code == 400
        assert answer.json()["message"].startswith(telling)
        assert twin.written("orders", "linked") == []


async def test_two_missing_records_are_two_entries_of_one_input():
    async with hubspot() as (_, client):
        answer = await client.post(
            "/crm/v3/associations/contact/company/batch/create",
            json=inputs(pair("9993051", "994705054985", type="contact_to_company")),
        )

        first, second = answer.json()["errors"]
        assert answer.status_code == 207
        assert answer.json()["numErrors"] == 2
        assert first["subCategory"] == "crm.associations.FROM_OBJECT_NOT_FOUND"
        assert first["message"] == "No contact with ID 9993051 exists"
        assert second["context"] == {"objectType": ["company"], "id": ["994705054985"]}


async def test_a_record_with_itself_and_an_id_that_is_no_number():
    async with hubspot() as (_, client):
        mia = (await client.post("/crm/v3/objects/contacts", json=fresh(email="a@x.de"))).json()
        custom = "/crm/v4/associations/contacts/companies/batch/create"

        bad = await client.post(custom, json=inputs(pair("x1", "2", types=types(279))))

        (entry,) = bad.json()["errors"]
        assert entry["subCategory"] == "crm.associations.INVALID_IDENTIFIER"
        assert entry["context"] == {"id": ["x1"]}
        assert mia["id"]


async def test_a_v3_create_answers_both_directions():
    async with hubspot() as (_, client):
        order, line = await order_and_line(client)

        made = await client.post(
            f"{V3}/create", json=inputs(pair(order, line, type="order_to_line_item"))
        )

        assert {each["type"] for each in made.json()["results"]} == {
            "order_to_line_item",
            "line_item_to_order",
        }


@pytest.mark.parametrize(("mode", "status"), [("refused", 400), ("merged", 201)])
async def test_the_same_pair_twice_in_one_call(mode: str, status: int):
    async with hubspot(repeated_pairs=mode) as (twin, client):
        order, line = await order_and_line(client)
        one = pair(order, line, types=TYPES)

        answer = await client.post(f"{V4}/create", json=inputs(one, one))

        assert answer.status_code == status
        assert len(twin.written("orders", "linked")) == (status == 201)


async def test_linking_again_changes_nothing_and_says_so_in_the_journal():
    async with hubspot() as (twin, client):
        order, line = await order_and_line(client)
        for _ in range(2):
            await client.post(f"{V4}/create", json=inputs(pair(order, line, types=TYPES)))

        actions = [each.written.action for each in twin.written("line_items")]
        assert actions == ["created", "linked", "kept"]


async def test_long_lists_are_paged():
    async with hubspot(association_page=2) as (_, client):
        order, _ = await order_and_line(client)
        lines = [
            (await client.post("/crm/v3/objects/line_items", json=fresh(name=str(n)))).json()["id"]
            for n in range(5)
        ]
        listed = inputs(*(pair(order, line, types=TYPES) for line in lines))
        await client.post(f"{V4}/create", json=listed)

        found: list[str] = []
        after: str | None = ""
        while after is not None:
            read = await client.post(f"{V4}/read", json=inputs({"id": order, "after": after}))
            (result,) = read.json()["results"]
            found += [each["toObjectId"] for each in result["to"]]
            after = result.get("paging", {}).get("next", {}).get("after")

        assert found == sorted(lines, key=int)


@pytest.mark.parametrize("refusal", ["400", "207"])
async def test_an_administrator_s_cap_refuses_a_further_link(refusal: str):
    caps = {"association_limits": ("orders.contacts:1",), "limit_refusal": refusal}
    async with hubspot(**caps) as (twin, client):
        order, _ = await order_and_line(client)
        mails = [
            (await client.post("/crm/v3/objects/contacts", json=fresh(email=f"{n}@x.de"))).json()
            for n in range(2)
        ]

        path = "/crm/v4/associations/orders/contacts/batch/create"
        listed = inputs(*(pair(order, each["id"], types=types(507)) for each in mails))
        answer = await client.post(path, json=listed)
        again = await client.post(path, json=inputs(listed["inputs"][0]))

        assert answer.status_code == int(refusal)
        assert "ASSOCIATIONS_LIMIT_EXCEEDED" in answer.text
        assert len(twin.written("orders", "linked")) == 1
        assert again.status_code == 201


async def test_the_links_of_an_archived_record_are_gone():
    async with hubspot() as (twin, client):
        order, line = await order_and_line(client)
        await client.post(f"{V4}/create", json=inputs(pair(order, line, types=TYPES)))

        await client.delete(f"/crm/v3/objects/line_items/{line}")
        read = await client.post(f"{V4}/read", json=inputs({"id": order}))

        assert read.status_code == 207
        assert twin.graph()["A-1"]["links"] == {}


async def test_from_2026_09_on_a_create_answers_200_and_single_lists_are_gone():
    async with hubspot() as (_, client):
        order, line = await order_and_line(client)
        root = "/crm/associations/2026-09/orders/line_items/batch"

        made = await client.post(f"{root}/create", json=inputs(pair(order, line, types=TYPES)))
        listed = await client.get(f"/crm/objects/2026-09/orders/{order}/associations/line_items")

        assert [made.status_code, listed.status_code] == [200, 404]


@pytest.mark.parametrize("cap", ["orders.contacts:1", "contacts.orders:1"])
async def test_a_cap_holds_for_creates_too_and_from_either_end(cap: str):
    async with hubspot(association_limits=(cap,)) as (twin, client):
        mails = [await make(client, "contacts", email=f"{n}@x.de") for n in range(2)]
        one, two = ({"to": {"id": each}, "types": types(507)} for each in mails)

        both = await client.post(ORDERS, json={"properties": {}, "associations": [one, two]})
        first = await client.post(ORDERS, json={"properties": {}, "associations": [one]})
        again = await client.post(ORDERS, json={"properties": {}, "associations": [one]})

        by_order = cap.startswith("orders")
        assert both.status_code == (400 if by_order else 201)
        assert first.status_code == (201 if by_order else 400)
        assert again.status_code == (201 if by_order else 400)
        assert len(twin.written("contacts", "linked")) == 2
