"""`publish`: order events out of a file."""

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli import columns
from service.cli.account import account, asked
from service.cli.exits import Exit
from service.cli.printing import number_of, say

if TYPE_CHECKING:
    from service.contract.filed import Filed
    from service.core.account.preflight import AccountSchema
    from service.settings.rabbitmq import RabbitMQ


_WRONG: Final = ("are no order events", "are no order events, or would be refused by HubSpot")


class Format(StrEnum):
    """How a file is read."""

    NDJSON = "ndjson"
    CSV = "csv"


_File = Annotated[
    Path,
    typer.Argument(help="NDJSON, CSV or JSON (by its ending); - reads stdin.", exists=False),
]
_Form = Annotated[
    Format | None, typer.Option("--format", help="Of stdin, or where the ending misleads.")
]
_Queue = Annotated[str | None, typer.Option(help="Straight to this queue instead of the exchange.")]
_Backfill = Annotated[
    bool,
    typer.Option(
        "--backfill",
        help="As bulk: to the first of ORDERSYNC_RABBITMQ__BACKFILL_QUEUES, which gives way to live events "
        "and overwrites nothing newer.",
    ),
]
_Rate = Annotated[float | None, typer.Option(min=0.01, help="Events a second at the most.")]
_FromLine = Annotated[int, typer.Option(min=1, help="Leave out the lines before.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only check every line.")]
_Unchecked = Annotated[
    bool, typer.Option("--unchecked", help="Send lines that will be refused, too.")
]
_CheckAccount = Annotated[
    bool,
    typer.Option(
        "--check-account", help="Check them against the HubSpot account's properties, too."
    ),
]


def publish(
    file: _File,
    *,
    form: _Form = None,
    delimiter: columns.Delimiter = ",",
    maps: columns.Map = None,
    constants: columns.Constant = None,
    make_ids: columns.MakeIds = False,
    zone: columns.Zone = None,
    queue: _Queue = None,
    backfill: _Backfill = False,
    rate: _Rate = None,
    from_line: _FromLine = 1,
    dry_run: _DryRun = False,
    unchecked: _Unchecked = False,
    check_account: _CheckAccount = False,
) -> None:
    """Publish order events, confirmed one by one by the broker.

    Every line is checked first; if one is wrong, nothing is sent and each fault is named.

    NDJSON: a CloudEvent a line. JSON: one. CSV: an event a row, with columns type (create, upsert,
    update, archive), id, source, subject, time; any other column is a property, an empty cell leaves it alone.
    Columns with names of their own: --map and --constant.

    Such as:

      ordersync publish orders.ndjson

      ordersync publish orders.csv --rate 50

      ordersync publish shop.csv --delimiter ';' --constant type=upsert --constant source=/shops/eu-1
      --make-ids --map 'Order no.=subject' --map 'Date=time:date' --zone Europe/Berlin
      --map 'Total=hs_total_price:comma' --map '*=-'

      zcat orders.ndjson.gz | ordersync publish -
    """
    from service.contract.event_files import from_file
    from service.settings.config import BrokerSettings, FileSettings
    from service.watch import logs

    ending = f".{form}" if form else (".ndjson" if str(file) == "-" else file.suffix.lower())
    sheet = columns.sheet(delimiter, maps, constants, make_ids=make_ids, zone=zone)
    if sheet is not None and ending != ".csv":
        raise typer.BadParameter("said of a file that is not read as CSV; --format csv reads it so")
    if unchecked and check_account:
        raise typer.BadParameter("says the opposite of --unchecked", param_hint="--check-account")
    if backfill and queue is not None:
        raise typer.BadParameter("names another queue than --queue", param_hint="--backfill")
    settings = FileSettings.load() if dry_run else BrokerSettings.load()
    if backfill and isinstance(settings, BrokerSettings):
        queue = _bulk(settings.rabbitmq.backfill_queues)
    logs.for_command(settings.log)
    schema, id_property = _account(settings.hubspot.id_property, wanted=check_account)
    with on_disk(file) as path:

        def source() -> Iterator["Filed"]:
            events = from_file(path, ending, sheet, "stdin" if str(file) == "-" else str(file))
            return (f for f in events if not f.line or f.line >= from_line)

        counted = sum(1 for _ in source()) if unchecked else None
        read = ending in {".csv", ".json"} or schema is not None
        hint = "" if read else "if it is CSV: --format csv reads it so"
        total = checked_events(source(), id_property, schema, hint) if counted is None else counted
        if not isinstance(settings, BrokerSettings):
            if sheet is not None and (first := next(source(), None)):
                # What the columns have become.
                typer.echo(first.body)
            say(f"{number_of(total, 'event')} would be published")
            return
        confirmed = _sent(settings.rabbitmq, source(), total, queue, rate)
    to = f" to {queue}" if backfill else ""
    say(f"published {number_of(confirmed, 'event')}{to}")


def _sent(
    rabbitmq: "RabbitMQ",
    events: Iterable["Filed"],
    total: int,
    queue: str | None,
    rate: float | None,
) -> int:
    """Publish them, with a bar; how many the broker has."""
    from service.contract.publish import Destination, publish

    url, to = rabbitmq.url.get_secret_value(), Destination(rabbitmq.exchange, queue)
    with progress(total, "publishing") as advance:
        return asyncio.run(publish(url, events, to, rate=rate, progress=advance))


def _bulk(queues: tuple[str, ...]) -> str:
    """The queue of bulk.

    Raises:
        typer.Exit: there is none; it was said.
    """
    if not queues:
        say(
            "ORDERSYNC_RABBITMQ__BACKFILL_QUEUES names no queue: set it for this command and for `ordersync run`, "
            "such as orders.backfill, and run `ordersync topology apply`"
        )
        raise typer.Exit(Exit.CONFIGURATION)
    return queues[0]


@contextmanager
def on_disk(file: Path) -> Iterator[Path]:
    """The file, or stdin as one: it is read twice, to check all of it before any of it is sent."""
    if str(file) != "-":
        if not file.is_file():
            raise typer.BadParameter(f"{file} is not a file", param_hint="FILE")
        yield file
        return
    with TemporaryDirectory(prefix="ordersync-", dir=_writable()) as folder:
        path = Path(folder, "stdin")
        with path.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
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


def _account(id_property: str | None, *, wanted: bool) -> "tuple[AccountSchema | None, str | None]":
    """The account's schema where it is wanted, and what identifies an order."""
    if not wanted:
        return None, id_property
    from service.contract.account import account_schema

    return asked(account(), account_schema), id_property


def checked_events(
    events: Iterable["Filed"], id_property: str | None, schema: "AccountSchema | None", hint: str
) -> int:
    """How many there are; `hint`: what to try where none of them is an event.

    Raises:
        typer.Exit: some are wrong or doubtful; which and why was said.
    """
    from service.contract.checking import Checked, check

    checked = Checked()
    for sentence in (*check(events, id_property, checked, schema), *checked.told()):
        say(sentence)
    if checked.wrong:
        say(
            f"{checked.wrong} of {checked.total} lines {_WRONG[schema is not None]}; nothing was published"
        )
        if hint and checked.wrong == checked.total:
            say(hint)
    elif checked.doubtful:
        say(
            f"{checked.doubtful} of {checked.total} lines hold what HubSpot will probably refuse; "
            "nothing was published (--unchecked sends them as they are)"
        )
    if checked.wrong or checked.doubtful:
        raise typer.Exit(Exit.FAILED)
    return checked.total


@contextmanager
def progress(total: int, doing: str) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where somebody looks, else nothing: the last line says it all."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda confirmed: bar.advance(task, confirmed)
