"""Rows -> stdout, as people or programs want them. What is not data goes to stderr (`say`)."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

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


def show(rows: Sequence[Mapping[str, Any]], output: Output) -> None:
    """Print rows of the same columns."""
    match output:
        case Output.JSON:
            typer.echo(orjson.dumps(list(rows), option=orjson.OPT_INDENT_2))
        case Output.NDJSON:
            for row in rows:
                typer.echo(orjson.dumps(row))
        case Output.TABLE:
            _table(rows)


def _table(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    cells = [[_cell(value) for value in row.values()] for row in rows]
    if sys.stdout.isatty():
        _drawn(list(rows[0]), cells)
    else:
        _aligned([list(rows[0]), *cells])


def _drawn(columns: Iterable[str], cells: Iterable[list[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415  (only where somebody looks)
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")  # longer lines rather than less of them
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))  # what is printed is data, no markup
    Console().print(table)


def _aligned(lines: list[list[str]]) -> None:
    """Nothing cut off: a pipe has no width."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return orjson.dumps(value).decode()
