"""A shop's file against HubSpot: all that was damaged is found, nothing else, and mended through the real service.

RECONCILE_ORDERS (120) and RECONCILE_DAMAGED (28): `make test-reconcile` has 100,000 and 500.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import orjson
import pytest

from service.twin import TwinOptions
from tests.end_to_end.running import Running, running
from tests.reconcile.shop import (
    LINE_KEY,
    OPEN,
    SHIPPED,
    UNIQUE,
    WAYS,
    Account,
    command,
    events,
    order,
    write,
)

ORDERS = int(os.environ.get("RECONCILE_ORDERS", "120"))
DAMAGED = int(os.environ.get("RECONCILE_DAMAGED", "28"))
LARGE = ORDERS > 1_000
PACE = ("--calls-per-window", "100000")


@asynccontextmanager
async def shop(url: str, listed: list[dict[str, Any]]) -> AsyncIterator[tuple[Running, Account]]:
    """The service, with all of the events settled."""
    options = TwinOptions(calls=0, unique=UNIQUE, journal="off")
    async with (
        running(url, options, line_id_property=LINE_KEY) as on,
        httpx.AsyncClient(
            base_url=on.settings.hubspot.base_url, headers={"Authorization": "Bearer t"}
        ) as client,
    ):
        await settled(on, listed)
        yield on, Account(on.twin, client)


async def settled(on: Running, listed: list[dict[str, Any]]) -> None:
    before = len(on.outcomes)
    for each in listed:
        await on.publish(orjson.dumps(each))
    await on.until(lambda: len(on.outcomes) >= before + len(listed), 120 + len(listed) / 50)


@pytest.mark.timeout(3600 if LARGE else 120)
async def test_all_that_was_damaged_is_found_and_mended_and_nothing_else(
    amqp_url: str, tmp_path: Path
) -> None:
    listed = events(ORDERS)
    file = write(tmp_path / "shop.ndjson", listed)
    living = [n for n in range(ORDERS) if n % 50 != 5]
    chosen = living[:: max(1, len(living) // DAMAGED)][:DAMAGED]
    async with shop(amqp_url, listed) as (on, account):
        began = monotonic()
        before = await command(on, "reconcile", file, "-o", "ndjson", *PACE)
        seconds = monotonic() - began
        wanted = set()
        for at, number in enumerate(chosen):
            damage, rows = WAYS[at % len(WAYS)]
            await damage(account, number)
            wanted |= {(f"A-{number}", *row) for row in rows(number)}

        found = await command(on, "reconcile", file, "-o", "ndjson", *PACE)
        outcomes = len(on.outcomes)
        repaired = await command(on, "reconcile", file, "--repair", "-o", "ndjson", *PACE)
        await on.until(lambda: len(on.outcomes) >= outcomes + len(chosen), 120)
        after = await command(on, "reconcile", file, "-o", "ndjson", *PACE)
        statuses = {each["data"]["status"] for each in on.outcomes[outcomes:]}

    print(f"{ORDERS} orders compared in {seconds:.1f} s")
    assert (before.code, before.out) == (0, ""), before.out[:2000]
    places = [
        (r["order"], r["difference"], r["place"], r["name"], r["property"]) for r in found.rows
    ]
    assert set(places) == wanted
    assert len(places) == len(wanted) == len(chosen)
    assert all(row["stays"] is None for row in found.rows)
    assert (found.code, repaired.code, after.code) == (1, 0, 0), after.out[:2000]
    assert f"published {len(chosen)} mending events" in repaired.err
    assert statuses == {"applied"}


async def test_a_difference_names_what_is_wanted_and_held_since_when_and_through_what(
    amqp_url: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "one.ndjson", [order(1)])
    async with shop(amqp_url, [order(1)]) as (on, account):
        await account.patch(
            "orders", account.orders["A-1"], hs_pipeline_stage=OPEN, hs_total_price="9"
        )
        table = await command(on, "reconcile", file)
        ended = await command(on, "reconcile", file, "-o", "json")

    rows = {row["property"]: row for row in orjson.loads(ended.out)}
    assert rows["hs_total_price"]["wanted"] == "1.50"
    assert rows["hs_total_price"]["held"] == "9"
    assert rows["hs_total_price"]["since"].startswith("20")
    assert rows["hs_total_price"]["through"].startswith("INTEGRATION")
    assert rows["hs_pipeline_stage"]["wanted"] == f"Shipped ({SHIPPED})"
    assert rows["hs_pipeline_stage"]["held"] == f"Open ({OPEN})"
    assert table.code == ended.code == 1
    assert table.out.splitlines()[0].split()[:4] == ["order", "difference", "place", "name"]
    assert "differences: 2 different" in table.err


async def test_a_mend_overwrites_nothing_that_changed_after_it_was_seen(
    amqp_url: str, tmp_path: Path
) -> None:
    """The mend is published into a queue that nobody reads, HubSpot changes, and then it arrives."""
    file = write(tmp_path / "one.ndjson", [order(1)])
    async with shop(amqp_url, [order(1)]) as (on, account):
        await account.patch("orders", account.orders["A-1"], hs_total_price="9", hs_order_name="x")
        await on.channel.queue_declare("aside", durable=True)
        repaired = await command(on, "reconcile", file, "--repair", "--queue", "aside")
        await account.patch("orders", account.orders["A-1"], hs_total_price="10")
        outcomes = len(on.outcomes)
        held = await on.channel.basic_get("aside")
        properties = held.header.properties
        await on.publish(held.body, headers=properties.headers)
        await on.until(lambda: len(on.outcomes) > outcomes)
        state = on.twin.state("orders", "shop_order_id")["A-1"]["properties"]

    assert repaired.code == 0
    assert on.outcomes[-1]["data"]["status"] == "applied"
    assert (state["hs_total_price"], state["hs_order_name"]) == ("10", "Order 1")


async def test_mends_go_to_the_queue_of_bulk_where_there_is_one(
    amqp_url: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "one.ndjson", [order(1)])
    async with shop(amqp_url, [order(1)]) as (on, account):
        await account.patch("orders", account.orders["A-1"], hs_total_price="9")
        await on.channel.queue_declare("orders.backfill", durable=True)
        bulk = {"RABBITMQ__BACKFILL_QUEUES": "orders.backfill"}
        repaired = await command(on, "reconcile", file, "--repair", **bulk)
        held = await on.channel.basic_get("orders.backfill")

    assert repaired.code == 0
    assert "published 1 mending event to the queue orders.backfill" in repaired.err
    assert orjson.loads(held.body)["data"]["properties"] == {"hs_total_price": "1.50"}


async def test_keep_newer_leaves_what_changed_since_the_files_own_events(
    amqp_url: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "one.ndjson", [order(1)])
    async with shop(amqp_url, [order(1)]) as (on, account):
        await account.patch("orders", account.orders["A-1"], hs_total_price="9")
        outcomes = len(on.outcomes)
        await command(on, "reconcile", file, "--repair", "--keep-newer")
        await on.until(lambda: len(on.outcomes) > outcomes)
        state = on.twin.state("orders", "shop_order_id")["A-1"]["properties"]

    assert on.outcomes[-1]["data"]["status"] == "superseded"
    assert state["hs_total_price"] == "9"


async def test_a_run_that_is_killed_goes_on_and_finds_each_once(
    amqp_url: str, tmp_path: Path
) -> None:
    listed = [order(n) for n in range(1_300)]
    file, state = write(tmp_path / "shop.ndjson", listed), tmp_path / "state.sqlite"
    async with shop(amqp_url, []) as (on, _):
        # Nothing was written: all are missing. Slow enough to be met half-way.
        words = ["reconcile", file, "--state", state, "-o", "ndjson", "--calls-per-window", "8"]
        cut = await _killed_at(on, state, words)
        ended = await command(on, *words[:-2], *PACE)
        again = await command(on, *words[:-2], *PACE)
        other = await command(
            on, "reconcile", write(tmp_path / "o.ndjson", listed[:1]), "--state", state
        )

    assert cut
    assert "were compared before" in ended.err
    assert sorted(row["order"] for row in ended.rows) == sorted(f"A-{n}" for n in range(1_300))
    assert again.out == ended.out
    assert other.code == 1
    assert "name another --state" in other.err


async def test_ctrl_c_says_how_to_go_on(amqp_url: str, tmp_path: Path) -> None:
    listed = [order(n) for n in range(1_300)]
    file, state = write(tmp_path / "shop.ndjson", listed), tmp_path / "state.sqlite"
    async with shop(amqp_url, []) as (on, _):
        process = await _process(
            on,
            ["reconcile", file, "--state", state, "--calls-per-window", "4"],
            asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            while not _done(state):
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()

    assert process.returncode == 130
    assert f"the same command with --state {state} goes on" in err.decode()
    assert "Traceback" not in err.decode()


async def _killed_at(on: Running, state: Path, words: list[Any]) -> bool:
    """Kill it once some of the orders are done, and not all; whether that was met."""
    process = await _process(on, words)
    try:
        async with asyncio.timeout(60):
            while not 0 < _done(state) < 1_300:
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        return process.returncode is None
    finally:
        await process.wait()


def _done(state: Path) -> int:
    if not state.exists():
        return 0
    try:
        with closing(sqlite3.connect(state, timeout=5)) as database:
            row = database.execute("SELECT value FROM about WHERE name = 'done'").fetchone()
    except sqlite3.OperationalError:  # not made yet
        return 0
    return int(row[0]) if row else 0


async def _process(
    on: Running, words: list[Any], err: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    ours = {n: v for n, v in os.environ.items() if not n.startswith("ORDERSYNC_")}
    environment = ours | {
        "ORDERSYNC_HUBSPOT__BASE_URL": on.settings.hubspot.base_url,
        "ORDERSYNC_HUBSPOT__TOKEN": "t",
        "ORDERSYNC_HUBSPOT__ID_PROPERTY": "shop_order_id",
        "ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY": LINE_KEY,
        "ORDERSYNC_HUBSPOT__WINDOW": "1",
    }
    return await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("ordersync")),
        *map(str, words),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=err,
    )


async def test_a_file_with_a_wrong_line_is_told_and_nobody_is_asked(
    amqp_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "bad.ndjson"
    file.write_text("{}\n")
    async with shop(amqp_url, []) as (on, _):
        ended = await command(on, "reconcile", file)

    assert (ended.code, ended.out) == (1, "")
    assert "line 1" in ended.err
