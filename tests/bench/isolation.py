"""What finding the culprits costs: records a second at 110 calls per 10 s with 1 % poison, in virtual time."""

import asyncio
import logging

import structlog

from service.core.hubspot.budget import BudgetPolicy
from service.twin import Rule, TwinOptions, parse_fault
from tests import virtual_time
from tests.bench.taking_apart import taking_apart
from tests.stage import event, stage

RECORDS = 20_000
POISON = "tomorrow"


def isolation() -> None:
    """One line a kind of refusal."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    print(
        f"isolation: {RECORDS} records, 1 % of them poison, 110 calls per 10 s, twin answers in 100 ms"
    )
    kinds = {
        "named in a 207 (as HubSpot answers to trace ids)": (),
        "whole batch refused, culprit named": (_refusing("ids"),),
        "whole batch refused, nobody named": (_refusing("nobody"),),
    }
    for kind, faults in kinds.items():
        seconds, calls = virtual_time.run(_carried(faults))
        print(f"    {kind}: {RECORDS / seconds:5.0f} records/s in {calls} calls")
    print("    for comparison: one by one after a refusal 17 records/s, halving alone 85")
    taking_apart()


def _refusing(blame: str) -> Rule:
    return parse_fault(f"refuse-batch where=hs_order_note:{POISON} blame={blame}")


async def _carried(faults: tuple[Rule, ...]) -> tuple[float, int]:
    poison = {"hs_total_price": POISON} if not faults else {"hs_order_note": POISON}
    bodies = [
        event(n, f"A-{n}", hs_order_name="x", **(poison if n % 100 == 37 else {}))
        for n in range(RECORDS)
    ]
    options = TwinOptions(latency=0.1, calls=110, window=10.0, faults=faults, journal="off")
    async with stage(options, budget=BudgetPolicy(calls=110, window=10.0)) as on:
        on.queue.put(bodies)
        while len(on.published) < RECORDS:
            await asyncio.sleep(1.0)
        seconds = asyncio.get_running_loop().time()
    rejected = on.statuses()["rejected"]
    assert rejected == RECORDS // 100, on.statuses()
    return seconds, int(on.twin.stats()["total_calls"])
