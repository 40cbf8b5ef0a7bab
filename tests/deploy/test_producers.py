"""The publishers of docs/producers do what docs/events.md asks: run where they can be, else read."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiormq
import pytest
from aiormq.abc import DeliveredMessage
from jsonschema_rs import validator_for

from service.broker import PrivateBroker
from service.clock import stamp
from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.rabbitmq.topology import Topology, declare
from service.settings.sections import RabbitMQ
from tests.deploy.manifests import ROOT

FOLDER = ROOT / "docs" / "producers"
JARS = ("amqp-client.jar", "slf4j-api.jar")  # Debian's: librabbitmq-client-java
SCHEMA = validator_for(json.loads((ROOT / "schemas" / "order-event.v1.json").read_text()))


def applied(url: str) -> None:
    """The topology, and a queue to look at: one with a single active consumer knows no get."""

    async def apply() -> None:
        await declare(url, Topology.of(RabbitMQ(url=url)))
        connection = await aiormq.connect(url)
        channel = await connection.channel()
        await channel.queue_declare("looked-at", durable=True)
        await channel.queue_bind("looked-at", "orders.events", "#")
        await connection.close()

    asyncio.run(apply())


def queued(url: str) -> list[DeliveredMessage]:
    """Everything that was published."""

    async def get() -> list[DeliveredMessage]:
        connection = await aiormq.connect(url)
        channel = await connection.channel()
        found: list[DeliveredMessage] = []
        while (message := await channel.basic_get("looked-at", no_ack=True)).body:
            found.append(message)
        await connection.close()
        return found

    return asyncio.run(get())


def expect(url: str, number: int) -> None:
    """That many events, all valid, persistent and distinct."""
    messages = queued(url)
    assert len(messages) == number
    for message in messages:
        SCHEMA.validate(json.loads(message.body))
        properties = message.header.properties
        assert properties.delivery_mode == 2
        assert properties.content_type == "application/cloudevents+json"
        delivery = Delivery(
            1,
            1,
            "orders.events",
            "orders.events",
            "order",
            False,
            properties,
            message.body,
            stamp(),
        )
        event = parse(delivery, "shop_order_id")
        assert isinstance(event, Contribution)
        assert properties.message_id == event.event.id
    assert len({message.header.properties.message_id for message in messages}) == number


def run(*words: str, folder: Path | None = None, **environment: str) -> None:
    done = subprocess.run(
        words,
        env=os.environ | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_python(amqp_url: str) -> None:
    applied(amqp_url)

    run(sys.executable, str(FOLDER / "publish.py"), AMQP_URL=amqp_url)

    expect(amqp_url, 3)


def test_python_ends_with_an_error_where_no_queue_takes_the_event(amqp_url: str) -> None:
    async def exchange_alone() -> None:
        connection = await aiormq.connect(amqp_url)
        channel = await connection.channel()
        await channel.exchange_declare("orders.events", exchange_type="topic", durable=True)
        await connection.close()

    asyncio.run(exchange_alone())

    with pytest.raises(AssertionError, match="PublishError"):
        run(sys.executable, str(FOLDER / "publish.py"), AMQP_URL=amqp_url)


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with amqplib in it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("no Node and npm on the PATH: publish.mjs is not run")
    folder = tmp_path_factory.mktemp("node")
    words = (npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "amqplib@0.10")
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not fetch amqplib within a minute: publish.mjs is not run")
    if done.returncode != 0:
        pytest.skip(f"npm cannot install amqplib: publish.mjs is not run ({done.stderr[-200:]})")
    return folder


def test_node(amqp_url: str, node_modules: Path) -> None:
    applied(amqp_url)
    shutil.copy(FOLDER / "publish.mjs", node_modules)

    run("node", "publish.mjs", folder=node_modules, AMQP_URL=amqp_url)

    expect(amqp_url, 3)


def test_java(amqp_url: str) -> None:
    jars = [Path("/usr/share/java", name) for name in JARS]
    if shutil.which("javac") is None or not all(jar.exists() for jar in jars):
        pytest.skip("no JDK, or no librabbitmq-client-java: Publish.java is not run")
    applied(amqp_url)

    run("java", "-cp", ":".join(map(str, jars)), str(FOLDER / "Publish.java"), AMQP_URL=amqp_url)

    expect(amqp_url, 3)


@pytest.fixture(scope="module")
def go_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module that has what publish.go imports."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on the PATH: publish.go is not run")
    folder = tmp_path_factory.mktemp("go")
    shutil.copy(FOLDER / "publish.go", folder)
    for words in (("mod", "init", "example"), ("get", ".")):
        done = subprocess.run(
            (go, *words), cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"go {words[0]} failed: publish.go is not run ({done.stderr[-200:]})")
    return folder


def test_go(amqp_url: str, go_module: Path) -> None:
    applied(amqp_url)

    run("go", "run", "publish.go", folder=go_module, AMQP_URL=amqp_url)

    expect(amqp_url, 3)


@pytest.fixture
def managed(request: pytest.FixtureRequest) -> Iterator[PrivateBroker]:
    program = request.getfixturevalue("server")
    with PrivateBroker(program=program, plugins=["rabbitmq_management"]) as node:
        yield node


def test_curl(managed: PrivateBroker) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on the PATH: publish.sh is not run")
    applied(managed.url)

    api = f"http://guest:guest@127.0.0.1:{managed.management_port}"
    run("sh", str(FOLDER / "publish.sh"), MANAGEMENT=api, VHOST="%2F")

    expect(managed.url, 1)


@pytest.mark.parametrize("name", ["Publish.java", "publish.go"])
def test_the_others_say_the_same(name: str) -> None:
    text = (FOLDER / name).read_text()

    for needed in (
        "specversion",
        "ordersync.order.upsert.v1",
        "application/cloudevents+json",
        "orders.events",
        "mandatory",
        "AMQP_URL",
    ):
        assert needed in text
    assert "onfirm" in text
    assert "eturn" in text


@pytest.mark.parametrize("path", sorted(FOLDER.glob("[pP]ublish.*")), ids=lambda path: path.name)
def test_the_page_lists_them_all(path: Path) -> None:
    assert f"]({path.name})" in (FOLDER / "README.md").read_text()
