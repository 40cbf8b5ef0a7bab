"""The twin's limit enforced, shared with another client; and what it costs to find a culprit, in calls."""

import asyncio

import pytest

from service.core.waiting.batch import BatchPolicy
from service.twin import TwinOptions, parse_fault
from tests import virtual_time
from tests.stage import event, stage, until

WINDOWS = 10


def test_beside_a_client_that_takes_half_there_is_at_most_one_429_a_window() -> None:
    """190 per 10 s, 95 of them somebody else's: the rest is ours, and we use it."""

    async def story() -> tuple[int, int]:
        options = TwinOptions(latency=0.05, calls=190, window=10.0, rival_rate=9.5, journal="calls")
        async with stage(options, batch=BatchPolicy(size=1, linger=0.0), grace=1.0) as on:
            on.queue.put(event(n, f"A-{n}", hs_order_name="x") for n in range(4000))
            await asyncio.sleep(10.0 * WINDOWS)
            on.queue.close()
            calls = on.twin.stats()["calls"]["upsert"]
        return calls.get("200", 0), calls.get("429", 0)

    written, refused = virtual_time.run(story())

    use = written / (95 * WINDOWS)
    print(f"{use:.1%} of what the other client leaves, {refused} answers 429 in {WINDOWS} windows")
    assert refused <= WINDOWS
    assert use >= 0.9


@pytest.mark.parametrize(("blame", "most"), [("ids", 2), ("nobody", 15)])
def test_a_whole_batch_refusal_costs_few_calls(blame: str, most: int) -> None:
    poison = parse_fault(f"refuse-batch where=hs_order_note:poison blame={blame}")

    async def story() -> int:
        async with stage(TwinOptions(latency=0.02, calls=0, faults=(poison,))) as on:
            on.queue.put(
                event(n, f"A-{n}", hs_order_note="poison" if n == 61 else "fine")
                for n in range(100)
            )
            await until(lambda: len(on.outcomes) == 100)
        assert on.statuses() == {"applied": 99, "rejected": 1}
        assert on.status_of(61) == ["rejected"]
        return int(on.twin.stats()["total_calls"])

    calls = virtual_time.run(story())

    print(f"{calls} calls, the refused one included")
    assert calls <= most
