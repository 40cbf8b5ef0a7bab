"""A search, page by page.

HubSpot pages through the first 10,000 results of a search and no further. Sorted by record id, the next page is
asked for as "with an id above the last one": so it has no end, and a record that leaves the result meanwhile makes
no other one be passed over. Any other order ends at 10,000.

    by id      [ids 1-200] -> hs_object_id > 200 -> [201-400] -> ...           to the end
    by price   [1-200] -> after=200 -> [201-400] -> ... -> [9801-10000]        and no further

Sources: HubSpot's search guide (200 results a page, 10,000 in all, bodies of 3,000 characters); the specification of
search in orders.v3.json.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from service.core.account.filters import (
    MOST_FILTERS,
    MOST_IN_GROUP,
    Filter,
    FilterError,
    Groups,
    documents,
)
from service.core.account.questions import Sought, next_page
from service.core.events.order_event import RECORD_ID
from service.core.hubspot.answers import objects

LARGEST_PAGE: Final = 200
LARGEST_RESULT: Final = 10_000
LONGEST_BODY: Final = 3_000  # characters


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for. `sort`: a property, "-" before it for the largest first; None = by record id."""

    object: str
    groups: Groups
    properties: tuple[str, ...] = ()
    sort: str | None = None
    text: str = ""

    @property
    def endless(self) -> bool:
        """Whether it can be read beyond the first 10,000 results."""
        room = all(len(group) < MOST_IN_GROUP for group in self.groups)
        total = sum(map(len, self.groups)) + len(self.groups)
        return self.sort in {None, RECORD_ID} and room and total <= MOST_FILTERS

    def beyond_the_end(self, total: int, wanted: int) -> bool:
        """Whether more is wanted of `total` results than HubSpot pages through in this order."""
        return min(total, wanted) > LARGEST_RESULT and not self.endless

    def first(self, wanted: int) -> Sought:
        """The call for the first page."""
        return self._call(self.groups, wanted, None)

    def next(self, body: Mapping[str, Any], wanted: int, had: int) -> Sought | None:
        """The call for the page behind this one, of at most `wanted` results; None where it is the last.

        `had`: results that were read so far, this page's included.
        """
        after = next_page(body)
        ids = [str(each["id"]) for each in objects(body, "results") if "id" in each]
        if after is None or not ids or wanted < 1:
            return None
        if self.endless:
            return self._call(tuple(self._beyond(ids[-1])), wanted, None)
        if had >= LARGEST_RESULT:
            return None
        return self._call(self.groups, min(wanted, LARGEST_RESULT - had), after)

    def _beyond(self, last: str) -> Iterator[tuple[Filter, ...]]:
        further = Filter(RECORD_ID, "GT", (last,))
        yield from ((*group, further) for group in self.groups or ((),))

    def _call(self, groups: Groups, wanted: int, after: str | None) -> Sought:
        document: dict[str, Any] = {
            "filterGroups": documents(groups),
            "sorts": [_sorting(self.sort or RECORD_ID)],
            "properties": list(self.properties),
            "limit": min(wanted, LARGEST_PAGE),
        }
        if self.text:
            document["query"] = self.text
        if after is not None:
            document["after"] = after
        body = orjson.dumps(document)
        if len(body.decode()) > LONGEST_BODY:
            raise FilterError(
                f"HubSpot's search takes {LONGEST_BODY} characters, here are {len(body.decode())}: shorten the "
                "lists of values, or name fewer --properties"
            )
        return Sought(self.object, body)


def _sorting(sort: str) -> dict[str, str]:
    name = sort.removeprefix("-")
    return {"propertyName": name, "direction": "DESCENDING" if name != sort else "ASCENDING"}


def total_of(body: Mapping[str, Any]) -> int | None:
    """How many HubSpot says there are."""
    total = body.get("total")
    return total if type(total) is int else None
