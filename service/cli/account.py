"""An account to ask, for the commands that need HubSpot and no RabbitMQ."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from service.cli.exits import Exit
from service.cli.printing import say

if TYPE_CHECKING:
    from service.hubspot.enquirer import Enquirer
    from service.settings.hubspot import HubSpotSettings

T = TypeVar("T")

CallsPerWindow = Annotated[
    int | None,
    typer.Option(
        "--calls-per-window",
        min=1,
        help="Calls in a window of HubSpot's limit at the most; a tenth of ORDERSYNC_HUBSPOT__CALLS without.",
    ),
]


def account() -> "HubSpotSettings":
    """How to reach the account: the settings of HubSpot alone.

    Raises:
        ConfigurationError: with a line for every fault.
    """
    from service.settings.reading import AccountSettings
    from service.watch import logs

    settings = AccountSettings.load()
    logs.for_command(settings.log)
    return settings.hubspot


def asked(
    settings: "HubSpotSettings",
    story: "Callable[[Enquirer], Awaitable[T]]",
    calls: int | None = None,
) -> T:
    """Run a story that asks HubSpot.

    Raises:
        typer.Exit: with 2, after a sentence, where what was asked for is not there.
    """
    from service.core.account.filters import FilterError
    from service.hubspot.enquirer import enquiring

    async def run() -> T:
        async with enquiring(settings, calls) as enquirer:
            return await story(enquirer)

    try:
        return asyncio.run(run())
    except FilterError as error:
        say(str(error))
        raise typer.Exit(Exit.USAGE) from None
