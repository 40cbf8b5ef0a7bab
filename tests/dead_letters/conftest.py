"""`versions`: a fresh vhost of each RabbitMQ that the promise is made for."""

import os
from collections.abc import Iterator

import pytest

from tests.faults.brokers import node_of, why_not


@pytest.fixture(params=["installed", "4.0", "4.3"])
def version_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The installed broker through the session's own; others in containers, where an engine is."""
    if request.param == "installed":
        yield request.getfixturevalue("amqp_url")
        return
    if (absence := why_not(request.param)) is not None:
        pytest.skip(absence)
    with node_of(request.param) as node:
        yield node.fresh()[0]


@pytest.fixture
def command_environment(amqp_url: str) -> dict[str, str]:
    """For `ordersync` as a process: this test's vhost and nothing else of ours."""
    return _environment(amqp_url)


@pytest.fixture
def version_environment(version_url: str) -> dict[str, str]:
    """The same, of each RabbitMQ that the promise is made for."""
    return _environment(version_url)


def _environment(url: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ORDERSYNC_")}
    return clean | {
        "ORDERSYNC_RABBITMQ__URL": url,
        "ORDERSYNC_HUBSPOT__ID_PROPERTY": "shop_order_id",
    }
