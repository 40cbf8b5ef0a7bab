"""Search: filters, sorting and pages over what the index knows, which lags behind the writes.

The index sees a record as it was `search_lag` seconds ago; archived records are never found. Text
is compared without case, numbers and moments by value.
"""

from collections.abc import Callable, Iterator
from typing import Any

from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.operations import rendering
from service.twin.operations.answers import Answer, Refusal, bad_shape, validation
from service.twin.operations.call import Call, expect_list, expect_object, expect_text
from service.twin.operations.filters import Condition, read_condition
from service.twin.operations.inputs import read_names

LARGEST_PAGE = 200
LARGEST_RESULT = 10_000
LONGEST_QUERY = 3000
MOST_GROUPS, MOST_IN_GROUP, MOST_FILTERS = 5, 6, 18

Matches = Callable[[Record], bool]


def search(portal: Portal, call: Call) -> Answer:
    """`POST …/search`: 200 with `total`, a page of results, and `paging` if there is more."""
    table = portal.table(call.table_kind)
    document = call.read_object()
    groups = _groups(portal, table, document)
    query = _query(document)
    limit, after = _page(document)
    asked = rendering.Asking(
        read_names(document, "properties"), (), rendering.shows_nulls(portal, call)
    )
    found = [
        record
        for record in _indexed(portal, table, call.stamp)
        if _in_groups(record, groups) and _has_words(record, query)
    ]
    _sort(table, found, document)
    page = found[after : after + limit]
    answer: dict[str, Any] = {
        "total": len(found),
        "results": [rendering.read(portal, table, record, asked) for record in page],
    }
    if after + limit < len(found):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return Answer(200, answer)


def _groups(portal: Portal, table: Table, document: dict[str, Any]) -> list[list[Condition]]:
    given = expect_list(document.get("filterGroups") or [], "`filterGroups`")
    # A `filters` beside the groups is one more group: older clients send it so.
    if document.get("filters"):
        given = [*given, {"filters": document["filters"]}]
    groups = []
    for each in given:
        filters = expect_list(
            expect_object(each, "`filterGroups[]`").get("filters") or [], "filters"
        )
        groups.append([read_condition(portal, table, one) for one in filters])
    if (
        len(groups) > MOST_GROUPS
        or any(len(group) > MOST_IN_GROUP for group in groups)
        or sum(map(len, groups)) > MOST_FILTERS
    ):
        raise validation(
            f"At most {MOST_GROUPS} filter groups, {MOST_IN_GROUP} filters in each and "
            f"{MOST_FILTERS} filters in all are supported"
        )
    return groups


def _query(document: dict[str, Any]) -> list[str]:
    query = expect_text(document.get("query") or "", "`query`")
    if len(query) > LONGEST_QUERY:
        raise validation(f"The query may have at most {LONGEST_QUERY} characters")
    return query.lower().split()


def _page(document: dict[str, Any]) -> tuple[int, int]:
    limit = _whole(document.get("limit"), 10, "limit")
    after = _whole(document.get("after"), 0, "after")
    if not 0 <= limit <= LARGEST_PAGE:
        raise validation(f"limit must be between 0 and {LARGEST_PAGE}")
    if after + limit > LARGEST_RESULT:
        raise validation(f"Paging through more than {LARGEST_RESULT} results is not supported")
    return limit or 10, after


def _whole(given: Any, default: int, name: str) -> int:
    if given is None or given == "":
        return default
    text = expect_text(given, f"`{name}`")
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise bad_shape(f"Cannot deserialize `{name}` from {text[:40]}")
    return int(text)


def _indexed(portal: Portal, table: Table, stamp: int) -> Iterator[Record]:
    """Live records as the index has them."""
    lag = int(portal.options.search_lag * 1000)
    if not lag:
        return iter(table.live.values())
    seen = (_as_of(record, stamp - lag) for record in table.everything())
    return (record for record in seen if record is not None)


def _as_of(record: Record, stamp: int) -> Record | None:
    """The record as it was at `stamp`; None if it was not there, or archived already."""
    gone = record.archived_at is not None and record.archived_at <= stamp
    if record.created > stamp or gone:
        return None
    properties: dict[str, str] = {}
    updated = record.created
    for changed_at, changed in record.history:
        if changed_at <= stamp:
            properties |= changed
            updated = changed_at
    properties = {name: value for name, value in properties.items() if value}
    return Record(record.id, record.created, updated, properties, history=record.history)


def _in_groups(record: Record, groups: list[list[Condition]]) -> bool:
    return not groups or any(all(holds(record) for holds in group) for group in groups)


def _has_words(record: Record, words: list[str]) -> bool:
    if not words:
        return True
    text = "\n".join(record.properties.values()).lower()
    return all(word in text for word in words)


def _sort(table: Table, found: list[Record], document: dict[str, Any]) -> None:
    """Sort in place: by the first of `sorts` (HubSpot knows only one), else by creation."""
    sorts = expect_list(document.get("sorts") or [], "`sorts`")
    if not sorts:
        found.sort(key=lambda record: (record.created, int(record.id)))
        return
    name, descending = _sorting(sorts[0])
    if name not in table.definitions:
        raise _unknown(name)
    numeric = table.definitions[name].type == "number"

    def rank(record: Record) -> tuple[bool, float, str]:
        value = rendering.value_of(table, record, name)
        number = float(value) if numeric and value else 0.0
        return value is None, number, (value or "").lower()

    found.sort(key=rank, reverse=descending)


def _sorting(given: Any) -> tuple[str, bool]:
    if isinstance(given, dict):
        name = expect_text(given.get("propertyName") or "", "`propertyName`")
        return name, given.get("direction") == "DESCENDING"
    text = expect_text(given, "`sorts[]`")
    return text.removeprefix("-"), text.startswith("-")


def _unknown(name: str) -> Refusal:
    return validation(f'Property "{name}" does not exist')
