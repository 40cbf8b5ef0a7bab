"""`publish`: order events out of a file."""

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.exits import Exit
from service.cli.printing import number_of, say

if TYPE_CHECKING:
    from service.contract.event_files import Filed

SHOWN: Final = 50  # faults; after that they are counted


class Format(StrEnum):
    """How a file is read."""

    NDJSON = "ndjson"
    CSV = "csv"


def publish(
    file: Annotated[
        Path,
        typer.Argument(help="NDJSON, CSV or JSON (by its ending); - reads stdin.", exists=False),
    ],
    *,
    form: Annotated[
        Format | None, typer.Option("--format", help="Of stdin, or where the ending misleads.")
    ] = None,
    queue: Annotated[
        str | None, typer.Option(help="Straight to this queue instead of the exchange.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Events a second at the most.")
    ] = None,
    from_line: Annotated[int, typer.Option(min=1, help="Leave out the lines before.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check every line.")] = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Send lines that the service will refuse, too.")
    ] = False,
) -> None:
    """Publish order events, confirmed one by one by the broker.

    Every line is checked first; if one is wrong, nothing is sent and each fault is named.

    NDJSON: a CloudEvent a line. JSON: one. CSV: columns type (upsert, update, archive), id, source, subject,
    time, optionally id_property; every other column is a property, an empty cell leaves it alone.

    Such as:

      ordersync publish orders.ndjson

      ordersync publish orders.csv --rate 50

      zcat orders.ndjson.gz | ordersync publish -
    """
    from service.contract import publish as publishing
    from service.contract.event_files import from_path
    from service.settings.config import BrokerSettings, FileSettings
    from service.watch import logs

    settings = FileSettings.load() if dry_run else BrokerSettings.load()
    logs.for_command(settings.log)
    with _on_disk(file, form) as path:

        def source() -> Iterator["Filed"]:
            return (f for f in from_path(path) if not f.line or f.line >= from_line)

        counted = sum(1 for _ in source()) if unchecked else None
        total = _checked(source, settings.hubspot.id_property) if counted is None else counted
        if not isinstance(settings, BrokerSettings):
            say(f"{number_of(total, 'event')} would be published")
            return
        with _progress(total) as advance:
            confirmed = asyncio.run(
                publishing.publish(
                    settings.rabbitmq.url.get_secret_value(),
                    source(),
                    publishing.Target(settings.rabbitmq.exchange, queue),
                    rate=rate,
                    progress=advance,
                )
            )
    say(f"published {number_of(confirmed, 'event')}")


@contextmanager
def _on_disk(file: Path, form: Format | None) -> Iterator[Path]:
    """The file, or stdin as one: it is read twice, to check all of it before any of it is sent."""
    if str(file) != "-" and not file.is_file():
        raise typer.BadParameter(f"{file} is not a file", param_hint="FILE")
    if str(file) != "-" and form is None:
        yield file
        return
    with TemporaryDirectory(prefix="ordersync-", dir=_writable()) as folder:
        if str(file) == "-":
            path = Path(folder, f"stdin.{form or Format.NDJSON}")
            with path.open("wb") as copy:
                shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            path = Path(folder, f"given.{form}")
            path.symlink_to(file.resolve())
        yield path


def _writable() -> str:
    """The folder for temporary files.

    Raises:
        typer.Exit: there is none, as in a container whose file system is read-only; it was said.
    """
    try:
        return gettempdir()
    except FileNotFoundError:
        say("no folder for temporary files can be written to: mount one at /tmp, or name a file")
        raise typer.Exit(Exit.FAILED) from None


def _checked(source: Callable[[], Iterator["Filed"]], id_property: str | None) -> int:
    """How many there are.

    Raises:
        typer.Exit: some are wrong; which and why was said.
    """
    from service.contract.event_files import faults

    total = wrong = 0
    for filed in source():
        total += 1
        found = faults(filed, id_property)
        wrong += bool(found)
        for path, message in found if wrong <= SHOWN else ():
            say(f"{filed.where}: {path}: {message}" if path else f"{filed.where}: {message}")
    if wrong > SHOWN:
        say(f"and {wrong - SHOWN} more lines with something wrong")
    if wrong:
        say(f"{wrong} of {total} lines are no order events; nothing was published")
        raise typer.Exit(Exit.FAILED)
    return total


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where somebody looks, else nothing: the last line says it all."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("publishing", total=total)
        yield lambda confirmed: bar.advance(task, confirmed)
