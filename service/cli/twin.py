"""`hubspot-twin`: the local HubSpot. All of it is the twin's own; here it only gets its name."""

import typer

PASSED_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    # `--help` is the twin's to answer.
    "help_option_names": [],
}


def hubspot_twin(context: typer.Context) -> None:
    """Run a local HubSpot: real state, limits and faults, to develop and test against."""
    from service.twin.cli import hubspot_twin as twin

    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(twin)
    typer.main.get_command(command)(args=context.args, prog_name="ordersync hubspot-twin")
