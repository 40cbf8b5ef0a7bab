"""Virtual time with a wire: `create_connection` leads to a broker of the test's own, and nowhere else.

The loop's network is the boundary: aiormq, asyncio's streams and our own code above it are the real ones.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import looptime

from tests.wire.broker import Broker

T = TypeVar("T")


def run(story: Callable[[Broker], Coroutine[Any, Any, T]], seed: int = 1) -> T:
    """Run a story with a broker; the loop's clock jumps to the next timer."""
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        loop: Any = runner.get_loop()
        broker = Broker(loop, seed)
        loop.create_connection = broker.connected
        return runner.run(story(broker))
