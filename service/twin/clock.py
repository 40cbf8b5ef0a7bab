"""Time as the twin sees it: the running loop's, so that virtual time works; never a wall clock.

Limits, latency, faults and token life run on `now()` (seconds of the loop). Timestamps in answers
are a fixed origin plus the loop's progress, so they advance with virtual time too.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Seconds of the loop, and the milliseconds since 1970 that belong to them."""

    __slots__ = ("_origin", "_read", "_start_ms")

    def __init__(
        self, read: Callable[[], float] | None = None, start_ms: int | None = None
    ) -> None:
        """Read `read()`, or the running loop's time; the calendar starts at `start_ms` or today."""
        self._read = read
        self._origin: float | None = None
        self._start_ms = start_ms

    def now(self) -> float:
        """Seconds, monotonic."""
        return self._read() if self._read else asyncio.get_running_loop().time()

    def stamp(self) -> int:
        """Milliseconds since 1970 for answers; advances with `now()`."""
        now = self.now()
        if self._origin is None:
            self._origin = now
        if self._start_ms is None:
            # The only look at the wall clock: where the twin's calendar starts.
            self._start_ms = int(datetime.now(UTC).timestamp() * 1000)  # noqa: TID251
        return self._start_ms + int((now - self._origin) * 1000)

    def elapsed(self) -> float:
        """Seconds since the first reading: what `since` and `until` of a fault are measured in."""
        now = self.now()
        if self._origin is None:
            self._origin = now
        return now - self._origin


@lru_cache(maxsize=8192)
def iso(stamp: int) -> str:
    """`1732323600123` → `2024-11-23T01:00:00.123Z`, the form of HubSpot's timestamps."""
    moment = datetime.fromtimestamp(stamp // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{stamp % 1000:03d}Z"


def milliseconds(moment: datetime) -> int:
    """An aware moment as milliseconds since 1970, exactly."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
