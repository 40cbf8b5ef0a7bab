"""Association batches: v3, v4 and dated.

Recorded answers agree on the results and differ on the success code (200 and 201), so clients must
not switch on it; the twin sends the one of the specification of the version that was called.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from service.twin.account.link_types import LinkType
from service.twin.account.portal import Portal
from service.twin.faults.faults import Anonymous, RecordFault, Refuse
from service.twin.operations.answers import Answer, validation
from service.twin.operations.call import Call, expect_object
from service.twin.operations.envelopes import answered
from service.twin.operations.inputs import read_inputs
from service.twin.operations.linking import link, link_by_default, plain_type, unlink
from service.twin.operations.pairs import (
    TOO_MANY,
    Pair,
    beyond_limit,
    ends,
    entry,
    faults_of,
    read_end,
    read_types,
    refuse_types,
)
from service.twin.operations.shown_links import (
    by_default,
    labels,
    named_type,
    shown_v3,
    shown_v4,
    v3_pair,
)

LARGEST_CREATE, LARGEST_READ, LARGEST_ARCHIVE = 2000, 1000, 100

Linking = Callable[[Portal, Call, Pair], None]
Showing = Callable[[Portal, Pair], list[dict[str, Any]]]


def create_v4(portal: Portal, call: Call) -> Answer:
    """`batch/create` of v4 and dated: 201, 207 where a record is missing."""
    start, end = ends(call)
    pairs = [replace(pair, types=read_types(given.get("types"))) for given, pair in _pairs(call)]
    refuse_types(portal, start, end, {kind for pair in pairs for kind in pair.types})
    return _linked(portal, call, pairs, _good(call, 201), link, lambda p, pair: [labels(p, pair)])


def create_default(portal: Portal, call: Call) -> Answer:
    """`batch/associate/default`: 200."""
    plain = plain_type(portal, *ends(call))
    pairs = [replace(pair, types=(plain,)) for _, pair in _pairs(call)]
    return _linked(portal, call, pairs, 200, link_by_default, lambda _, pair: [by_default(pair)])


def create_v3(portal: Portal, call: Call) -> Answer:
    """`batch/create` of v3: 201, two results per input, one for each direction (recorded)."""
    pairs = [
        replace(pair, types=(named_type(portal, *ends(call), given.get("type")),))
        for given, pair in _pairs(call)
    ]
    return _linked(portal, call, pairs, 201, link, v3_pair)


def _pairs(call: Call) -> Iterator[tuple[dict[str, Any], Pair]]:
    start, end = ends(call)
    for raw in read_inputs(call, LARGEST_CREATE) or ():
        given = expect_object(raw, "`inputs[]`")
        ids = read_end(given.get("from"), "from"), read_end(given.get("to"), "to")
        yield given, Pair(start, end, ids)


def _linked(
    portal: Portal, call: Call, pairs: Sequence[Pair], good: int, act: Linking, show: Showing
) -> Answer:
    if portal.options.repeated_pairs == "refused":
        _refuse_repeated(pair.ids for pair in pairs)
    results, errors, beyond = [], [], beyond_limit(portal, pairs)
    for place, pair in enumerate(pairs):
        struck = call.chosen.records.get(place)
        if found := faults_of(portal, pair) or _seeded(struck, {"id": [pair.ids[1]]}):
            errors += found
            continue
        if place in beyond:
            errors.append(entry("VALIDATION_ERROR", TOO_MANY, {"id": [pair.ids[0]]}))
            continue
        if struck is None or struck.written:
            act(portal, call, pair)
        if struck is None:
            results += show(portal, pair)
    return answered(portal, call, good, results, errors)


def _refuse_repeated(ids: Iterable[tuple[str, str]]) -> None:
    """400 if a pair occurs twice in a call. Reported as an error; its text is made up."""
    twice = [pair for pair, times in Counter(ids).items() if times > 1]
    if twice:
        listed = ", ".join(f"{start} to {end}" for start, end in twice)
        raise validation(f"Duplicate associations found in batch input: [{listed}]")


def _seeded(struck: RecordFault | None, context: dict[str, list[str]]) -> list[dict[str, Any]]:
    if not isinstance(struck, Refuse | Anonymous):
        return []
    message = struck.message or "The association could not be processed"
    told = context if isinstance(struck, Refuse) else None
    return [entry(struck.category, message, told)]


def archive_batch(portal: Portal, call: Call) -> Answer:
    """`batch/archive` and `batch/labels/archive`: 204; dated versions answer 200 with a body."""
    start, end = ends(call)
    inputs = [expect_object(raw, "`inputs[]`") for raw in read_inputs(call, LARGEST_CREATE) or ()]
    if len({read_end(given.get("from"), "from") for given in inputs}) > LARGEST_ARCHIVE:
        raise validation(f"At most {LARGEST_ARCHIVE} distinct from ids are supported")
    asked = []
    for place, given in enumerate(inputs):
        first, to = read_end(given.get("from"), "from"), given.get("to")
        types = () if given.get("types") is None else read_types(given["types"])
        asked += [
            (place, Pair(start, end, (first, read_end(each, "to")), types))
            for each in (to if isinstance(to, list) else [to])
        ]
    for place, pair in asked:
        struck = call.chosen.records.get(place)
        if struck is None or struck.written:
            unlink(portal, call, pair)
    if call.version.startswith("20"):
        return answered(portal, call, 200, [], [])
    return Answer(204)


def read_v4(portal: Portal, call: Call) -> Answer:
    """`batch/read` of v4: 200, 207 where a record has no links; long lists are paged."""
    return _read(portal, call, lambda one, kinds: [shown_v4(portal, ends(call), one, kinds)])


def read_v3(portal: Portal, call: Call) -> Answer:
    """`batch/read` of v3: an id once per type of its link (reported)."""
    return _read(portal, call, lambda one, kinds: shown_v3(portal, ends(call), one, kinds))


def _read(
    portal: Portal, call: Call, show: Callable[[str, set[LinkType]], list[dict[str, Any]]]
) -> Answer:
    results, errors = [], []
    for place, raw in enumerate(read_inputs(call, LARGEST_READ) or ()):
        given = read_end(raw, "inputs[]")
        struck = call.chosen.records.get(place)
        after = str(raw.get("after") or "")
        page, following = linked_page(portal, call, given, after)
        if not (given.isascii() and given.isdecimal()):
            errors.append(_no_number(given))
        elif seeded := _seeded(struck, {"fromObjectId": [given]}):
            errors += seeded
        elif struck is not None:
            continue
        elif page:
            shown = [each for one, kinds in page for each in show(one, kinds)]
            paging = {"paging": {"next": {"after": following}}} if following else {}
            results.append({"from": {"id": given}, "to": shown, **paging})
        else:
            errors.append(_unlinked(call, given))
    return answered(portal, call, 200, results, errors)


def linked_page(
    portal: Portal, call: Call, given: str, after: str
) -> tuple[list[tuple[str, set[LinkType]]], str]:
    """A page of the records linked to one, in the order of their ids, and where the next begins."""
    start, end = ends(call)
    record = portal.table(start).find(given, None)
    linked = portal.links.of(start.name, end.name, record.id if record else given)
    listed = sorted(linked.items(), key=lambda item: int(item[0]))
    begin = int(after) if after.isascii() and after.isdecimal() and len(after) < 20 else 0
    later = [item for item in listed if int(item[0]) > begin]
    page = later[: portal.options.association_page]
    return page, page[-1][0] if len(page) < len(later) else ""


def _no_number(given: str) -> dict[str, Any]:
    message = f"Invalid identifier: {given[:80]}"
    return {
        **entry("VALIDATION_ERROR", message, {"id": [given]}),
        "subCategory": "crm.associations.INVALID_IDENTIFIER",
    }


def _unlinked(call: Call, given: str) -> dict[str, Any]:
    start, end = ends(call)
    context = {
        "fromObjectId": [given],
        "fromObjectType": [start.singular],
        "toObjectType": [end.singular],
    }
    message = f"No {end.singular} is associated with {start.singular} {given}."
    return {
        **entry("OBJECT_NOT_FOUND", message, context),
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
    }


def _good(call: Call, code: int) -> int:
    """From 2026-09 on every batch answers 200."""
    return 200 if call.version.startswith("20") and call.version >= "2026-09" else code
