"""Virtual time: an hour of timers in milliseconds, in the right order; a true deadlock raises."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import looptime

T = TypeVar("T")


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run a story to its end on a loop whose clock jumps to the next timer."""
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        return runner.run(story)
