"""Waiting for an event or a deadline, whichever is first. Everything that changes something says `up`."""

import asyncio
from contextlib import suppress
from typing import Final

from service.core.hubspot.places import FOREVER

TICK: Final = (
    # seconds; no timer is finer, or a due moment a float's breath away spins the loop.
    0.001
)


class Wake:
    """One bell for all who wait: each looks for himself whether it was for him."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()

    def up(self) -> None:
        """Something has changed."""
        self._bell.set()

    def hush(self) -> None:
        """What changed until now is known."""
        self._bell.clear()

    async def within(self, seconds: float) -> None:
        """Return at the next `up`, or after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == FOREVER else max(seconds, TICK)):
                await self._bell.wait()
        self._bell.clear()  # whoever waited looks anew
