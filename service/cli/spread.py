"""Rows -> a table, JSON, NDJSON or CSV, for the commands that print what HubSpot holds."""

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from service.cli.printing import Output, listing, show
from service.core.visible import visible


class Spread(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


SpreadOption = Annotated[
    Spread, typer.Option("--output", "-o", help="How to print it.", case_sensitive=False)
]
Cells = Mapping[str, Any]
_TOLD: Final = {
    Spread.TABLE: Output.TABLE,
    Spread.JSON: Output.JSON,
    Spread.NDJSON: Output.NDJSON,
}


@contextmanager
def spreading(spread: Spread) -> Iterator[Callable[[Cells, Cells], None]]:
    """A function that prints one row: its cells for people and sheets, its document for programs.

    A table comes at the end, because its columns are as wide as their widest cell; the rest comes row by row.
    """
    match spread:
        case Spread.CSV:
            yield _Sheet().add
            # Else the words about it would come before it.
            sys.stdout.flush()
        case Spread.TABLE:
            rows: list[Cells] = []
            yield lambda cells, _: rows.append(cells)
            show(rows, Output.TABLE)
        case _:
            with listing(_TOLD[spread]) as show_one:
                yield lambda _, document: show_one(document)


class _Sheet:
    """CSV, with a line of names first."""

    def __init__(self) -> None:
        self._writer: csv.DictWriter[str] | None = None

    def add(self, cells: Cells, _: Cells) -> None:
        if self._writer is None:
            self._writer = csv.DictWriter(sys.stdout, list(cells), lineterminator="\n")
            self._writer.writeheader()
        self._writer.writerow({name: _cell(value) for name, value in cells.items()})


def _cell(value: Any) -> Any:
    """As it is for a file; without what a terminal would do for a terminal."""
    if isinstance(value, bool):
        return str(value).lower()
    return visible(value) if isinstance(value, str) and sys.stdout.isatty() else value
