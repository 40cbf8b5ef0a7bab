"""The door: deliveries go through at once, unless one of them may be what kills its process.

When to be careful and whom to condemn is core.crashes' decision; this keeps the line. Who waits in it is
not read, so that nothing of it can do harm, and the order of deliveries is kept.
"""

from collections import deque
from collections.abc import Callable, Iterable

import structlog

from service.core.events.deliveries import Delivery
from service.core.intake.crashes import Crashes

log = structlog.get_logger(__name__)


class Caution:
    """`take` carries on with one delivery; its second argument says that it is condemned."""

    def __init__(self, take: Callable[[Delivery, bool], None]) -> None:
        self._take, self._crashes = take, Crashes()
        self._unread: deque[Delivery] = deque()
        self._watched: set[tuple[int, int]] = set()  # epoch and tag of what was let through singly

    def arrived(self, delivery: Delivery) -> None:
        """One delivery, in its turn."""
        suspect = delivery.redelivered and self._crashes.suspects(delivery.returns)
        if not (suspect or self._unread or self._watched):
            self._take(delivery, False)
            return
        if suspect and not (self._unread or self._watched):
            log.warning("crash_suspected", queue=delivery.queue, returns=delivery.returns)
        self._unread.append(delivery)
        self._advance()

    def settled(self, deliveries: Iterable[Delivery]) -> None:
        """These are acked: whoever waits behind them may come."""
        if not self._watched:
            return
        before = len(self._watched)
        self._watched.difference_update((each.epoch, each.tag) for each in deliveries)
        self._crashes.survived(before - len(self._watched))
        self._advance()

    def lost(self, epochs: frozenset[int]) -> None:
        """These channels have ended, and we live."""
        self._crashes.returned()
        self._unread = deque(each for each in self._unread if each.epoch not in epochs)
        self._watched = {each for each in self._watched if each[0] not in epochs}
        self._advance()

    def close(self) -> None:
        """Nobody is let in any more: who waits goes back to the queue with its channel."""
        self._unread.clear()

    def _advance(self) -> None:
        while self._unread and len(self._watched) < self._crashes.room:
            delivery = self._unread.popleft()
            self._watched.add((delivery.epoch, delivery.tag))
            self._take(delivery, self._crashes.condemns(delivery.returns))
