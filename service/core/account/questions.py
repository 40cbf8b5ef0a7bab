"""Every request of the reading commands, as data. Where each goes is `service.hubspot.addresses`'s.

Sources: HubSpot's OpenAPI files orders.v3.json and properties.v3.json; the guides to its APIs of objects and search.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

# Records that one page of a list holds at most (orders.v3.json).
LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True)
class Listing:
    """GET of one page of an object type's records."""

    object: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Single:
    """GET of one record, by HubSpot's id."""

    object: str
    id: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sought:
    """POST …/search: one page of what is found."""

    object: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Defined:
    """GET of an object type's property definitions: of one, or of all that are not archived."""

    object: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Define:
    """POST of a new property."""

    object: str
    body: bytes = field(repr=False)


Question = Listing | Single | Sought | Defined | Define


def listing(
    object_type: str,
    properties: tuple[str, ...],
    *,
    size: int = LARGEST_PAGE,
    after: str | None = None,
    archived: bool = False,
) -> Listing:
    """One page of all records, in HubSpot's order; `after`: where the page before ended."""
    query = {"limit": str(min(size, LARGEST_PAGE))}
    if properties:
        query["properties"] = ",".join(properties)
    if after is not None:
        query["after"] = after
    if archived:
        query["archived"] = "true"
    return Listing(object_type, query)


def next_page(body: Mapping[str, Any]) -> str | None:
    """Where the next page begins; None where this one is the last."""
    paging = body.get("paging")
    further = paging.get("next") if isinstance(paging, dict) else None
    after = further.get("after") if isinstance(further, dict) else None
    return str(after) if after is not None else None


def define(object_type: str, document: Mapping[str, Any]) -> Define:
    """A property to make."""
    return Define(object_type, orjson.dumps(document))
