"""Fixtures that reach beyond the process: brokers.

`broker` (the ladder, one per session and xdist worker), `amqp_url` (a fresh vhost of it per test),
`private_broker` (a node of the test's own, to stop, kill, freeze and restart) and `server` (for
tests that start such nodes themselves). Tests that use one of them are marked `broker`;
`make test-fast` leaves those out.
"""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from service.broker import Broker, PrivateBroker, lend
from service.broker.server import find_server
from tests.brokers import Vhosts

# looptime's plugin asks the policy for a loop, in tests that have none too; the policy makes one then,
# which nobody closes, and the next async test fails for its sockets. Told once that there is none,
# the policy says so.
asyncio.set_event_loop(None)

BROKER_FIXTURES = {"broker", "amqp_url", "private_broker", "server"}
SAID = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SAID] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if BROKER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("broker")


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:  # an xdist worker: the one that talks to people is another process
        output["said"] = session.config.stash[SAID]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    said = node.config.stash[SAID]
    said += [line for line in getattr(node, "workeroutput", {}).get("said", ()) if line not in said]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.stash[SAID]:
        terminalreporter.section("broker")
        for line in config.stash[SAID]:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def logging_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever configures the process's logging leaves it as it was.

    A logger that is kept outlives the stream of the test that used it first, and fails the ones after it.
    """
    configure, root = structlog.configure, logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def without_keeping(**given: Any) -> None:
        configure(**(given | {"cache_logger_on_first_use": False}))

    monkeypatch.setattr(structlog, "configure", without_keeping)
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """The session's RabbitMQ, wherever the ladder finds one; where from is in the summary."""
    with lend(say=pytestconfig.stash[SAID].append) as lent:
        yield lent


@pytest.fixture(scope="session")
def vhosts(broker: Broker) -> Iterator[Vhosts]:
    made = Vhosts(broker)
    yield made
    made.close()


@pytest.fixture
def amqp_url(vhosts: Vhosts) -> str:
    """The URL of a fresh, empty vhost."""
    return vhosts.fresh()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Path:
    """The installed rabbitmq-server; without one the test is skipped, saying so."""
    if find_server() is None:
        request.getfixturevalue("broker")  # which may install it
    program = find_server()
    if program is None:
        pytest.skip("this test stops and kills a node: it needs an installed rabbitmq-server")
    return program


@pytest.fixture
def private_broker(server: Path) -> Iterator[PrivateBroker]:
    """A started node of this test's own."""
    with PrivateBroker(program=server) as node:
        yield node
