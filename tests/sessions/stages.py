"""Where sessions are played: what is there before the first command is typed."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic, sleep

import orjson

from service.broker import lend
from service.rabbitmq import topology
from service.settings.rabbitmq import JournalSettings, RabbitMQ
from service.twin import TwinOptions
from service.twin.pytest_plugin import running_twin
from tests.orders.conftest import OPEN, PIPELINE, SHIPPED, put
from tests.sessions.pages import ROOT
from tests.sessions.shell import Shell

PATIENCE = 120.0  # seconds for the demo to have shown all
ID_PROPERTY = "shop_order_id"
SHOP_OPENED = 1_795_341_600_000  # 2026-11-22T10:00:00Z
IN_PIPELINE = {"hs_pipeline": PIPELINE, "hs_currency_code": "EUR"}
ORDERS = {
    "A-1": {"hs_order_name": "Trail shoes, blue", "hs_total_price": "89.90"}
    | {**IN_PIPELINE, "hs_pipeline_stage": SHIPPED},
    "A-2": {"hs_order_name": "Tent pegs", "hs_total_price": "9.50"}
    | {**IN_PIPELINE, "hs_pipeline_stage": OPEN},
    "A-3": {"hs_order_name": "Tent", "hs_total_price": "129.00"}
    | {**IN_PIPELINE, "hs_pipeline_stage": SHIPPED},
    "A-4": {"hs_order_name": "Map, large"},
}


def _environment(**more: str) -> dict[str, str]:
    ours = {n: v for n, v in os.environ.items() if not n.startswith(("ORDERSYNC_", "MAKE"))}
    path = f"{Path(sys.executable).parent}:{ours['PATH']}"
    return ours | {"PATH": path, "LC_ALL": "C.UTF-8", "COLUMNS": "80"} | more


def _topology(url: str) -> topology.Topology:
    return topology.Topology.of(RabbitMQ(url=url), JournalSettings())


@contextmanager
def checkout() -> Iterator[Shell]:
    """The repository, with `ordersync` on the PATH."""
    with Shell(ROOT, _environment()) as shell:
        yield shell


@contextmanager
def folder() -> Iterator[Shell]:
    """A folder with orders.ndjson in it, and a RabbitMQ with the topology."""
    with (
        tempfile.TemporaryDirectory(prefix="ordersync-session-") as name,
        lend(say=lambda _: None, environment={"PATH": os.environ["PATH"]}) as broker,
    ):
        lines = (
            orjson.loads((ROOT / "schemas" / "examples" / "valid" / f"{file}.json").read_bytes())
            for file in ("upsert", "update", "archive")
        )
        Path(name, "orders.ndjson").write_bytes(b"".join(orjson.dumps(x) + b"\n" for x in lines))
        asyncio.run(topology.declare(broker.url, _topology(broker.url)))
        with Shell(Path(name), _environment(ORDERSYNC_RABBITMQ__URL=broker.url)) as shell:
            yield shell


@contextmanager
def kept() -> Iterator[Shell]:
    """What `make demo ARGS=--keep` leaves, with the variables set that it prints and `ordersync run` beside it."""
    with tempfile.TemporaryDirectory(prefix="ordersync-session-") as name:
        said = Path(name, "said")
        with _running(["make", "demo", "ARGS=--keep"], said, _environment()):
            exported = _exported(_until(said, "one event, by curl"))
            environment = _environment(**exported, ORDERSYNC_HTTP__PORT="0")
            log = Path(name, "log")
            with _running(["ordersync", "run"], log, environment):
                _until(log, "intake_opened")
                with Shell(ROOT, _environment(**exported)) as shell:
                    yield shell


@contextmanager
def restricted() -> Iterator[Shell]:
    """A RabbitMQ that lets us configure nothing, a HubSpot without the scope to write."""
    scopes = ("crm.objects.orders.read",)
    with (
        lend(say=lambda _: None, environment={"PATH": os.environ["PATH"]}) as broker,
        running_twin(TwinOptions(unique=(ID_PROPERTY,), scopes=scopes, calls=190)) as twin,
    ):
        asyncio.run(topology.declare(broker.url, _topology(broker.url)))
        assert broker.ctl is not None
        broker.ctl("add_user", "ordersync", "secret")
        broker.ctl("set_permissions", "ordersync", "^$", ".*", ".*")
        environment = _environment(
            ORDERSYNC_RABBITMQ__URL=broker.url.replace("guest:guest", "ordersync:secret"),
            ORDERSYNC_HUBSPOT__BASE_URL=twin.url,
            ORDERSYNC_HUBSPOT__TOKEN="t",
            ORDERSYNC_HUBSPOT__ID_PROPERTY=ID_PROPERTY,
            ORDERSYNC_HUBSPOT__CALLS="190",
        )
        with Shell(ROOT, environment) as shell:
            yield shell


@contextmanager
def shop() -> Iterator[Shell]:
    """A HubSpot with a few orders, and the settings that lead to it; no RabbitMQ."""
    with running_twin(TwinOptions(unique=(ID_PROPERTY,), calls=190, start_ms=SHOP_OPENED)) as twin:
        put(twin.url, ORDERS)
        environment = _environment(
            ORDERSYNC_HUBSPOT__BASE_URL=twin.url,
            ORDERSYNC_HUBSPOT__TOKEN="t",
            ORDERSYNC_HUBSPOT__ID_PROPERTY=ID_PROPERTY,
        )
        with Shell(ROOT, environment) as shell:
            yield shell


@contextmanager
def fresh() -> Iterator[Shell]:
    """An empty folder and a RabbitMQ with nothing in it; no account, no settings but the broker's URL."""
    with (
        tempfile.TemporaryDirectory(prefix="ordersync-session-") as name,
        lend(say=lambda _: None, environment={"PATH": os.environ["PATH"]}) as broker,
        Shell(
            Path(name),
            _environment(ORDERSYNC_RABBITMQ__URL=broker.url, ORDERSYNC_HTTP__PORT="0"),
        ) as shell,
    ):
        yield shell


STAGES: Mapping[str, Callable[[], AbstractContextManager[Shell]]] = {
    stage.__name__: stage for stage in (checkout, folder, kept, restricted, shop, fresh)
}


@contextmanager
def _running(words: list[str], said: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """A process of ours and whatever it starts, ended as by Ctrl-C."""
    program = shutil.which(words[0], path=environment["PATH"])
    assert program is not None, f"no {words[0]} on the PATH"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [program, *words[1:]],
            cwd=ROOT,
            env=dict(environment),
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def _until(file: Path, words: str) -> str:
    deadline = monotonic() + PATIENCE
    while words not in (text := file.read_text()):
        assert monotonic() < deadline, text[-2000:]
        sleep(0.1)
    return text


def _exported(text: str) -> dict[str, str]:
    """The variables of the lines `export NAME=VALUE NAME=VALUE`."""
    lines = (line.split()[1:] for line in text.splitlines() if line.startswith("  export "))
    return dict(pair.split("=", 1) for line in lines for pair in line)
