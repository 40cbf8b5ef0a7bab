"""deploy/rabbitmq on a real RabbitMQ: what is imported is the topology, and its users can do their work alone."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiormq
import pytest
from pamqp.commands import Basic

from service.app import serve
from service.broker import PrivateBroker
from service.broker.ports import LOOPBACK, free_ports
from service.core.events.events import MAX_BODY
from service.core.hubspot.verdicts import Applied
from service.core.settlement.journal import groups
from service.core.settlement.outcomes import conclude
from service.core.settlement.retries import Finish
from service.demo.samples import ID_PROPERTY, samples
from service.rabbitmq.publisher import Publisher
from service.rabbitmq.topology import NotPermittedError, Topology, check, declare
from service.settings.config import Settings
from service.twin import TwinOptions
from service.twin import serve as serve_twin
from tests.deploy.manifests import DEPLOY, documents, raw
from tests.strategies import STAMP, contribution, slot

DEFINITIONS = DEPLOY / "rabbitmq" / "definitions.json"
HELD = json.loads(DEFINITIONS.read_text())
PASSWORD = "a-test-s-password"


@pytest.fixture(scope="module")
def node(request: pytest.FixtureRequest) -> Iterator[PrivateBroker]:
    """With the definitions in it, and a password for every user."""
    program = request.getfixturevalue("server")
    with PrivateBroker(program=program, settings=conf("rabbitmq.conf")) as started:
        started.ctl("import_definitions", str(DEFINITIONS))
        for user in HELD["users"]:
            started.ctl("change_password", user["name"], PASSWORD)
        yield started


def conf(name: str) -> dict[str, str]:
    """The settings of an example, as `rabbitmq.conf` has them."""
    lines = (DEPLOY / "rabbitmq" / name).read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def url(node: PrivateBroker, user: str) -> str:
    return f"amqp://{user}:{PASSWORD}@{node.host}:{node.port}/orders"


def test_no_user_comes_with_a_password() -> None:
    assert {user["password_hash"] for user in HELD["users"]} == {""}


def test_they_are_the_topology_that_the_service_declares(topology: Topology) -> None:
    queues = {queue["name"]: queue for queue in HELD["queues"]}
    assert {name: queue["arguments"] for name, queue in queues.items()} == {
        queue.name: dict(queue.arguments) for queue in topology.queues
    }
    assert {(e["name"], e["type"], e["durable"]) for e in HELD["exchanges"]} == {
        (exchange.name, "topic", True) for exchange in topology.exchanges
    }
    assert {(b["source"], b["destination"], b["routing_key"]) for b in HELD["bindings"]} == {
        (binding.exchange, binding.queue, binding.routing_key) for binding in topology.bindings
    }


async def test_the_topology_s_user_finds_nothing_to_change(
    node: PrivateBroker, topology: Topology
) -> None:
    await declare(url(node, "ordersync-topology"), topology)


async def test_the_service_runs_as_a_user_that_may_configure_nothing(node: PrivateBroker) -> None:
    events = list(samples(40))
    outcomes: list[bytes] = []
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        twin = tasks.create_task(
            serve_twin(TwinOptions(unique=(ID_PROPERTY,)), "127.0.0.1", 0, ready=ready.set_result)
        )
        settings = Settings(
            rabbitmq={"url": url(node, "ordersync"), "declare": False},
            hubspot={"base_url": await ready, "token": "t", "id_property": ID_PROPERTY},
            http={"host": "127.0.0.1", "port": 0},
        )
        tasks.create_task(serve(settings, stop))
        await produce(url(node, "orders-producer"), [sample.body for sample in events])
        await receive(url(node, "outcomes-reader"), outcomes, len(events))
        stop.set()
        twin.cancel()

    statuses = {json.loads(body)["data"]["status"] for body in outcomes}
    assert {"applied", "superseded"} <= statuses


async def test_an_operator_works_on_the_dead_letters_as_a_user_of_its_own(
    node: PrivateBroker,
) -> None:
    async def letter() -> None:
        connection = await aiormq.connect(url(node, "ordersync"))
        channel = await connection.channel()
        properties = Basic.Properties(delivery_mode=2, headers={"ordersync-reason": "invalid_json"})
        for _ in range(2):
            await channel.basic_publish(
                b"{",
                exchange="orders.dead-letters",
                routing_key="invalid_json",
                properties=properties,
            )
        await connection.close()

    await letter()
    broker = url(node, "ordersync-replay")

    assert "invalid_json" in await command(broker, "dlq", "stats")
    assert await command(
        broker,
        "dlq",
        "replay",
        "--reason",
        "invalid_json",
        "--limit",
        "1",
        "--to-queue",
        "orders.events",
        "--wait",
        "0",
    )
    await command(broker, "dlq", "park", "--reason", "invalid_json")


async def test_support_asks_for_one_order_as_the_operator_s_user(node: PrivateBroker) -> None:
    (settlement,) = conclude(
        Finish(slot(contribution(key="S-1")), Applied("17", created=True)), 1, STAMP
    )
    writer = Publisher(url(node, "ordersync"), {"journal": ""}, name="test")
    await writer.publish(list(groups([settlement])))
    await writer.close()

    told = await command(url(node, "ordersync-replay"), "order", "S-1")

    assert "applied" in told


async def command(broker: str, *words: str) -> str:
    """What `ordersync` tells on stdout; it must end well."""
    environment = os.environ | {
        "ORDERSYNC_RABBITMQ__URL": broker,
        "ORDERSYNC_HUBSPOT__ID_PROPERTY": ID_PROPERTY,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service",
        *words,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode() + err.decode()


def test_the_replay_job_says_what_the_command_understands() -> None:
    (job,) = raw(DEPLOY / "components" / "replay-job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    told = subprocess.run(
        (sys.executable, "-m", "service", *container["args"], "--help"),
        capture_output=True,
        text=True,
        check=True,
    )

    assert {word for word in container["args"] if word.startswith("--")} <= set(
        re.findall(r"--[\w-]+", told.stdout)
    )


async def produce(broker: str, bodies: list[bytes]) -> None:
    connection = await aiormq.connect(broker)
    channel = await connection.channel()
    for body in bodies:
        properties = Basic.Properties(content_type="application/cloudevents+json", delivery_mode=2)
        await channel.basic_publish(
            body, exchange="orders.events", routing_key="order", properties=properties
        )
    await connection.close()


async def receive(broker: str, outcomes: list[bytes], number: int) -> None:
    connection = await aiormq.connect(broker)
    channel = await connection.channel()
    full = asyncio.Event()

    async def one(message: aiormq.abc.DeliveredMessage) -> None:
        outcomes.append(message.body)
        await channel.basic_ack(message.delivery_tag or 0)
        if len(outcomes) >= number:
            full.set()

    await channel.basic_consume("orders.results", one)
    await full.wait()
    await connection.close()


@pytest.mark.parametrize("user", ["ordersync", "ordersync-replay", "orders-producer"])
async def test_nobody_else_may_declare(node: PrivateBroker, topology: Topology, user: str) -> None:
    with pytest.raises(NotPermittedError):
        await declare(url(node, user), topology)


@pytest.mark.parametrize(
    ("user", "queue"),
    [
        ("ordersync", "orders.dead-letters"),
        ("ordersync", "orders.results"),
        ("ordersync-replay", "orders.events"),
        ("orders-producer", "orders.events"),
        ("outcomes-reader", "orders.dead-letters"),
    ],
)
async def test_nobody_reads_what_is_not_theirs(node: PrivateBroker, user: str, queue: str) -> None:
    connection = await aiormq.connect(url(node, user))
    channel = await connection.channel()

    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await channel.basic_get(queue)

    await connection.close()


async def test_the_service_cannot_feed_itself(node: PrivateBroker) -> None:
    """A stolen password of the service's writes no order events."""
    connection = await aiormq.connect(url(node, "ordersync"))
    channel = await connection.channel()

    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await channel.basic_publish(b"{}", exchange="orders.events", routing_key="order")

    await connection.close()


def test_the_operator_s_cluster_has_the_settings_of_the_example() -> None:
    namespace, cluster = documents(DEPLOY / "rabbitmq" / "cluster.yaml")
    lines = cluster["spec"]["rabbitmq"]["additionalConfig"].splitlines()

    assert dict(line.split(" = ") for line in lines) == conf("rabbitmq.conf")
    assert cluster["metadata"]["namespace"] == namespace["metadata"]["name"]


async def test_a_message_far_over_an_event_s_size_is_refused_to_who_publishes_it(
    node: PrivateBroker,
) -> None:
    """A little over is an event that gets its outcome, `oversized`."""
    limit = int(conf("rabbitmq.conf")["max_message_size"])
    assert limit >= 2 * MAX_BODY
    connection = await aiormq.connect(url(node, "orders-producer"))
    channel = await connection.channel()

    async def sent(size: int) -> object:
        body, exchange = bytes(size), "orders.events"
        return await channel.basic_publish(body, exchange=exchange, routing_key="order")

    assert isinstance(await sent(limit), Basic.Ack)
    with pytest.raises(aiormq.exceptions.AMQPError, match="larger than configured max size"):
        await sent(limit + 1)

    await connection.close()


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(("openssl", *words), cwd=folder, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A CA of our own, the broker's certificate and the service's."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on the PATH: no certificates to test TLS with")
    key = ("-newkey", "rsa:2048", "-nodes")
    openssl(
        tmp_path,
        "req",
        "-x509",
        *key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
        "-subj",
        "/CN=ca",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    )
    for name, subject in (("tls", "localhost"), ("client", "ordersync")):
        openssl(
            tmp_path,
            "req",
            *key,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={subject}",
        )
        (tmp_path / "names").write_text(f"subjectAltName=DNS:{subject},IP:127.0.0.1\n")
        openssl(
            tmp_path,
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            "names",
            "-out",
            f"{name}.crt",
        )
    return tmp_path


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def test_over_tls_by_client_certificate_as_the_example_says(
    request: pytest.FixtureRequest, certificates: Path, topology: Topology
) -> None:
    settings = {
        name: value.replace("/etc/rabbitmq/tls", str(certificates)).replace(
            "/etc/rabbitmq/definitions.json", str(DEFINITIONS)
        )
        for name, value in conf("rabbitmq-tls.conf").items()
        if name not in {"listeners.tcp", "listeners.ssl.default"}  # the test's node has its own
    }
    (port,) = free_ports(1)
    settings["listeners.ssl.1"] = f"{LOOPBACK}:{port}"
    settings["auth_mechanisms.2"] = "PLAIN"  # by which the node is asked whether it is up
    plugins = ["rabbitmq_auth_mechanism_ssl"]
    program = request.getfixturevalue("server")
    with PrivateBroker(program=program, plugins=plugins, settings=settings):
        files = f"cafile={certificates}/ca.crt&certfile={certificates}/client.crt&keyfile={certificates}/client.key"
        await _listening(port)  # the node answers on its plain port a moment before
        await check(f"amqps://localhost:{port}/orders?auth=external&{files}", topology)
        with pytest.raises(aiormq.exceptions.AMQPConnectionError):
            await check(f"amqps://localhost:{port}/orders?cafile={certificates}/ca.crt", topology)
