"""Our own calls in HubSpot's window: which hold a place of the limit, and when the next comes free."""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

FOREVER: Final = float("inf")


class Answered(NamedTuple):
    """One call that was answered, or given up."""

    # The latest moment at which HubSpot has counted it.
    counted_by: float
    left: float
    back: float
    served: bool  # False = a 429, or nobody knows


class Places:
    """Places of the limit that our calls hold: in flight, then until they have left HubSpot's window."""

    def __init__(self) -> None:
        self.latest = -FOREVER  # departure
        # Departures of what is in flight, the earliest first.
        self._flying: list[float] = []
        self._held: list[Answered] = []  # maybe in the window still; by `counted_by`
        self._freed: deque[Answered] = deque()  # out of it, and kept for one more window

    @property
    def in_flight(self) -> int:
        """Calls that have left and are not answered."""
        return len(self._flying)

    @property
    def taken(self) -> int:
        """Places that our calls hold."""
        return len(self._flying) + len(self._held)

    def leave(self, now: float) -> None:
        """A call leaves and takes a place."""
        self.latest = now
        self._flying.append(now)

    def answer(self, call: Answered) -> None:
        """A call in flight has ended; its place is held until one window after its count."""
        self._flying.remove(call.left)
        insort(self._held, call)

    def expire(self, now: float, window: float) -> Iterator[Answered]:
        """The calls whose places have come free until now."""
        while self.next_free(window) <= now:
            call = self._held.pop(0)
            self._freed.append(call)
            yield call
        while self._freed and self._freed[0].back + 2 * window <= now:
            self._freed.popleft()

    def next_free(self, window: float) -> float:
        """The moment at which the next place comes free; FOREVER where all are in flight."""
        return self._held[0].counted_by + window if self._held else FOREVER

    def flying_since(self, moment: float) -> int:
        """Calls in flight that had left by then."""
        return bisect_right(self._flying, moment)

    def left_after(self, moment: float, answered_after: float) -> int:
        """Calls that left after one moment and were not answered by another."""
        answered = (call for call in chain(self._held, self._freed) if call.back > answered_after)
        flying = self.in_flight - self.flying_since(moment)
        return flying + sum(call.left > moment for call in answered)

    def freed_of(self, left: float) -> int:
        """Places that are free again, of calls that left after that."""
        return sum(call.left > left for call in self._freed)

    def maybe_in_window(self, left: float, window: float) -> int:
        """Answered calls that the header of a call that left then may have counted."""
        return len(self._held) + sum(call.back > left - window for call in self._freed)

    def surely_in_window(self, left: float, back: float, window: float) -> int:
        """Answered calls that the header of a call that left and came back then must have counted."""
        answered = chain(self._held, self._freed)
        return sum(call.served and back - window < call.left <= left for call in answered)
