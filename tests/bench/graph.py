"""What complete orders cost: calls per hundred orders and orders per second, in virtual time against the twin.

190 calls per 10 s, 100 ms per call: an account of the Professional edition.
"""

import asyncio
import logging
import statistics
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import httpx
import orjson
import structlog

from service.core.hubspot.budget import BudgetPolicy
from service.twin import TwinOptions, app
from tests import virtual_time
from tests.stage import PORTAL, Stage, stage

LINE_ID = "shop_line_id"
# Calls that the plain real trace took in this same stage before there were complete orders.
BEFORE = 26
UNIQUE = ("shop_order_id", f"line_items.{LINE_ID}")
REAL_TRAFFIC = Path(__file__).resolve().parents[3] / "shared" / "data" / "orders-real.ndjson"


def graph() -> None:
    """A line per kind of traffic."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    print("graph: complete orders, 190 calls per 10 s, 100 ms per call")
    virtual_time.run(_new_orders(100, "at most 7 per 100"))
    virtual_time.run(_new_orders(2_000, "at most 5.5 per 100"))
    virtual_time.run(_new_orders(8_000, "longer than a window: at least 300 per second"))
    virtual_time.run(_one_line_each(1_000))
    virtual_time.run(_missing_buyers())
    if REAL_TRAFFIC.exists():
        virtual_time.run(_plain())
    else:
        print("    plain real trace: not here (orders-real.ndjson)")


def event(number: int, key: str, **data: Any) -> bytes:
    """One structured upsert."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": str(number),
            "source": "/bench",
            "type": "ordersync.order.upsert.v1",
            "subject": key,
            "time": "2026-11-22T10:00:00Z",
            "data": data,
        }
    )


def _whole(number: int, buyer: str = "") -> bytes:
    items = [{"key": str(n), "properties": {"name": "Tent", "quantity": n}} for n in range(3)]
    link = {"to": "contact", "by": "email", "value": buyer or f"c{number}@example.com"}
    return event(
        number,
        f"A-{number}",
        properties={"hs_order_name": "x"},
        line_items={"items": items},
        associations=[link],
    )


def _staged() -> Any:
    options = TwinOptions(latency=0.1, calls=190, unique=UNIQUE, journal="off")
    policy = BudgetPolicy(calls=190)
    return stage(options, budget=policy, line_id_property=LINE_ID, prefetch=2000)


async def _buyers(on: Stage, count: int) -> None:
    """Contacts that are there, and that the service has not met."""
    transport = httpx.ASGITransport(app(on.twin))
    headers = {"authorization": "Bearer t"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://twin", headers=headers
    ) as http:
        for at in range(0, count, 100):
            some = [
                {"properties": {"email": f"c{n}@example.com"}}
                for n in range(at, min(at + 100, count))
            ]
            answer = await http.post("/crm/v3/objects/contacts/batch/create", json={"inputs": some})
            assert answer.status_code == 201, answer.text
    await asyncio.sleep(20)  # the window is ours again


async def _carried(on: Stage, bodies: Sequence[bytes]) -> tuple[int, float]:
    """Calls and seconds."""
    before, began = on.twin.stats()["total_calls"], asyncio.get_running_loop().time()
    done = len(on.published) + len(bodies)
    on.queue.put(bodies)
    while len(on.published) < done:
        await asyncio.sleep(0.05)
    return on.twin.stats()["total_calls"] - before, asyncio.get_running_loop().time() - began


async def _new_orders(count: int, target: str) -> None:
    async with _staged() as on:
        await _buyers(on, count)
        calls, seconds = await _carried(on, [_whole(number) for number in range(count)])
        refused = sum(on.twin.stats()["throttled"].values())
    print(
        f"    {count} new orders x 3 lines, a buyer each: {calls} calls, {100 * calls / count:.2f} per 100, "
        f"{count / seconds:.0f} orders/s, {refused} answers 429 ({target})"
    )


async def _one_line_each(count: int) -> None:
    async with _staged() as on:
        await _buyers(on, count)
        await _carried(on, [_whole(number) for number in range(count)])
        changes = {"mode": "merge", "items": [{"key": "1", "properties": {"quantity": 7}}]}
        bodies = [event(count + n, f"A-{n}", line_items=changes) for n in range(count)]
        calls, _ = await _carried(on, bodies)
    print(
        f"    one line of each order changes: {100 * calls / count:.2f} calls per 100 (at most 4)"
    )


async def _missing_buyers() -> None:
    """The others' median with 10 % of the buyers unknown, over the median with none."""
    medians = [await _median(share) for share in (0, 10)]
    ratio = medians[1] / medians[0]
    print(
        f"    10 % of the buyers unknown: p50 of the other orders {medians[1]:.2f} s, {medians[0]:.2f} s with "
        f"none: ratio {ratio:.2f} (at most 1.10)"
    )


async def _median(share: int) -> float:
    count, waits = 1_000, []
    async with _staged() as on:
        await _buyers(on, count)
        unknown = {n for n in range(count) if share and n % (100 // share) == 3}
        loop, sent = asyncio.get_running_loop(), {}
        for at in range(0, count, 50):
            some = range(at, at + 50)
            sent |= {str(number): loop.time() for number in some}
            on.queue.put([_whole(n, "nobody@example.com" if n in unknown else "") for n in some])
            await asyncio.sleep(0.5)
            waits += _settled(on, sent, loop.time())
        while len(waits) < count - len(unknown):
            await asyncio.sleep(0.05)
            waits += _settled(on, sent, loop.time())
    return statistics.median(waits)


def _settled(on: Stage, sent: dict[str, float], now: float) -> list[float]:
    """How long the orders that are settled by now have taken; each is counted once."""
    ids = [each["correlationid"] for each in on.outcomes if each["data"]["status"] == "applied"]
    return [now - sent.pop(each) for each in ids if each in sent]


async def _plain() -> None:
    bodies = REAL_TRAFFIC.read_bytes().splitlines()
    async with stage(TwinOptions(latency=0.02, properties=PORTAL)) as on:
        calls, _ = await _carried(on, bodies)
        written = on.twin.stats()["records_written"]
    fewest = sum(ceil(records / 100) for records in written.values())
    print(
        f"    plain real trace: {calls} calls, before complete orders {BEFORE} (at most as many); "
        f"the fewest possible {fewest} ({calls / fewest:.2f} x)"
    )
