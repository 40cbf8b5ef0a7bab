"""What every benchmark stands on: a private broker, a twin, and one `ordersync run`, each a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Event

import httpx
import orjson

from service.contract.filed import Filed
from service.contract.publish import Destination, publish
from service.core.events.order_event import STRUCTURED

ID_PROPERTY = "shop_order_id"
EXCHANGE = "orders.events"
_SERIAL = count(1)


@dataclass
class Ground:
    """Where to find the broker and the twin."""

    broker: str
    twin: str

    @property
    def environment(self) -> dict[str, str]:
        mine = {k: v for k, v in os.environ.items() if not k.startswith("ORDERSYNC_")}
        return mine | {
            "ORDERSYNC_RABBITMQ__URL": self.broker,
            "ORDERSYNC_HUBSPOT__BASE_URL": self.twin,
            "ORDERSYNC_HUBSPOT__TOKEN": "bench",
            "ORDERSYNC_HUBSPOT__ID_PROPERTY": ID_PROPERTY,
            "ORDERSYNC_HUBSPOT__CALLS": "10000",
            "ORDERSYNC_HTTP__HOST": "127.0.0.1",
        }

    def run(self, *arguments: str) -> None:
        """One command of ours, to its end."""
        command = [sys.executable, "-m", "service", *arguments]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)

    @contextmanager
    def service(self, **settings: str) -> Iterator["Running"]:
        """One `ordersync run`, stopped as Kubernetes stops it."""
        port = _free_port()
        environment = self.environment | {"ORDERSYNC_HTTP__PORT": str(port)} | settings
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "run"], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            yield Running(process, f"http://127.0.0.1:{port}", started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@dataclass
class Running:
    """A service process."""

    process: subprocess.Popen
    url: str
    started: float
    over: Event = field(default_factory=Event)

    def settled(self) -> float:
        """Outcomes confirmed so far, by its own count."""
        try:
            text = httpx.get(f"{self.url}/metrics", timeout=5).text
        except httpx.TransportError:
            return 0.0
        lines = (line for line in text.splitlines() if line.startswith("ordersync_outcomes_total{"))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def resident(self) -> float:
        """MB."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            line = next(line for line in status if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def reset_peak(self) -> None:
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="utf-8") as refs:
            refs.write("5")


@contextmanager
def twin(*options: str) -> Iterator[str]:
    """A twin in a process of its own; gives its address."""
    command = [
        sys.executable,
        "-m",
        "service.twin",
        "--port",
        "0",
        "--unique",
        ID_PROPERTY,
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(20)


def events(number: int, orders: int | None = None) -> list[Filed]:
    """Fresh upserts of about 600 bytes; of as many orders as events, or fewer."""
    batch = next(_SERIAL)
    return [
        Filed("bench", 0, _event(f"{batch}-{n}", f"B-{batch}-{n % (orders or number)}"), STRUCTURED)
        for n in range(number)
    ]


def _event(name: str, key: str) -> bytes:
    event = {
        "specversion": "1.0",
        "id": f"bench-{os.getpid()}-{name}",
        "source": "/bench",
        "type": "ordersync.order.upsert.v1",
        "subject": key,
        "time": "2026-11-22T10:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "properties": {
                "hs_order_name": f"Order {key}",
                "hs_currency_code": "EUR",
                "hs_fulfillment_status": "Approved",
                "hs_source_store": "marketplace",
                "hs_shipping_tracking_number": "BR1882420311",
                "hs_order_note": "x" * 180,
            }
        },
    }
    return orjson.dumps(event)


def large_events(number: int) -> Iterator[Filed]:
    """Fresh upserts of 245 KB, each value within HubSpot's 65,536 characters."""
    batch = next(_SERIAL)
    for n in range(number):
        event = orjson.loads(_event(f"{batch}-{n}", f"L-{batch}-{n}"))
        event["data"]["properties"] = {f"note_{part}": "x" * 61_000 for part in range(4)}
        yield Filed("bench", 0, orjson.dumps(event), STRUCTURED)


async def fill(ground: Ground, filed: Iterable[Filed]) -> None:
    await publish(ground.broker, filed, Destination(EXCHANGE))


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
