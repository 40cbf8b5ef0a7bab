"""Faults: each does what its name says, strikes what its rule matches, repeats with its seed."""

import asyncio
from typing import Any

import httpx
import pytest

from service.twin import Rule, Twin, When, parse_fault, read_script
from service.twin.faults.faults import Answered, Hang, Vanish
from tests.twin.lab import ARCHIVE, CREATE, ORDERS, READ, UPSERT, fresh, hubspot, inputs, order, put

pytestmark = pytest.mark.looptime


def batch(*names: str) -> dict[str, Any]:
    """An upsert of orders `A-0`, `A-1`, … with these names, trace ids `t-0`, …."""
    return inputs(
        *(order(f"A-{n}", trace=f"t-{n}", hs_order_name=name) for n, name in enumerate(names))
    )


async def struck(rule: str, **options: Any) -> tuple[Twin, httpx.Response]:
    """What an upsert of `good` and `bad` meets under one rule."""
    async with hubspot(faults=(parse_fault(rule),), **options) as (twin, client):
        return twin, await client.post(UPSERT, json=batch("good", "bad"))


@pytest.mark.parametrize("status", [401, 403, 423, 429, 477, 500, 502, 503, 504, 521, 523, 524])
async def test_any_status_before_the_write(status: int):
    twin, answer = await struck(str(status))

    assert answer.status_code == status
    assert answer.json()["correlationId"] == answer.headers["X-HubSpot-Correlation-Id"]
    assert twin.state() == {}


async def test_a_status_after_the_write():
    twin, answer = await struck("502 written=true body=html")

    assert answer.status_code == 502
    assert answer.headers["Content-Type"].startswith("text/html")
    assert set(twin.state()) == {"A-0", "A-1"}


async def test_a_page_where_json_is_due():
    twin, answer = await struck("html")

    assert (answer.status_code, answer.text[:15]) == (200, "<!DOCTYPE html>")
    assert twin.state() == {}


async def test_an_empty_body():
    _, answer = await struck("503 body=empty")

    assert (answer.status_code, answer.content) == (503, b"")


@pytest.mark.parametrize(
    ("policy", "shape"),
    [
        ("DAILY", {"errorType": "RATE_LIMIT", "policyName": "DAILY"}),
        ("TEN_SECONDLY_ROLLING", {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}),
        ("SEARCH", {"category": "RATE_LIMITS"}),
        ("BARE", {"errorType": "RATE_LIMIT"}),
    ],
)
async def test_the_shapes_of_a_429(policy: str, shape: dict[str, str]):
    _, answer = await struck(f"429 policy={policy}")

    told = answer.json()
    assert {k: v for k, v in told.items() if k in ("errorType", "policyName", "category")} == shape


async def test_a_migration_says_when_to_come_back():
    _, answer = await struck("477 retry_after=3600")

    assert answer.headers["Retry-After"] == "3600"


async def test_an_expired_token_can_be_pretended():
    _, answer = await struck("401 category=EXPIRED_AUTHENTICATION")

    assert answer.json()["category"] == "EXPIRED_AUTHENTICATION"


async def test_a_hang_writes_and_never_answers():
    async with hubspot(faults=(parse_fault("hang seconds=60"),)) as (twin, client):
        with pytest.raises(httpx.ReadTimeout):
            await client.post(UPSERT, json=batch("x"), timeout=10)
        assert set(twin.state()) == {"A-0"}
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(UPSERT, json=batch("x"), timeout=100)


@pytest.mark.parametrize(("rule", "written"), [("cut", False), ("cut written=true", True)])
async def test_a_cut_drops_the_connection(rule: str, written: bool):
    async with hubspot(faults=(parse_fault(rule),)) as (twin, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(UPSERT, json=batch("x"))

        assert bool(twin.state()) is written


async def test_an_answer_is_cut_in_the_middle():
    async with hubspot(faults=(parse_fault("truncate"),)) as (twin, client):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            await client.post(UPSERT, json=batch("x"))

        assert set(twin.state()) == {"A-0"}


async def test_a_slow_call_takes_longer():
    async with hubspot(faults=(parse_fault("slow seconds=3"),)) as (_, client):
        began = asyncio.get_running_loop().time()
        answer = await client.post(UPSERT, json=batch("x"))

        assert answer.status_code == 200
        assert asyncio.get_running_loop().time() - began == pytest.approx(3)


async def test_success_codes_drift():
    async with hubspot(faults=(parse_fault("drift"),)) as (_, client):
        upsert = await client.post(UPSERT, json=batch("x"))
        create = await client.post(CREATE, json=inputs(fresh(hs_order_name="x")))

        assert (upsert.status_code, create.status_code) == (201, 200)


async def test_an_empty_success_wrote_nothing():
    twin, answer = await struck("empty")

    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert twin.state() == {}


async def test_a_record_vanishes_from_both_lists():
    twin, answer = await struck("vanish where=hs_order_name:bad")

    assert answer.status_code == 200
    assert [r["properties"]["shop_order_id"] for r in answer.json()["results"]] == ["A-0"]
    assert set(twin.state()) == {"A-0"}


async def test_a_record_vanishes_though_it_was_written():
    twin, answer = await struck("vanish key=A-1 written=true")

    assert len(answer.json()["results"]) == 1
    assert set(twin.state()) == {"A-0", "A-1"}


async def test_an_error_without_context():
    twin, answer = await struck("anonymous key=A-1")

    assert answer.status_code == 207
    (entry,) = answer.json()["errors"]
    assert "context" not in entry
    assert set(twin.state()) == {"A-0"}


async def test_a_record_is_refused_with_a_category_of_choice():
    _, answer = await struck("refuse key=A-1 category=RATE_LIMITS message=busy")

    (entry,) = answer.json()["errors"]
    assert (entry["category"], entry["message"]) == ("RATE_LIMITS", "busy")
    assert entry["context"] == {"objectWriteTraceId": ["t-1"]}


async def test_a_record_comes_back_under_another_id():
    twin, answer = await struck("merged key=A-1")

    told = {r["properties"]["shop_order_id"]: r["id"] for r in answer.json()["results"]}
    assert told["A-0"] == twin.state()["A-0"]["id"]
    assert told["A-1"] != twin.state()["A-1"]["id"]


async def test_error_entries_are_lumped_together():
    async with hubspot(faults=(parse_fault("lump"),)) as (_, client):
        bad = [order(f"B-{n}", trace=f"t-{n}", color="red") for n in range(3)]
        answer = await client.post(UPSERT, json=inputs(*bad))

        (entry,) = answer.json()["errors"]
        assert entry["context"] == {"objectWriteTraceId": ["t-0", "t-1", "t-2"]}


@pytest.mark.parametrize(
    ("blame", "status", "telling"),
    [
        ("ids", 400, {"context": {"ids": ["A-1"]}}),
        ("property", 400, {"category": "VALIDATION_ERROR"}),
        ("nobody", 409, {"category": "CONFLICT"}),
    ],
)
async def test_a_batch_is_refused_whole_in_spite_of_trace_ids(
    blame: str, status: int, telling: dict[str, Any]
):
    twin, answer = await struck(f"refuse-batch where=hs_order_name:bad blame={blame}")

    assert answer.status_code == status
    assert telling.items() <= answer.json().items()
    assert twin.state() == {}


async def test_a_poison_is_found_by_halving():
    """The refusal follows the order: batches without it pass."""
    async with hubspot(
        faults=(parse_fault("refuse-batch where=hs_order_name:POISON* blame=nobody"),)
    ) as (twin, client):
        poisoned = batch("a", "b", "POISON c", "d")["inputs"]
        answers = [
            await client.post(UPSERT, json=inputs(*part)) for part in (poisoned, poisoned[:2])
        ]
        answers += [await client.post(UPSERT, json=inputs(one)) for one in poisoned[2:]]

        assert [answer.status_code for answer in answers] == [409, 200, 409, 200]
        assert set(twin.state()) == {"A-0", "A-1", "A-3"}


async def test_a_mark_of_one_order_is_seen_when_it_is_archived_or_read_too():
    """An archive and a read send no properties: the stored ones count."""
    rules = (parse_fault("423 where=hs_order_name:LOCKED* operation=archive,read"),)
    async with hubspot(faults=rules) as (_, client):
        ids = await put(client, "A-1", hs_order_name="LOCKED one")
        archive = await client.post(ARCHIVE, json=inputs({"id": ids["A-1"]}))
        by_key = {**inputs({"id": "A-1"}), "idProperty": "shop_order_id"}
        read = await client.post(READ, json=by_key)
        other = await client.post(READ, json=inputs({"id": "77"}))

        assert [a.status_code for a in (archive, read, other)] == [423, 423, 207]


async def statuses(rule: str, count: int, **options: Any) -> list[int]:
    async with hubspot(faults=(parse_fault(rule),), **options) as (_, client):
        return [(await client.get(ORDERS)).status_code for _ in range(count)]


async def test_the_nth_call_is_struck():
    assert await statuses("503 nth=2,4", 5) == [200, 503, 200, 503, 200]


async def test_every_nth_call_is_struck():
    assert await statuses("503 every=3", 7) == [200, 200, 503, 200, 200, 503, 200]


async def test_a_rule_strikes_so_many_times_at_most():
    assert await statuses("503 times=2", 4) == [503, 503, 200, 200]


async def test_only_calls_of_the_operation_are_counted_and_struck():
    async with hubspot(faults=(parse_fault("503 operation=upsert nth=2"),)) as (_, client):
        answers = []
        for _ in range(3):
            answers.append((await client.get(ORDERS)).status_code)
            answers.append((await client.post(UPSERT, json=batch("x"))).status_code)

        assert answers == [200, 200, 200, 503, 200, 200]


async def test_chance_repeats_with_its_seed():
    first = await statuses("503 rate=0.3", 200, seed=1)
    again = await statuses("503 rate=0.3", 200, seed=1)
    other = await statuses("503 rate=0.3", 200, seed=2)

    assert first == again != other
    assert 35 <= first.count(503) <= 90


async def test_records_are_struck_by_chance_one_by_one():
    async with hubspot(faults=(parse_fault("vanish rate=0.2"),)) as (_, client):
        answer = await client.post(UPSERT, json=batch(*("x" for _ in range(100))))

        assert 65 <= len(answer.json()["results"]) <= 95


async def test_a_record_fault_without_a_match_takes_one_record():
    _, answer = await struck("vanish")

    assert len(answer.json()["results"]) == 1


async def test_an_outage_begins_and_ends():
    async with hubspot(faults=(parse_fault("503 since=10 until=20"),)) as (_, client):
        seen = []
        for _ in range(4):
            seen.append((await client.get(ORDERS)).status_code)
            await asyncio.sleep(7)

        assert seen == [200, 200, 503, 200]


async def test_the_script_is_replaced_while_the_twin_runs():
    async with hubspot() as (_, client):
        script = [{"fault": 503, "times": 1}, {"fault": "slow", "seconds": 1.5}]
        armed = await client.post("/_twin/faults", json=script)
        seen = [(await client.get(ORDERS)).status_code for _ in range(2)]
        wrong = await client.post("/_twin/faults", json=[{"fault": "fire"}])

        assert armed.json() == {"rules": 2}
        assert seen == [503, 200]
        assert wrong.status_code == 400
        assert "unknown fault 'fire'" in wrong.json()["error"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("503", Rule(Answered(status=503))),
        (
            "429 policy=DAILY retry_after=5",
            Rule(Answered(status=429, policy="DAILY", retry_after=5)),
        ),
        (
            "hang operation=upsert,update nth=3,7 seconds=5",
            Rule(Hang(seconds=5.0), When(operation=("upsert", "update"), nth=(3, 7))),
        ),
        (
            "vanish where=hs_order_name:V* where=hs_tags:x written=true",
            Rule(Vanish(written=True), When(where={"hs_order_name": "V*", "hs_tags": "x"})),
        ),
    ],
)
def test_the_short_form_of_a_rule(text: str, rule: Rule):
    assert parse_fault(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fire",
        "503 nth",
        "503 colour=red",
        "503 rate=often",
        "503 written=maybe",
        "503 body=xml",
        "429 policy=WEEKLY",
        "refuse-batch blame=me",
        "vanish seconds=3",
        "cut policy=DAILY",
    ],
)
def test_a_wrong_rule_is_refused_with_a_sentence(text: str):
    with pytest.raises(ValueError, match=r"\w"):
        parse_fault(text)


@pytest.mark.parametrize("document", [{}, "x", [1], [{}], [{"fault": "cut", "colour": "red"}]])
def test_a_wrong_script_is_refused_with_a_sentence(document: Any):
    with pytest.raises(ValueError, match=r"rule|script"):
        read_script(document)
