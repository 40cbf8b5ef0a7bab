"""A quorum queue with a single active consumer, as far as its consumers can see it; in virtual time.

What a channel held comes back in its old place, marked and counted, when the channel ends. An ack on a
channel that has ended does nothing; an ack of a tag that is not unacked is a failure of the test, as it is
an error to RabbitMQ (406). What went back more often than LIMIT is dead-lettered by the broker.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from service.core.events.deliveries import Delivery
from service.core.events.order_event import STRUCTURED
from tests.strategies import STAMP, properties_of

LIMIT = 50


@dataclass(eq=False)
class Message:
    """One message, in its place in the queue."""

    place: int
    body: bytes
    headers: dict[str, Any]
    returns: int = 0  # as the broker counts them
    returned: bool = False
    acked: bool = False


@dataclass(eq=False)
class Channel:
    """One consumer's channel; `deliver` takes a delivery."""

    epoch: int
    deliver: Callable[[Delivery], None]
    unacked: dict[int, tuple[Message, float]] = field(default_factory=dict)  # by tag; since when


class Broker:
    """The queue and its one active channel."""

    def __init__(self, prefetch: int) -> None:
        self._prefetch = prefetch
        self._ready: list[Message] = []
        self._active: Channel | None = None
        self._epochs, self._tags, self._places = count(1), count(1), count(1)
        self.delivered: dict[tuple[int, int], Message] = {}
        self.messages: list[Message] = []
        self.dead: list[Message] = []  # by the broker's own limit
        self.longest = 0.0  # seconds that any delivery was unacked

    @property
    def empty(self) -> bool:
        """Nothing is ready, nothing unacked."""
        return not self._ready and (self._active is None or not self._active.unacked)

    def publish(self, body: bytes, headers: dict[str, Any], now: float) -> None:
        """A producer's message."""
        message = Message(next(self._places), body, headers)
        self.messages.append(message)
        self._ready.append(message)
        self.pump(now)

    def consume(self, deliver: Callable[[Delivery], None]) -> Channel:
        """A new channel becomes the active one; the one before has ended."""
        assert self._active is None
        self._active = Channel(next(self._epochs), deliver)
        return self._active

    def pump(self, now: float) -> None:
        """Deliver what there is room for."""
        channel = self._active
        while channel is not None and channel is self._active and self._ready:
            if len(channel.unacked) >= self._prefetch:
                return
            message, tag = self._ready.pop(0), next(self._tags)
            channel.unacked[tag] = message, now
            self.delivered[channel.epoch, tag] = message
            channel.deliver(_delivery(message, channel.epoch, tag))

    def end(self, channel: Channel, now: float) -> None:
        """The channel ends: what it held goes back."""
        if channel is not self._active:
            return
        self._active = None
        for message, since in channel.unacked.values():
            self.longest = max(self.longest, now - since)
            message.returns += 1
            message.returned = True
        held = [message for message, _ in channel.unacked.values()]
        self.dead += [message for message in held if message.returns > LIMIT]
        back = [message for message in held if message.returns <= LIMIT]
        self._ready = sorted(back, key=lambda m: m.place) + self._ready
        channel.unacked.clear()

    def ack(self, delivery: Delivery, now: float) -> None:
        """Settled, if its channel lives."""
        if self._active is None or delivery.epoch != self._active.epoch:
            return
        message, since = self._active.unacked.pop(delivery.tag)  # KeyError = acked twice
        self.longest = max(self.longest, now - since)
        message.acked = True


def _delivery(message: Message, epoch: int, tag: int) -> Delivery:
    counted = {"x-delivery-count": message.returns} if message.returned else {}
    return Delivery(
        epoch=epoch,
        tag=tag,
        queue="orders.events",
        exchange="orders.events",
        routing_key="order",
        redelivered=message.returned,
        properties=properties_of(content_type=STRUCTURED, headers=message.headers | counted),
        body=message.body,
        received_at=STAMP,
    )
