"""Ctrl-C and SIGTERM for commands that hold dead letters: given back in their order, not by a broken connection.

What a connection's end gives back counts as a delivery, and the broker shuffles it.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import typer

from service.cli.printing import say

T = TypeVar("T")
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """What a signal does: sets `gently` where there is one and it is not set, else ends the command."""

    def __init__(self) -> None:
        self.gently: asyncio.Event | None = None
        self.ended_by: int | None = None
        self.told = "interrupted; the dead letters are back on their queue"
        self._command = asyncio.current_task()

    def __call__(self, number: int) -> None:
        """One signal."""
        if self.gently is not None and not self.gently.is_set():
            self.gently.set()
        elif self._command is not None:
            self.ended_by = number
            self._command.cancel()


def run(story: Callable[[Interrupts], Coroutine[Any, Any, T]]) -> T:
    """Run a command's story.

    Raises:
        typer.Exit: a signal ended it; with the shell's code for that.
    """
    return asyncio.run(_run(story))


async def _run(story: Callable[[Interrupts], Coroutine[Any, Any, T]]) -> T:
    interrupts = Interrupts()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, interrupts, number)
    try:
        return await story(interrupts)
    except asyncio.CancelledError:
        if interrupts.ended_by is None:
            raise
        say(interrupts.told)
        raise typer.Exit(128 + interrupts.ended_by) from None
