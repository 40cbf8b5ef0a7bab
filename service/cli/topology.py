"""`topology`: what must be on the broker."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.printing import Output, OutputOption, say, show

if TYPE_CHECKING:
    from service.rabbitmq.topology import Topology

app = typer.Typer(help="Exchanges, queues and bindings on RabbitMQ.", no_args_is_help=True)


@app.command("show")
def show_topology(output: OutputOption = Output.TABLE) -> None:
    """Print what ordersync needs on the broker, without connecting to it."""
    from service.rabbitmq.topology import Topology
    from service.settings.config import NameSettings

    settings = NameSettings.load()
    wanted = Topology.of(settings.rabbitmq, settings.journal)
    show(list(_rows(wanted)), output)


@app.command()
def apply(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what is missing.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Declare what is missing. What is there already stays as it is; a difference is an error."""
    from service.rabbitmq import topology
    from service.settings.config import BrokerSettings
    from service.watch import logs

    settings = BrokerSettings.load()
    logs.for_command(settings.log)
    wanted = topology.Topology.of(settings.rabbitmq, settings.journal)
    url = settings.rabbitmq.url.get_secret_value()
    if dry_run:
        there = asyncio.run(topology.survey(url, wanted))
        show([_state(part.kind, part.name, found=found) for part, found in there.items()], output)
        return
    asyncio.run(topology.declare(url, wanted))
    say(
        f"{len(wanted.exchanges)} exchanges, {len(wanted.queues)} queues and "
        f"{len(wanted.bindings)} bindings are in place"
    )


def _state(kind: str, name: str, *, found: bool) -> dict[str, str]:
    return {"kind": kind, "name": name, "state": "is there" if found else "would be declared"}


def _rows(wanted: "Topology") -> Iterator[dict[str, Any]]:
    for part in wanted.parts:
        yield {"kind": part.kind, "name": part.name, "details": dict(part.details)}
