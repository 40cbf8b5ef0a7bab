"""One channel's life: what it delivered, and what of it was settled.

Law: an ack or a reject names a tag that is unacked, or the broker closes the channel (406). So frames are
computed and written in one step, and nothing comes between.
"""

from collections.abc import Sequence

from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from pamqp.frame import marshal

from service.core.events.deliveries import Delivery
from service.rabbitmq.wire import Wire


class Epoch:
    """Opened by the consumer; when it ends, its deliveries are the broker's again."""

    def __init__(self, number: int, queue: str, channel: AbstractChannel, wire: Wire) -> None:
        self.number, self.queue, self.channel, self._wire = number, queue, channel, wire
        # Every tag up to this one is settled.
        self._low = 0
        self._above: set[int] = set()  # settled tags above a gap

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Ack what was read; what was too large to be read is rejected: the broker dead-letters it."""
        unread = [delivery.tag for delivery in deliveries if delivery.unread]
        frames: list[Basic.Reject | Basic.Ack] = [
            Basic.Reject(delivery_tag=tag, requeue=False) for tag in unread
        ]
        self._above.update(unread)
        frames += self.acks(sorted(each.tag for each in deliveries if not each.unread))
        self._wire.write(b"".join(marshal(frame, self.channel.number) for frame in frames))

    def acks(self, tags: Sequence[int]) -> list[Basic.Ack]:
        """The fewest frames that ack exactly `tags` (ascending, unacked)."""
        # The highest of `tags` with no gap below it.
        reached = 0
        waiting = self._above.union(tags)
        low = self._low
        while low + 1 in waiting:
            low += 1
            waiting.discard(low)
        self._low, self._above = low, waiting
        if within := [tag for tag in tags if tag <= low]:
            reached = within[-1]
        frames = [Basic.Ack(delivery_tag=tag) for tag in tags if tag > reached]
        return [Basic.Ack(delivery_tag=reached, multiple=True), *frames] if reached else frames
