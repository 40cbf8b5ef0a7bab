"""`dlq`: dead letters. Looking and moving; replaying is in replay.py."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli import close, interrupts, replay
from service.cli.exits import Exit
from service.cli.office import office_of
from service.cli.printing import Output, OutputOption, listing, number_of, say, show
from service.cli.sieving import Limit, QueueName, sieved
from service.dead_letters.rows import Rows

if TYPE_CHECKING:
    from io import FileIO

    from service.core.letters.sieve import Sieve
    from service.dead_letters.office import Office

app = typer.Typer(
    help="Dead letters: see why, fix the cause, replay without harm.", no_args_is_help=True
)

STDOUT: Final = 1  # the file descriptor
# Of `ls`, where nothing is said.
LISTED: Final = 50
COLUMNS: Final = ("id", "reason", "order", "times", "failed_at", "replays", "property", "message")


class By(StrEnum):
    """What to group by."""

    REASON = "reason"
    ORDER = "order"
    SOURCE = "source"
    HOUR = "hour"


@app.command(short_help="Count dead letters by cause, with what to do about it.")
@sieved
def stats(
    *,
    by: Annotated[By, typer.Option(help="What to group by.")] = By.REASON,
    queue: QueueName = None,
    output: OutputOption = Output.TABLE,
    wanted: "Sieve",
) -> None:
    """Count dead letters by cause: how many, since when, for example which, and what to do."""
    from service.core.letters import runbook
    from service.core.letters.sieve import Groups, rows

    groups, office = Groups(by.value), office_of(queue)
    interrupts.run(lambda _: office.count(wanted, groups, say))
    show(list(rows(groups, lambda code: runbook.entry(code).line)), output)
    say(number_of(groups.total, "dead letter"))
    if groups.overflown:
        say(f"{groups.overflown} of them in groups beyond the first 10000")


@app.command(short_help="List dead letters, the oldest first.")
@sieved
def ls(
    *,
    limit: Limit = None,
    queue: QueueName = None,
    output: OutputOption = Output.TABLE,
    wanted: "Sieve",
) -> None:
    """List dead letters, the oldest first; 50 of them as a table, all in other forms.

    The table shows the letters of one order that failed for one cause as one row: how many `times`, and the last
    of them. `-o json` and `-o ndjson` have every letter with every field.
    """
    from service.core.letters.repeated import as_one

    office = office_of(queue)
    if output is not Output.TABLE:
        interrupts.run(lambda _: _printed(office, wanted, limit, output))
        return
    most = limit or LISTED
    with Rows() as rows:
        interrupts.run(lambda _: office.list_into(rows, wanted, most, say))
        found = list(rows)
    show([{name: row[name] for name in COLUMNS} for row in as_one(found)], output)
    say(
        f"the first {most}; --limit for more"
        if len(found) == most
        else number_of(len(found), "dead letter")
    )


@app.command("show", short_help="Show all about one event's, and what HubSpot holds now.")
def show_letter(
    letter: Annotated[str, typer.Argument(metavar="ID", help="Event id, or message id.")],
    *,
    queue: QueueName = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show everything about the dead letters of one event, and what HubSpot holds now for its order.

    ID is what `dlq ls` lists: the event's id; of a message without a readable one its message_id.
    """
    from service.cli.letter import told

    documents = interrupts.run(lambda _: _described(letter, queue))
    if output is not Output.TABLE:
        show(documents, output)
    for document in documents if output is Output.TABLE else ():
        typer.echo("\n".join(told(document)))
    if not documents:
        say(f"no dead letter has the event id or message id {letter}; `dlq ls` lists them")
        raise typer.Exit(Exit.FAILED)


app.command("replay", short_help="Send dead letters back as events, in growing steps.")(
    sieved(replay.replay)
)


app.command("close", short_help="Close dead letters that time has settled.")(sieved(close.close))


@app.command(short_help="Write dead letters to NDJSON.")
@sieved
def export(
    *,
    to: Annotated[
        Path | None, typer.Option("--to", help="The file; must not be there yet. Else stdout.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take them off the queue once they are in the file.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Really: for --remove.")] = False,
    limit: Limit = None,
    queue: QueueName = None,
    wanted: "Sieve",
) -> None:
    """Write dead letters to NDJSON: `ordersync publish FILE` sends them back, checked like a replay.

    A line holds the message, byte for byte, with its headers, and what is known of it.
    """
    if remove and (to is None or not yes):
        raise typer.BadParameter("needs --to FILE and --yes", param_hint="--remove")
    office = office_of(queue)
    written = interrupts.run(lambda _: _exported(office, wanted, to, limit, remove=remove))
    removed = " and took them off the queue" if remove and written else ""
    say(f"exported {number_of(written, 'dead letter')}{removed}")


@app.command(short_help="Move dead letters out of the way, kept.")
@sieved
def park(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    limit: Limit = None,
    queue: QueueName = None,
    wanted: "Sieve",
) -> None:
    """Move dead letters out of the way, kept: to `<queue>.parked`, where `--queue` finds them."""
    from service.core.letters.sieve import Groups, Sieve

    if wanted == Sieve() and limit is None:
        raise typer.BadParameter("say which: give at least one filter, or --limit")
    office = office_of(queue)
    if dry_run:
        groups = Groups()
        interrupts.run(lambda _: office.count(wanted, groups, say))
        total = groups.total if limit is None else min(groups.total, limit)
        say(f"{number_of(total, 'dead letter')} would be parked")
        return
    parked = interrupts.run(lambda _: office.park(wanted, say, limit=limit))
    say(f"parked {number_of(parked, 'dead letter')}")


async def _printed(office: "Office", wanted: "Sieve", most: int | None, output: Output) -> None:
    """As they come; a signal may end it between two of them."""
    with Rows() as rows:
        await office.list_into(rows, wanted, most, say)
        with listing(output) as show_one:
            for row in rows:
                show_one(row)
                await asyncio.sleep(0)


async def _described(letter: str, queue: str | None) -> list[dict[str, Any]]:
    from service import app
    from service.settings.config import hubspot_settings

    account, office = hubspot_settings(), office_of(queue)
    if isinstance(account, str):
        return await office.describe(letter, account, say)
    async with app.asking(account) as ask:
        return await office.describe(letter, ask, say)


async def _exported(
    office: "Office", wanted: "Sieve", to: Path | None, limit: int | None, *, remove: bool
) -> int:
    from io import FileIO

    with FileIO(STDOUT, "w", closefd=False) if to is None else _new(to) as file:
        return await office.export(wanted, file, say, limit=limit, remove=remove)


def _new(path: Path) -> "FileIO":
    from io import FileIO

    try:
        return FileIO(path, "x")
    except FileExistsError:
        told = "is there already: an export overwrites nothing, give another name"
    except OSError as error:
        told = f"cannot be written: {error.strerror}"
    raise typer.BadParameter(f"{path} {told}", param_hint="--to")
