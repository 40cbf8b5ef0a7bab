"""The end of what runs beside the flow.

Law: it comes. To cancel once is not enough: while a connection is opened or closed the AMQP clients may swallow a
cancellation (seen with aio-pika 10 on Python 3.11 and 3.13; `asyncio.wait_for` before 3.12 does, too,
python/cpython#86296), and the task goes on for ever.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

# Seconds after which a task that goes on is cancelled once more; longer than a connection takes to close.
AGAIN: Final = 3.0


async def ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel them until they have ended."""
    left = list(tasks)
    while left := [task for task in left if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN)
