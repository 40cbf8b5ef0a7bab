"""Rows for whoever reads a look afterwards, in a file of our own: a list of them would not be bounded.

Law: whoever opens them closes them, also where the look fails half-way.
"""

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any, Self

import orjson


class Rows:
    """Rows as JSON, a line each."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115  (`__exit__` closes it)
        self.number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, row: dict[str, Any]) -> None:
        """One more."""
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self.number += 1

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """All of them, from the first."""
        self._file.seek(0)
        for line in self._file:
            yield orjson.loads(line)
