"""The brokers of the fault suite: this machine's RabbitMQ as private nodes, other versions in containers.

Both can be stopped, killed, frozen and restarted on their data, and lend fresh vhosts.
"""

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Protocol

from service.broker import PrivateBroker
from service.broker.ports import free_ports, greeting
from service.broker.server import find_server

POOL = 8
WATCH = 'cat >/dev/null; docker rm -f -v "$1"'
TICK = "application:set_env(rabbit, quorum_tick_interval, 500)."  # list_queues is exact within it
# A node that has the wrong cookie for another one can neither reach it nor be reached by it.
PART = "erlang:set_cookie('{other}', nobody), erlang:disconnect_node('{other}')."
JOIN = "erlang:set_cookie('{other}', erlang:get_cookie()), net_kernel:connect_node('{other}')."
ADD = (
    '[begin ok = rabbit_vhost:add(V, <<"guest">>), ok = rabbit_auth_backend_internal:set_permissions('
    '<<"guest">>, V, <<".*">>, <<".*">>, <<".*">>, <<"guest">>) end || V <- [{names}]].'
)


class Machine(Protocol):
    """What can be done to a broker."""

    def ctl(self, *arguments: str) -> str: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Node:
    """One broker (or a cluster's face), with vhosts to lend."""

    def __init__(self, machine: Machine, url: str, version: str, *others: str) -> None:
        """`others`: URLs of further nodes of the same cluster."""
        self.machine, self.url, self.version = machine, url, version
        self.others = others
        self._fresh: list[str] = []
        self.tune()

    def tune(self) -> None:
        """After every start: the broker's own counts are to be young."""
        self.ctl("eval", TICK)

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl."""
        return self.machine.ctl(*arguments)

    def fresh(self) -> tuple[str, str]:
        """The URL and the name of a vhost that nobody has used."""
        if not self._fresh:
            self._fresh = [f"faults-{uuid.uuid4().hex[:10]}" for _ in range(POOL)]
            self.ctl("eval", ADD.format(names=",".join(f'<<"{name}">>' for name in self._fresh)))
        name = self._fresh.pop()
        return f"{self.url.rstrip('/')}/{name}", name


class Cluster:
    """Three nodes on one machine; queues have a replica on each."""

    def __init__(self, nodes: list[PrivateBroker]) -> None:
        self.nodes = nodes

    def ctl(self, *arguments: str) -> str:
        return next(node for node in self.nodes if node.running).ctl(*arguments)

    def leader(self, vhost: str, queue: str) -> PrivateBroker:
        """The node that leads a quorum queue."""
        told = self.ctl("list_queues", "-p", vhost, "--formatter", "json", "name", "leader")
        name = next(each["leader"] for each in json.loads(told) if each["name"] == queue)
        return next(node for node in self.nodes if node.name == name)

    def isolate(self, node: PrivateBroker) -> None:
        """Cut the node off from the others; clients reach all of them still."""
        for other in self.nodes:
            if other is not node:
                node.ctl("eval", PART.format(other=other.name))

    def rejoin(self, node: PrivateBroker) -> None:
        """Let it in again, and restart it, as one has to: what it knew meanwhile is void."""
        for other in self.nodes:
            if other is not node:
                node.ctl("eval", JOIN.format(other=other.name))
        node.restart()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def start(self) -> None:
        """Start what is down, all at once: a node waits for others that it knew."""
        down = [node for node in self.nodes if not node.running]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: node.start(), down))

    def pause(self) -> None:
        for node in self.nodes:
            node.pause()

    def resume(self) -> None:
        for node in self.nodes:
            node.resume()


class Container:
    """A RabbitMQ of another version, in a container with a port of its own choosing."""

    def __init__(self, image: str) -> None:
        (self.port,) = free_ports(1)
        self.name = f"ordersync-faults-{uuid.uuid4().hex[:8]}"
        docker(
            "run", "-d", "--name", self.name, "--hostname", "rabbit",
            "-p", f"127.0.0.1:{self.port}:5672", image,
        )  # fmt: skip
        # The other end of its pipe is ours: however we end, it ends the container.
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "watch", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait()

    def ctl(self, *arguments: str) -> str:
        return docker("exec", self.name, "rabbitmqctl", "--quiet", *arguments)

    def stop(self) -> None:
        docker("stop", "-t", "30", self.name)

    def kill(self) -> None:
        docker("kill", self.name)

    def start(self) -> None:
        docker("start", self.name)
        self._wait()

    def pause(self) -> None:
        docker("pause", self.name)

    def resume(self) -> None:
        docker("unpause", self.name)

    def close(self) -> None:
        self._watch.communicate()

    def _wait(self) -> None:
        deadline = time.monotonic() + 120.0
        while greeting("127.0.0.1", self.port) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"no answer from {self.name} in 120 s")
            time.sleep(0.1)


def docker(*arguments: str) -> str:
    """Run the Docker client; what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"docker {arguments[0]}: {done.stderr or done.stdout}")
    return done.stdout


def why_not(version: str) -> str | None:
    """Why this version cannot be had here; None when it can."""
    if version in {"installed", "cluster"}:
        return None if find_server() else "rabbitmq-server is not installed"
    try:
        docker("image", "inspect", f"rabbitmq:{version}")
    except (OSError, RuntimeError) as error:
        return f"no Docker engine with an image rabbitmq:{version} ({str(error).strip()[:80]})"
    return None


@contextmanager
def node_of(version: str) -> Iterator[Node]:
    """A broker of that version: `installed`, or an image's tag."""
    with ExitStack() as stack:
        machine: Machine
        others: list[str] = []
        if version == "cluster":
            first = stack.enter_context(PrivateBroker())
            nodes = [first] + [
                stack.enter_context(PrivateBroker(cluster_with=first)) for _ in range(2)
            ]
            machine, url, *others = Cluster(nodes), *(node.url for node in nodes)
        elif version == "installed":
            private = stack.enter_context(PrivateBroker())
            machine, url = private, private.url
        else:
            container = Container(f"rabbitmq:{version}")
            stack.callback(container.close)
            machine, url = container, f"amqp://guest:guest@127.0.0.1:{container.port}/"
        told = machine.ctl("eval", "rabbit_misc:version().").strip().strip('"')
        told += ", 3 nodes" if others else ""
        yield Node(machine, url, told, *others)
