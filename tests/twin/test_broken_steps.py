"""Every step of a complete order can be broken, before and after its write, and the journal tells."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from service.twin import Twin, parse_fault
from tests.twin.lab import READ, UPSERT, inputs, line, make, order, pair, put, put_lines, shop

pytestmark = pytest.mark.looptime
LINES = "/crm/v3/objects/line_items/batch"
CONTACTS = "/crm/v3/objects/contacts/batch"
LINKS = "/crm/v4/associations/orders"
Ids = dict[str, str]
Step = Callable[[httpx.AsyncClient, Ids], Awaitable[httpx.Response]]


async def ground(client: httpx.AsyncClient) -> Ids:
    """An order with a line and a contact beside it."""
    ids = await put(client, "A-1") | await put_lines(client, "A-1/1")
    return ids | {"mia": await make(client, "contacts", email="mia@x.de")}


def post(path: str, body: Callable[[Ids], dict[str, Any]]) -> Step:
    async def step(client: httpx.AsyncClient, ids: Ids) -> httpx.Response:
        return await client.post(path, json=body(ids))

    return step


# Name of the step → the rule that picks it, the call, and the write that shows it in the journal.
STEPS: dict[str, tuple[str, Step, tuple[str, str]]] = {
    "order": (
        "operation=upsert kind=orders key=A-2",
        post(UPSERT, lambda _: inputs(order("A-2", trace="t"))),
        ("created", "A-2"),
    ),
    "line": (
        "operation=upsert kind=line_items key=A-1/*",
        post(f"{LINES}/upsert", lambda _: inputs(line("A-1/2", trace="t"))),
        ("created", "A-1/2"),
    ),
    "target": (
        "operation=upsert kind=0-1",
        post(
            f"{CONTACTS}/upsert",
            lambda _: inputs({"id": "n@x.de", "idProperty": "email", "properties": {}}),
        ),
        ("created", "n@x.de"),
    ),
    "line's link": (
        "operation=link kind=order to=line_items key=A-1",
        post(
            f"{LINKS}/line_items/batch/create",
            lambda ids: inputs(pair(ids["A-1"], ids["A-1/1"], 513)),
        ),
        ("linked", "A-1"),
    ),
    "contact's link": (
        "operation=associations to=contacts key=mia@*",
        post(
            f"{LINKS}/contacts/batch/create", lambda ids: inputs(pair(ids["A-1"], ids["mia"], 507))
        ),
        ("linked", "A-1"),
    ),
    "removal": (
        "operation=archive kind=line_items",
        post(f"{LINES}/archive", lambda ids: inputs({"id": ids["A-1/1"]})),
        ("archived", "A-1/1"),
    ),
}


def seen(twin: Twin) -> list[tuple[str, str]]:
    return [(each.written.action, each.written.key) for each in twin.written()]


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("name", STEPS)
async def test_a_step_is_cut_before_or_after_its_write(name: str, written: bool):
    rule, step, write = STEPS[name]
    cut = parse_fault(f"cut {rule} written={str(written).lower()}")
    async with shop() as (twin, client):
        ids = await ground(client)
        twin.arm([cut])
        before = seen(twin)

        with pytest.raises(httpx.RemoteProtocolError):
            await step(client, ids)
        others = await client.post(READ, json=inputs({"id": ids["A-1"]}))

        assert seen(twin)[len(before) :] == ([write] if written else [])
        assert others.status_code == 200


@pytest.mark.parametrize("name", [name for name in STEPS if name != "removal"])
async def test_one_record_or_link_of_a_step_vanishes_or_is_refused(name: str):
    rule, step, write = STEPS[name]
    for fault, written in (("vanish", False), ("vanish written=true", True)):
        async with shop(faults=(parse_fault(f"{fault} {rule} nth=1"),)) as (twin, client):
            ids = await ground_unstruck(twin, client, f"{fault} {rule}")
            answer = await step(client, ids)

            assert answer.json()["results"] == []
            assert "errors" not in answer.json()
            assert (write in seen(twin)) is written
    for fault in ("refuse category=INTERNAL_ERROR", "anonymous category=INTERNAL_ERROR"):
        async with shop() as (twin, client):
            ids = await ground_unstruck(twin, client, f"{fault} {rule}")
            answer = await step(client, ids)

            if name == "target":  # all or nothing by e-mail
                assert answer.status_code == 400
                continue
            (entry,) = answer.json()["errors"]
            assert entry["category"] == "INTERNAL_ERROR"
            assert ("context" in entry) is fault.startswith("refuse")
            assert write not in seen(twin)


async def ground_unstruck(twin: Twin, client: httpx.AsyncClient, rule: str) -> Ids:
    twin.arm([])
    ids = await ground(client)
    twin.arm([parse_fault(rule)])
    return ids


async def test_reads_of_the_sequence_can_be_broken_per_input():
    async with shop() as (twin, client):
        ids = await ground(client)
        await client.post(
            f"{LINKS}/line_items/batch/create", json=inputs(pair(ids["A-1"], ids["A-1/1"], 513))
        )
        twin.arm(
            [
                parse_fault("vanish operation=read kind=contacts key=mia@x.de"),
                parse_fault("refuse operation=links to=line_items category=INTERNAL_ERROR"),
            ]
        )

        contact = await client.post(
            f"{CONTACTS}/read", json=inputs({"id": "mia@x.de"}) | {"idProperty": "email"}
        )
        links = await client.post(f"{LINKS}/line_items/batch/read", json=inputs({"id": ids["A-1"]}))

        assert contact.json()["results"] == []
        (entry,) = links.json()["errors"]
        assert entry["context"] == {"fromObjectId": [ids["A-1"]]}


async def test_a_contact_can_come_back_under_another_id():
    async with shop() as (twin, client):
        ids = await ground(client)
        twin.arm([parse_fault("merged operation=read kind=contacts")])

        read = await client.post(f"{CONTACTS}/read", json=inputs({"id": ids["mia"]}))

        assert read.json()["results"][0]["id"] != ids["mia"]


async def test_the_journal_and_the_counts_tell_each_call_apart():
    async with shop() as (_, client):
        ids = await ground(client)
        for end, number, key in (("line_items", 513, "A-1/1"), ("contacts", 507, "mia")):
            await client.post(
                f"{LINKS}/{end}/batch/create", json=inputs(pair(ids["A-1"], ids[key], number))
            )
        await client.post(
            f"{LINKS}/contacts/batch/archive",
            json=inputs({"from": {"id": ids["A-1"]}, "to": [{"id": ids["mia"]}]}),
        )
        journal = (await client.get("/_twin/journal", params={"kind": "contacts"})).json()
        stats = (await client.get("/_twin/stats")).json()
        graph = (await client.get("/_twin/graph/orders")).json()

        linked, unlinked = journal["writes"][1:]
        assert linked == {
            "time": linked["time"],
            "call": 5,
            "operation": "link",
            "action": "linked",
            "kind": "orders",
            "id": ids["A-1"],
            "key": "A-1",
            "properties": {},
            "to_kind": "contacts",
            "to_id": ids["mia"],
            "to_key": "mia@x.de",
            "types": [507],
        }
        assert (unlinked["action"], unlinked["types"]) == ("unlinked", [507])
        assert stats["endpoints"]["orders/contacts link"] == {"201": 1}
        assert stats["endpoints"]["line_items upsert"] == {"200": 1}
        assert list(graph["A-1"]["links"]) == ["line_items"]
        assert graph["A-1"]["links"]["line_items"]["A-1/1"]["properties"] == {
            "shop_line_id": "A-1/1"
        }


async def test_policy_names_come_in_lower_case_if_wanted():
    async with shop(faults=(parse_fault("429 policy=daily"),)) as (_, client):
        answer = await client.post(UPSERT, json=inputs(order("A-1")))

        assert answer.json()["policyName"] == "daily"
        assert json.loads(answer.content)["message"] == "You have reached your daily limit."


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        ("503 kind=line_items", {"lines"}),
        ("503 kind=0-123", {"orders", "links to lines", "links to contacts"}),
        ("503 to=contact", {"links to contacts"}),
        ("503 operation=associations", {"links to lines", "links to contacts"}),
        ("503 operation=read kind=orders", {"orders"}),
    ],
)
async def test_a_rule_strikes_the_object_type_and_the_pair_that_it_names(
    rule: str, struck: set[str]
):
    async with shop(faults=(parse_fault(rule),)) as (_, client):
        answers = {
            "orders": await client.post(READ, json=inputs({"id": "1"})),
            "lines": await client.post(f"{LINES}/read", json=inputs({"id": "1"})),
            "links to lines": await client.post(
                f"{LINKS}/line_items/batch/read", json=inputs({"id": "1"})
            ),
            "links to contacts": await client.post(
                f"{LINKS}/contacts/batch/read", json=inputs({"id": "1"})
            ),
        }

        assert {name for name, each in answers.items() if each.status_code == 503} == struck


async def test_a_partial_success_can_drift_to_200():
    async with shop(faults=(parse_fault("drift"),)) as (_, client):
        answer = await client.post(READ, json=inputs({"id": "1"}))

        assert answer.status_code == 200
        assert len(answer.json()["errors"]) == 1
