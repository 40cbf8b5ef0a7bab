"""`dlq replay`: plan, one, then more."""

import asyncio
import getpass
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import sieving
from service.cli.exits import Exit
from service.cli.printing import Output, OutputOption, say, show

if TYPE_CHECKING:
    from service.core.replays import Mend, Report
    from service.dead_letters.replaying import Plan, Wishes
    from service.sections import HubSpot


def replay(  # noqa: PLR0913  (filters)
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan.")] = False,
    limit: sieving.Limit = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Events a second at the most.")] = 20.0,
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
    """Send dead letters back as events, in steps of 1, 5, 25, 100 and so on.

    The plan is printed first. A step in which more than --max-failures fail again ends it. What is
    newer in HubSpot is never overwritten (without --force): such an event is superseded. Ctrl-C ends
    it after the events under way; run it again to go on.

    Such as:

      ordersync dlq replay --reason property_unknown --dry-run

      ordersync dlq replay --id demo-25-9 --set properties.hs_total_price=12.50

      ordersync dlq replay --reason property_unknown --limit 1
    """
    from service.dead_letters.replaying import Wishes  # noqa: PLC0415

    wanted = sieving.sieve(
        reason=reason, category=category, order=order, source=source, ids=ids,
        fingerprint=fingerprint, since=since, until=until, text=text, replays=replays,
    )  # fmt: skip
    wishes = Wishes(
        sieve=wanted, by=_operator(), limit=limit, max_failures=max_failures,
        max_replays=max_replays, rate=rate, wait=wait, mend=_mend(set_ or [], unset or []),
        force=force, to_queue=to_queue,
    )  # fmt: skip
    from service.core.replays import FAILED  # noqa: PLC0415

    report = asyncio.run(_story(wishes, queue, dry_run=dry_run))
    if report is None:
        return
    show(
        [{"outcome": fate, "events": count} for fate, count in sorted(report.fates.items())], output
    )
    say(f"replayed {report.sent} dead letters")
    if report.stopped:
        say(f"stopped: {report.stopped}")
    if report.stopped or any(fate in FAILED for fate in report.fates):
        raise typer.Exit(Exit.FAILED)


async def _story(wishes: "Wishes", queue: str | None, *, dry_run: bool) -> "Report | None":
    from dataclasses import replace  # noqa: PLC0415

    from service import app, logs  # noqa: PLC0415
    from service.config import BrokerSettings, hubspot_settings  # noqa: PLC0415
    from service.dead_letters.looker import looking  # noqa: PLC0415
    from service.dead_letters.receipts import hearing  # noqa: PLC0415
    from service.dead_letters.replaying import plan, run  # noqa: PLC0415
    from service.dead_letters.sender import sending  # noqa: PLC0415

    settings = BrokerSettings.load()
    logs.for_command(settings.log)
    url, names = settings.rabbitmq.url.get_secret_value(), settings.rabbitmq
    wishes = replace(wishes, id_property=settings.hubspot.id_property)
    account = hubspot_settings()
    async with AsyncExitStack() as stack:
        looker = await stack.enter_async_context(
            looking(url, queue or names.dead_letters_queue, settings.hubspot.id_property)
        )
        send = None
        if not isinstance(account, str):
            send = await stack.enter_async_context(app.asking(account))
        planned = await plan(looker, wishes, send)
        _say_plan(planned, wishes, account)
        if dry_run or not planned.groups.total:
            return None
        sender = await stack.enter_async_context(sending(url))
        receipts = None
        if wishes.wait:
            receipts = await stack.enter_async_context(hearing(url, names.outcomes_exchange))
        stop = asyncio.Event()
        with _interrupted(stop), _progress(planned.groups.total) as advance:
            return await run(looker, sender, receipts, wishes, planned, stop=stop, progress=advance)


def _say_plan(planned: "Plan", wishes: "Wishes", account: "HubSpot | str") -> None:
    from service.core.sieve import rows  # noqa: PLC0415

    for row in rows(planned.groups, lambda _: ""):
        say(f"{row['count']:7} {row['reason']}  {row['message'][:120]}")
    for why, count in planned.left.items():
        say(f"{count:7} not replayed: {why}")
    say(f"{planned.groups.total} of {planned.read} dead letters to replay")
    if isinstance(account, str):
        say(f"how many would be superseded is not known: {account}")
    elif planned.groups.total and not wishes.force:
        say(
            f"of {planned.looked_up} looked up in HubSpot, {planned.stale} would be superseded and "
            f"{planned.partly} written in part: it holds newer values"
        )
    if wishes.force:
        say("forced: newer values in HubSpot will be overwritten")
    if wishes.mend:
        say(f"mended: {wishes.mend.told}")


def _mend(sets: list[str], unsets: list[str]) -> "Mend":
    from service.core.replays import Mend, MendError, checked_path, parse_set  # noqa: PLC0415

    try:
        return Mend(dict(map(parse_set, sets)), tuple(map(checked_path, unsets)))
    except MendError as error:
        raise typer.BadParameter(str(error), param_hint="--set / --unset") from None


def _operator() -> str:
    try:
        return f"{getpass.getuser()}@{os.uname().nodename}"[:80]
    except OSError:  # a user id without a name, as containers have
        return f"uid {os.getuid()}@{os.uname().nodename}"[:80]


@contextmanager
def _interrupted(stop: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C ends it in order, the second at once."""
    loop = asyncio.get_running_loop()
    me = asyncio.current_task()

    def signalled() -> None:
        if stop.is_set() and me is not None:
            me.cancel()
        stop.set()

    loop.add_signal_handler(signal.SIGINT, signalled)
    loop.add_signal_handler(signal.SIGTERM, signalled)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], Any]]:
    """A bar on stderr where somebody looks."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replaying", total=total)
        yield lambda sent: bar.advance(task, sent)
