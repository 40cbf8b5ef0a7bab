"""What is in our keeping, since when, and when it has to go back to the queue.

Law: nothing is kept so long that the broker takes it back by closing the channel on us. What HubSpot does
not answer well for long ends by itself: a record is given up, an outage or a throttle pauses the intake
(retries, pauses). Two things do not. A result queue that takes nothing keeps what is settled but not
published: after `patience` all goes back. And the rare rest, an order whose events fail one after the
other, a search for culprits on a tiny quota: what was kept for `longest` goes back, a moment before the
broker (consumer_timeout) would fetch it.
"""

from collections.abc import Iterable
from enum import StrEnum
from itertools import count

from service.core.events.deliveries import Delivery


class Overdue(StrEnum):
    """Why it has to go back."""

    UNPUBLISHED = "outcomes cannot be published"
    KEPT = "the broker would take it back soon"


class Custody:
    """The book of it; `patience` and `longest` in seconds, `now` in monotonic seconds."""

    def __init__(self, patience: float, longest: float) -> None:
        self._patience, self._longest = patience, longest
        self._since: dict[int, dict[int, float]] = {}  # epoch -> tag -> when it came, in that order
        self._numbers = count(1)
        self._publishing: dict[int, float] = {}  # publishes under way -> when they began, in order

    @property
    def published_all(self) -> bool:
        """Whether no publish is under way."""
        return not self._publishing

    def arrived(self, delivery: Delivery, now: float) -> None:
        """One delivery."""
        self._since.setdefault(delivery.epoch, {})[delivery.tag] = now

    def acked(self, deliveries: Iterable[Delivery]) -> None:
        """These are settled."""
        for each in deliveries:
            self._since.get(each.epoch, {}).pop(each.tag, None)

    def lost(self, epochs: frozenset[int]) -> None:
        """These channels have ended: what they brought is the broker's again."""
        for epoch in epochs:
            self._since.pop(epoch, None)

    def gave_back(self) -> None:
        """The intake is closed: all of it is on its way back."""
        self._since.clear()

    def publishing(self, now: float) -> int:
        """A publish begins; returns its number."""
        number = next(self._numbers)
        self._publishing[number] = now
        return number

    def published(self, number: int) -> None:
        """It is through, or given up."""
        del self._publishing[number]

    def age(self, now: float) -> float:
        """Seconds since the oldest delivery came that is neither acked nor given back; 0.0 = none is."""
        firsts = (next(iter(tags.values())) for tags in self._since.values() if tags)
        return now - min(firsts, default=now)

    def overdue(self, now: float) -> Overdue | None:
        """Whether everything has to go back now, and why."""
        if self._unpublished(now) >= self._patience:
            return Overdue.UNPUBLISHED
        return Overdue.KEPT if self.age(now) >= self._longest else None

    def ask_within(self, now: float) -> float:
        """Seconds for which `overdue` has nothing new to say."""
        wait = min(self._patience - self._unpublished(now), self._longest - self.age(now))
        return max(0.0, wait)

    def _unpublished(self, now: float) -> float:
        """Seconds since the oldest publish under way began."""
        return now - next(iter(self._publishing.values()), now)
