"""People are told at once, through the real broker; and nothing waits for that or fails by it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import aiormq
import orjson
import pytest

from service.shell import ending
from service.twin import TwinOptions, parse_fault
from tests.end_to_end.running import running
from tests.stage import event

RECIPE = Path(__file__).resolve().parents[2] / "docs/samples/to_chat.py"


@asynccontextmanager
async def heard(url: str) -> AsyncIterator[list[dict[str, Any]]]:
    """What a team's own queue takes of the operations."""
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    await channel.exchange_declare("orders.operations", exchange_type="topic", durable=True)
    queue = (await channel.queue_declare(exclusive=True)).queue or ""
    await channel.queue_bind(queue, "orders.operations", "#")
    told: list[dict[str, Any]] = []

    async def note(message: aiormq.abc.DeliveredMessage) -> None:
        told.append(orjson.loads(message.body))

    await channel.basic_consume(queue, note, no_ack=True)
    yield told
    await connection.close()


async def test_a_pause_its_end_and_a_new_cause_are_told_once_each(amqp_url: str) -> None:
    refused = parse_fault("401 times=3")
    async with (
        heard(amqp_url) as told,
        running(amqp_url, TwinOptions(calls=0, faults=(refused,))) as on,
    ):
        for n in range(5):
            await on.publish(event(n, f"A-{n}", hs_total_price="soon"))
        await on.publish(event("well", "B-1", hs_order_name="Tent"))
        await on.until(lambda: len(on.outcomes) == 6)
        await on.until(lambda: len(told) >= 3)
        await asyncio.sleep(1.0)

    assert [each["type"] for each in told] == [
        "ordersync.operations.paused.v1",
        "ordersync.operations.resumed.v1",
        "ordersync.operations.dead_letters.v1",
    ]
    assert told[0]["subject"] == "unauthenticated"
    assert told[2]["subject"] == "property_invalid"
    assert "first for order A-" in told[2]["data"]["sentence"]


async def test_most_of_the_day_used_is_told_once_with_when_it_ends(amqp_url: str) -> None:
    async with (
        heard(amqp_url) as told,
        running(amqp_url, TwinOptions(calls=0, daily=30), batch={"size": 1, "linger": 0}) as on,
    ):
        for n in range(28):
            await on.publish(event(n, f"A-{n}", hs_order_name="x"))
        await on.until(lambda: len(on.outcomes) == 28)
        await on.until(lambda: len(told) >= 1)
        await asyncio.sleep(0.5)

    (quota,) = told
    assert quota["type"] == "ordersync.operations.quota.v1"
    assert quota["subject"] == "daily_limit"
    assert "of the day's 30 calls are left; at this pace none after " in quota["data"]["sentence"]


async def test_a_stop_in_any_moment_of_an_announcement_ends(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its connection is opened, used or closed: aio-pika may swallow the cancellation."""
    monkeypatch.setattr(ending, "AGAIN", 0.2)
    for moment in range(12):
        async with asyncio.timeout(20.0):
            await _stopped(amqp_url, moment * 0.0007)


async def _stopped(url: str, after: float) -> None:
    """A service that is stopped so many seconds after a new cause among its dead letters."""
    async with running(url, TwinOptions(calls=0)) as on:
        await on.publish(b"{}")
        await on.until(lambda: len(on.outcomes) == 1)
        await asyncio.sleep(after)


async def test_nobody_who_hears_and_no_exchange_hold_nothing_up(amqp_url: str) -> None:
    async with running(amqp_url, TwinOptions(calls=0)) as on:
        await on.publish(event("unheard", "A-1", hs_total_price="soon"))
        await on.until(lambda: len(on.outcomes) == 1)
        await on.channel.exchange_delete("orders.operations")
        for n in range(20):
            await on.publish(event(n, f"A-{n}", **{f"no_such_{n}": "1", "hs_total_price": "soon"}))
            await on.publish(event(f"well-{n}", f"B-{n}", hs_order_name="Tent"))
        await on.until(lambda: len(on.outcomes) == 41)
        await on.until(lambda: len(on.dead_letters) == 21)
        assert len({each["id"] for each in on.outcomes}) == len(on.outcomes)


async def test_the_recipe_brings_the_sentence_to_a_chat(amqp_url: str) -> None:
    posted: list[dict[str, str]] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    chat = HTTPServer(("127.0.0.1", 0), Chat)
    Thread(target=chat.serve_forever, daemon=True).start()
    async with running(amqp_url, TwinOptions(calls=0)) as on:
        environment = os.environ | {
            "AMQP_URL": amqp_url,
            "CHAT_WEBHOOK": f"http://127.0.0.1:{chat.server_port}/hook",
        }
        recipe = await asyncio.create_subprocess_exec(
            sys.executable, RECIPE, env=environment, stdout=subprocess.PIPE
        )
        try:
            assert recipe.stdout is not None
            await recipe.stdout.readline()
            await on.publish(event(1, "A-1", hs_total_price="soon"))
            await on.until(lambda: bool(posted))
        finally:
            recipe.terminate()
            await recipe.wait()
    chat.shutdown()
    chat.server_close()

    assert posted[0]["text"].startswith("Dead letters have a new cause, property_invalid")
