"""The publishers of docs/producers do what docs/events.md asks: run where they can be, else read."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
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
from service.settings.rabbitmq import RabbitMQ
from tests.deploy.conftest import EXAMPLES as FOLDER
from tests.deploy.conftest import GoPackages
from tests.deploy.manifests import ROOT

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
        assert event.graph is not None
        assert event.graph.lines is not None
        assert list(event.graph.lines.items) == ["1"]
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


def test_node(amqp_url: str, node_modules: Path) -> None:
    applied(amqp_url)

    run("node", "publish.mjs", folder=node_modules, AMQP_URL=amqp_url)

    expect(amqp_url, 3)


def test_java(amqp_url: str, class_path: str) -> None:
    applied(amqp_url)

    run("java", "-cp", class_path, str(FOLDER / "Publish.java"), AMQP_URL=amqp_url)

    expect(amqp_url, 3)


def test_go(amqp_url: str, go_packages: GoPackages) -> None:
    if go_packages.older_than_1_6:
        pytest.skip("Debian's amqp091-go is older than 1.6: publish.go is not run")
    applied(amqp_url)

    run(
        *("go", "run", "./publish"),
        folder=go_packages.folder,
        AMQP_URL=amqp_url,
        **go_packages.environment,
    )

    expect(amqp_url, 3)


def test_curl(managed: PrivateBroker) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on the PATH: publish.sh is not run")
    applied(managed.url)

    api = f"http://guest:guest@127.0.0.1:{managed.management_port}"
    run("sh", str(FOLDER / "publish.sh"), MANAGEMENT=api, VHOST="%2F")

    expect(managed.url, 1)


@pytest.mark.parametrize("name", ["publish.sh", "read.sh"])
def test_without_the_management_api_it_is_said_where_to_name_it(name: str) -> None:
    environment = {"PATH": os.environ["PATH"]}
    ended = subprocess.run(
        ["sh", FOLDER / name], check=False, capture_output=True, text=True, env=environment
    )

    assert ended.returncode != 0
    assert "MANAGEMENT: is not set; say where the management API is, as http://" in ended.stderr


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


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(FOLDER.iterdir()) if p.name != "README.md"],
    ids=lambda path: path.name,
)
def test_the_page_lists_them_all(path: Path) -> None:
    assert f"]({path.name})" in (FOLDER / "README.md").read_text()
