"""Others that use the same limit and keep peace, as other processes of ours do: how places are shared.

Nobody tells us of them but HubSpot's headers. What keeps peace without a word:

- Retake: a place of ours that has come free is ours to take again at once, so nobody's count changes.
- Claim: a place beyond is taken only where headers have shown more than `kept` free for a while, and only
  a part of what is free before the next header: others see the same places.
- Cede: now and then a place is not taken again, the more often the more we have. So shares even out, and
  who starts finds room.
"""

from collections import deque
from math import ceil
from typing import Final

from service.core.hubspot.places import FOREVER

REMEMBERED: Final = 6  # windows after a header that counted others
# One place in so many stays free: whoever starts finds out by one call.
MARGIN: Final = 100
# Of the limit: places that one who has all does not claim; one who has less claims sooner.
GREED: Final = 0.03
GREED_MAX: Final = 3
CEDED: Final = 0.03  # of the places that come free to who has all
# A claim leaves others two of three free places.
CLAIMED: Final = 3
CLAIMS: Final = 64
# Parts of a window.
# After which a place that was not taken again is anybody's.
LAPSE: Final = 0.1
# What is free for so long is not just between two calls of somebody else.
STEADY: Final = 0.05


class Neighbours:
    """What is left to others, and what of it we may take."""

    def __init__(self) -> None:
        self._reckoned_until = self._seen_until = -FOREVER
        self._retakes: deque[float] = deque()  # moments at which our places came free
        self._claims = 0  # that the latest header allows
        self._claimed: deque[float] = deque(maxlen=CLAIMS)  # departures
        # Moments of headers, and what they left free.
        self._lately: deque[tuple[float, int]] = deque()
        self._unseen = 0  # claims that it may not have counted
        # Places that were free beside ours, by the latest header.
        self._room = 0
        self._ceded = 0.0

    # --- who is there ---------------------------------------------------------------------------------

    def reckoned_with(self, now: float) -> bool:
        """Whether somebody may be there."""
        return now < self._reckoned_until

    def seen(self, now: float) -> bool:
        """Whether somebody was there lately."""
        return now < self._seen_until

    def suspect(self, now: float, window: float) -> None:
        """We start: for one window others are reckoned with."""
        self._reckoned_until = now + window

    def see(self, now: float, window: float) -> None:
        """A header counts more calls than ours, or a 429 says so."""
        if not self.reckoned_with(now):
            self._retakes.clear()
        self._reckoned_until = self._seen_until = now + REMEMBERED * window

    def refuse(self, now: float, window: float) -> None:
        """A 429: nothing is ours."""
        self.see(now, window)
        self._retakes.clear()
        self._claims = self._room = 0

    # --- places ---------------------------------------------------------------------------------------

    def margin(self, limit: int) -> int:
        """Places that stay free, whoever is there."""
        return (limit + MARGIN // 10) // MARGIN

    def kept(self, limit: int, taken: int) -> int:
        """Places that we do not claim."""
        return self.margin(limit) + ceil(min(GREED_MAX, GREED * limit) * taken / limit)

    def hear(self, now: float, free: int, room: int, unseen_since: float) -> None:
        """A header leaves `room` beside our places, and `free` less what it may not have counted.

        `unseen_since`: claims that left after that may be missing in it.
        """
        self._room = room
        self._lately.append((now, free))
        self._unseen = sum(left > unseen_since for left in self._claimed)

    def consider(self, now: float, kept: int, window: float) -> None:
        """How many places may be claimed before the next header."""
        while len(self._lately) > 1 and self._lately[1][0] <= now - STEADY * window:
            self._lately.popleft()
        steady = min(free for _, free in self._lately) - len(self._retakes) - kept
        too_new = self.seen(now) and self._lately[0][0] > now - STEADY * window
        if steady <= 0 or too_new:
            self._claims = 0
        else:
            self._claims = max(0 if self._unseen else 1, steady // CLAIMED - self._unseen)

    def came_free(self, now: float, share: float, *, fresh: bool) -> None:
        """One of our places; `share` of the limit is ours, `fresh`: the latest header is recent."""
        if not self.reckoned_with(now):
            return
        self._ceded += CEDED * share
        if self._ceded >= 1.0:
            self._ceded -= 1.0
        elif self._room > 0 or not fresh:
            self._retakes.append(now)

    def leave(self, now: float) -> None:
        """A call of ours leaves."""
        if self._retakes:
            self._retakes.popleft()
        elif self._claims:
            self._claims -= 1
            self._claimed.append(now)

    @property
    def retake(self) -> bool:
        """Whether a place of ours came free just now."""
        return bool(self._retakes)

    @property
    def claim(self) -> bool:
        """Whether the latest header leaves us a place beyond ours."""
        return self._claims > 0

    def age(self, now: float, window: float) -> None:
        """Time passes: what was not taken again in time is anybody's."""
        while self._retakes and self._retakes[0] + LAPSE * window < now:
            self._retakes.popleft()
