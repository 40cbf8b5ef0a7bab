"""The day's calls run out: everybody waits, nothing is lost, and live events have the last of them. Virtual time."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from service.core.hubspot.budget import BudgetPolicy
from service.twin import TwinOptions
from tests import virtual_time
from tests.shell.test_backfill import OLD
from tests.shell.test_replayed_events import event as timed
from tests.stage import EPOCH, PORTAL, event, stage, until

HOUR = 3600.0


def options(**more: Any) -> TwinOptions:
    start = int(EPOCH.timestamp() * 1000)
    return TwinOptions(latency=0.05, properties=PORTAL, start_ms=start, **({"calls": 190} | more))


def test_our_part_of_the_day_is_kept_and_goes_on_when_it_is_given_out_again() -> None:
    """`DAILY_CALLS` without headers: 24 hours of waiting, one pause, then everything is written."""
    part = 20

    async def story() -> None:
        policy = BudgetPolicy(190, 10.0, daily=part)
        async with stage(options(daily=0), budget=policy, prefetch=100) as on:
            for n in range(part * 3):
                on.queue.put([event(n, f"A-{n}", hs_order_name="x")])
                await asyncio.sleep(5.0)
            await asyncio.sleep(HOUR)
            assert on.twin.stats()["total_calls"] == part
            reason = on.pipeline.desk.gate.reason
            assert reason is not None
            assert reason.code == "daily_limit"
            assert "ORDERSYNC_HUBSPOT__DAILY_CALLS" in reason.message
            assert on.statuses() == Counter(applied=part)
            await until(lambda: len(on.outcomes) == part * 3, seconds=30 * HOUR)
            assert on.twin.stats()["total_calls"] <= 2 * part
        assert on.statuses() == Counter(applied=part * 3)
        assert not on.dead_letters

    virtual_time.run(story())


def test_near_the_end_of_the_day_live_goes_before_bulk() -> None:
    """Of 400 calls the last tenth is not bulk's while live events need them."""

    async def story() -> None:
        async with stage(options(daily=400), budget=BudgetPolicy(190), prefetch=10**6) as on:
            on.queue.put_bulk(
                timed(f"bulk-{n}", f"H-{n}", OLD, hs_order_name="then") for n in range(15_000)
            )
            for n in range(600):
                on.queue.put([event(f"live-{n}", f"L-{n}", hs_order_name="now")])
                await asyncio.sleep(1.0)
                if on.pipeline.desk.gate.reason is not None:
                    break
            kinds = [o["data"]["event"]["id"].split("-")[0] for o in on.outcomes]
            on.stop.set()
        print(Counter(kinds))
        last = kinds[len(kinds) - kinds[::-1].index("bulk") :]
        assert kinds.count("bulk") >= 4_000, "what was left went to bulk"
        assert len(last) >= 35, "the last tenth: a call for each live event"

    virtual_time.run(story())


@pytest.mark.parametrize("by", ["bulk", "replay"])
def test_bulk_and_replays_leave_at_last_so_that_nothing_goes_back_to_the_queue(by: str) -> None:
    """Held for half an hour they would take the live events' channel with them, each time for longer."""

    async def story() -> None:
        async with stage(options(daily=400), budget=BudgetPolicy(190), prefetch=1_000) as on:
            for n in range(385):
                on.queue.put([event(f"live-{n}", f"L-{n}", hs_order_name="now")])
                await asyncio.sleep(1.0)
            old = [timed(f"old-{n}", f"H-{n}", OLD, hs_order_name="then") for n in range(40)]
            if by == "bulk":
                on.queue.put_bulk(old)
            else:
                on.queue.put(old, {"ordersync-replays": 1})
            for n in range(4):
                assert len(on.outcomes) == 385 + n, "live ones alone"
                on.queue.put([event(f"later-{n}", f"M-{n}", hs_order_name="now")])
                await asyncio.sleep(280.0)
            await asyncio.sleep(200.0)
            assert len(on.outcomes) == 385 + 4 + 40
            assert not on.queue.returned

    virtual_time.run(story())


def test_days_that_end_too_soon_starve_nobody_after_midnight() -> None:
    """Live events, replays and bulk on 150 calls per day: all is written once, nothing wears out in its queue."""

    async def story() -> None:
        async with stage(options(daily=150), budget=BudgetPolicy(190), prefetch=1_000) as on:
            bulk = [timed(f"bulk-{n}", f"H-{n}", OLD, hs_order_name="then") for n in range(6_000)]
            again = [timed(f"again-{n}", f"R-{n}", OLD, hs_order_name="then") for n in range(60)]
            wanted = len(bulk) + len(again)
            for n in range(6 * 66):
                if len(on.queue.unacked) + len(on.queue.ready) < 200:
                    on.queue.put_bulk(bulk[:200])
                    on.queue.put(again[:2], {"ordersync-replays": 1})
                    bulk, again = bulk[200:], again[2:]
                if n % 6 == 0:
                    on.queue.put([event(f"live-{n}", f"L-{n}", hs_order_name="now")])
                    wanted += 1
                await asyncio.sleep(600.0)
            await asyncio.sleep(24 * HOUR)
            assert not bulk
            assert on.statuses() == Counter(applied=wanted)
            assert not on.dead_letters
            assert max(on.queue.returned.values()) <= 6, "twice per day that ended too soon"

    virtual_time.run(story())
