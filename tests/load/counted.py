"""`ordersync run`, as ever, that also says how many asyncio tasks it has: a line for each SIGUSR1.

    LOAD_TASKS=<file descriptor> python -m tests.load.counted run

The one thing that cannot be seen from outside of a process. Nothing of the service is changed.
"""

import asyncio
import os
import signal
from types import FrameType

from service.__main__ import main

NAME = "LOAD_TASKS"


def _tell(_: int, __: FrameType | None) -> None:
    try:
        number = len(asyncio.all_tasks())
    except RuntimeError:  # not running yet, or no more
        number = 0
    os.write(int(os.environ[NAME]), b"%d\n" % number)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _tell)
    main()
