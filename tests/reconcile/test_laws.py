"""Whatever the service has written of a file's events, reconcile finds right; and whatever is changed then, wrong.

Random events of complete orders go through the real pipeline into the twin, in virtual time; then the same events
are compared with it.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from service.contract.account import account_schema
from service.contract.filed import Filed
from service.core.hubspot.budget import BudgetPolicy
from service.hubspot.client import HubSpot
from service.hubspot.enquirer import Enquirer
from service.hubspot.token import StaticToken
from service.reconcile.reading import HeldReader
from service.reconcile.shelf import Place, Shelf
from service.reconcile.story import Comparison
from service.twin import Twin, TwinOptions, app, parse_fault
from tests.graph.test_laws import an_event
from tests.stage import stage, until

pytestmark = pytest.mark.looptime

LINE_ID = "shop_line_id"
OPTIONS: dict[str, Any] = {
    "unique": ("shop_order_id", f"line_items.{LINE_ID}"),
    "properties": ("note:string",),
    "calls": 0,
    "association_calls": 0,
}
KEYS = ("A-1", "A/1", "A-2", "B%2")


def some_events(dice: random.Random) -> list[dict[str, Any]]:
    """Orders begin with an upsert; then anything may come."""
    listed: list[dict[str, Any]] = []
    for at in range(24):
        key = KEYS[at] if at < len(KEYS) else dice.choice(KEYS)
        weights = (6, 3, 1, 1) if at >= len(KEYS) else (1, 0, 0, 0)
        operation = dice.choices(("upsert", "update", "create", "archive"), weights)[0]
        data = {"properties": {}} | an_event(dice) if operation != "archive" else {}
        for link in data.get("associations", ()):
            link["on_missing"] = "create"
        listed.append(
            {
                "specversion": "1.0",
                "id": str(at),
                "source": "/shop",
                "type": f"ordersync.order.{operation}.v1",
                "subject": key,
                "time": "2026-11-22T10:00:00Z",
                "data": data,
            }
        )
    return listed


async def compared(twin: Twin, listed: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The differences."""
    async with asking(twin) as enquirer:
        reader = HeldReader(enquirer, "shop_order_id", LINE_ID)
        comparison = Comparison(enquirer, reader, await account_schema(enquirer), "shop_order_id")
        with Shelf(folder / "shelf.sqlite") as shelf:
            filed = (Filed("x", 1, orjson.dumps(each)) for each in listed)
            events = (
                (Place("shop_order_id", e["subject"]), f)
                for e, f in zip(listed, filed, strict=True)
            )
            shelf.fill(events, "mark")
            await comparison.run(shelf, lambda _: None)
            return list(shelf.found())


@asynccontextmanager
async def asking(twin: Twin) -> AsyncIterator[Enquirer]:
    transport = httpx.ASGITransport(app(twin), raise_app_exceptions=False)
    async with HubSpot(
        "http://twin", "v3", StaticToken("t"), timeout=30, transport=transport
    ) as hubspot:
        yield Enquirer(hubspot, 10.0, 1_000)


@asynccontextmanager
async def written(listed: list[dict[str, Any]], **options: Any) -> AsyncIterator[Twin]:
    """A twin into which the service has written all of them."""
    async with stage(
        TwinOptions(**(OPTIONS | options)),
        budget=BudgetPolicy(calls=10_000),
        line_id_property=LINE_ID,
    ) as on:
        on.queue.put([orjson.dumps(each) for each in listed])
        await until(lambda: len(on.outcomes) >= len(listed))
        yield on.twin


@pytest.mark.parametrize("seed", range(25))
async def test_nothing_differs_of_what_the_service_has_written(seed: int, tmp_path: Path) -> None:
    listed = some_events(random.Random(seed))

    async with written(listed) as twin:
        assert await compared(twin, listed, tmp_path) == []


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_is_left_out_of_what_was_written_is_found(seed: int, tmp_path: Path) -> None:
    """An event more in the file than the service got to see, of an order that it changes."""
    dice = random.Random(seed)
    listed = some_events(dice)
    late = dict(listed[0], id="late", type="ordersync.order.upsert.v1", subject=KEYS[0])
    late["data"] = {
        "properties": {"note": "late"},
        "line_items": {"mode": "merge", "items": [{"key": "9", "properties": {"name": "late"}}]},
    }

    async with written(listed) as twin:
        found = await compared(twin, [*listed, late], tmp_path)

    rows = {(row["difference"], row["place"], row["name"], row["property"]) for row in found}
    assert {row["order"] for row in found} == {KEYS[0]}
    assert rows in (
        {("different", "order", "", "note"), ("missing", "line", "9", "")},
        # It was archived in the end.
        {("missing", "order", "", "")},
    )


@pytest.mark.parametrize(
    "fault",
    [
        "vanish operation=read where=shop_order_id:A-1",
        "503 operation=read nth=1",
        "503 operation=links nth=1",
        "429 operation=read nth=1",
        "truncate operation=read nth=1",
    ],
)
async def test_what_hubspot_does_not_say_is_never_taken_for_missing(
    fault: str, tmp_path: Path
) -> None:
    listed = some_events(random.Random(3))

    async with written(listed) as twin:
        twin.arm([parse_fault(fault)])
        found = await compared(twin, listed, tmp_path)

    assert {row["difference"] for row in found} <= {"unread"}
    if "vanish" in fault:
        assert [row["order"] for row in found] == ["A-1"]
