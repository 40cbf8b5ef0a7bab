"""The brokers of the fault suite: this machine's RabbitMQ as private nodes, other versions in containers.

Both can be stopped, killed, frozen and restarted on their data, and lend fresh vhosts.
"""

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from service.broker import PrivateBroker
from service.broker.ports import free_ports, greeting
from service.broker.server import find_server

POOL = 8
TICK = "application:set_env(rabbit, quorum_tick_interval, 500)."  # list_queues is exact within it
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

    def __init__(self, machine: Machine, url: str, version: str) -> None:
        self.machine, self.url, self.version = machine, url, version
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


class Container:
    """A RabbitMQ of another version, in a container with a port of its own choosing."""

    def __init__(self, image: str) -> None:
        (self.port,) = free_ports(1)
        self.name = f"ordersync-faults-{uuid.uuid4().hex[:8]}"
        docker(
            "run", "-d", "--name", self.name, "--hostname", "rabbit",
            "-p", f"127.0.0.1:{self.port}:5672", image,
        )  # fmt: skip
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
        docker("rm", "-f", "-v", self.name)

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
    if version == "installed":
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
        if version == "installed":
            private = stack.enter_context(PrivateBroker())
            machine, url = private, private.url
        else:
            container = Container(f"rabbitmq:{version}")
            stack.callback(container.close)
            machine, url = container, f"amqp://guest:guest@127.0.0.1:{container.port}/"
        told = machine.ctl("eval", "rabbit_misc:version().").strip().strip('"')
        yield Node(machine, url, told)
