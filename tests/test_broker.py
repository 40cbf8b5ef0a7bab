"""The set-up's promise: a broker for everyone, and nothing left of it afterwards."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aio_pika
import psutil
import pytest

from service.broker import Broker, BrokerDidNotStart, NoBroker, PrivateBroker, lend
from service.broker.ports import free_ports, greeting, listens
from tests.brokers import Vhosts

ROOT = Path(__file__).parent.parent


async def publish(url: str, queue: str, *contents: bytes) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for body in contents:
            await channel.default_exchange.publish(aio_pika.Message(body, delivery_mode=2), queue)


async def bodies(url: str, queue: str, count: int) -> list[bytes]:
    """The first `count` messages; taken, not counted: a recovering quorum queue counts zero."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        declared = await channel.declare_queue(queue, passive=True)
        async with asyncio.timeout(20), declared.iterator(no_ack=True) as messages:
            return [(await anext(messages)).body for _ in range(count)]


async def test_a_lent_broker_serves_amqp(amqp_url: str) -> None:
    await publish(amqp_url, "orders.events", b"1", b"2")

    assert await bodies(amqp_url, "orders.events", 2) == [b"1", b"2"]


async def test_each_test_has_a_vhost_in_which_the_default_names_are_free(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.declare_queue("orders.events", passive=True)


def test_the_broker_says_where_it_is_from_without_its_password(broker: Broker) -> None:
    assert broker.origin
    assert "guest:guest" not in broker.origin + repr(broker)


@pytest.fixture(scope="module")
def node(server: Path) -> Iterator[PrivateBroker]:
    """A node for the tests of this file: a start costs six seconds."""
    with PrivateBroker(program=server) as node:
        yield node


class TestPrivateNode:
    """One node, taken through a rack's day."""

    def test_listens_on_the_loopback_alone(self, node: PrivateBroker) -> None:
        sockets = psutil.Process(node.pid).net_connections(kind="inet")
        addresses = {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN}

        assert addresses == {"127.0.0.1"}
        assert listens(node.port)

    def test_answers_rabbitmqctl(self, node: PrivateBroker) -> None:
        assert node.ctl("eval", "node().").strip() == f"'{node.name}'"

    def test_says_what_rabbitmqctl_did_not_like(self, node: PrivateBroker) -> None:
        with pytest.raises(RuntimeError, match="no_such_module"):
            node.ctl("eval", "no_such_module:function().")

    async def test_a_restart_keeps_port_and_durable_messages(self, node: PrivateBroker) -> None:
        url, pid = node.url, node.pid
        await publish(url, "kept", b"1")

        node.restart()

        assert node.pid != pid
        assert await bodies(url, "kept", 1) == [b"1"]

    async def test_a_killed_node_comes_back_with_what_it_confirmed(
        self, node: PrivateBroker
    ) -> None:
        await publish(node.url, "confirmed", b"1", b"2", b"3")
        node.flush()

        node.kill()
        assert not node.running
        assert greeting(node.host, node.port) is None
        node.start()

        assert await bodies(node.url, "confirmed", 3) == [b"1", b"2", b"3"]

    def test_a_frozen_node_is_there_and_silent_until_it_is_resumed(
        self, node: PrivateBroker
    ) -> None:
        node.pause()
        try:
            assert node.running
            assert greeting(node.host, node.port) is None
        finally:
            node.resume()

        assert greeting(node.host, node.port) is not None

    async def test_a_second_node_lives_beside_it_and_leaves_nothing(
        self, node: PrivateBroker
    ) -> None:
        with PrivateBroker() as other:
            folder, port, mapper = other.log.parent.parent, other.port, other.mapper_port
            group = os.getpgid(other.pid)
            await publish(other.url, "elsewhere", b"1")

            assert "elsewhere" not in node.ctl("list_queues", "name")
            assert len(members(group)) > 1

        assert not folder.exists()
        assert not listens(port)
        assert not listens(mapper)
        assert members(group) == []

    def test_a_node_joins_it_and_leaves_without_trace(self, node: PrivateBroker) -> None:
        with PrivateBroker(cluster_with=node) as second:
            assert node.name in second.ctl("cluster_status")
            assert second.name in node.ctl("eval", "rabbit_nodes:all_running().")

        assert node.running
        assert greeting(node.host, node.port) is not None


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_everything_ends_with_the_process_that_started_it(end: signal.Signals) -> None:
    """However it ends. A node joins the same group as the port mapper that is started here."""
    script = textwrap.dedent("""
        import time
        from service.broker.site import Site
        site = Site()
        print(site.group, site.folder, flush=True)
        time.sleep(600)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        group, folder = owner.stdout.readline().split()
        assert len(members(int(group))) == 1

        owner.send_signal(end)
        owner.wait(10)

        assert eventually(lambda: members(int(group)) == [] and not Path(folder).exists())


def test_a_node_is_in_the_group_that_ends(node: PrivateBroker) -> None:
    assert os.getpgid(node.pid) == node.group


def test_a_node_that_cannot_start_shows_what_its_log_says(server: Path) -> None:
    with (
        pytest.raises(BrokerDidNotStart, match=r"no_such_setting"),
        PrivateBroker(settings={"no_such_setting": "1"}),
    ):
        pass


async def test_a_broker_given_by_url_gives_vhosts_through_its_management_api(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PrivateBroker(program=server, plugins=["rabbitmq_management"]) as node:
        management = f"http://{node.host}:{node.management_port}"
        assert eventually(lambda: listens(node.management_port), 20)
        monkeypatch.setenv("RABBITMQ_MANAGEMENT_URL", management)
        vhosts = Vhosts(Broker(node.url, "given by URL"))

        url = vhosts.fresh()
        await publish(url, "orders.events", b"1")
        assert url != vhosts.fresh()

        assert "test-" in node.ctl("list_vhosts")
        vhosts.close()
        assert "test-" not in node.ctl("list_vhosts")


def test_a_broker_given_by_url_without_management_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("RABBITMQ_MANAGEMENT_URL", f"http://127.0.0.1:{port}")

    with pytest.raises(pytest.fail.Exception, match="Unset the variable"):
        Vhosts(Broker("amqp://guest:guest@127.0.0.1/", "given by URL")).fresh()


def test_taken_ports_are_not_drawn() -> None:
    ports = free_ports(200)

    assert len(set(ports)) == 200
    assert not any(listens(port) for port in ports)


class TestLadder:
    """Which rung is used, and what is said of those that are not."""

    def test_a_given_url_comes_first(self) -> None:
        said: list[str] = []
        url = "amqp://me:secret@broker.example/shop"

        with lend(say=said.append, environment={"ORDERSYNC_RABBITMQ__URL": url}) as broker:
            assert broker.url == url
            assert broker.ctl is None

        assert said == [f"broker: {broker.origin}"]
        assert "broker.example:5672" in broker.origin
        assert "secret" not in broker.origin

    def test_without_any_rung_the_error_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
        said: list[str] = []
        bare = {"PATH": str(tmp_path), "RABBITMQ_SERVER": "rabbitmq-server-of-nobody"}

        with (
            pytest.raises(NoBroker) as refusal,
            lend(say=said.append, environment=bare),
        ):
            pass

        for word in ("apt-get install rabbitmq-server", "Docker", "ORDERSYNC_RABBITMQ__URL"):
            assert word in str(refusal.value)
        assert len(said) == 4


def members(group: int) -> list[psutil.Process]:
    """The living processes of a process group."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        except ProcessLookupError:
            continue
    return found


def eventually(holds: Callable[[], bool], patience: float = 5.0) -> bool:
    """Whether `holds()` becomes true within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
