import pytest

from service.rabbitmq.topology import Topology
from service.settings.sections import RabbitMQ


@pytest.fixture
def topology() -> Topology:
    """What the defaults call for."""
    return Topology.of(RabbitMQ(url="amqp://localhost"))
