"""A short selection of the fault suite, seeded, on a real broker; `make test-faults` runs all of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.broker import PrivateBroker
from tests.faults.brokers import Node
from tests.faults.catalogue import FAULTS
from tests.faults.run import run

EVENTS = 400
# A takeover's patience is heartbeat + timeout: six seconds here, half a minute by default.
HASTY = {"ORDERSYNC_RABBITMQ__HEARTBEAT": "2", "ORDERSYNC_HUBSPOT__TIMEOUT": "4"}
SELECTION = ("killed-before-ack", "broker-cut", "handover-cut", "hubspot-cut-mid-body")

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of connections that were cut


@pytest.fixture(scope="module")
def node(server: Path) -> Iterator[Node]:
    """One node for all of them; each has a vhost of its own."""
    with PrivateBroker(program=server) as broker:
        yield Node(broker, broker.url, "installed")


@pytest.mark.parametrize("name", SELECTION)
async def test_the_books_balance_after(name: str, node: Node) -> None:
    """Nothing lost, nothing invented, nothing out of order; every repeat has a fault that explains it."""
    result = await run(FAULTS[name], node, seed=1, events=EVENTS, settings=HASTY)

    print(f"{name}: {result.account.repeated} repeated, recovery {result.recovery}")
    assert result.good, str(result)
