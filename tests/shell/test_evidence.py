"""Success and blame need evidence: HubSpot's answers without any, through the real pipeline in virtual time."""

import asyncio

import orjson
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
        ("413", 100),
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


# --- a fault of the set-up that one order meets alone -----------------------------------------------------

PAUSER = 700
PAUSERS = {
    "403 for its calls": (f"403 key=A-{PAUSER}", "refused_alone"),
    "a missing scope in its 207": (
        f"refuse key=A-{PAUSER} category=MISSING_SCOPES message=lacking",
        "refused_alone",
    ),
    "401 for its calls": (f"401 key=A-{PAUSER}", "refused_alone"),
    "an hour's wait for its calls": (f"503 key=A-{PAUSER} retry_after=3600", "refused_alone"),
    "a daily limit for its calls": (f"429 key=A-{PAUSER} policy=DAILY", "refused_alone"),
    "a value with HubSpot's words": ("vanish key=nobody", "property_invalid"),
}


@pytest.mark.parametrize("name", PAUSERS)
def test_one_order_that_would_pause_everybody_is_refused_alone(name: str) -> None:
    """51 pauses, and the broker's delivery limit dead-lettered two thirds of the others."""
    fault, code = PAUSERS[name]
    orders = 2000
    bodies = _orders(orders)
    if code == "property_invalid":
        words = "Unable to perform upsert by non-unique 0-123 property shop_order_id"
        bodies[PAUSER] = event(PAUSER, f"A-{PAUSER}", estimated_delivery=words)

    async def story() -> None:
        async with stage(_twin(fault)) as on:
            on.queue.put(bodies)
            await until(lambda: len(on.outcomes) >= orders - 1)
            others = asyncio.get_running_loop().time()
            await until(lambda: len(on.outcomes) >= orders)
            took = asyncio.get_running_loop().time()
        calls = on.twin.stats()["total_calls"]
        print(f"{name}: others in {others:.1f} s, all in {took:.1f} s, {calls} calls")
        assert on.statuses() == {"applied": orders - 1, "rejected": 1}
        assert on.status_of(PAUSER) == ["rejected"]
        assert {letter.routing_key for letter in on.dead_letters} == {code}
        assert not on.queue.returned
        assert others < 30.0
        assert calls <= 20 + 50

    virtual_time.run(story())


def test_writes_that_everybody_is_refused_condemn_nobody_though_reads_are_answered() -> None:
    """The app may read and not write: the probe finds that out without writing anything."""
    orders = 300

    async def story() -> None:
        async with stage(_twin("403 operation=upsert until=1800")) as on:
            on.queue.put(_orders(orders))
            await until(lambda: len(on.outcomes) >= orders)
        assert on.statuses() == {"applied": orders}
        assert on.twin.stats()["total_calls"] <= 250

    virtual_time.run(story())


def test_an_order_alone_in_its_queue_whose_writes_are_refused_waits_as_long() -> None:
    async def story() -> None:
        async with stage(_twin("403 operation=upsert until=7200")) as on:
            on.queue.put(_orders(1))
            await until(lambda: len(on.outcomes) >= 1, seconds=10_000.0)
        assert on.statuses() == {"applied": 1}

    virtual_time.run(story())


def test_a_scope_that_every_order_with_a_buyer_needs_pauses_and_condemns_none_of_them() -> None:
    """Plain orders are written beside them: a probe where it was met, at the contacts, tells whose fault it is."""
    orders = 60
    buyer = {"to": "contact", "by": "email", "value": "mia@example.com", "on_missing": "skip"}

    def body(n: int) -> bytes:
        document = orjson.loads(event(n, f"A-{n}", hs_order_name="x"))
        if n % 2:
            document["data"]["associations"] = [buyer]
        return orjson.dumps(document)

    async def story() -> None:
        async with stage(_twin("403 kind=contacts until=300")) as on:
            on.queue.put([body(n) for n in range(orders)])
            await until(lambda: len(on.outcomes) >= orders)
        assert on.statuses() == {"applied": orders}

    virtual_time.run(story())


def test_a_merged_record_that_is_addressed_by_its_old_id_is_applied_under_the_survivors() -> None:
    """It was written, and nothing that came back had its id: it ended as exhausted."""
    orders = 5

    async def story() -> None:
        async with stage(_twin("merged operation=update")) as on:
            on.queue.put(_orders(orders))
            await until(lambda: len(on.outcomes) == orders)
            ids = [o["data"]["order"]["record_id"] for o in on.outcomes]
            updates = [
                orjson.loads(event(orders + n, record, "update", hs_order_name="y"))
                for n, record in enumerate(ids)
            ]
            for each in updates:
                each["data"]["id_property"] = "hs_object_id"
            on.queue.put([orjson.dumps(each) for each in updates])
            await until(lambda: len(on.outcomes) == 2 * orders)
        assert on.statuses() == {"applied": 2 * orders}

    virtual_time.run(story())
