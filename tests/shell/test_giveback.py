"""No delivery is held, neither acked nor given back, for longer than is promised: whatever keeps it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from service.core.hubspot.budget import BudgetPolicy
from service.core.outgoing import Outgoing
from service.core.settlement.retries import CEILING, RetryPolicy
from service.settings.config import HELD_AT_MOST
from service.shell.pipeline import Shell
from service.twin import Rule, TwinOptions, parse_fault
from tests import virtual_time
from tests.stage import PORTAL, Stage, event, stage, until

PLAIN = TwinOptions(latency=0.05, properties=PORTAL, calls=0, daily=0, journal="off")
HALF_AN_HOUR = 1800.0
CALL = 30.0  # seconds that a call may take on the stage
# To the first failure, patience, then the longest wait for a last try, and the try.
IN_PATIENCE = CALL + RetryPolicy().patience + CEILING + CALL + 1.0


def _orders(number: int) -> list[bytes]:
    return [event(n, f"A-{n}", hs_order_name=f"x{n}") for n in range(number)]


def _kept_apart(number: int, key: str) -> list[bytes]:
    """Events of one order that cannot share a write, so that each may fail for itself."""
    return [
        event(f"{key}-{n}", key, "archive")
        if n % 2
        else event(f"{key}-{n}", key, hs_order_name=f"x{n}")
        for n in range(number)
    ]


def _unchanged(shell: Shell) -> Shell:
    return shell


def _full(seconds: float) -> Callable[[Shell], Shell]:
    """A result queue that takes nothing for so long."""

    def wrap(shell: Shell) -> Shell:
        async def publish(messages: Sequence[Outgoing]) -> None:
            await asyncio.sleep(max(0.0, seconds - shell.now()))
            await shell.publish(messages)

        return replace(shell, publish=publish)

    return wrap


@dataclass(frozen=True)
class Case:
    """A situation, and for how long it may keep a delivery."""

    bodies: list[bytes]
    faults: tuple[Rule, ...] = ()
    at_most: float = IN_PATIENCE
    returns: int = 1
    calls: int = 190  # per 10 s, of our own budget
    wrap: Callable[[Shell], Shell] = _unchanged


def _answer(status: int, *how: str) -> Rule:
    return parse_fault(" ".join([str(status), f"until={HALF_AN_HOUR}", *how]))


CASES = {
    "outage": Case(_orders(300), (_answer(503),)),
    "outage of writes": Case(_orders(300), (_answer(503, "operation=upsert"),), returns=14),
    "half of the calls fail": Case(_orders(300), (_answer(503, "rate=0.5"),), returns=5),
    "calls that hang": Case(_orders(300), (parse_fault("hang rate=0.5 seconds=60"),)),
    "silence": Case(_orders(300), (parse_fault("vanish rate=1"),), returns=0),
    "throttle": Case(_orders(300), (_answer(429),)),
    "locked": Case(_orders(300), (_answer(423),), returns=14),
    "daily limit": Case(_orders(300), (_answer(429, "policy=DAILY"),)),
    "paused for a bad token": Case(_orders(300), (_answer(401),)),
    "slow": Case(_orders(1500), (parse_fault("slow seconds=20"),), returns=0),
    "result queue full": Case(_orders(1500), wrap=_full(2 * HALF_AN_HOUR)),
    # The rare rest: nothing but the broker's own clock bounds it.
    "throttled nine times of ten": Case(
        _orders(1500), (_answer(429, "rate=0.9"),), at_most=HELD_AT_MOST
    ),
    "isolation on a tiny quota": Case(
        _orders(1000),
        (parse_fault("refuse-batch key=A-* blame=nobody"),),
        at_most=HELD_AT_MOST,
        calls=10,
    ),
    "one order fails again and again": Case(
        [*_kept_apart(12, "B-1"), *_orders(50)],
        (parse_fault("hang key=B-1 seconds=60"),),
        at_most=HELD_AT_MOST,
        returns=3,
    ),
}


async def _carried(case: Case) -> Stage:
    options, budget = replace(PLAIN, faults=case.faults), BudgetPolicy(calls=case.calls)
    async with stage(options, budget=budget, wrap=case.wrap) as on:
        on.queue.put(case.bodies)
        await until(lambda: not on.queue.unacked and not on.queue.ready, seconds=4 * HALF_AN_HOUR)
    return on


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_held_longer_than_is_promised(name: str) -> None:
    case = CASES[name]

    on = virtual_time.run(_carried(case))

    most = max(on.queue.returned.values(), default=0)
    print(f"{name}: held {on.queue.longest:.1f} s, at most {case.at_most:g}; {most} returns")
    assert len({outcome["id"] for outcome in on.outcomes}) == len(case.bodies)
    assert on.queue.longest <= case.at_most
    assert most <= case.returns


def test_the_gauge_knows_what_is_in_flight_and_what_waits_to_be_published() -> None:
    """An age by waiting slots alone would be 0 while everything waits for the result queue."""

    async def story() -> tuple[float, float]:
        async with stage(PLAIN, wrap=_full(200.0)) as on:
            on.queue.put(_orders(10))
            await asyncio.sleep(100.0)
            during = on.queue.giveback.oldest_age
            await until(lambda: len(on.outcomes) == 10)
            await asyncio.sleep(1.0)
            return during, on.queue.giveback.oldest_age

    during, after = virtual_time.run(story())

    assert 99.0 < during < 101.0
    assert after == 0.0


def test_a_pause_that_begins_while_publishing_hangs_keeps_the_intake_closed() -> None:
    """Two reasons to keep it closed: it opens when both are gone."""
    bad_token = parse_fault("401 since=10 until=1000")

    async def story() -> float:
        async with stage(replace(PLAIN, faults=(bad_token,)), wrap=_full(500.0)) as on:
            on.queue.put(_orders(10))
            await asyncio.sleep(20.0)
            on.queue.put([event(99, "A-99", hs_order_name="x")])
            await until(lambda: on.pipeline.paused is not None)
            await asyncio.sleep(700.0)
            closed = not on.queue.open
            await until(lambda: not on.queue.unacked and not on.queue.ready)
            assert closed
            return asyncio.get_running_loop().time()

    assert virtual_time.run(story()) > 1000.0
