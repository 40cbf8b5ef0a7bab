"""The quota is used whatever HubSpot's pace: the real pipeline and client, the twin's limits, virtual time."""

import asyncio

import pytest

from service.core.hubspot.budget import BudgetPolicy
from service.core.waiting.batch import BatchPolicy
from service.twin import TwinOptions
from tests import virtual_time
from tests.stage import event, stage

WINDOW = 10.0
WINDOWS = 12


@pytest.mark.parametrize("calls", [100, 190])
@pytest.mark.parametrize("latency", [0.05, 0.2, 0.5, 1.0, 2.0, 3.0])
def test_at_least_97_percent_of_the_quota_is_used_at_any_pace_of_hubspots(
    calls: int, latency: float
) -> None:
    """Alone, with work for every call; no answer is a 429."""

    async def story() -> dict[str, int]:
        options = TwinOptions(latency=latency, calls=calls, window=WINDOW, journal="calls")
        one_each = BatchPolicy(size=1, linger=0.0)
        policy = BudgetPolicy(calls, WINDOW)
        async with stage(options, batch=one_each, budget=policy, grace=1.0) as on:
            on.queue.put(event(n, f"A-{n}", hs_order_name="x") for n in range(WINDOWS * calls * 2))
            await asyncio.sleep(2 * WINDOW)
            before = sum(on.twin.stats()["calls"]["upsert"].values())
            await asyncio.sleep(WINDOW * WINDOWS)
            answered: dict[str, int] = on.twin.stats()["calls"]["upsert"]
            on.queue.close()
        return answered | {"before": before}

    answered = virtual_time.run(story())

    use = (answered["200"] - answered["before"]) / (calls * WINDOWS)
    print(f"{calls} per {WINDOW:g} s, {latency:g} s a call: {use:.1%} used")
    assert set(answered) == {"200", "before"}
    assert use >= 0.97
