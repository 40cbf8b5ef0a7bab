"""How soon HubSpot counts a call after it has left, as far as its answers prove it.

HubSpot counts a call between its departure and its answer. Nobody says when; three things bound it:

- The answer. It is the bound where nothing else is known.
- The quickest call lately. What it took on the way there and back, every call takes; so of two calls the
  later one cannot have come in sooner by more than the difference between its own time and the quickest.
  That holds as far as the quickest is known, that is where most calls take about the same time.
  Where every call takes 3 s, a place is thus known to be free 3 s earlier.
- A header. If nobody else calls, and a header counts all calls that had left before its own, the slow ones
  among them were counted while they were in flight: HubSpot counts at its door, before it works.
"""

from collections import deque
from typing import Final

from service.core.hubspot.places import FOREVER, Places

# Seconds from a departure to the count, where HubSpot is known to be prompt.
PROMPT: Final = 0.15
PROMPT_BESIDE_OTHERS: Final = 0.1  # a place that waits longer looks free to them
WITNESSED: Final = 20  # calls that prove it
# Answers from which the quickest says something.
ENOUGH: Final = 20
LATEST: Final = 50  # answers that it is sought among
# The part of the quickest call's time that is taken for certain …
CERTAIN: Final = 0.97
JITTER: Final = 0.05  # … less so many seconds


class Arrivals:
    """When a call is counted: at the latest with its answer, and earlier where that is known."""

    def __init__(self) -> None:
        self._trips: deque[float] = deque(maxlen=LATEST)
        self._witnesses = 0  # calls that were proven to be counted promptly
        self._witnessed_until = -FOREVER  # the latest departure among them
        # A header counts what came in while its call was served.
        self.counts_until_answered = False

    def served(self, seconds: float) -> None:
        """A call was served; it took so long."""
        self._trips.append(seconds)

    def counted_by(self, left: float, back: float, *, beside_others: bool) -> float:
        """The moment by which a call that left and came back then has been counted."""
        certain = back - self._lead()
        # 0.1 s of 190 calls in 10 s are 2 places that others would take.
        if beside_others:
            return min(certain, left + PROMPT_BESIDE_OTHERS)
        return min(certain, left + PROMPT) if self._prompt else certain

    def uncounted_since(self, left: float, back: float) -> float:
        """Calls that left after this may be missing in the header of a call that left and came back then."""
        if self.counts_until_answered:
            return back - PROMPT
        return left - PROMPT if self._prompt else -FOREVER

    def witness(self, used: int, places: Places, left: float, back: float, window: float) -> None:
        """Take in that the header of such a call says `used`, while nobody else calls."""
        answered = places.surely_in_window(left, back, window)
        if answered != places.maybe_in_window(left, window):
            # Some may have left the window while the answer was on its way.
            return
        in_flight = used - answered
        before, long_before = places.flying_since(left), places.flying_since(left - PROMPT)
        if in_flight < long_before:
            self.doubt()
        elif in_flight >= before:
            self._witnesses += max(0, long_before - places.flying_since(self._witnessed_until))
            self._witnessed_until = max(self._witnessed_until, left - PROMPT)
            self.counts_until_answered = in_flight > before
        else:
            self._witnesses = max(0, self._witnesses - 1)

    def mistrust(self) -> None:
        """Others call: what looked like ours may have been theirs."""
        self._witnesses = 0
        self.counts_until_answered = False

    def doubt(self) -> None:
        """A call was counted late, or a 429 says that something was."""
        self.mistrust()
        self._trips.clear()

    @property
    def _prompt(self) -> bool:
        return self._witnesses >= WITNESSED

    def _lead(self) -> float:
        """Seconds before its answer by which a call has been counted for certain."""
        if len(self._trips) < ENOUGH:
            return 0.0
        trips = sorted(self._trips)
        quickest, usual = trips[0], trips[len(trips) // 2]
        # Where times vary, the next call may well be quicker than the quickest so far.
        return max(0.0, CERTAIN * (quickest - (usual - quickest)) - JITTER)
