"""`run`, `demo`, `check-config`: the service itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.printing import Output, OutputOption, say, show

if TYPE_CHECKING:
    from service.settings.config import Settings


def run() -> None:
    """Carry order events from RabbitMQ to HubSpot until SIGTERM.

    Configured by ORDERSYNC_* variables and mounted secret files: see `ordersync check-config`.
    """
    from service.app import run as run_service
    from service.settings.config import Settings
    from service.watch import logs

    settings = Settings.load()
    logs.configure(settings.log)
    raise typer.Exit(run_service(settings))


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave broker and twin running until Ctrl-C.")
    ] = False,
) -> None:
    """See it work: a private RabbitMQ, the HubSpot twin, sample events and the real service."""
    from service.demo.demo import run as run_demo

    raise typer.Exit(run_demo(keep=keep))


def check_config(output: OutputOption = Output.TABLE) -> None:
    """Check the configuration without connecting to anything, and print it without its secrets.

    Exits 78 with a line for every fault.
    """
    from service.settings.config import Settings

    show(list(_rows(Settings.load())), output)
    say("the configuration is valid")


def _rows(settings: "Settings") -> Iterator[dict[str, Any]]:
    from service.settings.config import ALL

    for setting in ALL:
        section = getattr(settings, setting.section)
        value = getattr(section, setting.field)
        yield {
            "setting": setting.name,
            "value": "(set)" if setting.secret and value is not None else value,
            "from": "given" if setting.field in section.model_fields_set else "default",
        }
