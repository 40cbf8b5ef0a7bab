"""`doctor`: is everything there that `run` needs?"""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.exits import Exit
from service.cli.printing import Output, OutputOption, say, show
from service.core.visible import visible

if TYPE_CHECKING:
    from service.doctor import Finding
    from service.settings.config import Settings

MARKS: Final = {"ok": "✓", "fault": "✗", "unseen": "-"}
PLAIN: Final = {"ok": "ok", "fault": "FAULT", "unseen": "-"}
EXITS: Final = {
    "unreachable": Exit.UNREACHABLE,
    "not authorised": Exit.NOT_AUTHORISED,
    "wrong": Exit.FAILED,
}


def doctor(
    management: Annotated[
        str | None,
        typer.Option(help="URL of RabbitMQ's management API; the usual port of its host without."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Look at RabbitMQ and HubSpot as `run` would use them. Changes nothing.

    A line for everything that was looked at: a tick, or what is wrong and how to mend it. Exits 69 where
    RabbitMQ or HubSpot cannot be reached, 77 where one of them does not let us in, 1 where something
    else is wrong.
    """
    from service.settings.config import Settings
    from service.watch import logs

    settings = Settings.load()
    logs.for_command(settings.log)
    findings = asyncio.run(_examined(settings, management, told=output is Output.TABLE))
    if output is not Output.TABLE:
        show([row(finding) for finding in findings], output)
    troubles = [EXITS[finding.trouble] for finding in findings if finding.trouble]
    say(f"{len(troubles)} of {len(findings)} need mending" if troubles else "all is well")
    raise typer.Exit(max(troubles, key=gravity, default=Exit.DONE))


async def _examined(settings: "Settings", management: str | None, *, told: bool) -> "list[Finding]":
    from service.doctor import examine

    findings = []
    async for finding in examine(settings, management):
        findings.append(finding)
        if told:
            tell(finding)
    return findings


def gravity(code: Exit) -> int:
    """What is not reached says nothing of itself: first things first."""
    return (Exit.DONE, Exit.FAILED, Exit.NOT_AUTHORISED, Exit.UNREACHABLE).index(code)


def tell(finding: "Finding", *, err: bool = False) -> None:
    """A line for it, and one for what to do; `err`: beside data."""
    encoding = (sys.stderr if err else sys.stdout).encoding or ""
    marks = MARKS if encoding.lower().startswith("utf") else PLAIN
    typer.echo(f"{marks[finding.mark]} {finding.subject:<10}{visible(finding.found)}", err=err)
    if finding.fix is not None:
        typer.echo(f"  {'':<10}-> {visible(finding.fix)}", err=err)


def row(finding: "Finding") -> dict[str, str | None]:
    """For programs."""
    return {
        "state": finding.mark,
        "subject": finding.subject,
        "found": finding.found,
        "fix": finding.fix,
    }
