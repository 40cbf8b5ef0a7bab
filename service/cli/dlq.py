"""`dlq`: dead letters. Looking and moving; replaying is in replay.py."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli import interrupts, replay
from service.cli.exits import Exit
from service.cli.printing import Output, OutputOption, listing, number_of, say, show
from service.cli.sieving import Limit, QueueName, sieved

if TYPE_CHECKING:
    from io import FileIO

    from service.core.letters.sieve import Groups, Sieve
    from service.dead_letters.looker import Found, Looker
    from service.settings.config import BrokerSettings

app = typer.Typer(
    help="Dead letters: see why, fix the cause, replay without harm.", no_args_is_help=True
)

STDOUT: Final = 1  # the file descriptor
LISTED: Final = 50  # of `ls`, where nothing is said
COLUMNS: Final = ("id", "reason", "order", "failed_at", "replays", "property", "message")


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

    groups = interrupts.run(lambda _: _counted(wanted, Groups(by.value), queue))
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

    `-o json` and `-o ndjson` have every field.
    """
    if output is not Output.TABLE:
        interrupts.run(lambda _: _printed(wanted, limit, queue, output))
        return
    most = limit or LISTED
    found = interrupts.run(lambda _: _listed(wanted, most, queue))
    show([{name: row[name] for name in COLUMNS} for row in found], output)
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

    documents = interrupts.run(lambda _: _shown(letter, queue))
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
    written = interrupts.run(lambda _: _exported(wanted, to, queue, limit, remove=remove))
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
    if dry_run:
        total = interrupts.run(lambda _: _counted(wanted, Groups(), queue)).total
        total = total if limit is None else min(total, limit)
        say(f"{number_of(total, 'dead letter')} would be parked")
        return
    parked = interrupts.run(lambda _: _parked(wanted, queue, limit))
    say(f"parked {number_of(parked, 'dead letter')}")


# --- stories ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def _looking(queue: str | None) -> AsyncIterator[tuple["Looker", "BrokerSettings"]]:
    from service.dead_letters.looker import looking
    from service.settings.config import BrokerSettings
    from service.watch import logs

    settings = BrokerSettings.load()
    logs.for_command(settings.log)
    url = settings.rabbitmq.url.get_secret_value()
    name = queue or settings.rabbitmq.dead_letters_queue
    async with looking(url, name, settings.hubspot.id_property) as looker:
        yield looker, settings


async def _matching(looker: "Looker", wanted: "Sieve") -> AsyncIterator["Found"]:
    """The letters that are meant; at the end of the queue, which words of the filters none of them has."""
    from service.core.letters.sieve import Unmatched

    unmatched = Unmatched(wanted)
    async for found in looker.read():
        unmatched.note(found.letter)
        if wanted.takes(found.letter, found.delivery.body):
            yield found
    for sentence in unmatched.told():
        say(sentence)


async def _counted(wanted: "Sieve", groups: "Groups", queue: str | None) -> "Groups":
    async with _looking(queue) as (looker, _):
        async for found in _matching(looker, wanted):
            groups.add(found.letter)
    return groups


async def _listed(wanted: "Sieve", most: int, queue: str | None) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    async with _looking(queue) as (looker, _):
        async for found in _matching(looker, wanted):
            listed.append(found.letter.row())
            if len(listed) == most:
                break
    return listed


async def _printed(wanted: "Sieve", most: int | None, queue: str | None, output: Output) -> None:
    """As they come: a list of all would not be bounded."""
    printed = 0
    async with _looking(queue) as (looker, _):
        with listing(output) as show_one:
            async for found in _matching(looker, wanted):
                show_one(found.letter.row())
                printed += 1
                if printed == most:
                    break


async def _exported(
    wanted: "Sieve", to: Path | None, queue: str | None, limit: int | None, *, remove: bool
) -> int:
    from io import FileIO

    from service.dead_letters.moving import export

    async with _looking(queue) as (looker, _):
        if to is None:
            with FileIO(STDOUT, "w", closefd=False) as stdout:
                return await export(looker, wanted, stdout, limit=limit)
        with _new(to) as file:
            return await export(looker, wanted, file, limit=limit, remove=remove)


def _new(path: Path) -> "FileIO":
    from io import FileIO

    try:
        return FileIO(path, "x")
    except FileExistsError:
        told = "is there already: an export overwrites nothing, give another name"
    except OSError as error:
        told = f"cannot be written: {error.strerror}"
    raise typer.BadParameter(f"{path} {told}", param_hint="--to")


async def _parked(wanted: "Sieve", queue: str | None, limit: int | None) -> int:
    from service.dead_letters.moving import park
    from service.dead_letters.sender import sending

    async with (
        _looking(queue) as (looker, settings),
        sending(settings.rabbitmq.url.get_secret_value()) as sender,
    ):
        return await park(looker, sender, wanted, limit=limit)


async def _shown(letter: str, queue: str | None) -> list[dict[str, Any]]:
    from service.cli.letter import document
    from service.core.letters.sieve import Sieve
    from service.settings.config import hubspot_settings

    account, wanted = hubspot_settings(), Sieve(ids=(letter,))
    async with _looking(queue) as (looker, _):
        return [
            await document(found, account)
            async for found in looker.read()
            if wanted.takes(found.letter, found.delivery.body)
        ]
