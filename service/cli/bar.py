"""How far a command is, on stderr."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self


class Bar:
    """A bar on stderr where somebody looks."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._stack = ExitStack()
        self._advance: Callable[[int], Any] = lambda _: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self, total: int) -> None:
        """The whole, in events."""
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        bar = self._stack.enter_context(
            Progress(*columns, console=Console(stderr=True), transient=True)
        )
        task = bar.add_task(self._doing, total=total)
        self._advance = lambda sent: bar.advance(task, sent)

    def advance(self, sent: int) -> None:
        """So many more are sent."""
        self._advance(sent)
