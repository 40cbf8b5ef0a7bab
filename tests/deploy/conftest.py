import pytest

from service.sections import RabbitMQ
from service.topology import Topology


@pytest.fixture
def topology() -> Topology:
    """What the defaults call for."""
    return Topology.of(RabbitMQ(url="amqp://localhost"))
