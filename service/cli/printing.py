"""Rows -> stdout, as people or programs want them. What is not data goes to stderr (`say`)."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import orjson
import typer

from service.core.visible import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console

# Characters of a cell that may stand under its row; a time stays in it.
LONG: Final = 25


class Output(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How to print it.", case_sensitive=False)
]


def say(text: str) -> None:
    """To stderr: it is not data. A line, whatever stands in it."""
    typer.echo(visible(text), err=True)


def number_of(count: int, noun: str) -> str:
    """How many, in words: 1 event, 2 events."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def show(rows: Sequence[Mapping[str, Any]], output: Output, *, err: bool = False) -> None:
    """Print rows of the same columns; `err`: to stderr, beside data."""
    match output:
        case Output.TABLE:
            _table(rows, sys.stderr if err else sys.stdout)
        case _:
            with listing(output) as show_one:
                for row in rows:
                    show_one(row)


def show_document(document: Any, output: Output) -> None:
    """Print one document as JSON: indented, or on one line as NDJSON."""
    indent = 0 if output is Output.NDJSON else orjson.OPT_INDENT_2
    typer.echo(visible_json(orjson.dumps(document, option=indent).decode()))


@contextmanager
def listing(output: Output) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Print rows one by one, as JSON: a list that is closed at the end, or a line each."""
    printed = 0

    def show_one(row: Mapping[str, Any]) -> None:
        nonlocal printed
        if output is Output.NDJSON:
            typer.echo(visible_json(orjson.dumps(row).decode()))
            return
        text = visible_json(orjson.dumps(row, option=orjson.OPT_INDENT_2).decode())
        text = text.replace("\n", "\n  ")
        typer.echo(f"{',' if printed else '['}\n  {text}", nl=False)
        printed += 1

    yield show_one
    if output is Output.JSON:
        typer.echo("\n]" if printed else "[]")


def _table(rows: Sequence[Mapping[str, Any]], to: TextIO) -> None:
    if not rows:
        return
    cells = [[_cell(value) for value in row.values()] for row in rows]
    if to.isatty():
        _drawn(list(rows[0]), cells, to)
    else:
        _aligned([list(rows[0]), *cells], to)


def _drawn(columns: Sequence[str], cells: Sequence[Sequence[str]], to: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, widths = Console(file=to), _widths([columns, *cells])
    if long := _too_long(widths, console.width):
        _stacked(columns, cells, long, console)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # Longer lines rather than less of them.
        table.add_column(column, overflow="fold")
    for row in cells:
        # What is printed is data, no markup.
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _too_long(widths: Sequence[int], room: int) -> list[int]:
    """The columns to take out so that the rest has room, the widest first; the first one stays."""
    long: list[int] = []
    left = sum(widths) + 2 * (len(widths) - 1)
    for column in sorted(range(1, len(widths)), key=lambda column: -widths[column]):
        if left <= room or widths[column] < LONG:
            break
        long.append(column)
        left -= widths[column] + 2
    return sorted(long)


def _stacked(
    columns: Sequence[str], cells: Sequence[Sequence[str]], long: Sequence[int], console: "Console"
) -> None:
    """What is long under its row: beside it, an id would be torn over three lines."""
    from rich.padding import Padding
    from rich.text import Text

    short = [column for column in range(len(columns)) if column not in long]
    widths = _widths([[row[column] for column in short] for row in (columns, *cells)])
    for number, row in enumerate((columns, *cells)):
        padded = (row[column].ljust(width) for column, width in zip(short, widths, strict=True))
        line = Text("  ".join(padded).rstrip(), "bold" if number == 0 else "")
        console.print(line, soft_wrap=True)
        for column in long if number else ():
            if row[column]:
                console.print(Padding(Text(f"{columns[column]}: {row[column]}"), (0, 0, 0, 4)))


def _aligned(lines: Sequence[Sequence[str]], to: TextIO) -> None:
    """Nothing cut off: a pipe has no width."""
    widths = _widths(lines)
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip(), file=to)


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return visible(value)
        case _:
            return visible_json(orjson.dumps(value).decode())
