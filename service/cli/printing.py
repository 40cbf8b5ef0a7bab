"""Rows -> stdout, as people or programs want them. What is not data goes to stderr (`say`)."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, Final, TextIO

import orjson
import typer


class Output(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How to print it.", case_sensitive=False)
]


def say(text: str) -> None:
    """To stderr: it is not data."""
    typer.echo(text, err=True)


def number_of(count: int, noun: str) -> str:
    """How many, in words: 1 event, 2 events."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def visible(text: str) -> str:
    """Without what a terminal would act on: what is printed may be anybody's."""
    return text.translate(_VISIBLE)


_VISIBLE: Final = {
    number: repr(chr(number))[1:-1] for number in (*range(32), *range(127, 160), 0x2028, 0x2029)
}


def show(rows: Sequence[Mapping[str, Any]], output: Output, *, err: bool = False) -> None:
    """Print rows of the same columns; `err`: to stderr, beside data."""
    match output:
        case Output.TABLE:
            _table(rows, sys.stderr if err else sys.stdout)
        case _:
            with listing(output) as show_one:
                for row in rows:
                    show_one(row)


@contextmanager
def listing(output: Output) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Print rows one by one, as JSON: a list that is closed at the end, or a line each."""
    printed = 0

    def show_one(row: Mapping[str, Any]) -> None:
        nonlocal printed
        if output is Output.NDJSON:
            typer.echo(orjson.dumps(row))
            return
        text = orjson.dumps(row, option=orjson.OPT_INDENT_2).decode().replace("\n", "\n  ")
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


def _drawn(columns: Iterable[str], cells: Iterable[list[str]], to: TextIO) -> None:
    from rich.console import Console  # noqa: PLC0415  (only where somebody looks)
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")  # longer lines rather than less of them
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))  # what is printed is data, no markup
    Console(file=to).print(table)


def _aligned(lines: list[list[str]], to: TextIO) -> None:
    """Nothing cut off: a pipe has no width."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip(), file=to)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return visible(value)
        case _:
            return orjson.dumps(value).decode()
