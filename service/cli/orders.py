"""`orders`, `pipelines`: what HubSpot holds."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.account import CallsPerWindow, account, asked
from service.cli.printing import number_of, say
from service.cli.spread import Spread, SpreadOption, spreading

if TYPE_CHECKING:
    from service.core.account.orders import OrderRow
    from service.hubspot.enquirer import Enquirer
    from service.orders.reading import Enquiry, Orders
    from service.settings.hubspot import HubSpotSettings

app = typer.Typer(help="The orders that HubSpot holds.", no_args_is_help=True)

# Where nobody says how many.
LISTED: Final = 50

Properties = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="The properties to show; the usual ones without."),
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many orders.")]
All = Annotated[bool, typer.Option("--all", help="All of them, page by page.")]


def pipelines(output: SpreadOption = Spread.TABLE) -> None:
    """List the pipelines of orders and their stages, by name and id: what an event's `stage` may say.

    The first pipeline is the one that is meant where an event names none.
    """
    from service.orders.reading import stages

    rows = asked(account(), stages)
    with spreading(output) as show_one:
        for row in rows:
            show_one(row.document(), row.document())
    if not rows:
        say("the account has no pipeline of orders")


@app.command(short_help="List the orders, as they are now.")
def ls(
    *,
    properties: Properties = None,
    limit: Limit = LISTED,
    every: All = False,
    archived: Annotated[
        bool, typer.Option("--archived", help="The archived ones instead.")
    ] = False,
    calls_per_window: CallsPerWindow = None,
    output: SpreadOption = Spread.TABLE,
) -> None:
    """List the orders in HubSpot's own order. What was written a moment ago is among them.

    Each page of 100 is a call of the app's limit; live traffic keeps nine tenths of it.

      ordersync orders ls --all -o csv > orders.csv
    """
    from service.orders.reading import Enquiry

    wanted = Enquiry(
        properties=_names(properties), limit=None if every else limit, archived=archived
    )
    _print(lambda orders: orders.listed(wanted), wanted, output, calls_per_window)


@app.command(short_help="Search the orders by their properties and stage.")
def search(
    filters: Annotated[
        list[str] | None, typer.Argument(metavar="[FILTER]...", show_default=False)
    ] = None,
    *,
    text: Annotated[
        str, typer.Option("--text", help="Words that the order's values hold.", show_default=False)
    ] = "",
    sort: Annotated[
        str | None, typer.Option(metavar="[-]PROPERTY", help="By that; - puts the largest first.")
    ] = None,
    properties: Properties = None,
    limit: Limit = LISTED,
    every: All = False,
    output: SpreadOption = Spread.TABLE,
) -> None:
    """Search the orders. HubSpot's index knows a write after some seconds.

    A FILTER is a property, a sign and a value. All of them hold; `or` stands between alternatives. Write them in
    quotes: a shell takes > and < for itself.

    \b
      = != > >= < <=     is, is not, more, less
      ~ !~               holds the word, or not; * stands for the rest of one
      PROPERTY?          has a value; !PROPERTY? has none
      in:(A,B) !in:(A,B) is one of these, or none

    `stage` and `pipeline` go by name or id, times as 2026-11-22 or 2026-11-22T10:00Z, values with spaces in quotes.

      ordersync orders search 'hs_total_price>100 stage=Shipped' --sort -hs_total_price

      ordersync orders search 'hs_order_name~"trail shoes" or hs_tags in:(vip,staff)'

      ordersync orders search '!hs_currency_code?' --all -o csv

    HubSpot takes five groups of six filters, 18 in all, and five searches a second. Its search ends at 10,000 results:
    --all goes on by record id, unless --sort asks for another order.
    """  # noqa: D301  (click's own mark, a backspace)
    from service.core.account.filters import FilterError, parse
    from service.orders.reading import Enquiry

    try:
        groups = parse(" ".join(filters or ()))
    except FilterError as error:
        raise typer.BadParameter(str(error), param_hint="FILTER") from None
    wanted = Enquiry(
        groups=groups,
        properties=_names(properties),
        sort=sort,
        text=text,
        limit=None if every else limit,
    )
    _print(lambda orders: orders.found(wanted, say), wanted, output, None)


def _names(given: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (given or "").split(",") if name.strip())


def _print(
    ask: "Callable[[Orders], AsyncIterator[OrderRow]]",
    wanted: "Enquiry",
    output: Spread,
    calls: int | None,
) -> None:
    settings = account()
    count = asked(settings, lambda e: _told(e, settings, ask, output), calls)
    more = wanted.limit is not None and count == wanted.limit
    say(f"the first {count}; --limit or --all for more" if more else number_of(count, "order"))


async def _told(
    enquirer: "Enquirer",
    settings: "HubSpotSettings",
    ask: "Callable[[Orders], AsyncIterator[OrderRow]]",
    output: Spread,
) -> int:
    """Print them as they come; how many."""
    from service.orders.reading import Orders

    orders, count = await Orders.of(enquirer, settings.id_property, say), 0
    with spreading(output) as show_one:
        async for row in ask(orders):
            show_one(row.cells(), row.document())
            count += 1
    return count
