"""Bulk gives way to what is live, order per order, and never writes an old value over a newer one."""

import asyncio
import random
from typing import Any

import pytest

from service.core.hubspot.budget import BudgetPolicy
from service.core.hubspot.staleness import moment
from service.core.waiting.bulk import TENTH
from service.twin import TwinOptions, parse_fault
from tests import virtual_time
from tests.shell.test_replayed_events import OPTIONS, data_of, event, held, settled
from tests.stage import EPOCH, PORTAL, Stage, stage, until

QUOTA = BudgetPolicy(calls=100)
OLD = -86_400.0
TRAFFIC = TwinOptions(
    latency=0.1, properties=PORTAL, calls=100, start_ms=int(EPOCH.timestamp() * 1000)
)


def bulk(number: int, first: int = 0, **values: Any) -> list[bytes]:
    return [
        event(f"bulk-{n}", f"H-{n}", OLD, **(values or {"hs_order_name": "then"}))
        for n in range(first, first + number)
    ]


def live(number: int, first: int = 0) -> list[bytes]:
    return [
        event(f"live-{n}", f"L-{n}", 0, hs_order_name="now") for n in range(first, first + number)
    ]


def test_what_is_newer_stays_what_is_new_is_written_and_the_outcome_says_which() -> None:
    async def story() -> None:
        async with stage(OPTIONS) as on:
            on.queue.put([event(1, "A-1", 5, hs_order_name="now")])
            await settled(on, 1)
            on.queue.put_bulk(
                [
                    event(2, "A-1", OLD, hs_order_name="then", hs_currency_code="EUR"),
                    event(3, "A-1", OLD, "update", hs_order_name="then"),
                    event(4, "A-2", OLD, hs_order_name="then"),
                ]
            )
            await settled(on, 4)
        assert held(on, "A-1")["hs_order_name"] == "now"
        assert held(on, "A-1")["hs_currency_code"] == "EUR"
        assert held(on, "A-2")["hs_order_name"] == "then"
        assert data_of(on, 2)["replay"]["left_out"] == ["hs_order_name"]
        assert [data_of(on, n)["status"] for n in (2, 3, 4)] == ["applied", "superseded", "applied"]
        assert not on.dead_letters

    virtual_time.run(story())


@pytest.mark.parametrize("seed", range(12))
def test_live_and_bulk_of_the_same_orders_in_any_interleaving(seed: int) -> None:
    """Every order holds its live value, and the bulk's where nothing live named it; none is in flight twice."""
    chance = random.Random(seed)
    orders = 30
    faults = (
        tuple(map(parse_fault, ("503 rate=0.04", "cut written=true rate=0.04"))) if seed % 2 else ()
    )
    options = TwinOptions(
        latency=0.3,
        properties=PORTAL,
        calls=0,
        faults=faults,
        seed=seed,
        start_ms=int(EPOCH.timestamp() * 1000),
    )

    async def story() -> None:
        async with stage(options, seed=seed) as on:
            sent = [
                (
                    kind,
                    event(f"{kind}-{n}-{at}", f"A-{n}", OLD if kind == "bulk" else 0.0, **values),
                )
                for n in range(orders)
                for at, (kind, values) in enumerate(
                    (
                        ("bulk", {"hs_order_name": "then", "hs_order_note": "bulk's own"}),
                        ("live", {"hs_order_name": "now"}),
                        ("bulk", {"hs_order_name": "then, too"}),
                    )
                )
            ]
            chance.shuffle(sent)
            for kind, body in sent:
                (on.queue.put_bulk if kind == "bulk" else on.queue.put)([body])
                together(on)
                await asyncio.sleep(chance.choice((0.0, 0.01, 0.2)))
            await until(lambda: len(on.outcomes) >= len(sent))
        for n in range(orders):
            assert held(on, f"A-{n}")["hs_order_name"] == "now"
            assert held(on, f"A-{n}")["hs_order_note"] == "bulk's own"
        assert set(on.statuses()) <= {"applied", "superseded"}

    virtual_time.run(story())


def together(on: Stage) -> None:
    desk = on.queue.pipeline.desk
    keys = [slot.order for out in desk._out.values() for slot in out.batch.slots]
    assert len(keys) == len(set(keys))


def test_a_tenth_of_the_calls_is_bulks_while_live_events_want_all_of_them() -> None:
    async def story() -> None:
        async with stage(TRAFFIC, budget=QUOTA, prefetch=10**6) as on:
            on.queue.put(live(60_000))
            on.queue.put_bulk(bulk(5_000))
            await asyncio.sleep(40.0)
            calls = on.twin.stats()["total_calls"]
            settled_bulk = sum(o["data"]["event"]["id"].startswith("bulk") for o in on.outcomes)
            settled_live = len(on.outcomes) - settled_bulk
            on.stop.set()
        # 50 orders of bulk a batch of two calls.
        share = settled_bulk / 50 * 2 / calls
        print(f"bulk {share:.3f} of {calls} calls, live {settled_live}")
        assert 1 / TENTH - 0.02 <= share <= 1 / TENTH + 0.03
        assert settled_live > 100 * calls * 0.8

    virtual_time.run(story())


def test_bulk_alone_has_nearly_all_of_the_quota() -> None:
    async def story() -> None:
        async with stage(TRAFFIC, budget=QUOTA, prefetch=10**6) as on:
            on.queue.put_bulk(bulk(20_000))
            await asyncio.sleep(60.0)
            calls = on.twin.stats()["total_calls"]
            assert not on.twin.stats()["throttled"]
            on.stop.set()
        print(f"{calls} of {100 * 7} calls")
        assert calls >= 0.8 * 600

    virtual_time.run(story())


async def _p99(beside: int) -> float:
    """Of live events, twenty a second and a burst of 300 every ten seconds, in seconds to their outcomes."""
    async with stage(TRAFFIC, budget=QUOTA, prefetch=10**6) as on:
        on.queue.put_bulk(bulk(beside))
        await asyncio.sleep(15.0)
        for n in range(600):
            on.queue.put(live(300 if n % 200 == 150 else 1, first=1000 * n))
            await asyncio.sleep(0.05)
        await asyncio.sleep(5.0)
        ages = sorted(_ages(on))
        on.stop.set()
    assert len(ages) == 597 + 3 * 300
    return ages[int(len(ages) * 0.99)]


def _ages(on: Stage) -> list[float]:
    datas = [outcome["data"] for outcome in on.outcomes]
    return [
        (moment(data["settled_at"]) - moment(data["received_at"])).total_seconds()
        for data in datas
        if data["event"]["id"].startswith("live")
    ]


def test_live_events_hardly_feel_what_waits_beside_them() -> None:
    async def story() -> None:
        alone, beside = await _p99(0), await _p99(30_000)
        print(f"p99 alone {alone:.3f} s, beside bulk {beside:.3f} s")
        assert beside <= 1.2 * alone

    virtual_time.run(story())
