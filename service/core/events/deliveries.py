"""One AMQP message handed to us, as a plain value. It exists until it is settled, or until its epoch ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from service.core.headers import DEATH, FORCE, PREFIX, REPLAYS

DELIVERED: Final = "x-delivery-count"
ACQUIRED: Final = "x-acquired-count"
# Bytes of one body; four times what an order event may have.
READ_AT_MOST: Final = 1024 * 1024


class Unread(NamedTuple):
    """What is known of a body that is too large to be held: it went by as it came."""

    size: int  # bytes
    digest: bytes


def counter_of(version: str) -> str:
    """The header in which a RabbitMQ of this version counts how often a message went back.

    From 4.3 on x-delivery-count holds only what looks like a failure, and x-acquired-count everything.
    Older ones know nothing of x-acquired-count, and hand on what a producer wrote there.
    """
    numbers = tuple(int(word) for word in version.split(".")[:2] if word.isdigit())
    return ACQUIRED if numbers >= (4, 3) else DELIVERED


class Properties(Protocol):
    """The AMQP properties of a message, as far as we read or copy them."""

    content_type: str | None
    content_encoding: str | None
    headers: Any
    delivery_mode: int | None
    correlation_id: str | None
    reply_to: str | None
    message_id: str | None
    timestamp: datetime | None
    message_type: str | None
    app_id: str | None


@dataclass(slots=True, kw_only=True)
class OwnProperties:
    """Properties of a message of our own making."""

    content_type: str | None = None
    content_encoding: str | None = None
    headers: Any = None
    delivery_mode: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    message_id: str | None = None
    timestamp: datetime | None = None
    message_type: str | None = None
    app_id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One AMQP message handed to us. It exists until it is settled, or until its epoch ends."""

    # The channel it came on; an ack on any other is a lie.
    epoch: int
    tag: int
    queue: str
    exchange: str
    routing_key: str
    redelivered: bool
    properties: Properties
    body: bytes
    received_at: datetime
    # Why its properties could not be read.
    fault: str | None = None
    # The header in which the broker counts returns.
    counter: str = DELIVERED
    # The body is too large to be here.
    unread: Unread | None = None

    @property
    def size(self) -> int:
        """Bytes of the body, here or not."""
        return self.unread.size if self.unread else len(self.body)

    @property
    def returns(self) -> int:
        """How often it went back to the queue before, as far as the broker counts: 0 the first time.

        On what was never delivered before, a count is the producer's invention; and so is any header but
        the one that this broker counts in (`counter`).
        """
        if not self.redelivered:
            return 0
        count = self.headers.get(self.counter)
        return count if type(count) is int else 0

    @property
    def headers(self) -> Mapping[str, Any]:
        """The message's headers, {} where it has none."""
        return self.properties.headers or {}

    @property
    def replays(self) -> int:
        """How often this event was replayed out of the dead letters."""
        count = self.headers.get(REPLAYS, 0)
        return count if type(count) is int and count > 0 else 0

    @property
    def came_back(self) -> bool:
        """Whether it comes out of the dead letters, however: by `dlq replay`, by a shovel, by hand.

        Any header of ours says so, and the broker's x-death. A producer's event has neither.
        """
        for name in self.properties.headers or ():  # noqa: SIM110  (every event pays; a generator is dearer)
            if name.startswith(PREFIX) or name == DEATH:
                return True
        return False

    @property
    def forced(self) -> bool:
        """Whether an operator wants it written over whatever is newer."""
        # Any AMQP value, a list too.
        force = self.headers.get(FORCE)
        return force is True or force == "true"
