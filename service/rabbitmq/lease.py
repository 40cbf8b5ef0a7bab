"""The time fence: no call starts unless the broker was seen to take us for the owner a moment ago.

A process that was frozen, or whose connection is dead in one direction, does not know that another one
has taken over: RabbitMQ fails over after two to three heartbeats of silence, the client notices a dead
broker only after three and more. So before every call the consuming channel must have answered a question
that was put less than a lease ago. What merely lay in the socket's buffer while we slept proves nothing,
therefore a question and its answer, not the age of the last frame.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError

QUESTIONS: Final = 4  # per lease
# One that nobody sets, and that runs on while the machine sleeps, where the system has such a one.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Lease:
    """Held for `seconds` from each question that the broker answered; the clock is the machine's.

    The loop's own clock stands still while a callback runs, and with it while the process is frozen in one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # When the last answered question was put; None = ended.
        self._proven: float | None = None
        self._changed = asyncio.Event()

    async def prove(self, channel: AbstractChannel, prefetch: int) -> None:
        """Ask again and again, until cancelled: the prefetch once more, which changes no consumer."""
        # It has just let us consume.
        self._proven = _now()
        # The channel's end is told elsewhere.
        with suppress(AMQPError, OSError, RuntimeError):
            while True:
                asked = _now()
                await channel.basic_qos(prefetch_count=prefetch)
                self._proven = asked
                self._changed.set()
                await asyncio.sleep(self._seconds / QUESTIONS)

    def end(self) -> None:
        """The channel is gone: whoever waits may see for himself that nothing is ours."""
        self._proven = None
        self._changed.set()

    async def held(self) -> None:
        """Return while the lease runs, or when it has ended for good."""
        while self._proven is not None and _now() - self._proven > self._seconds:
            self._changed.clear()
            await self._changed.wait()


def _now() -> float:
    return time.clock_gettime(_CLOCK)
