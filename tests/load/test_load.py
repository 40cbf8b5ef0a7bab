"""The load test's own parts; the load itself is `make test-load`."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.core.events.order_event import STRUCTURED
from tests.load.flow import Flow
from tests.load.samples import BOUNDS, Sample, growth
from tests.load.traffic import REAL, Traffic
from tests.load.wire import Publishing
from tests.stage import EPOCH

NO_TRACE = Path("nowhere")
STEADY = Sample(0.0, 4000.0, 100.0, 20, 20, 1, 0.8, 1.5)


@pytest.mark.parametrize("trace", [NO_TRACE, REAL], ids=["seeded", "real"])
def test_every_round_has_orders_and_events_of_its_own(trace: Path) -> None:
    traffic = Traffic(trace)
    first, second = (list(each) for each in islice(traffic.rounds(), 2))
    names = [name for name, _, _ in first + second]
    keys = [{orjson.loads(body)["subject"] for _, _, body in each} for each in (first, second)]

    assert len(first) == len(second) == len(traffic) > 5_000
    assert len(set(names)) == len(names)
    assert len(keys[0]) == len(keys[1]) < len(first) / 2
    assert not keys[0] & keys[1]


@pytest.mark.parametrize("trace", [NO_TRACE, REAL], ids=["seeded", "real"])
def test_what_is_published_is_an_event_and_named_as_it_is_told(trace: Path) -> None:
    for name, kind, body in next(Traffic(trace).rounds()):
        read = parse(_delivery(body), "shop_order_id")
        assert isinstance(read, Contribution), read
        assert (read.event.id, f"ordersync.order.{read.operation}.v1") == (name, kind)


def _delivery(body: bytes) -> Delivery:
    names = (
        "content_encoding correlation_id reply_to message_id timestamp message_type app_id headers"
    )
    properties: Any = SimpleNamespace(content_type=STRUCTURED, **dict.fromkeys(names.split()))
    return Delivery(1, 1, "q", "x", "k", False, properties, body, EPOCH)


def test_confirms_are_counted_in_whatever_order_they_come() -> None:
    unused: Any = None
    publishing = Publishing(unused, "x", STRUCTURED)
    for tag, multiple in ((2, False), (5, False), (3, True), (4, False), (7, False)):
        publishing._acked(tag, multiple=multiple)

    assert publishing.confirmed == 6  # all but the sixth


async def test_the_books_know_what_is_missing_and_what_came_twice() -> None:
    wire: Any = SimpleNamespace(send=lambda _: None)
    flow = Flow(Publishing(wire, "x", STRUCTURED), in_flight=100)
    flow._send([("a", "k", b""), ("b", "k", b""), ("c", "k", b"")])

    async def receipts() -> AsyncIterator[list[tuple[str, str]]]:
        yield [("outcome.applied", "a"), ("outcome.rejected", "b")]
        yield [("outcome.applied", "a")]

    await flow.note(receipts())

    assert (flow.published, flow.missing, flow.unexpected) == (3, 1, ["a"])
    assert dict(flow.outcomes) == {"outcome.applied": 1, "outcome.rejected": 1}
    async with asyncio.timeout(1.0):
        await flow._room(1)


@pytest.mark.parametrize("name", BOUNDS)
def test_growth_is_seen(name: str) -> None:
    steady = [STEADY] * 10
    grown = [replace(STEADY, **{name: getattr(STEADY, name) * (1 + n / 4)}) for n in range(10)]
    if name == "threads":
        grown = [replace(STEADY, threads=1 + n) for n in range(10)]

    assert not any(grew for *_, grew in growth(steady))
    assert [what for what, _, _, grew in growth(grown) if grew] == [name]
