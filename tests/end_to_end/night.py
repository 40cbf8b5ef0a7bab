"""A real `ordersync run` process at night: its log, its probes and its metrics, as who is on call sees them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiormq
import httpx
import orjson
from prometheus_client.parser import text_string_to_metric_families

from service.broker.ports import free_ports
from service.rabbitmq import topology
from service.settings.rabbitmq import RabbitMQ

ID_PROPERTY = "shop_order_id"


@dataclass
class Night:
    """What there is to look at."""

    amqp: str
    log: Path
    http: httpx.AsyncClient

    async def publish(self, *bodies: bytes) -> None:
        connection = await aiormq.connect(self.amqp)
        channel = await connection.channel()
        properties = aiormq.spec.Basic.Properties(
            content_type="application/cloudevents+json", delivery_mode=2
        )
        for body in bodies:
            await channel.basic_publish(body, exchange="orders.events", properties=properties)
        await connection.close()

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The log's lines of one kind."""
        return [line for line in self._lines() if line.get("event") == name]

    def _lines(self) -> Iterator[dict[str, Any]]:
        for line in self.log.read_bytes().splitlines():
            if line.startswith(b"{") and line.endswith(b"}"):
                yield orjson.loads(line)

    async def ready(self) -> tuple[int, list[str]]:
        answer = await self.http.get("/readyz")
        return answer.status_code, answer.json()["reasons"]

    async def metric(self, name: str, **labels: str) -> float:
        text = (await self.http.get("/metrics")).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        raise AssertionError(f"no {name}{labels}")

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)


@asynccontextmanager
async def night(amqp: str, hubspot: str, folder: Path, **settings: str) -> AsyncIterator[Night]:
    """Run the process for the length of the block; it consumes when the block begins."""
    await topology.declare(amqp, topology.Topology.of(RabbitMQ(url=amqp)))
    port, log = free_ports(1)[0], folder / "log"
    given = {
        "RABBITMQ__URL": amqp,
        "HUBSPOT__BASE_URL": hubspot,
        "HUBSPOT__TOKEN": "t",
        "HUBSPOT__ID_PROPERTY": ID_PROPERTY,
        "HTTP__HOST": "127.0.0.1",
        "HTTP__PORT": str(port),
        "LOG__FORMAT": "json",
        **settings,
    }
    ours = {name: v for name, v in os.environ.items() if not name.startswith("ORDERSYNC_")}
    environment = ours | {f"ORDERSYNC_{name}": value for name, value in given.items()}
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "run"), env=environment, stdout=out, stderr=out
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            at = Night(amqp, log, http)
            await at.until(lambda: bool(at.lines("intake_opened")))
            yield at
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)
