"""The readers of docs/producers handle every outcome once and leave nothing on the queue, or read as they should."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiormq
import pytest

from service.broker import PrivateBroker
from service.core.events.events import parse
from service.core.events.malformed import Malformed
from service.core.hubspot.verdicts import Applied, Rejected
from service.core.outgoing import Outgoing
from service.core.reasons import Code, Reason
from service.core.settlement.outcomes import conclude, conclude_malformed
from service.core.settlement.retries import Finish
from service.rabbitmq.topology import Topology, declare
from service.settings.rabbitmq import RabbitMQ
from tests.deploy.conftest import EXAMPLES, GoPackages
from tests.strategies import STAMP, contribution, delivery, slot

REFUSAL = Reason(Code.PROPERTY_INVALID, 'It says "soon".', 207, "VALIDATION_ERROR", "c-1", "total")
HANDLED = [
    "applied A-1 e-1 -",
    'rejected A-2 e-2 property_invalid: It says "soon".',
]


def outcomes() -> list[Outgoing]:
    """One applied, one rejected, the first once more as after a crash, and one malformed that names nobody."""
    (applied,) = conclude(
        Finish(slot(contribution("upsert", "A-1", "e-1", a="1")), Applied("17", created=True)),
        1,
        STAMP,
    )
    (rejected,) = conclude(
        Finish(slot(contribution("upsert", "A-2", "e-2", a="1")), Rejected(REFUSAL)), 1, STAMP
    )
    unread = parse(delivery(b"{"), "shop_order_id")
    assert isinstance(unread, Malformed)
    malformed = conclude_malformed(unread, STAMP)
    return [s.outcome for s in (applied, rejected, applied, malformed)]


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[aiormq.abc.AbstractChannel]:
    connection = await aiormq.connect(url)
    yield await connection.channel()
    await connection.close()


async def publish(url: str, messages: Sequence[Outgoing]) -> None:
    async with channel(url) as publishing:
        for number, outcome in enumerate(messages):
            properties = aiormq.spec.Basic.Properties(
                content_type=outcome.content_type,
                correlation_id=outcome.correlation_id,
                message_id=str(number),
                delivery_mode=2,
            )
            await publishing.basic_publish(
                outcome.body,
                exchange="orders.outcomes",
                routing_key=outcome.routing_key,
                properties=properties,
            )


async def left(url: str) -> int:
    async with channel(url) as asking:
        found = await asking.queue_declare("orders.results", passive=True)
        return found.message_count or 0


async def read(url: str, *words: str, folder: Path | None = None, lines: int = 3) -> list[str]:
    """What a reader prints of four outcomes, one of them twice; it is ended when it has, and nothing is left."""
    await declare(url, Topology.of(RabbitMQ(url=url)))
    await publish(url, outcomes())
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env=os.environ | {"AMQP_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(60):
            while len(said) < lines:
                line = await process.stdout.readline()
                assert line, (await process.stderr.read()).decode()
                said.append(line.decode().rstrip("\n"))
        await asyncio.sleep(0.5)  # the last acknowledgement goes out after the last line
    finally:
        process.kill()
        await process.communicate()
    assert await left(url) == 0
    return said


async def test_python(amqp_url: str) -> None:
    said = await read(amqp_url, sys.executable, str(EXAMPLES / "read.py"))

    assert said[:2] == HANDLED
    assert said[2].startswith("malformed None None invalid_json: ")


async def test_node(amqp_url: str, node_modules: Path) -> None:
    said = await read(amqp_url, "node", "read.mjs", folder=node_modules)

    assert said[:2] == HANDLED
    assert said[2].startswith("malformed null null invalid_json: ")


async def test_java(amqp_url: str, class_path: str) -> None:
    said = await read(amqp_url, "java", "-cp", class_path, str(EXAMPLES / "Read.java"))

    assert said[:2] == HANDLED
    assert said[2].startswith("malformed null null invalid_json: ")


async def test_go(amqp_url: str, go_packages: GoPackages) -> None:
    """Built first: `go run` is not the reader, and ending it would not end that."""
    reader = go_packages.folder / "reader"
    build = await asyncio.create_subprocess_exec(
        *("go", "build", "-o", str(reader), "./read"),
        cwd=go_packages.folder,
        env=os.environ | dict(go_packages.environment),
    )
    assert await build.wait() == 0

    said = await read(amqp_url, str(reader))

    assert said[:2] == HANDLED
    assert said[2].startswith("malformed null null invalid_json: ")


async def test_curl(managed: PrivateBroker) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on the PATH: read.sh is not run")
    await declare(managed.url, Topology.of(RabbitMQ(url=managed.url)))
    await publish(managed.url, outcomes())
    api = f"http://guest:guest@127.0.0.1:{managed.management_port}"

    process = await asyncio.create_subprocess_exec(
        *("sh", str(EXAMPLES / "read.sh")),
        env=os.environ | {"MANAGEMENT": api, "VHOST": "%2F"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()

    lines = out.decode().splitlines()
    assert (process.returncode, err) == (0, b"")
    assert [line.split(" ", 1)[0] for line in lines] == [
        "applied",
        "rejected",
        "applied",
        "malformed",
    ]
    assert [line.split(" ", 1)[1].encode() for line in lines] == [o.body for o in outcomes()]
    assert await left(managed.url) == 0


@pytest.mark.parametrize("name", ["Read.java", "read.go", "read.py", "read.mjs"])
def test_the_readers_that_are_not_run_say_the_same(name: str) -> None:
    text = (EXAMPLES / name).read_text()

    for needed in ("orders.results", "AMQP_URL", "QUEUE", "correlationid"):
        assert needed in text
    assert "seen" in text
    assert "ck(" in text
    assert "REMEMBERED" in text.upper()
