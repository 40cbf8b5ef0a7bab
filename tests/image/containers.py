"""The image, as it runs in production: a network with a broker, a twin and the service, all in containers.

Law: what is started is removed, whatever happens. The service's container may do nothing that a pod under
the restricted profile may not.
"""

import json
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

CONFINED = [
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--user",
    "10001",
    "--memory",
    "256m",
]


def docker(*arguments: str, seconds: float = 120) -> str:
    """What the engine says; fails with its words."""
    done = subprocess.run(
        ("docker", *arguments), capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr.strip()}"
    return done.stdout.strip()


def engine_missing() -> str | None:
    """Why no container can be run; None = they can."""
    try:
        done = subprocess.run(
            ("docker", "info"), capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no Docker engine: {error}"
    return None if done.returncode == 0 else f"no Docker engine: {done.stderr.strip()[-200:]}"


def until(found: Callable[[], Any], seconds: float, what: str, every: float = 0.02) -> Any:
    """The first true value; connections that are refused are not there yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            if value := found():
                return value
        time.sleep(every)
    raise AssertionError(f"no {what} within {seconds:g} s")


def read(url: str) -> str:
    """A page; its status must be 200."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


@dataclass(frozen=True)
class Container:
    """One that runs, under a name on its network."""

    name: str

    def port(self, inside: int) -> int:
        """The port of 127.0.0.1 that leads to it."""
        return int(docker("port", self.name, f"{inside}/tcp").splitlines()[0].rpartition(":")[2])

    def logs(self) -> str:
        return docker("logs", self.name)

    def state(self) -> dict[str, Any]:
        return json.loads(docker("inspect", "--format", "{{json .State}}", self.name))


class Lab:
    """A network and what runs on it."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.name = f"ordersync-test-{uuid.uuid4().hex[:8]}"
        docker("network", "create", self.name)
        self._started: list[str] = []

    def start(
        self, alias: str, image: str, *arguments: str, command: tuple[str, ...] = ()
    ) -> Container:
        name = f"{self.name}-{alias}"
        self._started.append(name)
        network = ("--network", self.name, "--network-alias", alias, "--name", name)
        docker("run", "--detach", *network, *arguments, image, *command)
        return Container(name)

    def service(self, alias: str, **settings: str) -> Container:
        """`ordersync run`, confined."""
        given = {
            "ORDERSYNC_RABBITMQ__URL": "amqp://guest:guest@broker:5672/",
            "ORDERSYNC_HUBSPOT__BASE_URL": "http://twin:8080",
            "ORDERSYNC_HUBSPOT__TOKEN": "a-test-s-token",
            "ORDERSYNC_HUBSPOT__ID_PROPERTY": "shop_order_id",
        } | settings
        environment = [word for pair in given.items() for word in ("--env", "=".join(pair))]
        return self.start(
            alias, self.image, *CONFINED, "--publish", "127.0.0.1::8080", *environment
        )

    def close(self) -> None:
        for name in self._started:
            subprocess.run(("docker", "rm", "--force", name), capture_output=True, check=False)
        subprocess.run(("docker", "network", "rm", self.name), capture_output=True, check=False)


@contextmanager
def lab(image: str) -> Iterator[Lab]:
    made = Lab(image)
    try:
        yield made
    finally:
        made.close()
