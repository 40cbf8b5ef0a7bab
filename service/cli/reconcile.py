"""`reconcile`: a file of events against what HubSpot holds."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli import columns, interrupts
from service.cli.account import CallsPerWindow
from service.cli.exits import Exit
from service.cli.printing import number_of, say
from service.cli.publish import Format, checked_events, on_disk, progress
from service.cli.spread import Spread, SpreadOption, spreading

if TYPE_CHECKING:
    from service.contract.filed import Filed
    from service.reconcile.shelf import Place, Shelf
    from service.settings.config import BrokerSettings
    from service.settings.hubspot import HubSpotSettings

# Rows of a table; programs get all of them.
TABLED: Final = 1_000
# Mends that are sent, then noted as sent.
SENT: Final = 1_000


File = Annotated[
    Path,
    typer.Argument(help="NDJSON, CSV or JSON (by its ending); - reads stdin.", exists=False),
]
Repair = Annotated[
    bool, typer.Option("--repair", help="Publish the events that mend what differs.")
]
KeepNewer = Annotated[
    bool,
    typer.Option("--keep-newer", help="Mend nothing that HubSpot holds since after the event."),
]
State = Annotated[
    Path | None,
    typer.Option(help="Keep what was found in this file; a run that was cut off goes on there."),
]
QueueOption = Annotated[str | None, typer.Option(help="Mends go straight to this queue.")]
FormOption = Annotated[
    Format | None, typer.Option("--format", help="Of stdin, or where the ending misleads.")
]


def reconcile(
    file: File,
    *,
    repair: Repair = False,
    keep_newer: KeepNewer = False,
    state: State = None,
    queue: QueueOption = None,
    calls_per_window: CallsPerWindow = None,
    form: FormOption = None,
    delimiter: columns.Delimiter = ",",
    maps: columns.Map = None,
    constants: columns.Constant = None,
    make_ids: columns.MakeIds = False,
    zone: columns.Zone = None,
    output: SpreadOption = Spread.TABLE,
) -> None:
    """Compare what a file of order events asks for in the end with what HubSpot holds.

    The file is read as `publish` reads it. Each order's events are taken together; what differs is a row: missing,
    different (with since when and through what HubSpot holds its value) or extra (lines of ours, links).

    HubSpot is asked in batches, with a tenth of ORDERSYNC_HUBSPOT__CALLS unless --calls-per-window says otherwise,
    so that live traffic keeps the rest. --state makes a run of hours resumable.

    --repair publishes an event for each order that can be mended, to the first of ORDERSYNC_RABBITMQ__BACKFILL_QUEUES
    where there is one, else to the exchange. It is written as a replay is: what changes after it
    was seen is newer, and stays. With --keep-newer the same goes for what changed since the file's own events.

      ordersync reconcile orders.ndjson

      ordersync reconcile export.csv --state night.sqlite --repair -o ndjson > differences.ndjson

    Exits 0 where nothing differs, or all of it is mended; 1 where something does.
    """
    from service.contract.event_files import from_file
    from service.reconcile.shelf import Shelf, mark_of
    from service.settings.config import BrokerSettings
    from service.settings.reading import ReadingSettings
    from service.watch import logs

    settings = ReadingSettings.load()
    broker = BrokerSettings.load() if repair else None
    logs.for_command(settings.log)
    ending = f".{form}" if form else (".ndjson" if str(file) == "-" else file.suffix.lower())
    sheet = columns.sheet(delimiter, maps, constants, make_ids=make_ids, zone=zone)
    key = settings.hubspot.id_property
    with on_disk(file) as path, _kept(state) as kept, Shelf(kept) as shelf:

        def source() -> "Iterator[Filed]":
            return from_file(path, ending, sheet, "stdin" if str(file) == "-" else str(file))

        mark = mark_of(path, repr(sheet), key, settings.hubspot.base_url, str(keep_newer))
        if not shelf.is_of(mark):
            total = checked_events(source(), key, None, "")
            shelf.fill(_placed(source(), key), mark)
            say(f"{number_of(total, 'event')} of {number_of(shelf.orders(), 'order')} in the file")
        _compare(settings.hubspot, shelf, calls_per_window, keep_newer=keep_newer, kept=state)
        counts = _print(shelf, output)
        if broker is not None:
            _mend(broker, shelf, queue)
    _end(counts, repair=repair)


@contextmanager
def _kept(state: Path | None) -> Iterator[Path]:
    """The file of the shelf: the one that is named, or one that goes with the run."""
    if state is not None:
        yield state
        return
    with tempfile.TemporaryDirectory(prefix="ordersync-") as folder:
        yield Path(folder, "shelf.sqlite")


def _placed(events: "Iterator[Filed]", id_property: str) -> "Iterator[tuple[Place, Filed]]":
    from service.contract.filed import read
    from service.core.events.events import Contribution
    from service.reconcile.shelf import Place

    for filed in events:
        event = read(filed, id_property)
        if isinstance(event, Contribution):
            yield Place(event.order.id_property, event.order.key), filed


def _compare(
    settings: "HubSpotSettings",
    shelf: "Shelf",
    calls: int | None,
    *,
    keep_newer: bool,
    kept: Path | None,
) -> None:
    total, (_, done) = shelf.orders(), shelf.done()
    if done:
        say(f"{number_of(done, 'order')} of {total} were compared before")
    if done == total:
        return

    async def story(interrupted: interrupts.Interrupts) -> None:
        from service.contract.account import account_schema
        from service.hubspot.enquirer import enquiring
        from service.reconcile.reading import HeldReader
        from service.reconcile.story import Comparison

        interrupted.told = "interrupted; " + (
            f"the same command with --state {kept} goes on" if kept else "--state FILE would go on"
        )
        async with enquiring(settings, calls) as enquirer:
            reader = HeldReader(enquirer, settings.id_property, settings.line_id_property)
            account = await account_schema(enquirer)
            comparison = Comparison(
                enquirer, reader, account, settings.id_property, keep_newer=keep_newer
            )
            await comparison.run(shelf, advance)

    with progress(total - done, "comparing") as advance:
        interrupts.run(story)


def _print(shelf: "Shelf", output: Spread) -> Counter[str]:
    """All that was found, and how much of each kind; `mended` and `stays` count what an event mends."""
    counts: Counter[str] = Counter()
    with spreading(output) as show_one:
        for row in shelf.found():
            counts[row["difference"]] += 1
            counts["stays" if row["stays"] else "mendable"] += 1
            if output is not Spread.TABLE or counts.total() <= 2 * TABLED:
                show_one(row, row)
    shown = counts["stays"] + counts["mendable"]
    if output is Spread.TABLE and shown > TABLED:
        say(f"the first {TABLED} of {shown} differences; -o ndjson prints all")
    return counts


def _mend(broker: "BrokerSettings", shelf: "Shelf", queue: str | None) -> None:
    """Publish what is not sent yet."""
    import asyncio

    from service.contract.publish import Destination, publish

    backfill = broker.rabbitmq.backfill_queues
    target = Destination(broker.rabbitmq.exchange, queue or next(iter(backfill), None))
    sent = 0
    while some := shelf.mends(SENT):
        url = broker.rabbitmq.url.get_secret_value()
        sent += asyncio.run(publish(url, (_event(number, body) for number, body in some), target))
        shelf.sent(some[-1][0])
    say(f"published {number_of(sent, 'mending event')} to the {target.name}")


def _event(number: int, body: bytes) -> "Filed":
    from service.contract.filed import Filed
    from service.core.headers import RECONCILED

    return Filed(f"mend {number}", 0, body, headers={RECONCILED: number})


def _end(counts: Counter[str], *, repair: bool) -> None:
    kinds = [
        f"{counts[kind]} {kind}"
        for kind in ("missing", "different", "extra", "unread")
        if counts[kind]
    ]
    if not kinds:
        say("nothing differs")
        return
    say(f"differences: {', '.join(kinds)}")
    if counts["stays"]:
        say(f"{counts['stays']} of them no event mends; their rows say why (stays)")
    if not repair or counts["stays"]:
        raise typer.Exit(Exit.FAILED)
