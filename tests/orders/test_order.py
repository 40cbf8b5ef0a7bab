"""`order`: one timeline out of journal, dead letters and HubSpot; each may be silent; nobody else is disturbed."""

import asyncio
import time
from typing import Any

import pytest

from service.orders import explaining
from service.rabbitmq import topology
from service.settings.rabbitmq import JournalSettings, RabbitMQ
from service.twin import TwinOptions
from service.twin.pytest_plugin import running_twin
from tests.dead_letters.stand import bury, event, letter, waiting
from tests.end_to_end.running import Running, running
from tests.faults.brokers import node_of, why_not
from tests.orders.commands import Ended, ordersync
from tests.orders.conftest import put
from tests.orders.journals import fill, filling, row
from tests.orders.test_send import COMPLETE, LINE_ID, UNIQUE, send


async def order(on: Running, key: str, *arguments: str, **settings: str) -> Ended:
    given = {
        "RABBITMQ__URL": on.url,
        "HUBSPOT__BASE_URL": on.settings.hubspot.base_url,
        "HUBSPOT__TOKEN": "t",
        "HUBSPOT__ID_PROPERTY": "shop_order_id",
        "HUBSPOT__LINE_ID_PROPERTY": LINE_ID,
        "HUBSPOT__CALLS": "10000",
    }
    return await ordersync("order", key, *arguments, **(given | settings))


async def remembered(on: Running, key: str, outcomes: int = 1) -> None:
    """Wait for the journal: `send` sees the outcome, which is written there after it."""
    async with asyncio.timeout(20.0):
        while (await order(on, key, HUBSPOT__TOKEN="")).out.count(" outcome ") < outcomes:
            pass


async def applied(url: str) -> None:
    await topology.declare(url, topology.Topology.of(RabbitMQ(url=url), JournalSettings()))


@pytest.fixture
async def service(amqp_url: str) -> Any:
    async with running(amqp_url, TwinOptions(calls=0, unique=UNIQUE), LINE_ID) as on:
        yield on


async def test_what_happened_and_what_is_held_with_lines_links_and_stage(service: Running) -> None:
    await send(service, "create", "A/1", *COMPLETE)
    await send(service, "update", "A/1", "--set", "hs_order_name=soon", "--remove-line", "2")
    await send(service, "update", "A/1", "--set", "hs_total_price=never")
    await bury(service.url, [letter(event("e-9", "A/1"))])
    await remembered(service, "A/1", 3)

    told = await order(service, "A/1")
    found = await order(service, "A/1", "-o", "json")

    assert (told.code, found.code) == (0, 0), told.err
    lines = [line.split(maxsplit=3) for line in told.out.splitlines() if line]
    assert lines[0] == ["at", "what", "status", "told"]
    outcomes = [line for line in lines if line[1] == "outcome"]
    assert [line[2] for line in outcomes] == ["applied", "applied", "rejected"]
    assert "created; lines: 2 created; links: 1 linked" in outcomes[0][3]
    assert "lines: 1 removed" in outcomes[1][3]
    assert "property_invalid hs_total_price" in outcomes[2][3]
    table = " ".join(told.out.split())
    assert "hs_order_name=Camping" in table
    assert "by INTEGRATION" in table
    assert "stage Processed (Order Pipeline)" in table or "stage Processed" in table
    assert "hs_order_name soon" in table
    assert "line 1 3 x Tent at 19.90" in table
    assert "Rope" not in table
    assert "contacts mia@example.com (record" in table

    document = found.document
    assert document["order"] == "A/1"
    assert document["not_asked"] == {}
    whats = [each["what"] for each in document["timeline"]]
    assert whats.count("outcome") == 3
    assert sorted(each["at"] for each in document["timeline"]) == [
        each["at"] for each in document["timeline"]
    ]
    assert document["hubspot"]["lines"][0]["key"] == "1"
    assert document["hubspot"]["links"][0]["name"] == "mia@example.com"


async def test_dead_letters_are_looked_at_and_stay(amqp_url: str) -> None:
    await applied(amqp_url)
    await bury(amqp_url, [letter(event(n, f"A-{n % 2}")) for n in range(4)])
    with running_twin(TwinOptions(calls=0)) as twin:
        done = await ordersync(
            "order", "A-1", RABBITMQ__URL=amqp_url, HUBSPOT__BASE_URL=twin.url,
            HUBSPOT__TOKEN="t", HUBSPOT__ID_PROPERTY="shop_order_id",
        )  # fmt: skip

    assert done.code == 0
    assert done.out.count("dead letter") == 2
    assert "property_invalid" in done.out
    assert "dlq show 1" in done.out
    assert await waiting(amqp_url) == 4


async def test_nobody_has_heard_of_it(service: Running) -> None:
    done = await order(service, "A-404")
    found = await order(service, "A-404", "-o", "ndjson")

    assert (done.code, done.out) == (1, "")
    assert "nobody knows an order A-404" in done.err
    assert found.code == 1
    assert found.document == {"order": "A-404", "timeline": [], "hubspot": None, "not_asked": {}}


async def test_an_archived_order_is_told_as_such(service: Running) -> None:
    await send(service, "upsert", "A-1", "--set", "hs_order_name=x")
    await send(service, "archive", "A-1")

    done = await order(service, "A-1")

    assert done.code == 0
    assert ", archived 20" in done.out


async def test_who_is_silent_says_why_and_the_others_tell(service: Running) -> None:
    await send(service, "upsert", "A-1", "--set", "hs_order_name=x")

    await remembered(service, "A-1")

    tokenless = await order(service, "A-1", HUBSPOT__TOKEN="")
    unreached = await order(service, "A-1", HUBSPOT__BASE_URL="http://127.0.0.1:1")
    off = await order(service, "A-1", JOURNAL__ENABLED="false")

    assert (tokenless.code, unreached.code, off.code) == (0, 0, 0)
    assert "hubspot: ORDERSYNC_HUBSPOT__TOKEN: is required" in tokenless.err
    assert "applied" in tokenless.out
    assert "hubspot: HubSpot cannot be reached" in unreached.err
    assert "journal: the journal is switched off (ORDERSYNC_JOURNAL__ENABLED)" in off.err
    assert "applied" not in off.out
    assert "hs_order_name" in off.out


async def test_there_is_no_journal_and_no_queue(amqp_url: str) -> None:
    with running_twin(TwinOptions(calls=0)) as twin:
        put(twin.url, {"A-1": {"hs_order_name": "x"}})
        done = await ordersync(
            "order", "A-1", RABBITMQ__URL=amqp_url, HUBSPOT__BASE_URL=twin.url,
            HUBSPOT__TOKEN="t", HUBSPOT__ID_PROPERTY="shop_order_id",
        )  # fmt: skip

    assert done.code == 0
    assert "journal: there is no stream orders.journal: `ordersync topology apply`" in done.err
    assert "dead letters: " in done.err


async def test_the_broker_or_the_arguments_are_not_there() -> None:
    gone = await ordersync("order", "A-1", RABBITMQ__URL="amqp://127.0.0.1:1")
    wrong = await ordersync("order", "A-1", "--since", "soon", RABBITMQ__URL="amqp://127.0.0.1:1")
    unset = await ordersync("order", "A-1")

    assert (gone.code, wrong.code, unset.code) == (69, 2, 78)
    assert "RabbitMQ cannot be reached" in gone.err
    assert "neither an age" in wrong.err


async def test_outcomes_of_a_time_the_last_day_or_all(amqp_url: str) -> None:
    """`--since` is kept; without it, a day in which nothing was leads back to the beginning."""
    from service.core.settlement import journal

    old = row("A-1", 1, settled_at="2026-01-01T00:00:00.000Z", event_id="old")
    new = row("A-1", 2, event_id="new")
    await applied(amqp_url)
    await fill(amqp_url, iter([journal._group([old, row("A-2", 3)]), journal._group([new, new])]))

    recent = await ordersync("order", "A-1", "--since", "1h", RABBITMQ__URL=amqp_url)
    later = await ordersync("order", "A-1", "--since", "2126-01-01", RABBITMQ__URL=amqp_url)

    assert recent.code == 0
    assert recent.out.count(" new of ") == 1
    assert (later.code, later.out) == (1, "")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("version", ["installed", "4.3"])
async def test_a_million_outcomes_in_the_journal(
    version: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last day of a busy shop: all of it is read, and answered within two seconds on an idle machine."""
    if version != "installed" and (absence := why_not(version)) is not None:
        pytest.skip(absence)
    from contextlib import nullcontext

    url = request.getfixturevalue("amqp_url") if version == "installed" else ""
    with nullcontext() if url else node_of(version) as node:
        url = url or node.fresh()[0]  # type: ignore[union-attr]
        await applied(url)
        await fill(url, filling(1_000_000, "B-1", 7))
        with running_twin(TwinOptions(calls=0)) as twin:
            put(twin.url, {"B-1": {"hs_order_name": "x"}})
            began = time.perf_counter()
            done = await ordersync(
                "order", "B-1", RABBITMQ__URL=url, HUBSPOT__BASE_URL=twin.url,
                HUBSPOT__TOKEN="t", HUBSPOT__ID_PROPERTY="shop_order_id",
            )  # fmt: skip
            seconds = time.perf_counter() - began

    with capsys.disabled():
        print(f"\n{version}: {seconds:.2f} s for one order of 1,000,000 outcomes")
    assert done.code == 0
    assert done.out.count("outcome ") == 7


async def test_how_far_it_is_is_said_where_it_takes_long(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "PROGRESS", 0.0)
    await fill(amqp_url, filling(200_000, "B-1", 1))
    said: list[str] = []

    found = await explaining._remembered(amqp_url, "B-1", None, said.append)

    assert [row["key"] for row in found] == ["B-1"]
    assert len(said) > 1
    assert " messages of the journal are read, " in said[0]
    assert said[-1] == "2000 messages of the journal are read, 0 to go"
