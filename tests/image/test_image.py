"""The image does what production asks of it: small, quick to be ready, confined, and it ends well."""

import asyncio
import re
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiormq
import orjson
import pytest
from aiormq.abc import DeliveredMessage

from service.contract.filed import Filed
from service.contract.publish import Destination, publish
from service.demo.samples import samples
from tests.image.containers import CONFINED, Container, Lab, docker, read, until

MB = 1_000_000
LARGEST = 200 * MB
SLOWEST = 2.0  # seconds from the start of the process to a 200 of /readyz
HEAVIEST = 80 * MB
GRACE = 25.0
EVENTS = 2_000

pytestmark = pytest.mark.timeout(240)


def events(wave: str) -> list[Filed]:
    """Some 2,000 of them, all operations, a few bad; each wave has ids and orders of its own."""
    bodies = [
        Filed(
            "sample",
            0,
            s.body.replace(b"demo-", wave.encode()).replace(b'"A-', f'"{wave}'.encode()),
            s.content_type,
        )
        for s in samples(EVENTS // 3)
    ]
    assert len(bodies) >= EVENTS
    return bodies


class Receipts:
    """Every outcome that comes, counted by its id."""

    def __init__(self) -> None:
        self.ids: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self._more = asyncio.Event()

    async def read(self, url: str) -> None:
        connection = await aiormq.connect(url)
        channel = await connection.channel()
        await channel.basic_qos(prefetch_count=500)

        async def one(message: DeliveredMessage) -> None:
            outcome: dict[str, Any] = orjson.loads(message.body)
            self.ids[outcome["id"]] += 1
            self.statuses[outcome["data"]["status"]] += 1
            self._more.set()
            await channel.basic_ack(message.delivery_tag or 0, wait=False)

        await channel.basic_consume("orders.results", one)
        try:
            await asyncio.Future()
        finally:
            await connection.close()

    async def at_least(self, number: int, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while len(self.ids) < number:
                self._more.clear()
                await self._more.wait()


def ready(service: Container) -> str:
    port = service.port(8080)
    until(lambda: read(f"http://127.0.0.1:{port}/readyz"), 30, "readiness", every=0.005)
    return f"http://127.0.0.1:{port}"


def resident(page: str) -> int:
    found = re.search(r"^process_resident_memory_bytes (\S+)$", page, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(f"\n  {line}", end="")


def test_it_is_small_and_runs_as_nobody(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    size = int(docker("image", "inspect", "--format", "{{.Size}}", image))
    config = orjson.loads(docker("image", "inspect", "--format", "{{json .Config}}", image))

    say(capsys, f"image: {size / MB:.0f} MB (at most {LARGEST / MB:.0f})")
    assert size < LARGEST
    assert config["User"].split(":")[0] == "10001"
    assert config["Entrypoint"] == ["ordersync"]
    assert config["Cmd"] == ["run"]
    assert config["StopSignal"] == "SIGTERM"
    assert not config.get("Healthcheck")
    assert config["Labels"]["org.opencontainers.image.title"] == "ordersync"


@pytest.mark.parametrize("tool", ["pip", "pip3", "gcc", "cc", "make", "uv", "curl", "wget"])
def test_nothing_that_builds_or_fetches_is_in_it(image: str, tool: str) -> None:
    asked = ("docker", "run", "--rm", "--entrypoint", "sh", image, "-c", f"command -v {tool}")

    assert subprocess.run(asked, capture_output=True, check=False).returncode != 0


def test_no_cache_and_no_bytecode_of_a_build_is_in_it(image: str) -> None:
    look = "find /var/cache /root/.cache /var/lib/apt/lists /build /tmp -type f 2>/dev/null | head"

    assert docker("run", "--rm", "--user", "0", "--entrypoint", "sh", image, "-c", look) == ""


def test_a_wrong_configuration_ends_with_78_and_a_line_for_every_fault(image: str) -> None:
    done = subprocess.run(
        ("docker", "run", "--rm", *CONFINED, image), capture_output=True, text=True, check=False
    )

    assert done.returncode == 78
    assert "ORDERSYNC_RABBITMQ__URL: is required" in done.stderr


async def test_it_is_soon_ready_and_light_at_rest(
    containers: Lab, broker: Container, twin: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    """The best of three starts: the machine is shared, and a start is all processor."""
    await connected(f"amqp://guest:guest@127.0.0.1:{broker.port(5672)}/")
    starts, weights = [], []
    for number in range(3):
        service = containers.service(f"start-{number}")
        page = ready(service)
        starts.append(datetime.now(UTC) - datetime.fromisoformat(service.state()["StartedAt"]))  # noqa: TID251
        weights.append(resident(read(f"{page}/metrics")))
        docker("rm", "--force", service.name)

    took, rest = min(starts).total_seconds(), max(weights)
    say(capsys, f"start to ready: {took:.2f} s (at most {SLOWEST:g})")
    say(capsys, f"resident at rest: {rest / MB:.1f} MB (at most {HEAVIEST / MB:.0f})")
    assert took < SLOWEST
    assert rest < HEAVIEST


async def test_two_thousand_events_a_stop_in_the_middle_and_nothing_lost(
    containers: Lab, broker: Container, twin: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"amqp://guest:guest@127.0.0.1:{broker.port(5672)}/"
    await connected(url)
    docker(
        "run",
        "--rm",
        *CONFINED,
        "--network",
        containers.name,
        "--env",
        "ORDERSYNC_RABBITMQ__URL=amqp://guest:guest@broker:5672/",
        containers.image,
        "topology",
        "apply",
    )

    service = containers.service("first")
    page = ready(service)

    receipts = Receipts()
    reading = asyncio.create_task(receipts.read(url))
    first, second = events("first-"), events("second-")
    await carry(url, first)
    await receipts.at_least(len(first))
    say(capsys, f"{len(first)} events: {dict(receipts.statuses)}")
    say(capsys, f"resident after them: {resident(read(f'{page}/metrics')) / MB:.1f} MB")
    assert set(receipts.ids.values()) == {1}
    assert set(receipts.statuses) == {"applied", "superseded", "rejected", "malformed"}

    publishing = asyncio.create_task(carry(url, second))
    await receipts.at_least(len(first) + 1)
    took = await stopped(service)
    await publishing
    say(capsys, f"SIGTERM to exit 0, under load: {took:.1f} s (at most {GRACE:g})")
    left = len(first) + len(second) - len(receipts.ids)
    containers.service("second")
    await receipts.at_least(len(first) + len(second))
    say(capsys, f"left to the next one: {left} of {len(second)} events; outcomes twice: 0")
    assert set(receipts.ids.values()) == {1}
    reading.cancel()


async def connected(url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await (await aiormq.connect(url)).close()
            except (OSError, aiormq.exceptions.AMQPError):
                await asyncio.sleep(0.2)
            else:
                return


async def carry(url: str, filed: Sequence[Filed]) -> None:
    await publish(url, filed, Destination("orders.events"))


async def stopped(service: Container) -> float:
    started = time.monotonic()
    await asyncio.to_thread(docker, "stop", "--time", "60", service.name)
    took = time.monotonic() - started
    state = service.state()
    assert state["ExitCode"] == 0, service.logs()[-2000:]
    assert not state["OOMKilled"]
    assert took < GRACE
    return took
