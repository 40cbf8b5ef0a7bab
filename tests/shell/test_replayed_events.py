"""What comes out of the dead letters never overwrites what is newer, whoever sent it back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from service.core.hubspot.budget import BudgetPolicy
from service.core.waiting.batch import BatchPolicy
from service.twin import TwinOptions, parse_fault
from tests import virtual_time
from tests.stage import EPOCH, PORTAL, Stage, stage, until

OPTIONS = TwinOptions(
    latency=0.02, properties=PORTAL, calls=0, start_ms=int(EPOCH.timestamp() * 1000)
)
REPLAYED = {"ordersync-replays": 1, "ordersync-replay": "r-1"}
CAME_BACK = [
    REPLAYED,
    {"ordersync-replays": 3},
    {"ordersync-reason": "property_unknown"},  # a shovel: the dead letter as it is
    {"x-death": [{"reason": "delivery_limit", "queue": "orders.events", "count": 1}]},
]


def event(number: object, key: str, at: float, operation: str = "upsert", **more: Any) -> bytes:
    """An event of the moment `at`, in seconds of the stage."""
    extensions = {name: more.pop(name) for name in ("sequence",) if name in more}
    document = {
        "specversion": "1.0",
        "id": str(number),
        "source": "/tests",
        "type": f"ordersync.order.{operation}.v1",
        "subject": key,
        "time": (datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=at)).isoformat(),
        "data": {} if operation == "archive" else {"properties": more},
    }
    return orjson.dumps(document | extensions)


async def settled(on: Stage, outcomes: int) -> None:
    await until(lambda: len(on.published) >= outcomes)


def held(on: Stage, key: str) -> dict[str, str]:
    return on.twin.state(by="shop_order_id")[key]["properties"]


def data_of(on: Stage, number: object) -> dict[str, Any]:
    return [o["data"] for o in on.outcomes if o["data"]["event"]["id"] == str(number)][-1]


@pytest.mark.parametrize("headers", CAME_BACK, ids=["replayed", "thrice", "shovel", "broker"])
def test_newer_values_stay_and_the_rest_is_written(headers: dict[str, Any]) -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(2, "A-1", 5, hs_order_name="new")])
            await settled(on, 1)
            stale = event(1, "A-1", -60, hs_order_name="old", hs_currency_code="EUR")
            on.queue.put([stale], headers)
            await settled(on, 2)
        assert held(on, "A-1")["hs_order_name"] == "new"
        assert held(on, "A-1")["hs_currency_code"] == "EUR"
        data = data_of(on, 1)
        assert data["status"] == "applied"
        assert data["replay"]["left_out"] == ["hs_order_name"]
        assert data["replay"]["number"] == headers.get("ordersync-replays", 0)

    virtual_time.run(story())


def test_nothing_left_is_superseded_and_not_written() -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(2, "A-1", 5, hs_order_name="new")])
            await settled(on, 1)
            on.queue.put([event(1, "A-1", -60, "update", hs_order_name="old")], REPLAYED)
            await settled(on, 2)
        assert held(on, "A-1")["hs_order_name"] == "new"
        data = data_of(on, 1)
        assert (data["status"], data["superseded_by"]) == ("superseded", None)
        assert data["replay"] == {
            "number": 1,
            "id": "r-1",
            "forced": False,
            "left_out": ["hs_order_name"],
        }
        assert not on.dead_letters
        assert "update" not in on.twin.stats()["records_written"]

    virtual_time.run(story())


def test_nothing_newer_is_written_whole() -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(1, "A-1", -60, hs_order_name="first")])
            await settled(on, 1)
            on.queue.put([event(2, "A-1", 3600, hs_order_name="second")], REPLAYED)
            on.queue.put([event(3, "A-2", -60, hs_order_name="never seen")], REPLAYED)
            await settled(on, 3)
        assert held(on, "A-1")["hs_order_name"] == "second"
        assert held(on, "A-2")["hs_order_name"] == "never seen"
        assert data_of(on, 3)["created"] is True

    virtual_time.run(story())


def test_force_overrides_and_is_recorded() -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(2, "A-1", 5, hs_order_name="new")])
            await settled(on, 1)
            on.queue.put(
                [event(1, "A-1", -60, hs_order_name="old")], REPLAYED | {"ordersync-force": True}
            )
            await settled(on, 2)
        assert held(on, "A-1")["hs_order_name"] == "old"
        assert data_of(on, 1)["replay"]["forced"] is True

    virtual_time.run(story())


def test_an_archive_older_than_a_write_is_not_executed() -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(n, f"A-{n}", 0, hs_order_name="x") for n in (1, 2)])
            await settled(on, 2)
            on.queue.put([event(3, "A-1", -60, "archive")], REPLAYED)
            on.queue.put([event(4, "A-2", 3600, "archive")], REPLAYED)
            on.queue.put([event(5, "A-9", -60, "archive")], REPLAYED)
            await settled(on, 5)
        state = on.twin.state(by="shop_order_id")
        assert (state["A-1"]["archived"], state["A-2"]["archived"]) == (False, True)
        assert on.status_of(3) == ["superseded"]
        assert on.status_of(4) == on.status_of(5) == ["applied"]

    virtual_time.run(story())


@pytest.mark.parametrize("operation", ["upsert", "update"])
def test_an_order_archived_since_is_not_brought_back(operation: str) -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(1, "A-1", 0, hs_order_name="x"), event(2, "A-1", 5, "archive")])
            await settled(on, 2)
            on.queue.put([event(3, "A-1", -60, operation, hs_order_name="old")], REPLAYED)
            await settled(on, 3)
        assert on.twin.state(by="shop_order_id")["A-1"]["archived"] is True
        assert on.status_of(3) == ["superseded"]

    virtual_time.run(story())


def test_a_replay_waits_behind_newer_events_of_its_order_and_then_sees_them() -> None:
    """All arrive at once: the replay is last in its lane, whatever it holds."""

    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(2, "A-1", 0, hs_order_name="new")])
            on.queue.put([event(1, "A-1", -60, hs_order_name="old")], REPLAYED)
            on.queue.put([event(3, "A-1", 1, hs_order_name="newest")])
            await settled(on, 3)
        assert held(on, "A-1")["hs_order_name"] == "newest"
        assert on.status_of(1) == ["superseded"]
        assert on.status_of(2) == on.status_of(3) == ["applied"]

    virtual_time.run(story())


def test_a_replay_whose_answer_is_lost_does_not_take_itself_for_newer() -> None:
    lost = parse_fault("hang operation=upsert times=1 written=true")

    async def story() -> None:
        options = TwinOptions(
            latency=0.02, calls=0, start_ms=OPTIONS.start_ms, faults=(lost,), properties=PORTAL
        )
        async with stage(options, timeout=5.0) as on:
            on.queue.put([event(1, "A-1", -60, hs_order_name="x")], REPLAYED)
            await settled(on, 1)
        assert on.status_of(1) == ["applied"]
        assert held(on, "A-1")["hs_order_name"] == "x"

    virtual_time.run(story())


def test_live_events_keep_four_fifths_of_the_calls() -> None:
    """Replays in small batches against live traffic that could use every call there is."""

    async def story() -> None:
        options = TwinOptions(latency=0.02, calls=100, start_ms=OPTIONS.start_ms)
        small = BatchPolicy(size=5, linger=0.05)
        async with stage(options, batch=small, budget=BudgetPolicy(calls=100)) as on:
            on.queue.put([event(n, f"B-{n}", -60, hs_order_name="x") for n in range(300)], REPLAYED)
            on.queue.put([event(n, f"A-{n}", 0, hs_order_name="y") for n in range(1000, 5000)])
            await settled(on, 3000)
        calls = [call for call in on.twin.journal.calls if call["time"] < 50.0]
        replays = [call for call in calls if call["keys"] and call["keys"][0].startswith("B-")]
        print(f"{len(replays)} of {len(calls)} calls in the first 50 s were for replays")
        assert len(calls) >= 450
        assert 0 < len(replays) <= 0.2 * len(calls)

    virtual_time.run(story())


# --- the sequence extension -------------------------------------------------------------------------------


def test_a_live_event_with_an_older_sequence_is_superseded_by_the_newer_one() -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(1, "A-1", 0, sequence="005", hs_order_name="five")])
            await settled(on, 1)
            on.queue.put([event(2, "A-1", 0, sequence="004", hs_order_name="four")])
            on.queue.put([event(3, "A-1", 0, sequence="006", hs_currency_code="EUR")])
            await settled(on, 3)
        assert held(on, "A-1")["hs_order_name"] == "five"
        data = data_of(on, 2)
        assert (data["status"], data["superseded_by"], data["replay"]) == ("superseded", "1", None)
        assert on.status_of(3) == ["applied"]

    virtual_time.run(story())


def test_an_older_sequence_behind_a_newer_one_that_fails_is_written() -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(1, "A-1", 0, sequence="005", hs_total_price="tomorrow")])
            on.queue.put([event(2, "A-1", 0, sequence="004", hs_order_name="four")])
            await settled(on, 2)
        assert on.status_of(1) == ["rejected"]
        assert on.status_of(2) == ["applied"]

    virtual_time.run(story())


def test_sequences_in_order_merge_as_ever_and_those_of_other_sources_do_not_count() -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put(
                [event(n, "A-1", 0, sequence=f"{n:03}", hs_order_name=str(n)) for n in range(9)]
            )
            await settled(on, 9)
            other = orjson.loads(event(99, "A-1", 0, sequence="000", hs_order_name="other"))
            on.queue.put([orjson.dumps(other | {"source": "/elsewhere"})])
            await settled(on, 10)
        assert held(on, "A-1")["hs_order_name"] == "other"
        assert on.twin.stats()["records_written"] == {"upsert": 2}

    virtual_time.run(story())
