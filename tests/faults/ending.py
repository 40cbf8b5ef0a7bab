"""The end by SIGTERM: as an exception, so that whatever was started is ended on the way out."""

import signal
import sys
from types import FrameType


def in_order() -> None:
    """From here on SIGTERM unwinds the stack, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _unwind)


def _unwind(number: int, _: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    sys.exit(128 + number)
