"""Batch calls: what HubSpot does with good, bad, double, missing and misshapen inputs."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from service.twin import Twin
from tests.twin.lab import (
    ARCHIVE,
    CREATE,
    ORDERS,
    READ,
    UPDATE,
    UPSERT,
    fresh,
    hubspot,
    inputs,
    order,
    put,
)


def details(message: str) -> list[dict[str, Any]]:
    """The JSON that HubSpot hides in a validation message."""
    listed: list[dict[str, Any]] = json.loads(
        message.removeprefix("Property values were not valid: ")
    )
    return listed


async def test_upsert_creates_then_updates_and_says_which():
    async with hubspot() as (twin, client):
        first = await client.post(UPSERT, json=inputs(order("A-1", hs_order_name="one")))
        second = await client.post(UPSERT, json=inputs(order("A-1", hs_order_name="two")))

        assert first.status_code == second.status_code == 200
        assert first.json()["results"][0]["new"] is True
        assert second.json()["results"][0]["new"] is False
        assert first.json()["results"][0]["id"] == second.json()["results"][0]["id"]
        assert twin.state()["A-1"]["properties"]["hs_order_name"] == "two"


async def test_a_write_answers_what_was_sent_and_the_default_properties_only():
    async with hubspot() as (_, client):
        await put(client, "A-1", hs_order_name="one", hs_tags="kept")

        body = inputs(
            {
                "id": "A-1",
                "idProperty": "shop_order_id",
                "properties": {"hs_order_name": "two"},
            }
        )
        answer = await client.post(UPSERT, json=body)

        properties = answer.json()["results"][0]["properties"]
        assert properties["hs_order_name"] == "two"
        assert not {"hs_tags", "shop_order_id"} & properties.keys()
        assert {"hs_object_id", "hs_createdate", "hs_lastmodifieddate"} <= properties.keys()


async def test_an_upsert_that_creates_sets_the_identifying_property_by_itself():
    async with hubspot() as (twin, client):
        body = inputs({"id": "A-1", "idProperty": "shop_order_id", "properties": {}})
        answer = await client.post(UPSERT, json=body)

        assert twin.state()["A-1"]["properties"] == {"shop_order_id": "A-1"}
        # Recorded: the property is not shown where it was not sent.
        assert "shop_order_id" not in answer.json()["results"][0]["properties"]


async def test_with_trace_ids_a_bad_input_is_an_entry_of_a_207():
    async with hubspot() as (twin, client):
        good = order("A-1", trace="t-1", hs_order_name="one")
        bad = order("A-2", trace="t-2", color="red", hs_total_price="much")

        answer = await client.post(UPSERT, json=inputs(good, bad))

        assert answer.status_code == 207
        document = answer.json()
        assert [result["properties"]["shop_order_id"] for result in document["results"]] == ["A-1"]
        (entry,) = document["errors"]
        assert entry["context"] == {"objectWriteTraceId": ["t-2"]}
        assert "errors" not in entry
        assert [(each["error"], each["name"]) for each in details(entry["message"])] == [
            ("PROPERTY_DOESNT_EXIST", "color"),
            ("INVALID_INTEGER", "hs_total_price"),
        ]
        assert set(twin.state()) == {"A-1"}


async def test_without_trace_ids_a_bad_input_refuses_the_batch():
    async with hubspot() as (twin, client):
        good = order("A-1", hs_order_name="one")
        bad = [order(f"B-{n}", color="red", size="9") for n in range(2)]

        answer = await client.post(UPSERT, json=inputs(good, *bad))

        assert answer.status_code == 400
        document = answer.json()
        assert document["category"] == "VALIDATION_ERROR"
        assert len(details(document["message"])) == 4
        assert len(document["errors"]) == 3
        assert document["correlationId"] == answer.headers["X-HubSpot-Correlation-Id"]
        assert twin.state() == {}


async def test_every_input_needs_a_trace_id_for_a_207():
    async with hubspot() as (_, client):
        answer = await client.post(
            UPSERT, json=inputs(order("A-1", trace="t-1"), order("A-2", color="red"))
        )

        assert answer.status_code == 400


async def test_create_answers_201_and_207_when_all_are_bad():
    async with hubspot() as (_, client):
        good = await client.post(CREATE, json=inputs(fresh(hs_order_name="one")))
        bad = await client.post(CREATE, json=inputs(fresh(trace="t-1", color="red")))

        assert good.status_code == 201
        assert bad.status_code == 207
        assert bad.json()["results"] == []


async def test_all_refused_can_be_a_400():
    async with hubspot(all_refused="400") as (_, client):
        answer = await client.post(CREATE, json=inputs(fresh(trace="t-1", color="red")))

        assert answer.status_code == 400


@pytest.mark.parametrize("path", [UPSERT, UPDATE])
async def test_two_inputs_for_one_record_refuse_the_batch_trace_ids_or_not(path: str):
    async with hubspot() as (twin, client):
        await put(client, "A-1")

        answer = await client.post(
            path, json=inputs(order("A-1", trace="t-1"), order("A-1", trace="t-2"))
        )

        assert answer.status_code == 400
        assert answer.json()["context"] == {"ids": ["A-1"]}
        message = "Duplicate IDs found in batch input: [A-1]. IDs must be unique"
        assert answer.json()["message"] == message
        assert "hs_order_name" not in twin.state()["A-1"]["properties"]


async def test_an_id_and_a_key_of_one_record_are_duplicates_too():
    async with hubspot() as (_, client):
        ids = await put(client, "A-1")

        answer = await client.post(
            UPDATE,
            json=inputs(order("A-1"), {"id": ids["A-1"], "properties": {"hs_order_name": "x"}}),
        )

        assert answer.status_code == 400
        assert answer.json()["context"] == {"ids": ["A-1", ids["A-1"]]}


@pytest.mark.parametrize("path", [UPSERT, UPDATE, CREATE, READ, ARCHIVE])
async def test_more_than_100_inputs_are_refused(path: str):
    async with hubspot() as (_, client):
        listed = [{"id": str(n), "properties": {}, "associations": []} for n in range(101)]

        answer = await client.post(path, json=inputs(*listed))

        assert answer.status_code == 400
        assert "100" in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "status"), [(UPSERT, 200), (UPDATE, 200), (CREATE, 201), (READ, 200), (ARCHIVE, 204)]
)
@pytest.mark.parametrize("body", [{}, {"inputs": None}, {"inputs": []}, {"inputs": {"inputs": []}}])
async def test_a_body_without_inputs_is_a_silent_success(path: str, status: int, body: Any):
    async with hubspot() as (twin, client):
        answer = await client.post(path, json=body)

        assert answer.status_code == status
        assert status == 204 or answer.json()["results"] == []
        assert twin.state() == {}


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"inputs": "x"}',
        b'{"inputs": [1]}',
        b'{"inputs": [{"id": "1"}]}',
        b'{"inputs": [{"properties": {}}]}',
        b'{"inputs": [{"id": {}, "properties": {}}]}',
        b'{"inputs": [{"id": "1", "properties": []}]}',
        b'{"inputs": [{"id": "1", "properties": {"hs_order_name": ["x"]}}]}',
        b'{"inputs": [',
        b"\xff\xfe",
    ],
)
async def test_json_of_the_wrong_shape_is_a_400_without_category(body: bytes):
    async with hubspot() as (_, client):
        answer = await client.post(UPSERT, content=body)

        assert answer.status_code == 400
        assert answer.json()["message"].startswith("Invalid input JSON")
        assert "category" not in answer.json()


async def test_an_empty_body_is_told_so():
    async with hubspot() as (_, client):
        answer = await client.post(UPSERT)

        message = "Invalid JSON input: a request body was expected, but none found"
        assert answer.json()["message"] == message


@pytest.mark.parametrize("name", ["hs_order_name", "hs_object_id", "unheard_of"])
async def test_an_identifying_property_must_be_unique(name: str):
    async with hubspot() as (_, client):
        body = inputs({"id": "x", "idProperty": name, "properties": {}})

        for path in (UPSERT, UPDATE):
            answer = await client.post(path, json=body)
            assert answer.status_code == 400
            assert f"non-unique 0-123 property {name}" in answer.json()["message"]


async def test_update_names_all_missing_ids_in_one_entry_without_needing_trace_ids():
    async with hubspot() as (twin, client):
        await put(client, "A-1")

        answer = await client.post(
            UPDATE,
            json=inputs(
                order("A-1", hs_order_name="x"),
                order("B-1"),
                {"id": "unknown", "properties": {}},
                {"id": "77", "properties": {}},
            ),
        )

        assert answer.status_code == 207
        (entry,) = answer.json()["errors"]
        assert entry["category"] == "OBJECT_NOT_FOUND"
        assert entry["context"] == {"ids": ["B-1", "unknown", "77"]}
        assert twin.state()["A-1"]["properties"]["hs_order_name"] == "x"


async def test_update_can_refuse_property_errors_whole():
    bad = inputs(order("A-1", trace="t-1", color="red"))
    async with hubspot() as (_, client):
        await put(client, "A-1")
        assert (await client.post(UPDATE, json=bad)).status_code == 207
    async with hubspot(update_errors="400") as (_, client):
        await put(client, "A-1")
        assert (await client.post(UPDATE, json=bad)).status_code == 400


async def test_missing_ids_can_name_their_trace_ids():
    async with hubspot(trace_on_missing=True) as (_, client):
        answer = await client.post(UPDATE, json=inputs(order("A-1", trace="t-1")))

        context = answer.json()["errors"][0]["context"]
        assert context == {"ids": ["A-1"], "objectWriteTraceId": ["t-1"]}


async def test_read_finds_by_id_and_by_key_and_names_the_missing_as_sent():
    async with hubspot() as (_, client):
        ids = await put(client, "A-1", "A-2", hs_order_name="x")

        by_key = await client.post(
            READ,
            json={
                **inputs({"id": "A-1"}, {"id": "nope"}, {"id": "A-1"}),
                "idProperty": "shop_order_id",
                "properties": ["hs_order_name", "hs_tags"],
            },
        )
        by_id = await client.post(READ, json=inputs({"id": ids["A-2"]}))

        assert by_key.status_code == 207
        (result,) = by_key.json()["results"]
        assert result["id"] == ids["A-1"]
        assert result["properties"]["hs_order_name"] == "x"
        assert "hs_tags" not in result["properties"]
        assert by_key.json()["errors"][0]["context"] == {"ids": ["nope"]}
        assert by_id.status_code == 200


async def test_a_property_without_value_is_null_where_the_specification_allows_it():
    asked = {"idProperty": "shop_order_id", "properties": ["hs_tags", "unheard_of"]}
    body = {**inputs({"id": "A-1"}), **asked}
    async with hubspot(unset="auto") as (_, client):
        await put(client, "A-1")
        old = await client.post(READ, json=body)
        new = await client.post("/crm/objects/2026-09/orders/batch/read", json=body)

        assert "hs_tags" not in old.json()["results"][0]["properties"]
        assert new.json()["results"][0]["properties"]["hs_tags"] is None
        assert "unheard_of" not in new.json()["results"][0]["properties"]


async def test_history_tells_values_newest_first_for_at_most_50_inputs():
    async with hubspot(start_ms=1_700_000_000_000) as (_, client):
        for name in ("one", "one", "two"):
            await put(client, "A-1", hs_order_name=name)
        asked = {"idProperty": "shop_order_id", "propertiesWithHistory": ["hs_order_name"]}

        answer = await client.post(READ, json={**inputs({"id": "A-1"}), **asked})
        many = await client.post(READ, json=inputs(*({"id": str(n)} for n in range(51))) | asked)

        entries = answer.json()["results"][0]["propertiesWithHistory"]["hs_order_name"]
        assert [entry["value"] for entry in entries] == ["two", "one"]
        assert {"timestamp", "sourceType", "sourceId"} <= entries[0].keys()
        assert many.status_code == 400
        assert many.json()["message"].startswith(
            "The maximum number of inputs supported in a batch request for property histories is 50"
        )


async def test_history_keeps_the_newest_entries_of_each_property():
    async with hubspot(history_depth=3, same_value_history=True) as (_, client):
        await put(client, "A-1", hs_tags="rare")
        for n in range(40):
            await put(client, "A-1", hs_order_name=f"name {n}")

        answer = await client.post(
            READ,
            json={
                **inputs({"id": "A-1"}),
                "idProperty": "shop_order_id",
                "propertiesWithHistory": ["hs_order_name", "hs_tags"],
            },
        )

        history = answer.json()["results"][0]["propertiesWithHistory"]
        values = [entry["value"] for entry in history["hs_order_name"]]
        assert values == ["name 39", "name 38", "name 37"]
        assert [entry["value"] for entry in history["hs_tags"]] == ["rare"]


async def test_archive_says_204_whatever_was_there():
    async with hubspot() as (twin, client):
        ids = await put(client, "A-1")

        for _ in range(2):
            answer = await client.post(ARCHIVE, json=inputs({"id": ids["A-1"]}, {"id": "10"}))
            assert (answer.status_code, answer.content) == (204, b"")

        assert twin.state()["A-1"]["archived"] is True


async def test_an_archived_order_is_not_updated_not_read_and_found_among_the_archived():
    async with hubspot() as (_, client):
        ids = await put(client, "A-1")
        await client.post(ARCHIVE, json=inputs({"id": ids["A-1"]}))
        by_key = {**inputs({"id": "A-1"}), "idProperty": "shop_order_id"}

        update = await client.post(UPDATE, json=inputs(order("A-1")))
        read = await client.post(READ, json=by_key)
        archived = await client.post(f"{READ}?archived=true", json=by_key)

        assert update.json()["errors"][0]["context"] == {"ids": ["A-1"]}
        assert read.json()["results"] == []
        assert archived.json()["results"][0]["id"] == ids["A-1"]
        assert archived.json()["results"][0]["archived"] is True


async def archived_then_upserted(client: httpx.AsyncClient) -> tuple[str, httpx.Response]:
    ids = await put(client, "A-1", hs_tags="old")
    await client.post(ARCHIVE, json=inputs({"id": ids["A-1"]}))
    return ids["A-1"], await client.post(UPSERT, json=inputs(order("A-1", trace="t-1")))


async def test_an_upsert_past_an_archived_holder_makes_a_new_record():
    async with hubspot() as (twin, client):
        old, answer = await archived_then_upserted(client)

        assert answer.json()["results"][0]["new"] is True
        assert answer.json()["results"][0]["id"] != old
        assert "hs_tags" not in twin.state()["A-1"]["properties"]


async def test_an_upsert_can_revive_an_archived_holder():
    async with hubspot(archived_holder="revive") as (twin, client):
        old, answer = await archived_then_upserted(client)

        assert answer.json()["results"][0]["id"] == old
        assert twin.state()["A-1"]["properties"]["hs_tags"] == "old"
        assert twin.state()["A-1"]["archived"] is False


async def test_an_archived_holder_can_be_a_conflict():
    async with hubspot(archived_holder="conflict") as (_, client):
        old, answer = await archived_then_upserted(client)

        (entry,) = answer.json()["errors"]
        assert f"{old} already has that value." in entry["message"]


async def test_a_unique_value_held_by_another_record_is_a_400_that_names_the_holder():
    async with hubspot(unique=("shop_order_id", "invoice_id")) as (_, client):
        ids = await put(client, "A-1", invoice_id="I-1")

        alone = await client.post(UPSERT, json=inputs(order("B-1", invoice_id="I-1")))
        traced = await client.post(UPSERT, json=inputs(order("B-1", trace="t-1", invoice_id="I-1")))

        assert alone.status_code == 400
        assert alone.json()["category"] == "VALIDATION_ERROR"
        message = alone.json()["message"]
        assert message.startswith("Cannot set PropertyValueCoordinates{portalId=")
        assert "propertyName=invoice_id, value=I-1}" in message
        assert message.endswith(f"{ids['A-1']} already has that value.")
        assert traced.status_code == 207
        assert traced.json()["errors"][0]["context"] == {"objectWriteTraceId": ["t-1"]}


async def test_a_conflict_can_look_like_that_of_contacts():
    async with hubspot(unique=("shop_order_id", "invoice_id"), conflicts="conflict") as (_, client):
        ids = await put(client, "A-1", invoice_id="I-1")

        alone = await client.post(UPSERT, json=inputs(order("B-1", invoice_id="I-1")))
        traced = await client.post(UPSERT, json=inputs(order("B-1", trace="t-1", invoice_id="I-1")))

        assert (alone.status_code, alone.json()["category"]) == (409, "CONFLICT")
        assert alone.json()["message"] == f"Order already exists. Existing ID: {ids['A-1']}"
        context = {"objectWriteTraceId": ["t-1"], "existingId": [ids["A-1"]]}
        assert traced.json()["errors"][0]["context"] == context


@pytest.mark.parametrize(("collisions", "status"), [("single", 207), ("batch", 400)])
async def test_inputs_that_collide_on_a_second_unique_property(collisions: str, status: int):
    async with hubspot(unique=("shop_order_id", "invoice_id"), collisions=collisions) as (
        twin,
        client,
    ):
        answer = await client.post(
            UPSERT,
            json=inputs(
                order("A-1", trace="t-1", invoice_id="I-1"),
                order("A-2", trace="t-2", invoice_id="I-1"),
            ),
        )

        assert answer.status_code == status
        assert set(twin.state()) == ({"A-1"} if status == 207 else set())


async def test_a_key_can_be_given_up_and_taken_by_another_order():
    async with hubspot() as (twin, client):
        ids = await put(client, "A-1")

        renamed = {"id": ids["A-1"], "properties": {"shop_order_id": "A-2"}}
        assert (await client.post(UPDATE, json=inputs(renamed))).status_code == 200
        await put(client, "A-1")

        assert twin.state()["A-2"]["id"] == ids["A-1"]
        assert twin.state()["A-1"]["id"] != ids["A-1"]


async def test_keys_are_compared_exactly_or_folded():
    async with hubspot() as (twin, client):
        await put(client, "a-1", "A-1")
        assert set(twin.state()) == {"a-1", "A-1"}
    async with hubspot(key_case="fold") as (twin, client):
        await put(client, "A-1", hs_order_name="X")
        answer = await client.post(UPSERT, json=inputs(order("a-1")))
        assert answer.json()["results"][0]["new"] is False
        assert twin.state()["a-1"]["properties"]["hs_order_name"] == "X"


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("mode", "expected"), [("serial", [200, 200]), ("conflict", [200, 207]), ("locked", [200, 423])]
)
async def test_two_upserts_of_one_new_key_in_flight_together(mode: str, expected: list[int]):
    async with hubspot(racing_upserts=mode, latency=1.0) as (twin, client):
        body = inputs(order("A-1", trace="t-1"))
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(client.post(UPSERT, json=body)) for _ in range(2)]
        later = await client.post(UPSERT, json=body)

        assert [call.result().status_code for call in calls] == expected
        assert later.json()["results"][0]["new"] is False
        assert set(twin.state()) == {"A-1"}


async def test_results_come_in_another_order_than_the_inputs():
    keys = [f"A-{n}" for n in range(50)]
    async with hubspot() as (_, client):
        answer = await client.post(UPSERT, json=inputs(*map(order, keys)))
        found = [result["properties"]["shop_order_id"] for result in answer.json()["results"]]
        assert found != keys
        assert sorted(found) == sorted(keys)
    async with hubspot(shuffle=False) as (_, client):
        answer = await client.post(UPSERT, json=inputs(*map(order, keys)))
        assert [r["properties"]["shop_order_id"] for r in answer.json()["results"]] == keys


async def test_the_trace_id_is_echoed_only_when_switched_on():
    async with hubspot() as (_, client):
        answer = await client.post(UPSERT, json=inputs(order("A-1", trace="t-1")))
        assert "objectWriteTraceId" not in answer.json()["results"][0]
    async with hubspot(trace_echo=True) as (_, client):
        answer = await client.post(UPSERT, json=inputs(order("A-1", trace="t-1")))
        assert answer.json()["results"][0]["objectWriteTraceId"] == "t-1"


@pytest.mark.parametrize("name", ["order", "orders", "0-123", "ORDER"])
@pytest.mark.parametrize("root", ["/crm/v3/objects", "/crm/objects/2026-03"])
async def test_every_name_of_the_type_and_every_version_reaches_the_same_orders(
    root: str, name: str
):
    async with hubspot() as (twin, client):
        answer = await client.post(f"{root}/{name}/batch/upsert", json=inputs(order("A-1")))

        assert answer.status_code == 200
        assert set(twin.state()) == {"A-1"}


async def test_an_unknown_type_is_a_400_without_category():
    async with hubspot() as (_, client):
        answer = await client.post("/crm/v3/objects/butterflies/batch/upsert", json=inputs())

        assert answer.status_code == 400
        assert answer.json()["message"] == "Unable to infer object type from: butterflies"
        assert "category" not in answer.json()


async def test_an_unknown_path_is_a_404_in_the_envelope():
    async with hubspot() as (_, client):
        for path in ("/crm/v9/objects/orders", "/crm/objects/soon/orders"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert answer.json()["status"] == "error"
        assert (await client.put(ORDERS)).status_code == 405


async def test_line_items_are_written_in_batches_too():
    async with hubspot(unique=("shop_order_id", "line_items.shop_line_id")) as (twin, client):
        body = inputs(
            {
                "id": "L-1",
                "idProperty": "shop_line_id",
                "properties": {"name": "Tent", "price": "99.50", "quantity": 2},
            }
        )
        answer = await client.post("/crm/v3/objects/line_items/batch/upsert", json=body)

        assert answer.status_code == 200
        assert twin.state("line_items")["L-1"]["properties"]["quantity"] == "2"


async def test_the_same_seed_gives_the_same_answers():
    async def answers() -> list[Any]:
        async with hubspot(start_ms=1_700_000_000_000, seed=7) as (_, client):
            answer = await client.post(UPSERT, json=inputs(*(order(f"A-{n}") for n in range(9))))
            return [result["id"] for result in answer.json()["results"]]

    assert await answers() == await answers()


def test_a_twin_needs_no_options():
    assert Twin().options.unique == ("shop_order_id",)
