"""The account's schema, asked for: what orders and lines may hold there, and the stages that orders may be in."""

from service.core.account.definitions import definitions_of
from service.core.account.preflight import AccountSchema
from service.core.account.questions import Defined
from service.core.events.order_event import ORDERS
from service.core.graph.lines import LINE_ITEMS
from service.core.graph.pipelines import pipelines_of
from service.core.hubspot.requests import ListCall
from service.hubspot.enquirer import Enquirer


async def account_schema(enquirer: Enquirer) -> AccountSchema:
    """Three questions.

    Raises:
        NotLetInError: the token is refused, or may not read definitions.
    """
    return AccountSchema(
        definitions_of(await enquirer.ask(Defined(ORDERS))),
        definitions_of(await enquirer.ask(Defined(LINE_ITEMS))),
        pipelines_of(await enquirer.ask(ListCall("pipelines", ORDERS))),
    )
