"""Success and blame need evidence: HubSpot's answers without any, through the real pipeline in virtual time."""

import asyncio

import pytest

from service.twin import TwinOptions, parse_fault
from tests import virtual_time
from tests.one_by_one import shown
from tests.stage import PORTAL, Stage, event, stage, until


def _twin(*faults: str) -> TwinOptions:
    rules = tuple(parse_fault(fault) for fault in faults)
    return TwinOptions(latency=0.02, properties=PORTAL, calls=0, faults=rules)


def _orders(number: int, operation: str = "upsert", first: int = 0) -> list[bytes]:
    values = {} if operation == "archive" else {"hs_order_name": "x"}
    return [event(first + n, f"A-{n}", operation, **values) for n in range(number)]


def _alive(on: Stage) -> int:
    return sum(not archived for archived, _ in shown(on.twin, "shop_order_id").values())


@pytest.mark.parametrize("said", ["empty", "200 body=empty", "200 message=done"])
def test_no_archive_is_applied_while_its_order_is_alive(said: str) -> None:
    """A 2xx without a body, or a COMPLETE, and nothing done."""
    orders = 20

    async def story() -> None:
        async with stage(_twin(f"{said} operation=archive until=60")) as on:
            on.queue.put(_orders(orders))
            await until(lambda: len(on.outcomes) == orders)
            on.queue.put(_orders(orders, "archive", first=orders))
            while len(on.outcomes) < 2 * orders:
                await asyncio.sleep(0.5)
                assert _alive(on) <= 2 * orders - on.statuses()["applied"]
        assert _alive(on) == 0
        assert on.statuses() == {"applied": 2 * orders}

    virtual_time.run(story())


@pytest.mark.parametrize(
    ("said", "most"),
    [
        ("400", 100),
        ("400 message=BadRequest", 100),
        ("400 message=no category=INTERNAL_ERROR", 100),
        ("422", 100),
        # The call may be too large: it is halved at once.
        ("413", 300),
        # A throttle is waited for, and the budget bounds the calls.
        ("409 message=slow category=RATE_LIMITS", 19 * 70),
    ],
)
def test_a_proxy_that_says_no_to_everybody_for_a_minute_condemns_nobody(
    said: str, most: int
) -> None:
    orders = 1000

    async def story() -> None:
        async with stage(_twin(f"{said} until=60")) as on:
            on.queue.put(_orders(orders))
            await until(lambda: len(on.outcomes) >= orders)
        assert on.statuses() == {"applied": orders}
        calls = on.twin.stats()["total_calls"]
        print(f"{said}: {calls} calls")
        assert calls <= most

    virtual_time.run(story())


def test_what_says_no_to_one_order_for_ever_is_that_orders_end_alone() -> None:
    orders = 300

    async def story() -> None:
        async with stage(_twin("400 message=BadRequest key=A-13")) as on:
            on.queue.put(_orders(orders))
            await until(lambda: len(on.outcomes) == orders)
        assert on.status_of(13) == ["exhausted"]
        assert on.statuses() == {"applied": orders - 1, "exhausted": 1}

    virtual_time.run(story())
