"""A RabbitMQ for people and tests who have none.

Law: nothing here knows of orders or HubSpot, and nothing of the rest of `service` is imported; what
is lent is empty, and is gone with its borrower. `ladder` chooses where a broker comes from, `node`
runs one of our own, `site` holds what the nodes of one cluster share.
"""

from service.broker.ladder import Broker, NoBroker, lend
from service.broker.node import PrivateBroker
from service.broker.site import BrokerDidNotStart

__all__ = ["Broker", "BrokerDidNotStart", "NoBroker", "PrivateBroker", "lend"]
