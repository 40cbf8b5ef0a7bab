"""Which message may be the one that kills its process, and when it has killed often enough.

Law: a message is condemned alone. A crash raises the delivery count of every message that was held, so a
high count does not identify the killer, only that it is among those messages. From SUSPECTED on, messages
are therefore taken in their order, one at a time at first, so that the killer is in front when it kills:
its neighbours before it are settled, those behind it are not even read. Whatever is in front when a process
begins, and went back CONDEMNED times, is dead-lettered without another try, long before the broker's own
limit (50) would take it and its neighbours with it.

One at a time means taken one at a time, not delivered so: a quorum queue puts what is returned behind all
that was returned before, so that a window narrower than that would change the order of events.

Returns that this process has lived through (lost connections) are not held against anybody.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution
from service.core.hubspot.verdicts import Cause, Retryable
from service.core.reasons import Code, Reason

# Returns that nobody is known to have lived through.
SUSPECTED: Final = 3
# A bad night's restarts stay below; the broker's limit is 50.
CONDEMNED: Final = 20
# Suspects that are survived one at a time; after them as many are taken at once as were survived.
CALM: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class Suspected:
    """From this delivery on, deliveries are taken one at a time: it may have killed its process."""

    delivery: Delivery


class Crashes:
    """The line of those who wait, unread, while suspects are taken one at a time."""

    def __init__(self) -> None:
        # Times that what we held went back while we lived.
        self._lived = 0
        self._survived = 0  # suspects
        self._condemned = False
        self._unread: deque[Delivery] = deque()
        # Epoch and tag of each that was taken out of the line.
        self._watched: set[tuple[int, int]] = set()
        self.calm = True  # nobody waits and nobody is watched

    def suspects(self, delivery: Delivery) -> bool:
        """Whether a message that went back so often may be, or be held beside, a killer."""
        return delivery.redelivered and delivery.returns - self._lived >= SUSPECTED

    def wait(self, delivery: Delivery) -> None:
        """One more at the end of the line."""
        self._unread.append(delivery)
        self.calm = False

    def take(self) -> Iterator[tuple[Delivery, bool]]:
        """Those whose turn it is; True = condemned: not to be tried any more."""
        while self._unread and len(self._watched) < self._room:
            delivery = self._unread.popleft()
            self._watched.add((delivery.epoch, delivery.tag))
            yield delivery, self._condemns(delivery)

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        """These are acked, and we live."""
        if self._watched:
            before = len(self._watched)
            self._watched.difference_update((each.epoch, each.tag) for each in deliveries)
            self._survived += before - len(self._watched)
            self._calm_down()

    def lose(self, epochs: frozenset[int]) -> None:
        """These channels have ended, and we live."""
        self._lived += 1
        self._unread = deque(each for each in self._unread if each.epoch not in epochs)
        self._watched = {each for each in self._watched if each[0] not in epochs}
        self._calm_down()

    def drain(self) -> None:
        """Nobody is taken any more: who waits goes back to the queue with its channel."""
        self._unread.clear()

    def _calm_down(self) -> None:
        self.calm = not (self._unread or self._watched)

    @property
    def _room(self) -> int:
        return 1 if self._survived < CALM else self._survived

    def _condemns(self, delivery: Delivery) -> bool:
        """Whether it was in front when we began, and went back too often. Says so once."""
        guilty = delivery.returns - self._lived >= CONDEMNED
        guilty = guilty and not self._survived and not self._condemned
        self._condemned |= guilty
        return guilty


def accused(event: Contribution) -> Retryable:
    """The reason for a dead letter without another try."""
    message = (
        f"the process died again and again while it held this message ({event.delivery.returns} "
        "returns): it is set aside without another try"
    )
    return Retryable(Reason(Code.CRASH_SUSPECT, message), Cause.RECORD)
