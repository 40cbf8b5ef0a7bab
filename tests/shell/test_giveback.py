"""No delivery is held, neither acked nor given back, for longer than is promised: whatever keeps it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from service.core.hubspot.budget import BudgetPolicy
from service.core.outgoing import Outgoing
from service.core.settlement.retries import CEILING, RetryPolicy
from service.settings.config import HELD_AT_MOST
from service.shell.ports import Shell
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
    returns: int = 0
    calls: int = 190  # per 10 s, of our own budget
    wrap: Callable[[Shell], Shell] = _unchanged


def _answer(status: int, *how: str) -> Rule:
    return parse_fault(" ".join([str(status), f"until={HALF_AN_HOUR}", *how]))


def _paused(*faults: Rule) -> Case:
    """A pause holds what it holds, until the broker would fetch it: one delivery for half an hour and more."""
    return Case(_orders(300), faults, at_most=HELD_AT_MOST, returns=1)


CASES = {
    "outage": _paused(_answer(503)),
    "outage of writes": _paused(_answer(503, "operation=upsert")),
    "locked": _paused(_answer(423)),
    "throttle": _paused(_answer(429)),
    "daily limit": _paused(_answer(429, "policy=DAILY")),
    "bad token": _paused(_answer(401)),
    "half of the calls fail": Case(_orders(300), (_answer(503, "rate=0.5"),)),
    "calls that hang": Case(
        _orders(300),
        (parse_fault("hang rate=0.5 seconds=60"),),
        at_most=2 * IN_PATIENCE,  # some of it in pauses, which use no patience
    ),
    "silence": Case(_orders(300), (parse_fault("vanish rate=1"),)),
    "slow": Case(_orders(1500), (parse_fault("slow seconds=20"),)),
    "result queue full": Case(
        _orders(1500), at_most=HELD_AT_MOST, returns=1, wrap=_full(2 * HALF_AN_HOUR)
    ),
    # The rare rest: nothing but the broker's own clock bounds it.
    "throttled nine times of ten": Case(
        _orders(1500), (_answer(429, "rate=0.9"),), at_most=HELD_AT_MOST
    ),
    "isolation on a tiny quota": Case(
        _orders(1000),
        (parse_fault("refuse-batch key=A-* blame=nobody"),),
        at_most=HELD_AT_MOST,
        returns=1,
        calls=10,
    ),
    "one order fails again and again": Case(
        [*_kept_apart(12, "B-1"), *_orders(50)],
        (parse_fault("hang key=B-1 seconds=60"),),
        at_most=HELD_AT_MOST,
        returns=2,
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
            during = on.pipeline.desk.age(asyncio.get_running_loop().time())
            await until(lambda: len(on.outcomes) == 10)
            await asyncio.sleep(1.0)
            return during, on.pipeline.desk.age(asyncio.get_running_loop().time())

    during, after = virtual_time.run(story())

    assert 99.0 < during < 101.0
    assert after == 0.0


def test_intake_that_was_closed_opens_when_neither_a_pause_nor_a_publish_is_left() -> None:
    bad_token = parse_fault("401 since=10 until=4000")

    async def story() -> float:
        async with stage(replace(PLAIN, faults=(bad_token,)), wrap=_full(2500.0)) as on:
            on.queue.put(_orders(10))
            await asyncio.sleep(20.0)
            on.queue.put([event(99, "A-99", hs_order_name="x")])
            await until(lambda: on.pipeline.desk.gate.reason is not None)
            opened = [on.queue.open]
            for seconds in (HELD_AT_MOST, 1500.0):
                await asyncio.sleep(seconds)
                opened.append(on.queue.open)
            # What is held stays; what was held for too long went back; the publish is through, but
            # the pause is not over.
            assert opened == [True, False, False]
            await until(lambda: not on.queue.unacked and not on.queue.ready)
            return asyncio.get_running_loop().time()

    assert virtual_time.run(story()) > 4000.0


def test_a_thousand_short_pauses_cost_no_delivery() -> None:
    """Each of them once gave everything back: 50 pauses of a second dead-lettered thousands of innocents."""
    flapping = tuple(parse_fault(f"401 since={at} until={at + 5}") for at in range(0, 10_000, 10))

    async def story() -> Stage:
        async with stage(replace(PLAIN, faults=flapping), budget=BudgetPolicy(calls=2)) as on:
            on.queue.put(_kept_apart(400, "B-1"))
            await until(lambda: len(on.outcomes) == 400, seconds=20_000)
        return on

    on = virtual_time.run(story())

    assert on.statuses() == {"applied": 400}
    assert max(on.queue.returned.values(), default=0) <= 2
