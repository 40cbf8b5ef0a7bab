"""All commands under their names."""

from typing import Annotated

import typer

from service.cli import (
    dlq,
    doctor,
    order,
    orders,
    publish,
    reconcile,
    schema,
    send,
    service,
    setup,
    topology,
    twin,
)
from service.watch.version import installed

app = typer.Typer(
    name="ordersync",
    help="Order events from RabbitMQ into HubSpot's CRM: in order, in batches, a receipt for each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(service.run)
app.command(short_help="See it work: a private RabbitMQ and a local HubSpot.")(service.demo)
app.command("check-config", short_help="Check the configuration, offline, and print it.")(
    service.check_config
)
app.command(short_help="Look at a HubSpot account, and print the settings for it.")(setup.setup)
app.command()(doctor.doctor)
app.command(short_help="Tell what happened to one order, and what HubSpot holds.")(order.order)
app.command(short_help="Send one order's event, and wait for its outcome.")(send.send)
app.command()(publish.publish)
app.command(short_help="List the pipelines of orders and their stages.")(orders.pipelines)
app.add_typer(orders.app, name="orders")
app.command(short_help="Compare a file of order events with what HubSpot holds.")(
    reconcile.reconcile
)
app.add_typer(topology.app, name="topology")
app.add_typer(schema.app, name="schema")
app.add_typer(dlq.app, name="dlq")
app.command(
    "hubspot-twin",
    context_settings=twin.PASSED_ON,
    add_help_option=False,
    short_help="Run a local HubSpot: real state, limits and faults.",
)(twin.hubspot_twin)


def _version(asked: bool) -> None:  # noqa: FBT001  (typer calls it so)
    if asked:
        typer.echo(f"ordersync {installed()}")
        raise typer.Exit


@app.callback()
def ordersync(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Order events from RabbitMQ into HubSpot's CRM: in order, in batches, a receipt for each."""
