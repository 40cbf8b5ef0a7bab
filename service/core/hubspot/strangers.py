"""Others that keep no peace: after a 429 somebody takes places at the same moments as we do.

Then no place is ours to take again. A call leaves where the latest header leaves a place above the margin,
less what it may not have counted, plus our own places that have come free since. The margin is wide after a
429 and narrows with every window. Near it, and where the news is old, calls leave one at a time.
"""

from typing import Final

from service.core.hubspot.places import FOREVER

REMEMBERED: Final = 30  # windows after the latest 429
# Places of margin: the next call of somebody else is on its way.
LEAST: Final = 2
# Places above the margin from which calls leave one at a time.
NEAR: Final = 4
WIDEST: Final = 16
# Parts of a window.
# Older news is good for one call, and a call that hangs holds up no others.
OLD: Final = 0.05
# After a 429 out of peace; then until a header shows a free place …
FIRST_REST: Final = 0.7
# … after each that follows: a rival may take all of every window.
REST: Final = 0.35


class Strangers:
    """Places by the latest header alone."""

    def __init__(self) -> None:
        self._until = self._refused_at = self._narrowed_at = -FOREVER
        self._margin = LEAST
        self._free = 0  # by the latest header
        # As the latest 429 said, until a header says otherwise.
        self._full = False
        self._rest = 0.0

    def there(self, now: float) -> bool:
        """Whether there was a 429 lately."""
        return now < self._until

    def refuse(self, now: float, limit: int, window: float) -> None:
        """A 429."""
        self._rest = (REST if self.there(now) else FIRST_REST) * window
        self._margin = min(WIDEST, max(2 * self._margin, limit // WIDEST))
        self._refused_at = self._narrowed_at = now
        self._until = now + REMEMBERED * window
        self._free, self._full = min(self._free, 0), True

    def hear(self, free: int) -> None:
        """A header leaves so many places, what it may not have counted taken off."""
        self._free = free
        self._full = self._full and free <= 0

    def leave(self) -> None:
        """A call of ours leaves."""
        self._free -= 1

    def came_free(self) -> None:
        """One of our places that the header counted."""
        self._free += 1

    def room(self, now: float, *, alone: bool, fresh: bool) -> bool:
        """Whether a call may leave."""
        if self._full and now < self.rested_at:
            return False
        above = self._free - self._margin
        return above > 0 and (alone or (fresh and above > NEAR))

    @property
    def rested_at(self) -> float:
        """When the window may be looked at again after a 429."""
        return self._refused_at + self._rest

    def age(self, now: float, window: float) -> None:
        """Time passes: the margin narrows."""
        if self._margin > LEAST and now >= self._narrowed_at + window:
            self._margin -= 1
            self._narrowed_at = now
