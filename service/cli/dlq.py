"""`dlq`: dead letters. Looking and moving; replaying is in replay.py."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import orjson
import typer

from service.cli import replay, sieving
from service.cli.exits import Exit
from service.cli.printing import Output, OutputOption, say, show

if TYPE_CHECKING:
    from service.config import BrokerSettings
    from service.core.sieve import Groups, Sieve
    from service.dead_letters.looker import Found, Looker
    from service.sections import HubSpot

T = TypeVar("T")
app = typer.Typer(
    help="Dead letters: see why, fix the cause, replay without harm.", no_args_is_help=True
)

LISTED: Final = 50  # of `ls`, where nothing is said


class By(StrEnum):
    """What to group by."""

    REASON = "reason"
    ORDER = "order"
    SOURCE = "source"
    HOUR = "hour"


@app.command(short_help="Count dead letters by cause, with what to do about it.")
def stats(  # noqa: PLR0913  (filters)
    *,
    by: Annotated[By, typer.Option(help="What to group by.")] = By.REASON,
    reason: sieving.Reason = None,
    category: sieving.Category = None,
    order: sieving.OrderKey = None,
    source: sieving.Source = None,
    ids: sieving.EventId = None,
    fingerprint: sieving.Fingerprint = None,
    since: sieving.Since = None,
    until: sieving.Until = None,
    text: sieving.Text = None,
    replays: sieving.Replays = None,
    queue: sieving.QueueName = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Count dead letters by cause: how many, since when, for example which, and what to do."""
    from service.core import runbook  # noqa: PLC0415
    from service.core.sieve import Groups, rows  # noqa: PLC0415

    wanted = sieving.sieve(
        reason=reason, category=category, order=order, source=source, ids=ids,
        fingerprint=fingerprint, since=since, until=until, text=text, replays=replays,
    )  # fmt: skip
    groups = _run(_counted(wanted, Groups(by.value), queue))
    show(list(rows(groups, lambda code: runbook.entry(code).line)), output)
    say(f"{groups.total} dead letters")
    if groups.overflown:
        say(f"{groups.overflown} of them in groups beyond the first 10000")


@app.command(short_help="List dead letters, the oldest first.")
def ls(  # noqa: PLR0913  (filters)
    *,
    reason: sieving.Reason = None,
    category: sieving.Category = None,
    order: sieving.OrderKey = None,
    source: sieving.Source = None,
    ids: sieving.EventId = None,
    fingerprint: sieving.Fingerprint = None,
    since: sieving.Since = None,
    until: sieving.Until = None,
    text: sieving.Text = None,
    replays: sieving.Replays = None,
    limit: sieving.Limit = None,
    queue: sieving.QueueName = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List dead letters, the oldest first; 50 of them as a table, all in other forms.

    `-o json` and `-o ndjson` have every field.
    """
    wanted = sieving.sieve(
        reason=reason, category=category, order=order, source=source, ids=ids,
        fingerprint=fingerprint, since=since, until=until, text=text, replays=replays,
    )  # fmt: skip
    most = limit or (LISTED if output is Output.TABLE else None)
    if output is Output.NDJSON:  # as they come: a list of all would not be bounded
        _run(_printed(wanted, most, queue))
        return
    found = _run(_listed(wanted, most, queue))
    if output is Output.JSON:
        show(found, output)
        return
    show([{name: row[name] for name in COLUMNS} for row in found], output)
    if len(found) == most:
        say(f"the first {most}; --limit for more")


COLUMNS: Final = ("id", "reason", "order", "failed_at", "replays", "property", "message")


@app.command("show", short_help="Show all about one event's, and what HubSpot holds now.")
def show_letter(
    letter: Annotated[str, typer.Argument(metavar="ID", help="Event id, or message id.")],
    *,
    queue: sieving.QueueName = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show everything about the dead letters of one event, and what HubSpot holds for its order now.

    ID is what `dlq ls` lists: the event's id; of a message without a readable one its message_id.
    """
    documents = _run(_shown(letter, queue))
    if not documents:
        say(f"no dead letter has the event id or message id {letter}")
        raise typer.Exit(Exit.FAILED)
    if output is Output.TABLE:
        for document in documents:
            typer.echo("\n".join(_told(document)))
    else:
        show(documents, output)


app.command("replay", short_help="Send dead letters back as events, in growing steps.")(
    replay.replay
)


@app.command(short_help="Write dead letters to NDJSON.")
def export(  # noqa: PLR0913  (filters)
    *,
    to: Annotated[
        Path | None, typer.Option("--to", help="The file; must not be there yet. Else stdout.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take them off the queue once they are in the file.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Really: for --remove.")] = False,
    reason: sieving.Reason = None,
    category: sieving.Category = None,
    order: sieving.OrderKey = None,
    source: sieving.Source = None,
    ids: sieving.EventId = None,
    fingerprint: sieving.Fingerprint = None,
    since: sieving.Since = None,
    until: sieving.Until = None,
    text: sieving.Text = None,
    replays: sieving.Replays = None,
    limit: sieving.Limit = None,
    queue: sieving.QueueName = None,
) -> None:
    """Write dead letters to NDJSON: `ordersync publish FILE` sends them back, checked like a replay.

    A line holds the message, byte for byte, with its headers, and what is known of it.
    """
    wanted = sieving.sieve(
        reason=reason, category=category, order=order, source=source, ids=ids,
        fingerprint=fingerprint, since=since, until=until, text=text, replays=replays,
    )  # fmt: skip
    if remove and (to is None or not yes):
        raise typer.BadParameter("needs --to FILE and --yes", param_hint="--remove")
    written = _run(_exported(wanted, to, queue, limit, remove=remove))
    say(f"exported {written} dead letters" + (" and took them off the queue" if remove else ""))


@app.command(short_help="Move dead letters out of the way, kept.")
def park(  # noqa: PLR0913  (filters)
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    reason: sieving.Reason = None,
    category: sieving.Category = None,
    order: sieving.OrderKey = None,
    source: sieving.Source = None,
    ids: sieving.EventId = None,
    fingerprint: sieving.Fingerprint = None,
    since: sieving.Since = None,
    until: sieving.Until = None,
    text: sieving.Text = None,
    replays: sieving.Replays = None,
    limit: sieving.Limit = None,
    queue: sieving.QueueName = None,
) -> None:
    """Move dead letters out of the way, kept: to `<queue>.parked`, where `--queue` finds them."""
    wanted = sieving.sieve(
        reason=reason, category=category, order=order, source=source, ids=ids,
        fingerprint=fingerprint, since=since, until=until, text=text, replays=replays,
    )  # fmt: skip
    from service.core.sieve import Groups, Sieve  # noqa: PLC0415

    if wanted == Sieve() and limit is None:
        raise typer.BadParameter("say which: give at least one filter, or --limit")
    if dry_run:
        total = _run(_counted(wanted, Groups(), queue)).total
        say(f"{total if limit is None else min(total, limit)} dead letters would be parked")
        return
    say(f"parked {_run(_parked(wanted, queue, limit))} dead letters")


# --- stories ----------------------------------------------------------------------------------------------


def _run(story: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(story)


@asynccontextmanager
async def _looking(queue: str | None) -> AsyncIterator[tuple["Looker", "BrokerSettings"]]:
    from service import logs  # noqa: PLC0415
    from service.config import BrokerSettings  # noqa: PLC0415
    from service.dead_letters.looker import looking  # noqa: PLC0415

    settings = BrokerSettings.load()
    logs.for_command(settings.log)
    url = settings.rabbitmq.url.get_secret_value()
    name = queue or settings.rabbitmq.dead_letters_queue
    async with looking(url, name, settings.hubspot.id_property) as looker:
        yield looker, settings


async def _matching(looker: "Looker", wanted: "Sieve") -> AsyncIterator["Found"]:
    async for found in looker.read():
        if wanted.takes(found.letter, found.delivery.body):
            yield found


async def _counted(wanted: "Sieve", groups: "Groups", queue: str | None) -> "Groups":
    async with _looking(queue) as (looker, _):
        async for found in _matching(looker, wanted):
            groups.add(found.letter)
    return groups


async def _listed(wanted: "Sieve", most: int | None, queue: str | None) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    async with _looking(queue) as (looker, _):
        async for found in _matching(looker, wanted):
            listed.append(found.letter.row())
            if len(listed) == most:
                break
    return listed


async def _printed(wanted: "Sieve", most: int | None, queue: str | None) -> None:
    printed = 0
    async with _looking(queue) as (looker, _):
        async for found in _matching(looker, wanted):
            show([found.letter.row()], Output.NDJSON)
            printed += 1
            if printed == most:
                break


async def _exported(
    wanted: "Sieve", to: Path | None, queue: str | None, limit: int | None, *, remove: bool
) -> int:
    import sys  # noqa: PLC0415

    from service.dead_letters.moving import export  # noqa: PLC0415

    async with _looking(queue) as (looker, _):
        if to is None:
            return await export(looker, wanted, sys.stdout.buffer, limit=limit)
        with to.open("xb") as file:
            return await export(looker, wanted, file, limit=limit, remove=remove)


async def _parked(wanted: "Sieve", queue: str | None, limit: int | None) -> int:
    from service.dead_letters.moving import park  # noqa: PLC0415
    from service.dead_letters.sender import sending  # noqa: PLC0415

    async with (
        _looking(queue) as (looker, settings),
        sending(settings.rabbitmq.url.get_secret_value()) as sender,
    ):
        return await park(looker, sender, wanted, limit=limit)


async def _shown(letter: str, queue: str | None) -> list[dict[str, Any]]:
    from service.config import hubspot_settings  # noqa: PLC0415
    from service.core import runbook  # noqa: PLC0415
    from service.core.sieve import Sieve  # noqa: PLC0415

    documents: list[dict[str, Any]] = []
    account = hubspot_settings()
    async with _looking(queue) as (looker, _):
        async for found in _matching(looker, Sieve(ids=(letter,))):
            entry = runbook.entry(found.letter.reason)
            documents.append(
                {
                    "letter": found.letter.row(),
                    "event": _readable(found.delivery.body),
                    "headers": dict(found.delivery.headers),
                    "hubspot": await _held(found, account),
                    "runbook": {
                        "means": entry.means,
                        "fault": entry.fault,
                        "fix": entry.fix,
                        "replay": entry.replay,
                    },
                }
            )
    return [orjson.loads(orjson.dumps(document, default=str)) for document in documents]


async def _held(found: "Found", account: "HubSpot | str") -> dict[str, Any] | str:
    """What HubSpot holds for the order, or why that is not known."""
    if isinstance(account, str):
        return f"not asked: {account}"
    from service.app import asking  # noqa: PLC0415
    from service.dead_letters.replaying import held_now  # noqa: PLC0415

    async with asking(account) as send:
        held = await held_now(found, send, account.id_property)
    if isinstance(held, str):
        return held
    newest = held.newest or {}
    return {
        "record_id": held.record_id,
        "updated": held.updated,
        "properties": {name: {"since": at, "value": value} for name, (at, value) in newest.items()},
    }


def _readable(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "backslashreplace")


def _told(document: dict[str, Any]) -> list[str]:
    """For people: what matters first."""
    letter, book = document["letter"], document["runbook"]
    lines = [f"{letter['id']}  {letter['reason']}  {letter['status']} by {letter['made_by']}"]
    lines += [f"  {letter['message']}", ""]
    facts = {name: value for name, value in letter.items() if name not in _ELSEWHERE}
    lines += [
        f"  {name:16} {value}" for name, value in facts.items() if value not in (None, "", [])
    ]
    lines += ["", "history of replays"] if letter["history"] else []
    lines += [f"  {line}" for line in letter["history"]]
    lines += ["", "the original event", _indented(document["event"])]
    lines += ["", "HubSpot holds now", _indented(document["hubspot"])]
    lines += ["", f"runbook: {letter['reason']}"]
    lines += [f"  {name:8} {text}" for name, text in book.items()]
    return [*lines, ""]


_ELSEWHERE: Final = frozenset({"id", "reason", "status", "made_by", "message", "history"})


def _indented(value: Any) -> str:
    text = (
        value
        if isinstance(value, str)
        else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    )
    return "\n".join(f"  {line}" for line in text.splitlines())
