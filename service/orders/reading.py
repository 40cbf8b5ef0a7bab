"""Pipelines, definitions and orders out of an account; orders come page by page, as they are read."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.core.account.definitions import Definitions, definitions_of
from service.core.account.filters import FilterError, Groups, checked, known
from service.core.account.orders import USUAL, OrderRow, order_row
from service.core.account.questions import Defined, listing, next_page
from service.core.account.search import LARGEST_RESULT, Search, total_of
from service.core.account.stages import StageRow, stage_rows
from service.core.events.order_event import ORDERS, RECORD_ID
from service.core.graph.pipelines import OrderPipeline, pipelines_of
from service.core.hubspot.answers import objects
from service.core.hubspot.requests import ListCall
from service.core.waiting.claims import STAGE_PROPERTIES
from service.hubspot.enquirer import Enquirer, NotAllowedError

# Records of one answer, where nobody says how many.
_ALL: Final = 1 << 62

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Enquiry:
    """What is asked for; `groups` as they were written. `properties` () = the usual ones."""

    groups: Groups = ()
    properties: tuple[str, ...] = ()
    sort: str | None = None
    text: str = ""
    # None = all there are.
    limit: int | None = None
    archived: bool = False


async def stages(enquirer: Enquirer) -> list[StageRow]:
    """All pipelines of orders with their stages."""
    return list(stage_rows(await enquirer.ask(ListCall("pipelines", ORDERS))))


async def pipelines(enquirer: Enquirer) -> tuple[OrderPipeline, ...]:
    """The account's pipelines of orders."""
    return pipelines_of(await enquirer.ask(ListCall("pipelines", ORDERS)))


async def definitions(enquirer: Enquirer, object_type: str, say: Say) -> Definitions | None:
    """The account's properties of an object type; None where the token may not read them, which is said."""
    try:
        return definitions_of(await enquirer.ask(Defined(object_type)))
    except NotAllowedError as error:
        say(f"names of properties are not checked: {error} (crm.schemas.{object_type}.read)")
        return None


class Orders:
    """One account's orders, with what their values mean: how it defines them and names its stages."""

    def __init__(
        self,
        enquirer: Enquirer,
        id_property: str | None,
        definitions: Definitions | None,
        pipelines: tuple[OrderPipeline, ...],
    ) -> None:
        self._enquirer, self._id_property = enquirer, id_property
        self._definitions, self._pipelines = definitions, pipelines

    @classmethod
    async def of(cls, enquirer: Enquirer, id_property: str | None, say: Say) -> "Orders":
        """Ask the account for its definitions and pipelines first: two calls."""
        defined = await definitions(enquirer, ORDERS, say)
        named: tuple[OrderPipeline, ...] = ()
        try:
            named = await pipelines(enquirer)
        except NotAllowedError as error:
            say(f"stages are shown by their ids: {error} (crm.pipelines.orders.read)")
        return cls(enquirer, id_property, defined, named)

    def names(self, wanted: Enquiry) -> tuple[str, ...]:
        """The properties to show, the identifying one first.

        Raises:
            FilterError: the account has no such property.
        """
        key = (self._id_property,) if self._id_property else ()
        if wanted.properties and self._definitions is not None:
            for name in wanted.properties:
                known(name, self._definitions)
        return tuple(dict.fromkeys((*key, *(wanted.properties or USUAL))))

    async def listed(self, wanted: Enquiry) -> AsyncIterator[OrderRow]:
        """Orders in HubSpot's own order, as they are: what was written a moment ago is among them.

        Raises:
            FilterError: the account has no such property.
        """
        names, left, after = self.names(wanted), wanted.limit or _ALL, None
        while True:
            call = listing(
                ORDERS, _with_stage(names), size=left, after=after, archived=wanted.archived
            )
            body = await self._enquirer.ask(call)
            for row in self._rows(body, names):
                yield row
                left -= 1
                if not left:
                    return
            if (after := next_page(body)) is None:
                return

    async def found(self, wanted: Enquiry, say: Say) -> AsyncIterator[OrderRow]:
        """Orders that HubSpot's index finds; what was written in the last seconds may be missing.

        Raises:
            FilterError: the account has no such property or stage, or a search takes less than that.
        """
        names, had = self.names(wanted), 0
        search = self._search(wanted, names)
        left = wanted.limit or _ALL
        call, began = search.first(left), True
        while True:
            body = await self._enquirer.ask(call)
            if began and (total := total_of(body)) is not None:
                _told_total(total, left, search, say)
            began = False
            for row in self._rows(body, names):
                yield row
                had, left = had + 1, left - 1
            further = search.next(body, left, had)
            if further is None:
                return
            call = further

    def _search(self, wanted: Enquiry, names: tuple[str, ...]) -> Search:
        if wanted.sort is not None and self._definitions is not None:
            known(wanted.sort.removeprefix("-"), self._definitions)
        groups = checked(wanted.groups, self._definitions, self._pipelines)
        return Search(
            object=ORDERS,
            groups=groups,
            properties=_with_stage(names),
            sort=wanted.sort,
            text=wanted.text,
        )

    def _rows(self, body: Mapping[str, Any], names: tuple[str, ...]) -> list[OrderRow]:
        return [order_row(each, names, self._pipelines) for each in objects(body, "results")]


def _with_stage(names: tuple[str, ...]) -> tuple[str, ...]:
    """Programs get a stage's name whatever is shown."""
    return tuple(name for name in dict.fromkeys((*names, *STAGE_PROPERTIES)) if name != RECORD_ID)


def _told_total(total: int, left: int, search: Search, say: Say) -> None:
    """Say how many there are, where not all are read, or not as one would think.

    Raises:
        FilterError: HubSpot does not page through so many in this order.
    """
    if search.beyond_the_end(total, left):
        raise FilterError(
            f"{total} orders are found, and HubSpot's search ends at {LARGEST_RESULT}: leave --sort out, or take one "
            "filter less, and all are read by record id"
        )
    if min(total, left) > LARGEST_RESULT:
        say(
            f"{total} orders are found: beyond {LARGEST_RESULT}, where HubSpot's paging ends, by record id"
        )
    elif total > left:
        say(f"{total} orders are found")
