"""`dlq replay`: plan, one, then more."""

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from service.cli import interrupts
from service.cli.bar import Bar
from service.cli.confirming import confirmed
from service.cli.exits import Exit
from service.cli.office import office_of
from service.cli.printing import Output, OutputOption, number_of, say, show
from service.cli.sieving import Limit, QueueName

if TYPE_CHECKING:
    from service.cli.interrupts import Interrupts
    from service.core.letters.mends import Mend
    from service.core.letters.replays import Report
    from service.core.letters.sieve import Sieve
    from service.dead_letters.planning import Plan, Send, Wishes

T = TypeVar("T")
# Characters of a sentence in a plan that people read.
CUT: Final = 120


_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the plan.")]
_Rate = Annotated[float, typer.Option(min=0.1, max=10_000, help="Events a second at the most.")]
_MaxFailures = Annotated[int, typer.Option(min=0, help="Stop when more of one step fail again.")]
_MaxReplays = Annotated[
    int, typer.Option(min=1, help="Leave letters alone that were replayed so often.")
]
_Wait = Annotated[
    float, typer.Option(min=0, help="Seconds for a step's outcomes; 0 = do not wait.")
]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Mend: PATH=VALUE, as properties.total=12.50, line_items.KEY.price=5."
    ),
]
_Unset = Annotated[
    list[str] | None, typer.Option("--unset", help="Mend: take PATH out, as properties.total.")
]
_Force = Annotated[
    bool, typer.Option("--force", help="Write over what is newer in HubSpot. Recorded.")
]
_ToQueue = Annotated[
    str | None, typer.Option(help="Straight to this queue, not where the event came from.")
]
_WritePlan = Annotated[
    Path | None,
    typer.Option(help="Send nothing: write the plan to this file, for somebody to agree to."),
]
_Plan = Annotated[
    Path | None,
    typer.Option(help="Run a plan that was written, as it was seen: its letters, nothing else."),
]
_PutBack = Annotated[
    bool, typer.Option("--put-back", help="Send nothing: end a replay that was interrupted.")
]
_Yes = Annotated[bool, typer.Option("--yes", help="Run the plan without asking.")]


def replay(
    *,
    dry_run: _DryRun = False,
    limit: Limit = None,
    rate: _Rate = 20.0,
    max_failures: _MaxFailures = 0,
    max_replays: _MaxReplays = 5,
    wait: _Wait = 60.0,
    set_: _Set = None,
    unset: _Unset = None,
    force: _Force = False,
    to_queue: _ToQueue = None,
    write_plan: _WritePlan = None,
    plan: _Plan = None,
    put_back: _PutBack = False,
    yes: _Yes = False,
    queue: QueueName = None,
    output: OutputOption = Output.TABLE,
    wanted: "Sieve",
) -> None:
    """Send dead letters back as events, in steps of 1, 5, 25, 100 and so on.

    The plan is printed first, and on a terminal you are asked. A step in which more than --max-failures
    fail again ends it. What is newer in HubSpot is never overwritten (without --force): such an event is
    superseded. Ctrl-C ends it after the events under way; run it again to go on.

    Such as:

      ordersync dlq replay --reason property_unknown --dry-run

      ordersync dlq replay --id demo-25-9 --set properties.hs_total_price=12.50

      ordersync dlq replay --reason property_unknown --limit 1

      ordersync dlq replay --reason property_unknown --write-plan friday.json

      ordersync dlq replay --plan friday.json --yes
    """
    from service.core.letters.sieve import Sieve
    from service.dead_letters.planning import Wishes

    wishes = Wishes(
        sieve=wanted, by=operator(), limit=limit, max_failures=max_failures,
        max_replays=max_replays, rate=rate, wait=wait, mend=_mend(set_ or [], unset or []),
        force=force, to_queue=to_queue or None,
    )  # fmt: skip
    if put_back:
        office = office_of(queue)
        number = interrupts.run(lambda _: office.put_back())
        say(f"{number_of(number, 'letter')} back among the dead letters")
        return
    if plan is not None:
        if wishes != Wishes(sieve=Sieve(), by=wishes.by):
            raise typer.BadParameter(
                "the plan says all that; leave out the rest", param_hint="--plan"
            )
        wishes, queue = _on_paper(plan, wishes.by)
    if dry_run or write_plan is not None:
        _plan_only(wishes, queue, write_plan, output)
        return
    ask_first = not yes and sys.stdin.isatty()
    report = interrupts.run(lambda signals: _story(wishes, queue, signals, ask_first=ask_first))
    if report is not None:
        _say_report(report, output)


def _on_paper(path: Path, by: str) -> "tuple[Wishes, str]":
    """What a written plan asks for, and of which queue. It is told whose it is."""
    from service.dead_letters.approving import Paper

    paper = Paper.read(path)
    count = number_of(len(paper.letters), "dead letter")
    say(f"plan {paper.id} of {paper.made_by} at {paper.made_at}: {count} of {paper.queue}")
    return paper.wished(by), paper.queue


def _plan_only(wishes: "Wishes", queue: str | None, to: Path | None, output: Output) -> None:
    """Print the plan, as data, and write it down where that is wanted."""
    from service.clock import stamp
    from service.core.outgoing import iso
    from service.dead_letters.approving import Paper

    office = office_of(queue)
    planned = interrupts.run(lambda _: _asking(lambda ask: office.plan(wishes, ask, say)))
    _say_plan(planned, wishes, output)
    _refuse_idle(planned)
    if to is not None:
        paper = Paper.of(planned, wishes, office.queue, iso(stamp()))
        paper.write(to)
        say(f"plan {paper.id} is in {to}; `ordersync dlq replay --plan {to}` runs it")


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
    wishes: "Wishes", queue: str | None, signals: "Interrupts", *, ask_first: bool
) -> "Report | None":
    office, stop = office_of(queue), asyncio.Event()
    bar = Bar("replaying")

    async def agreed(planned: "Plan") -> bool:
        _say_plan(planned, wishes, None)
        _refuse_idle(planned)
        if planned.keys and ask_first:
            count = number_of(len(planned.keys), "dead letter")
            if not await confirmed(f"replay {count}?"):
                say("nothing was replayed")
                return False
        signals.gently = stop
        signals.told = "interrupted; the next `dlq replay` gives back what was set aside"
        bar.begin(len(planned.keys))
        return True

    with bar:
        return await _asking(
            lambda ask: office.replay(
                wishes, ask, agreed=agreed, stop=stop, progress=bar.advance, say=say
            )
        )


async def _asking(story: "Callable[[Send | None], Awaitable[T]]") -> T:
    """A story with HubSpot to ask, where there is a token for it."""
    from service import app
    from service.settings.config import hubspot_settings

    account = hubspot_settings()
    if isinstance(account, str):
        return await story(None)
    async with app.asking(account) as ask:
        return await story(ask)


def _say_plan(planned: "Plan", wishes: "Wishes", planned_as: Output | None) -> None:
    """The groups: data where only the plan is wanted, else beside it. In words the rest."""
    rows = [row if planned_as else _short(row) for row in planned.rows()]
    show(rows, planned_as or Output.TABLE, err=planned_as is None)
    for why, count in planned.left.items():
        say(f"{count} not replayed: {why}")
    for sentence in planned.unmatched.told():
        say(sentence)
    say(f"{planned.groups.total} of {number_of(planned.read, 'dead letter')} to replay")
    if planned.groups.total:
        say(_staleness(planned, force=wishes.force))
    if wishes.mend:
        say(f"mended: {wishes.mend.told} (changes {planned.effect.changed} of them)")
        for sentence in planned.effect.strange():
            say(sentence)


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


def _staleness(planned: "Plan", *, force: bool) -> str:
    from service.settings.config import hubspot_settings

    account = hubspot_settings()
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
