"""How many calls may be in flight: as many as it takes to use the quota at HubSpot's pace.

Law (Little's): calls in flight = calls per second * seconds per call. The quota gives the first, the
latest answers give the second. Fewer would leave quota unused when HubSpot is slow: 4 in flight at 1 s per
call are 40 % of 100 calls in 10 s. More would only wait inside HubSpot.

The seconds are those of the slowest recent call: a longer answer counts at once, a shorter one by a
sixteenth, so one quick answer among slow ones does not throttle the others. `most` bounds it, whatever the
latency: each call in flight holds a batch of events and room for an answer.
"""

from math import ceil
from typing import Final

# A burst after a pause, and calls that HubSpot answers in no time.
LEAST: Final = 4
# 100 calls in 10 s at 10 s each, with room to spare.
MOST: Final = 128
_FORGETTING: Final = 16


class Concurrency:
    """Calls in flight, as many as are worth it."""

    def __init__(self, most: int | None = None) -> None:
        """`most`: set by hand; None = MOST."""
        self._most = MOST if most is None else most
        self._seconds = 0.0

    def learn(self, seconds: float) -> None:
        """A call took so long, answered or given up."""
        faster = self._seconds + (seconds - self._seconds) / _FORGETTING
        self._seconds = max(seconds, faster)

    def calls(self, per_second: float) -> int:
        """The most that may be in flight, for a quota of so many calls per second."""
        wanted = ceil(per_second * self._seconds) + 1
        return min(self._most, max(LEAST, wanted))
