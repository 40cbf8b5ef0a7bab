"""Where a RabbitMQ comes from when somebody needs one: the ladder, as data.

Law: rungs are tried from the top, each one that cannot be used says why, and below the last stands
an error that says what to install. Nothing is skipped silently, and nobody else's broker is
changed: one given by URL is lent as it is, any other is made for the borrower and goes with him.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from service.broker.node import PrivateBroker
from service.broker.ports import greeting
from service.broker.server import find_server
from service.broker.site import BrokerDidNotStart

URL = "ORDERSYNC_RABBITMQ__URL"
IMAGE = "RABBITMQ_IMAGE"
USUAL_IMAGE = "rabbitmq:4-management-alpine"
# Seconds from a started container to an answering broker.
CONTAINER_PATIENCE = 120.0
AMQP = 5672
API = 15672  # of management
MANAGEMENT = "rabbitmq_management"  # the plugin

# Debian's package starts a broker at once, one that listens to the whole network: nobody asked for
# that, so the policy file forbids it meanwhile. Parallel test runs may wait for the same lock.
APT_INSTALL = """\
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\\nexit 101\\n' >$policy
  chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends rabbitmq-server
"""

ADVICE = f"""\
No RabbitMQ could be found or started. Any one of these is enough:
  - install RabbitMQ:  apt-get install rabbitmq-server  /  brew install rabbitmq
    (it is started privately; no service has to run, no root is needed)
  - start Docker, and have the Python package testcontainers (make test installs it)
  - set {URL}, e.g. amqp://guest:guest@localhost:5672/
What was tried:
"""

Say = Callable[[str], None]
Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Broker:
    """A RabbitMQ to use for a while.

    Attributes:
        url: where to connect (`amqp://` or `amqps://`), with credentials: not for logs.
        origin: which rung it came from, a phrase for people, without credentials.
        ctl: runs `rabbitmqctl` on it and returns what it prints; None where it was given by URL.
        management: URL of its management API, with credentials; None where nobody asked for it, or
            where it was given by URL.

    """

    url: str = field(repr=False)
    origin: str
    ctl: Callable[..., str] | None = None
    management: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a rung is told."""

    environment: Environment
    say: Say
    management: bool


class NoBroker(Exception):
    """No rung of the ladder could lend a broker; the message says what to install."""


class _CannotLendError(Exception):
    """This rung cannot be used on this machine; the message says why."""


@contextmanager
def lend(
    *, say: Say, environment: Environment = os.environ, management: bool = False
) -> Iterator[Broker]:
    """Lend a broker for the length of a `with`, from the first rung that has one.

    `say` hears, line by line, which rungs were passed over and why, and what takes long. The broker
    holds nothing yet, unless it was given by URL. `management`: with its management API, which a
    broker that we start ourselves has only where it is asked for.

    Raises:
        NoBroker: every rung refused.

    """
    refusals: list[str] = []
    with ExitStack() as stack:
        for name, rung in LADDER:
            match _climb(stack, rung, Wanted(environment, say, management)):
                case Broker() as broker:
                    say(f"broker: {broker.origin}")
                    yield broker
                    return
                case refusal:
                    say(f"broker: {refusal.splitlines()[0]}")
                    refusals.append(f"  - {name}: {refusal}")
    raise NoBroker(ADVICE + "\n".join(refusals))


def _climb(stack: ExitStack, rung: "Rung", wanted: "Wanted") -> Broker | str:
    try:
        return stack.enter_context(rung(wanted))
    except (_CannotLendError, BrokerDidNotStart) as refusal:
        return str(refusal)


@contextmanager
def _given(wanted: "Wanted") -> Iterator[Broker]:
    url = wanted.environment.get(URL)
    if not url:
        raise _CannotLendError(f"{URL} is not set, so one is started or borrowed")
    where = urlsplit(url)
    yield Broker(url, f"the one at {where.hostname}:{where.port or AMQP}, given by {URL}")


@contextmanager
def _installed(wanted: "Wanted") -> Iterator[Broker]:
    program = find_server(wanted.environment)
    if program is None:
        raise _CannotLendError("rabbitmq-server is not installed")
    plugins = [MANAGEMENT] if wanted.management else []
    with PrivateBroker(program=program, plugins=plugins) as node:
        origin = f"this machine's RabbitMQ {greeting(node.host, node.port)}, started privately"
        api = f"http://guest:guest@{node.host}:{node.management_port}" if plugins else None
        yield Broker(node.url, origin, node.ctl, api)


@contextmanager
def _container(wanted: "Wanted") -> Iterator[Broker]:
    # A package of the test environment, and slow to import.
    try:
        from docker.errors import DockerException  # noqa: PLC0415
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415
    except ImportError as absence:
        raise _CannotLendError("the Python package testcontainers is not installed") from absence
    image = wanted.environment.get(IMAGE) or USUAL_IMAGE
    with ExitStack() as stack:
        try:
            container = DockerContainer(image).with_exposed_ports(AMQP, API)
            stack.callback(container.stop)
            wanted.say(f"broker: starting a container of {image}")
            container.start()
        except DockerException as error:
            raise _CannotLendError(f"Docker does not run {image}: {error}") from error
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(AMQP))
        origin = f"RabbitMQ {_await_greeting(host, port)} in a container of {image}"
        api = f"http://guest:guest@{host}:{container.get_exposed_port(API)}"
        management = api if wanted.management and "management" in image else None
        url = f"amqp://guest:guest@{host}:{port}/"
        yield Broker(url, origin, _ctl_in(container.exec), management)


def _await_greeting(host: str, port: int) -> str:
    deadline = time.monotonic() + CONTAINER_PATIENCE
    while (version := greeting(host, port)) is None:
        if time.monotonic() > deadline:
            raise BrokerDidNotStart(f"the container gave no answer in {CONTAINER_PATIENCE:.0f} s")
        time.sleep(0.1)
    return version


def _ctl_in(run: Callable[[list[str]], tuple[int, bytes]]) -> Callable[..., str]:
    def ctl(*arguments: str) -> str:
        code, output = run(["rabbitmqctl", "--quiet", *arguments])
        if code != 0:
            raise RuntimeError(f"rabbitmqctl {arguments[0]}: {output.decode()}")
        return output.decode()

    return ctl


@contextmanager
def _apt(wanted: "Wanted") -> Iterator[Broker]:
    if find_server(wanted.environment) is not None:
        raise _CannotLendError("rabbitmq-server is installed already")
    if shutil.which("apt-get", path=wanted.environment.get("PATH")) is None:
        raise _CannotLendError("there is no apt-get here, so this is not Debian or Ubuntu")
    if os.geteuid() != 0:
        raise _CannotLendError("only root may install packages")
    wanted.say("broker: installing rabbitmq-server with apt-get, about a minute")
    _install()
    with _installed(wanted) as broker:
        yield broker


def _install() -> None:
    # A session of its own: a Ctrl-C in the middle of dpkg would leave half a package behind.
    done = subprocess.run(
        ["/bin/sh", "-c", APT_INSTALL],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-10:])
        raise _CannotLendError(f"apt-get ended with code {done.returncode}\n{tail}")


Rung = Callable[[Wanted], AbstractContextManager[Broker]]
LADDER: tuple[tuple[str, Rung], ...] = (
    ("the one given by URL", _given),
    ("an installed rabbitmq-server", _installed),
    ("a container", _container),
    ("an installation by apt-get", _apt),
)
