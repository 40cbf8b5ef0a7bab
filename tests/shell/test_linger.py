"""A lone event leaves at once where calls are plentiful; the linger is the most that anybody waits. Virtual time."""

import asyncio
import random
from datetime import datetime
from typing import Any, NamedTuple

import pytest

from service.core.hubspot.budget import BudgetPolicy
from service.core.waiting.batch import BatchPolicy
from service.twin import TwinOptions
from tests import virtual_time
from tests.stage import event, stage, until

CALL = 0.02
LINGER = BatchPolicy().linger
SECONDS = 60
FULL = 100


class Waited(NamedTuple):
    """Seconds from arrival to verdict, sorted; calls as a part of the quota."""

    seconds: list[float]
    used: float

    def at(self, share: float) -> float:
        return self.seconds[int(len(self.seconds) * share) - 1]


def waited(calls: int, rate: int, **twin: Any) -> Waited:
    """Events one by one, at moments of chance, behind a full batch."""

    async def story() -> Waited:
        options = TwinOptions(latency=CALL, calls=calls, window=10.0, journal="off", **twin)
        loop, chance = asyncio.get_running_loop(), random.Random(1)
        async with stage(options, budget=BudgetPolicy(calls, 10.0), grace=1.0) as on:
            on.queue.put(event(f"f-{n}", f"F-{n}", hs_order_name="x") for n in range(FULL))
            await until(lambda: len(on.published) == FULL)
            before, at = on.twin.stats()["total_calls"], loop.time()
            for n in range(rate * SECONDS):
                at += chance.expovariate(rate)
                await asyncio.sleep(at - loop.time())
                on.queue.put([event(f"e-{n}", f"A-{n}", hs_order_name="x")])
            await until(lambda: len(on.published) == FULL + rate * SECONDS)
            used = (on.twin.stats()["total_calls"] - before) / (calls * SECONDS / 10)
            assert not on.twin.stats()["throttled"]
            seconds = sorted(_seconds(outcome["data"]) for outcome in on.outcomes[FULL:])
        return Waited(seconds, used)

    return virtual_time.run(story())


def _seconds(data: dict[str, Any]) -> float:
    came, settled = (datetime.fromisoformat(data[at]) for at in ("received_at", "settled_at"))
    return (settled - came).total_seconds()


@pytest.mark.parametrize(
    ("calls", "rate", "median"),
    [
        (100, 5, 0.03), (100, 50, 0.15), (100, 200, 0.15),
        (190, 5, 0.03), (190, 50, 0.1), (190, 200, 0.1),
    ],
)  # fmt: skip
def test_nobody_waits_longer_than_the_linger_and_nobody_without_a_reason(
    calls: int, rate: int, median: float
) -> None:
    took = waited(calls, rate)

    print(
        f"{calls} calls, {rate}/s: p50 {took.at(0.5):.3f} p99 {took.at(0.99):.3f} used {took.used:.0%}"
    )
    assert took.at(0.5) <= median
    assert took.at(1.0) <= LINGER + CALL + 0.03
    assert took.used <= 0.62


def test_calls_spent_on_latency_leave_enough_of_the_day() -> None:
    """Where little of the day is left, nobody leaves early: as many calls as with the linger alone."""
    short, plenty = waited(100, 5, daily=3_000), waited(100, 5, daily=1_000_000)

    assert plenty.at(0.5) <= 0.03
    assert short.at(0.5) > 0.9 * LINGER
    # A batch per linger, and a few at the start.
    assert short.used * 100 * SECONDS / 10 <= 5 * SECONDS / (1 + 5 * LINGER) + 10
