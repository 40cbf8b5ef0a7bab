"""`dlq replay`: plan, one, then more."""

import asyncio
import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli import interrupts
from service.cli.exits import Exit
from service.cli.printing import Output, OutputOption, number_of, say, show
from service.cli.sieving import Limit, QueueName

if TYPE_CHECKING:
    from service.cli.interrupts import Interrupts
    from service.core.letters.mends import Mend
    from service.core.letters.replays import Report
    from service.core.letters.sieve import Sieve
    from service.dead_letters.planning import Plan, Wishes
    from service.settings.sections import HubSpot

CUT: Final = 120  # characters of a sentence in a plan that people read


def replay(  # noqa: PLR0913  (what an operator says is a lot)
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan.")] = False,
    limit: Limit = None,
    rate: Annotated[
        float, typer.Option(min=0.1, max=10_000, help="Events a second at the most.")
    ] = 20.0,
    max_failures: Annotated[
        int, typer.Option(min=0, help="Stop when more of one step fail again.")
    ] = 0,
    max_replays: Annotated[
        int, typer.Option(min=1, help="Leave letters alone that were replayed so often.")
    ] = 5,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds for a step's outcomes; 0 = do not wait.")
    ] = 60.0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Mend: PATH=VALUE, as properties.total=12.50.")
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", help="Mend: take PATH out, as properties.total.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over what is newer in HubSpot. Recorded.")
    ] = False,
    to_queue: Annotated[
        str | None, typer.Option(help="Straight to this queue, not where the event came from.")
    ] = None,
    queue: QueueName = None,
    output: OutputOption = Output.TABLE,
    wanted: "Sieve",
) -> None:
    """Send dead letters back as events, in steps of 1, 5, 25, 100 and so on.

    The plan is printed first. A step in which more than --max-failures fail again ends it. What is
    newer in HubSpot is never overwritten (without --force): such an event is superseded. Ctrl-C ends
    it after the events under way; run it again to go on.

    Such as:

      ordersync dlq replay --reason property_unknown --dry-run

      ordersync dlq replay --id demo-25-9 --set properties.hs_total_price=12.50

      ordersync dlq replay --reason property_unknown --limit 1
    """
    from service.dead_letters.planning import Wishes

    wishes = Wishes(
        sieve=wanted, by=operator(), limit=limit, max_failures=max_failures,
        max_replays=max_replays, rate=rate, wait=wait, mend=_mend(set_ or [], unset or []),
        force=force, to_queue=to_queue or None,
    )  # fmt: skip
    planned = output if dry_run else None
    report = interrupts.run(lambda signals: _story(wishes, queue, signals, planned))
    if report is not None:
        _say_report(report, output)


def _say_report(report: "Report", output: Output) -> None:
    """What became of them.

    Raises:
        typer.Exit: some failed again, or it was stopped.
    """
    from service.core.letters.replays import FAILED

    show(
        [{"outcome": fate, "events": count} for fate, count in sorted(report.fates.items())], output
    )
    say(f"replayed {number_of(report.sent, 'dead letter')}")
    if report.stopped:
        say(f"stopped: {report.stopped}")
    if report.stopped or any(fate in FAILED for fate in report.fates):
        raise typer.Exit(Exit.FAILED)


async def _story(
    wishes: "Wishes", queue: str | None, signals: "Interrupts", planned_as: Output | None
) -> "Report | None":
    """Plan and replay; `planned_as`: only the plan, printed so."""
    from dataclasses import replace

    from service import app
    from service.core.letters.replays import Inputs, Report
    from service.dead_letters.looker import looking
    from service.dead_letters.planning import plan
    from service.dead_letters.receipts import hearing
    from service.dead_letters.replaying import run
    from service.dead_letters.sender import sending
    from service.settings.config import BrokerSettings, hubspot_settings
    from service.watch import logs

    settings = BrokerSettings.load()
    logs.for_command(settings.log)
    url, names = settings.rabbitmq.url.get_secret_value(), settings.rabbitmq
    wishes = replace(
        wishes,
        id_property=settings.hubspot.id_property,
        inputs=Inputs(names.exchange, names.queues),
    )
    account = hubspot_settings()
    async with AsyncExitStack() as stack:
        looker = await stack.enter_async_context(
            looking(url, queue or names.dead_letters_queue, settings.hubspot.id_property)
        )
        send = None
        if not isinstance(account, str):
            send = await stack.enter_async_context(app.asking(account))
        planned = await plan(looker, wishes, send)
        _say_plan(planned, wishes, account, planned_as)
        _refuse_idle(planned)
        if planned_as is not None:
            return None
        if not planned.groups.total:
            return Report()
        sender = await stack.enter_async_context(sending(url))
        receipts = None
        if wishes.wait:
            receipts = await stack.enter_async_context(hearing(url, names.outcomes_exchange))
        signals.gently = stop = asyncio.Event()
        with _progress(planned.groups.total) as advance:
            return await run(looker, sender, receipts, wishes, planned, stop=stop, progress=advance)


def _say_plan(
    planned: "Plan", wishes: "Wishes", account: "HubSpot | str", planned_as: Output | None
) -> None:
    """The groups: data where only the plan is wanted, else beside it. In words the rest."""
    rows = [row if planned_as else _short(row) for row in planned.rows()]
    show(rows, planned_as or Output.TABLE, err=planned_as is None)
    for why, count in planned.left.items():
        say(f"{count} not replayed: {why}")
    for sentence in planned.unmatched.told():
        say(sentence)
    say(f"{planned.groups.total} of {number_of(planned.read, 'dead letter')} to replay")
    if planned.groups.total:
        say(_staleness(planned, account, force=wishes.force))
    if wishes.mend:
        say(f"mended: {wishes.mend.told} (changes {planned.effect.changed} of them)")


def _refuse_idle(planned: "Plan") -> None:
    """A change that makes none is a mistake: nothing goes before somebody has looked.

    Raises:
        typer.Exit: part of the mend changes nothing; which was said.
    """
    idle = list(planned.effect.idle())
    for sentence in idle:
        say(sentence)
    if idle:
        say("nothing was replayed: leave out what changes nothing, or mend the mend")
        raise typer.Exit(Exit.FAILED)


def _short(row: dict[str, Any]) -> dict[str, Any]:
    message = row["message"]
    return row | {"message": message if len(message) <= CUT else f"{message[: CUT - 1]}…"}


def _staleness(planned: "Plan", account: "HubSpot | str", *, force: bool) -> str:
    if isinstance(account, str):
        return f"how many would be superseded is not known: {account}"
    if planned.unanswered is not None:
        return f"how many would be superseded is not known: {planned.unanswered}"
    if force:
        older = planned.stale + planned.partly
        return f"of {planned.looked_up} looked up in HubSpot, {older} overwrite newer values there"
    lost = f"; {planned.missing} update orders that it does not have" if planned.missing else ""
    return (
        f"of {planned.looked_up} looked up in HubSpot, {planned.stale} would be superseded and "
        f"{planned.partly} written in part: it holds newer values{lost}"
    )


def _mend(sets: list[str], unsets: list[str]) -> "Mend":
    from service.core.letters.mends import Mend, MendError, checked_path, parse_set

    try:
        return Mend(dict(map(parse_set, sets)), tuple(map(checked_path, unsets)))
    except MendError as error:
        raise typer.BadParameter(str(error), param_hint="--set / --unset") from None


def operator() -> str:
    """Who types this, for the history of a letter."""
    try:
        return f"{getpass.getuser()}@{os.uname().nodename}"[:80]
    except (KeyError, OSError):  # an id without a name, as containers have; before 3.13, after
        return f"uid {os.getuid()}@{os.uname().nodename}"[:80]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], Any]]:
    """A bar on stderr where somebody looks."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replaying", total=total)
        yield lambda sent: bar.advance(task, sent)
