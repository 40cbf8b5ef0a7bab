"""Which orders a former owner of the queue may still be writing, and how long what is newer waits.

Law: after a takeover, whatever the former owner may have in flight is unacked, and so comes redelivered,
in its old order. Of such an order the first event may be written at once: it is the oldest of what can be
in flight, so that a late write of the former owner can only repeat it or run ahead of it. Everything newer
of that order waits until the former owner's calls are over. All other orders wait for nothing.

What a process returned itself is no takeover: its own calls are known to it, the lanes wait for them. It
tells by the broker's count of returns: one more than when it held the message itself.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from service.core.events.events import Contribution
from service.core.events.order_event import Order
from service.core.intake.memory import remember

Identified = tuple[str, str]


@dataclass(slots=True)
class Handover:
    """`overlap`: seconds that a former owner's call may last from our first redelivered delivery on."""

    overlap: float
    # Deliveries remembered, the oldest forgotten first.
    reach: int
    _returns: OrderedDict[Identified, int] = field(default_factory=OrderedDict)  # when it was ours
    # Epochs that follow one of ours.
    _own: set[int] = field(default_factory=set)
    # Epochs that follow somebody else's.
    _taken: set[int] = field(default_factory=set)
    _first: dict[Order, Identified] = field(default_factory=dict)
    until: float = 0.0  # when the latest overlap is over

    def arrive(self, contribution: Contribution, now: float) -> None:
        """One delivery: whether it was somebody else's, and what that means for its order."""
        delivery, identity = contribution.delivery, contribution.identity
        if delivery.redelivered and not self._was_ours(contribution):
            if delivery.epoch not in self._own | self._taken:
                if now >= self.until:
                    self._first.clear()
                self._taken.add(delivery.epoch)
                self.until = now + self.overlap
            if now < self.until:
                self._first.setdefault(contribution.order, identity)
        returns = delivery.returns if delivery.redelivered else 0
        remember(self._returns, identity, returns, self.reach)

    def not_before(self, contribution: Contribution) -> float:
        """The moment until which the event has to wait within the overlap; 0.0 = it need not."""
        first = self._first.get(contribution.order)
        return 0.0 if first is None or first == contribution.identity else self.until

    def lose(self, epochs: frozenset[int]) -> None:
        """These channels have ended."""
        self._own -= epochs
        self._taken -= epochs

    def _was_ours(self, contribution: Contribution) -> bool:
        """Whether nobody held the message since we did.

        What returned with a channel of ours is led by what we held of it (`_own`). What comes behind that and
        is unknown to us was on its way to us and never read: no takeover, and yet a former owner may be
        writing it, if we are one ourselves since a moment ago.
        """
        delivery = contribution.delivery
        known = self._returns.get(contribution.identity)
        if known is None or delivery.returns > known + 1 or delivery.epoch in self._taken:
            return False
        self._own.add(delivery.epoch)
        return True
