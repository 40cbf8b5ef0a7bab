"""When a batch that is not full may leave before its linger is over: only on calls that nobody asks for.

A call that nobody makes is not kept for later, so a part of the quota may be spent on latency:

    calls per second
      limit  -------------------------------------------------------------------------
             |  full batches first: a part of a batch waits for company
      EARLY  |------------------------------------------------------------------------
             |  the traffic's own calls, and early ones between them, BURST at a time
      0      -------------------------------------------------------------------------

Laws. All calls together, the traffic's own too, are counted at the pace of EARLY; whoever leaves early keeps to it.
Of the day the pace leaves enough: what is left of it (core/hubspot/day.py) would last for another whole day, so it
need not be known when HubSpot's day ends. Where less than FREE of the window is free, taken by us or by others,
nobody leaves early. An early call makes the next one later: no state feeds itself.
"""

from typing import Final

from service.core.hubspot.places import FOREVER

# Parts of the limit.
EARLY: Final = 0.5
FREE: Final = 0.4
# Calls that may leave together after a quiet time.
BURST: Final = 5
DAY: Final = 86_400.0  # seconds


class Thrift:
    """Keeps count of the pace of calls."""

    def __init__(self) -> None:
        # When the calls so far would be over if they kept to the pace.
        self._until = -FOREVER
        self._day: int | None = None

    def spend(self, now: float, limit: int, window: float) -> None:
        """A call leaves."""
        apart = window / (EARLY * limit)
        if self._day is not None:
            apart = max(apart, DAY / max(1, self._day))
        self._until = min(max(self._until, now - BURST * apart) + apart, now + max(window, apart))

    def hear(self, left: int | None) -> None:
        """How many calls of the day are left, where anybody knows."""
        self._day = left

    def early(self, used: float) -> float:
        """The moment from which a part of a batch may leave; FOREVER where so much of the window is used."""
        return self._until if used <= 1.0 - FREE else FOREVER
