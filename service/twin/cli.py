"""The command: a twin on a socket, told by options; stdout says where it listens, nothing else."""

import asyncio
import contextlib
import gc
import json
import signal
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from uvicorn import Config

from service.twin.faults import Rule, parse_fault, read_script
from service.twin.faults.words import converted, help_text
from service.twin.http.app import app
from service.twin.http.sockets import serving
from service.twin.options import TwinOptions
from service.twin.twin import Twin

# At most 76 columns, so that the columns survive a terminal of 80.
_HELP = """
A local HubSpot: orders, lines, buyers, links; limits and faults.

Prints its base URL and serves until Ctrl-C. Any bearer token is good.

\b
LOOKING IN
  GET /_twin/orders, /_twin/graph/orders    records; with their links
  GET /_twin/journal, /_twin/stats          calls, what each wrote; counts
  POST /_twin/reset, /_twin/faults          forget the records; new script

\b
FAULTS  --fault 'WHAT name=value ...', repeatable; the first that fires wins
{faults}

\b
EXAMPLES
  --fault '503 rate=0.02 body=html'
  --fault '429 nth=5 policy=DAILY'
  --fault 'hang operation=upsert nth=3 seconds=5'
  --fault 'vanish where=hs_order_name:VANISH* written=true'
  --fault 'refuse-batch where=hs_order_name:POISON* blame=nobody'
  --fault 'cut operation=link to=line_items written=true times=1'
  --fault '503 since=30 until=90'       an outage of a minute
  --script faults.json                  a JSON list of such rules
Same seed and same calls give the same faults.
"""
HELP = _HELP.format(faults=help_text())


_Unique = Annotated[
    list[str] | None,
    typer.Option(
        help="Unique property that identifies an order (shop_order_id), or a record of another "
        "type (line_items.shop_line_id)."
    ),
]
_Properties = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        help="Further property, name:type or kind.name:type; type is string, number, bool, date, "
        "datetime, or enumeration:one|two.",
    ),
]
_Limit = Annotated[
    str, typer.Option(help="Burst limit, CALLS/SECONDS in any rolling window; 0 is off.")
]
_Rival = Annotated[
    float, typer.Option(help="Calls a second that another client takes from the window.")
]
_Faults = Annotated[list[str] | None, typer.Option(help="A fault rule, as above; repeatable.")]
_Script = Annotated[
    Path | None,
    typer.Option(help="JSON file with a list of fault rules.", exists=True, dir_okay=False),
]
_State = Annotated[Path | None, typer.Option(help="SQLite file that keeps the records.")]
_Tokens = Annotated[list[str] | None, typer.Option(help="Bearer token to accept; any without it.")]
_Switches = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any other TwinOptions field, NAME=VALUE; see docs/twin.md."),
]


def hubspot_twin(  # noqa: PLR0913  (each parameter is an option of the command)
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    unique: _Unique = None,
    properties: _Properties = None,
    limit: _Limit = "190/10",
    daily: Annotated[int, typer.Option(help="Calls a day; 0 is off.")] = 1_000_000,
    rival: _Rival = 0.0,
    latency: Annotated[float, typer.Option(help="Milliseconds that every call takes.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of shuffling, ids and fault rates.")] = 0,
    fault: _Faults = None,
    script: _Script = None,
    state: _State = None,
    token: _Tokens = None,
    journal: Annotated[str, typer.Option(help="off, calls, or writes (both).")] = "writes",
    switch: _Switches = None,
) -> None:
    """Serve a local HubSpot (`HELP` is put here below: one text wherever it is mounted)."""
    try:
        calls, window = _limit(limit)
        options = TwinOptions(
            unique=tuple(unique or TwinOptions().unique),
            properties=tuple(properties or ()),
            calls=calls,
            window=window,
            daily=daily,
            rival_rate=rival,
            latency=latency / 1000,
            seed=seed,
            faults=_rules(fault or [], script),
            state=str(state or ""),
            tokens=tuple(token or ()),
        )
        twin = Twin(switched(options, [f"journal={journal}", *(switch or [])]))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _run(twin, host, port)


hubspot_twin.__doc__ = HELP


def _limit(text: str) -> tuple[int, float]:
    calls, _, window = text.partition("/")
    return int(calls), float(window or 10)


def _rules(faults: list[str], script: Path | None) -> tuple[Rule, ...]:
    rules = tuple(parse_fault(text) for text in faults)
    if script is None:
        return rules
    return rules + read_script(json.loads(script.read_text(encoding="utf-8")))


def switched(options: TwinOptions, words: list[str]) -> TwinOptions:
    """Options with `NAME=VALUE` words applied; a `ValueError` with a sentence for a wrong one."""
    hints = get_type_hints(TwinOptions)
    known = {each.name for each in fields(TwinOptions)} - {"faults"}
    changes: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name not in known:
            raise ValueError(f"{word!r}: write NAME=VALUE, NAME one of {', '.join(sorted(known))}")
        changes[name] = converted(name, text, hints[name])
    return replace(options, **changes)


def _run(twin: Twin, host: str, port: int) -> None:
    """Serve until a signal; ends with exit code 1 where the address cannot be had."""
    _tame_the_collector()
    # uvloop, where uvicorn finds it, halves what a call costs beside its work.
    loops = Config(app=app(twin)).get_loop_factory()
    with contextlib.closing(twin), asyncio.Runner(loop_factory=loops) as runner:
        try:
            runner.run(_serve(twin, host, port))
        except OSError as error:
            typer.echo(f"cannot listen on {host}:{port}: {error.strerror}", err=True)
            raise typer.Exit(1) from None


def _tame_the_collector() -> None:
    """Let the garbage collector look less often: a portal is many small, long-lived objects.

    Measured: it takes half of the time of a batch of 100 otherwise.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _serve(twin: Twin, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    async with serving(twin, host, port) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await stop.wait()


def build() -> typer.Typer:
    """The command as an application of its own."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(hubspot_twin)
    return app


def main() -> None:
    """`python -m service.twin`."""
    build()()
