"""What we hold: every delivery that is neither acked nor the broker's again, and since when.

Law: a delivery is ours from its arrival until it is settled or its channel has ended. Nothing is ours that
came on a channel that has ended: whoever still works on it settles nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from service.core.events.deliveries import Delivery


@dataclass(slots=True)
class _Channel:
    # Tag -> when it came, in that order.
    since: dict[int, float] = field(default_factory=dict)
    # The most that any of its deliveries went back before.
    returns: int = 0


class Custody:
    """The book of it, by channel; `now` in monotonic seconds."""

    def __init__(self) -> None:
        self.channels: dict[int, _Channel] = {}  # those that live, by epoch

    def arrive(self, delivery: Delivery, now: float) -> None:
        """One delivery is ours."""
        channel = self.channels.get(delivery.epoch)
        if channel is None:
            channel = self.channels[delivery.epoch] = _Channel()
        channel.since[delivery.tag] = now
        if delivery.redelivered:
            channel.returns = max(channel.returns, delivery.returns)

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        """These are acked."""
        for each in deliveries:
            if each.epoch in self.channels:
                self.channels[each.epoch].since.pop(each.tag, None)

    def lose(self, epochs: frozenset[int]) -> None:
        """These channels have ended: what they brought is the broker's again."""
        for epoch in epochs:
            self.channels.pop(epoch, None)

    def ours(self, delivery: Delivery) -> bool:
        """Whether its channel lives."""
        return delivery.epoch in self.channels

    @property
    def empty(self) -> bool:
        """Whether nothing is held."""
        return not any(channel.since for channel in self.channels.values())

    @property
    def returns(self) -> int:
        """The most that anything which came on a living channel went back before."""
        return max((channel.returns for channel in self.channels.values()), default=0)

    def age(self, now: float) -> float:
        """Seconds since the oldest came of what is held; 0.0 = nothing is held."""
        held = (channel.since for channel in self.channels.values() if channel.since)
        return now - min((next(iter(since.values())) for since in held), default=now)
