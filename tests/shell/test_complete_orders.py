"""Complete orders through the whole pipeline, in virtual time, against the twin: outcomes, calls, quota."""

import asyncio
import re
import shlex
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.core.hubspot.budget import BudgetPolicy
from service.core.settlement.retries import RetryPolicy
from service.twin import TwinOptions, parse_fault
from tests import virtual_time
from tests.shell.command import CommandLine
from tests.stage import Stage, stage, until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "csv.md"
LINE_ID = "shop_line_id"
UNIQUE = ("shop_order_id", f"line_items.{LINE_ID}")


def complete(number: int, key: str, operation: str = "upsert", **data: Any) -> bytes:
    document = {
        "specversion": "1.0",
        "id": str(number),
        "source": "/tests",
        "type": f"ordersync.order.{operation}.v1",
        "subject": key,
        "time": "2026-11-22T10:00:00Z",
        "data": data,
    }
    return orjson.dumps(document)


def lines(count: int = 3) -> dict[str, Any]:
    return {"items": [{"key": str(n), "properties": {"name": "Tent"}} for n in range(count)]}


def buyer(number: int, **more: Any) -> dict[str, Any]:
    return {"to": "contact", "by": "email", "value": f"c{number}@example.com", **more}


def outcomes(on: Stage) -> dict[str, Any]:
    return {each["correlationid"]: each["data"] for each in on.outcomes}


def staged(**options: Any) -> Any:
    more = {"latency": 0.1, "calls": 190, "unique": UNIQUE} | options.pop("twin", {})
    return stage(TwinOptions(**more), line_id_property=LINE_ID, prefetch=2000, **options)


def test_two_thousand_complete_orders_within_the_quota_in_few_calls() -> None:
    """2,000 orders x 3 lines, a buyer each who is there: at most 5.5 calls per 100, 300 orders per second, no 429."""
    count = 2_000

    async def story() -> None:
        async with staged(budget=BudgetPolicy(calls=190)) as on:
            make = [buyer(n, on_missing="create") for n in range(count)]
            on.queue.put([complete(n, f"B-{n}", associations=[make[n]]) for n in range(count)])
            await until(lambda: len(on.outcomes) == count, seconds=600)
            before, began = on.twin.stats()["total_calls"], asyncio.get_running_loop().time()
            on.queue.put(
                [
                    complete(
                        count + n,
                        f"A-{n}",
                        properties={"hs_order_name": "x"},
                        line_items=lines(),
                        associations=[buyer(n)],
                    )
                    for n in range(count)
                ]
            )
            await until(lambda: len(on.outcomes) == 2 * count, seconds=600)
            took = asyncio.get_running_loop().time() - began
            calls = on.twin.stats()["total_calls"] - before
            print(f"{calls} calls for {count} complete orders, {count / took:.0f} per second")
            assert on.statuses() == {"applied": 2 * count}
            assert calls <= 5.5 * count / 100
            assert count / took >= 300
            assert not on.twin.stats().get("throttled")

    virtual_time.run(story())


def test_one_outcome_with_a_verdict_for_every_part() -> None:
    async def story() -> None:
        async with staged() as on:
            bad = {"key": "9", "properties": {"price": "not a price"}}
            both = {"items": [*lines(1)["items"], bad]}
            on.queue.put(
                [complete(1, "A-1", line_items=both, associations=[buyer(1, on_missing="create")])]
            )
            await until(lambda: len(on.outcomes) == 1)

        data = outcomes(on)["1"]
        assert data["status"] == "rejected"
        assert data["reason"]["code"] == "line_item_rejected"
        assert data["parts"]["order_written"] is True
        assert {part["key"]: part["status"] for part in data["parts"]["line_items"]} == {
            "0": "created",
            "9": "rejected",
        }
        assert [part["status"] for part in data["parts"]["associations"]] == ["linked"]
        (letter,) = on.dead_letters
        assert letter.headers["ordersync-part"] == "line 9"

    virtual_time.run(story())


def test_a_missing_buyer_holds_up_its_own_order_and_is_exhausted_in_the_end() -> None:
    async def story() -> None:
        async with staged(retry=RetryPolicy(patience=60.0)) as on:
            on.queue.put(
                [
                    complete(1, "A-1", line_items=lines(1), associations=[buyer(1)]),
                    complete(2, "A-2", line_items=lines(1)),
                ]
            )
            await until(lambda: len(on.outcomes) == 1)
            first = outcomes(on)
            await until(lambda: len(on.outcomes) == 2, seconds=600)

        assert first.keys() == {"2"}
        data = outcomes(on)["1"]
        assert data["status"] == "exhausted"
        assert data["reason"]["code"] == "association_target_missing"
        assert data["parts"]["order_written"] is True
        assert data["parts"]["associations"][0]["status"] == "not_found"

    virtual_time.run(story())


def test_a_create_that_hubspot_carried_out_without_an_answer_is_applied() -> None:
    """Its first try is never called somebody else's order."""
    cut = parse_fault("cut operation=create written=true times=1")

    async def story() -> None:
        async with staged(twin={"faults": (cut,)}) as on:
            on.queue.put([complete(1, "A-1", "create", properties={"hs_order_name": "x"})])
            await until(lambda: len(on.outcomes) == 1)
            on.queue.put([complete(2, "A-1", "create", properties={"hs_order_name": "y"})])
            await until(lambda: len(on.outcomes) == 2)

        first, second = outcomes(on)["1"], outcomes(on)["2"]
        assert (first["status"], first["created"]) in {("applied", True), ("applied", None)}
        assert second["status"] == "rejected"
        assert second["reason"]["code"] == "order_exists"
        assert second["order"]["record_id"] == first["order"]["record_id"]

    virtual_time.run(story())


def test_an_archive_takes_our_lines_first() -> None:
    async def story() -> None:
        async with staged() as on:
            on.queue.put([complete(1, "A-1", line_items=lines(3))])
            await until(lambda: len(on.outcomes) == 1)
            on.queue.put([complete(2, "A-1", "archive")])
            await until(lambda: len(on.outcomes) == 2)
            held = on.twin.stats()["records"]

        assert on.statuses() == {"applied": 2}
        assert held["line_items"] == {"live": 0, "archived": 3}
        assert held["orders"] == {"live": 0, "archived": 1}

    virtual_time.run(story())


@pytest.mark.parametrize(
    "fault",
    [
        "cut operation=upsert kind=line_items written=true times=2",
        "503 operation=link times=2",
        "vanish operation=link to=line_items times=3",
        "502 operation=read kind=contacts times=2",
    ],
)
def test_a_fault_at_any_step_ends_in_the_same_order(fault: str) -> None:
    async def story() -> None:
        async with staged(twin={"faults": (parse_fault(fault),)}) as on:
            on.queue.put(
                [
                    complete(
                        n,
                        f"A-{n}",
                        line_items=lines(2),
                        associations=[buyer(n, on_missing="create")],
                    )
                    for n in range(5)
                ]
            )
            await until(lambda: len(on.outcomes) == 5, seconds=600)

        assert on.statuses() == {"applied": 5}, outcomes(on)

    virtual_time.run(story())


def test_a_shops_export_of_lines_becomes_complete_orders_by_the_line_of_the_page(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/csv.md says; the first order, which that prints, is carried to the twin."""
    monkeypatch.chdir(ROOT)
    (line,) = re.findall(
        r"^\$ ordersync (publish docs/samples/bestellpositionen.*)$", PAGE.read_text(), re.MULTILINE
    )
    ended = command(*shlex.split(line))
    events = [each.encode() for each in ended.out.splitlines()]

    async def story() -> None:
        async with staged() as on:
            on.queue.put(events)
            await until(lambda: len(on.outcomes) == 1)
            orders = on.twin.graph(by="shop_order_id")

        assert on.statuses() == {"applied": 1}
        lines = {
            key: {
                name: (line["properties"]["name"], line["properties"]["price"])
                for name, line in order["links"]["line_items"].items()
            }
            for key, order in orders.items()
        }
        assert lines == {
            "A-20001": {"A-20001/1": ("Zelt", "899.90"), "A-20001/2": ("Schlafsack", "200.00")},
        }
        assert orders["A-20001"]["properties"]["hs_total_price"] == "1299.90"

    assert (ended.code, len(events)) == (0, 1)
    assert "2 events would be published" in ended.err
    virtual_time.run(story())
