"""The real process under a limit that kills: large legal events, and giants, with the default settings."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import aiormq
import psutil
import pytest
from pamqp.commands import Basic

from service.broker.ports import free_ports
from service.core.events.order_event import STRUCTURED
from service.rabbitmq.topology import Topology, declare
from service.settings.rabbitmq import RabbitMQ
from service.twin import Twin, TwinOptions, serving
from tests.brokers import giant
from tests.stage import event

LIMIT = 256 << 20  # bytes
EVENTS = 400
ROOT = Path(__file__).resolve().parents[2]


def _large(number: int) -> bytes:
    """245 KB, each value within HubSpot's 65,536 characters."""
    return event(number, f"K{number}", **{f"note_{n}": "x" * 61_000 for n in range(4)})


def _started(url: str, hubspot: str) -> subprocess.Popen[bytes]:
    ours = {
        "ORDERSYNC_RABBITMQ__URL": url,
        "ORDERSYNC_HUBSPOT__BASE_URL": hubspot,
        "ORDERSYNC_HUBSPOT__TOKEN": "t",
        "ORDERSYNC_HUBSPOT__ID_PROPERTY": "shop_order_id",
        "ORDERSYNC_HUBSPOT__CALLS": "190",
        "ORDERSYNC_HTTP__HOST": "127.0.0.1",
        "ORDERSYNC_HTTP__PORT": str(free_ports(1)[0]),
    }
    others = {name: v for name, v in os.environ.items() if not name.startswith("ORDERSYNC_")}
    return subprocess.Popen(
        [sys.executable, "-m", "service", "run"],
        cwd=ROOT,
        env=others | ours,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def _killed(process: subprocess.Popen[bytes]) -> None:
    """Watch its memory, and end it as a container's limit would; ends when the process has."""
    while process.poll() is None:
        try:
            if psutil.Process(process.pid).memory_info().rss > LIMIT:
                process.kill()
        except psutil.NoSuchProcess:
            return
        await asyncio.sleep(0.02)


@pytest.mark.timeout(300)
async def test_large_events_and_a_giant_flow_in_256_mb(amqp_url: str) -> None:
    await declare(amqp_url, Topology.of(RabbitMQ(url=amqp_url)))
    connection = await aiormq.connect(amqp_url)
    channel = await connection.channel()
    properties = Basic.Properties(content_type=STRUCTURED, delivery_mode=2)
    size = giant(str(connection.server_properties["version"]))
    for number in range(EVENTS):
        body = bytes(size) if number == EVENTS // 4 else _large(number)
        await channel.basic_publish(body, exchange="orders.events", properties=properties)
    options = TwinOptions(
        unique=("shop_order_id",),
        properties=tuple(f"note_{n}:string" for n in range(4)),
        calls=0,
        daily=0,
        journal="off",
    )
    async with serving(Twin(options)) as where:
        process = _started(amqp_url, where)
        watching = asyncio.ensure_future(_killed(process))
        try:
            outcomes = letters = 0
            async with asyncio.timeout(240.0):
                while outcomes < EVENTS or letters < 1:
                    assert process.poll() is None, f"killed after {outcomes} outcomes"
                    await asyncio.sleep(0.2)
                    results = await channel.queue_declare("orders.results", passive=True)
                    dead = await channel.queue_declare("orders.dead-letters", passive=True)
                    outcomes, letters = results.message_count or 0, dead.message_count or 0
            letter = await channel.basic_get("orders.dead-letters", no_ack=True)
            assert (outcomes, letters, len(letter.body)) == (EVENTS, 1, size)
        finally:
            process.kill()
            process.wait()
            watching.cancel()
            await connection.close()
