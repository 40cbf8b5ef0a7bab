"""What HubSpot's quota leaves at a moment: for bulk, and for batches that are not full."""

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple


class Spare(NamedTuple):
    """`apart`: seconds per call at the limit; `used`: part of the window, taken by anybody."""

    apart: float = 0.1
    used: float = 0.0
    # The moment from which a part of a batch may leave before its linger is over; inf = calls are scarce.
    early: float = inf
    # The part of the day's calls that is left.
    day: float = 1.0


# Seconds after which an event leaves however little of the day is left. Held for half an hour it would go back to the
# queue, and take the live events' channel with it.
AT_LAST: Final = 1_200.0

Ask = Callable[[float], Spare]


def idle(_: float) -> Spare:
    """No call is used, and none is spent on latency."""
    return Spare()
