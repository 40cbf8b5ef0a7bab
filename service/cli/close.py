"""`dlq close`: dead letters that time has settled."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import interrupts
from service.cli.confirming import confirmed
from service.cli.exits import Exit
from service.cli.office import office_of
from service.cli.printing import Output, OutputOption, number_of, say, show
from service.cli.sieving import QueueName

if TYPE_CHECKING:
    from service.core.letters.sieve import Sieve
    from service.dead_letters.closing import Settled


def close(
    *,
    moot: Annotated[
        bool,
        typer.Option("--moot", help="Those of which HubSpot holds every value, or a newer one."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print them, with the proof.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Close them without asking.")] = False,
    queue: QueueName = None,
    output: OutputOption = Output.TABLE,
    wanted: "Sieve",
) -> None:
    """Close dead letters that time has settled: nothing is left of them to be written.

    HubSpot is asked for the history of every value. Each letter gets the outcome that its replay would
    have had, `superseded`, and is taken off. Events with lines, links or a stage are never closed.
    """
    if not moot:
        raise typer.BadParameter(
            "say which: --moot closes what HubSpot holds already", param_hint="close"
        )
    if not (dry_run or yes or sys.stdin.isatty()):
        raise typer.BadParameter(
            "what is closed is gone: needs --yes, or --dry-run", param_hint="close"
        )
    closed = interrupts.run(lambda _: _story(wanted, queue, output, dry_run=dry_run, yes=yes))
    say(f"closed {number_of(closed, 'dead letter')}")


async def _story(
    wanted: "Sieve", queue: str | None, output: Output, *, dry_run: bool, yes: bool
) -> int:
    from service import app
    from service.settings.config import hubspot_settings

    account = hubspot_settings()
    if isinstance(account, str):
        say(f"nobody says what HubSpot holds: {account}")
        raise typer.Exit(Exit.CONFIGURATION)

    async def agreed(found: "Settled") -> bool:
        show([one.row() for one in found.moot.values()], output)
        if found.unanswered is not None:
            say(f"not all could be looked up: {found.unanswered}")
        count = number_of(len(found.moot), "dead letter")
        say(
            f"{count} of {found.looked_up} looked up in HubSpot hold nothing that is left to be written"
        )
        if dry_run or not found.moot:
            return False
        return yes or await confirmed(f"close {count}?")

    async with app.asking(account) as ask:
        return await office_of(queue).close_moot(wanted, ask, agreed)
