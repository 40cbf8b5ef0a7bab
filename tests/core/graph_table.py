"""What HubSpot's answers about lines, links, targets and stages mean: further rows of docs/hubspot.md.

Two complete orders, A-1 and A-2, go through the real flow; every call is answered well but the row's. Shapes are those
of recorded answers; ids are our own.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

import orjson

from service.core.graph.directory import Directory
from service.core.graph.flow import flow_for
from service.core.graph.order_flow import Account
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.associations import LinkCall
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.pauses import Doubt, Pulse
from service.core.hubspot.requests import Call, ListCall
from service.core.hubspot.verdicts import Fate, Partly, Verdict
from service.core.settlement.retries import RetryPolicy, decide
from service.core.waiting.batch import Batch
from service.core.waiting.parts import Part
from tests.strategies import ID_PROPERTY, batch, graph_contribution, slot

LINE_ID: Final = "line_key"
ORDERS: Final = {"A-1": "101", "A-2": "102"}
BUYERS: Final = {"mia@example.com": "7", "leo@example.com": "8"}
LINES: Final = {"A-1/1": "51", "A-2/1": "52", "A-1/9": "61", "A-2/9": "62"}
# Order -> the line and the buyer that it has already.
HAS: Final = {
    "101": {"line_items": "61", "contacts": "9"},
    "102": {"line_items": "62", "contacts": "9"},
}


class GraphRow(NamedTuple):
    """One answer to one call of the flow, and what becomes of the part that it is about, for each order."""

    means: str
    wish: str
    at: str
    status: int
    body: Any
    first: str
    second: str
    source: str


class GraphSection(NamedTuple):
    """Rows under one heading."""

    title: str
    text: str
    rows: tuple[GraphRow, ...]


LINE: Final = {"key": "1", "properties": {"price": "19.90"}}
UNLINK: Final = {"to": "contact", "by": "hs_object_id", "value": "9"}


def _wish(name: str, at: int) -> dict[str, Any]:
    buyer = {"to": "contact", "by": "email", "value": list(BUYERS)[at]}
    wishes: dict[str, dict[str, Any]] = {
        "link": {"associations": [buyer]},
        "one buyer": {"associations": [buyer | {"value": "leo@example.com"}]},
        "label": {"associations": [buyer | {"labels": ["Bill to"]}]},
        "exclusive": {"associations": [buyer | {"exclusive": True}]},
        "unlink": {"dissociations": [UNLINK]},
        "line": {"line_items": {"mode": "merge", "items": [LINE]}},
        "no lines": {"line_items": {"items": []}},
        "stage": {"stage": "Shipped"},
    }
    return wishes[name]


def batch_of(wish: str) -> Batch:
    """A-1 and A-2, an event each."""
    return batch(
        *(slot(graph_contribution(_wish(wish, at), key=key)) for at, key in enumerate(ORDERS))
    )


def run(row: GraphRow) -> tuple[Fate, ...]:
    """What the flow makes of the row's answer."""
    flow = flow_for(batch_of(row.wish), "t", Account(ID_PROPERTY, LINE_ID), Directory(), 0.0)
    struck = False
    try:
        calls = next(flow)
        while True:
            answers = []
            for call in calls:
                # A refusal of the whole call comes again for whoever is at fault: A-2, of a stage both.
                again = row.status >= 400 and (_second(call) or row.wish == "stage")
                mine = name_of(call) == row.at and (again or not struck)
                struck |= mine
                answers.append(_answer(row, call) if mine else good(call))
            calls = flow.send(tuple(answers))
    except StopIteration as end:
        assert struck, f"{row.means}: no call is {row.at}"
        fates: tuple[Fate, ...] = end.value
        return fates


def _answer(row: GraphRow, call: Call) -> BatchReply:
    return _reply(row.status, row.body(call) if callable(row.body) else row.body)


def _reply(status: int, body: Any) -> BatchReply:
    return BatchReply(status, {}, b"" if body is None else orjson.dumps(body))


def name_of(call: Call) -> str:
    """`link contacts`, `read line_items`, `upsert orders`."""
    match call:
        case BatchCall():
            return f"{call.endpoint} {call.object}"
        case LinkCall():
            verbs = {"create": "link", "read": "links of", "archive": "unlink"}
            return f"{verbs[call.endpoint]} {call.to}"
        case ListCall():
            return call.endpoint


def _second(call: Call) -> bool:
    match call:
        case BatchCall():
            names = {"A-2", "A-2/1", "62", "leo@example.com"}
            return any(each.id in names for each in call.inputs)
        case LinkCall():
            return any(pair.origin == "102" for pair in call.pairs)
        case ListCall():
            return True


def good(call: Call) -> BatchReply:
    """The answer of a HubSpot where all goes well."""
    found: list[dict[str, Any]]
    match call:
        case BatchCall(endpoint="archive") | LinkCall(endpoint="archive"):
            return _reply(204, None)
        case BatchCall():
            found = list(_records(call))
        case LinkCall(endpoint="read"):
            found = [links(p.origin, HAS[p.origin][call.to]) for p in call.pairs]
        case LinkCall():
            found = [made(p.origin, p.target) for p in call.pairs]
        case _:
            found = PIPELINES if call.endpoint == "pipelines" else LABELS
    return _reply(200, {"results": found})


def _records(call: BatchCall) -> Iterator[dict[str, Any]]:
    known = {"orders": ORDERS, "contacts": BUYERS | {"9": "9"}, "line_items": LINES}[call.object]
    keys = {record_id: key for key, record_id in known.items()}
    by = LINE_ID if call.object == "line_items" else call.id_property
    for each in call.inputs:
        record_id = known.get(each.id, each.id)
        yield {"id": record_id, "properties": {by: keys[record_id]}, "new": False}


PIPELINES: Final = [
    {
        "id": "p",
        "label": "Orders",
        "displayOrder": 0,
        "stages": [{"id": "s2", "label": "Shipped", "displayOrder": 1}],
    }
]
LABELS: Final = [
    {"category": "HUBSPOT_DEFINED", "typeId": 507, "label": None},
    {"category": "USER_DEFINED", "typeId": 9, "label": "Bill to"},
]


def links(origin: str, target: str, **more: Any) -> dict[str, Any]:
    """An element of a v4 read."""
    types = [{"category": "HUBSPOT_DEFINED", "typeId": 507, "label": None}]
    return {
        "from": {"id": origin},
        "to": [{"toObjectId": int(target), "associationTypes": types}],
        **more,
    }


def labelled(origin: str, *targets: str) -> dict[str, Any]:
    """An element of a v4 read with labels: the order of a target's types varies."""
    to = [{"toObjectId": int(each), "associationTypes": LABELS} for each in targets]
    return {"from": {"id": origin}, "to": to}


def made(origin: str, target: str, *labels: str) -> dict[str, Any]:
    """An element of a v4 create; ids are numbers, as recorded."""
    ids = {"fromObjectId": int(origin), "toObjectId": int(target)}
    return {"fromObjectTypeId": "0-123", "toObjectTypeId": "0-1", **ids, "labels": list(labels)}


def missing(side: str, object_type: str, record_id: str) -> dict[str, Any]:
    """An entry about one end that is not there."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": f"crm.associations.{side}_OBJECT_NOT_FOUND",
        "message": f"No {object_type} with ID {record_id} exists",
        "context": {"objectType": [object_type], "id": [record_id]},
    }


def refusal(message: str, **context: Any) -> dict[str, Any]:
    """A refusal of the whole call."""
    return {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": message,
        "correlationId": "11111111-2222-3333-4444-555555555555",
        "context": context,
    }


def partly(results: Sequence[Any], *errors: Any) -> dict[str, Any]:
    """A 207."""
    return {"status": "COMPLETE", "results": results, "numErrors": len(errors), "errors": errors}


def told(fate: Fate) -> str:
    """What became of the part and of the event, in the page's words."""
    from tests.core.hubspot_table import told as verdict_told

    if not isinstance(fate, Partly):
        return verdict_told(fate, operation="")
    progress = fate.progress
    parts: list[Part] = [
        *progress.lines.values(),
        *progress.links.values(),
        *progress.removed.values(),
    ]
    said = ", ".join(sorted({part.status for part in parts})) or (
        "written" if progress.written else "not written"
    )
    verdict = verdict_told(fate.rest, operation="")
    return said if verdict == "applied" else f"{said}; {verdict}"


def then(row: GraphRow) -> str:
    """What the service does next, asked of the core."""
    from tests.core.hubspot_table import next_step

    taken, fates, numbers = batch_of(row.wish), run(row), count(1)
    verdicts: list[Verdict] = [fate.rest if isinstance(fate, Partly) else fate for fate in fates]
    doubt = Pulse().note(taken, verdicts, 0.0)
    if isinstance(doubt, Doubt):
        return "a probe, then a pause or tried apart"
    steps = decide(taken, verdicts, RetryPolicy(), 0.0, lambda: 1.0, lambda: next(numbers))
    said = [next_step(step, verdict) for step, verdict in zip(steps, verdicts, strict=True)]
    return f"both: {said[0]}" if said[0] == said[1] else f"A-1: {said[0]}; A-2: {said[1]}"


def lines() -> Iterator[str]:
    """The sections of the page."""
    yield from ("", *INTRODUCTION.splitlines())
    for section in SECTIONS:
        yield from ("", f"### {section.title}", "", section.text, "")
        yield "| answer | call | status | A-1 | A-2 | next | source |"
        yield "|---|---|---|---|---|---|---|"
        for row in section.rows:
            cells = (
                row.means,
                row.at,
                str(row.status),
                row.first,
                row.second,
                then(row),
                row.source,
            )
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


INTRODUCTION: Final = """\
## Lines, links, buyers and stages

Each row is a test, too: two complete orders, `A-1` (record 101) and `A-2` (record 102), go through their steps. The
buyer of `A-1` is contact 7, that of `A-2` is contact 8; each has a line, and each is linked to contact 9 and to a line
of ours from before. Every call is answered well but the one that the row is about. The columns say what becomes of the
part (its status in `data.parts`) and, where it is not well, of the event. A refusal of a whole call is taken apart at
once, in the same try: whoever meets it alone is at fault. No answer about a link carries a trace id, so that links are
matched by their two ends, in either direction."""

GONE: Final = (
    'Property values were not valid: [{"isValid":false,"message":"s2 is not a valid pipeline stage ID. Valid options'
    ' are: pipelineId=p : [s1]","error":"INVALID_OPTION","name":"hs_pipeline_stage"}]'
)
REC = "recorded"
REP = "reported"
DEFENSIVE = "never seen; a safe reading"
NOTHING: Final = {
    "status": "error",
    "category": "OBJECT_NOT_FOUND",
    "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
    "message": "No contact is associated with order 101.",
    "context": {
        "fromObjectId": ["101", "102"],
        "fromObjectType": ["order"],
        "toObjectType": ["contact"],
    },
}
BOTH: Final = [made("101", "7"), made("102", "8")]
AGAIN: Final = "unresolved; again: association_unresolved, in doubt"


def _make(means: str, status: int, body: Any, first: str, second: str, source: str) -> GraphRow:
    return GraphRow(means, "link", "link contacts", status, body, first, second, source)


SECTIONS: Final[tuple[GraphSection, ...]] = (
    GraphSection(
        "Links are made",
        "An error that names one id accuses every link with it on that side. A link that is in neither list is"
        " unresolved, and is sent again.",
        (
            _make(
                "both, with labels and ids as numbers",
                201,
                partly([made("101", "7", "Bill to"), BOTH[1]]),
                "linked",
                "linked",
                REC,
            ),
            _make(
                "ids as strings, both directions: two results a link",
                200,
                partly(
                    [
                        {"from": {"id": a}, "to": {"id": b}}
                        for a, b in (("101", "7"), ("7", "101"), ("8", "102"), ("102", "8"))
                    ]
                ),
                "linked",
                "linked",
                f"{REC}: v3",
            ),
            _make(
                "one result only",
                202,
                {"status": "PENDING", "results": BOTH[:1]},
                "linked",
                AGAIN,
                f"{REC}: v3",
            ),
            _make(
                "the target is not there",
                207,
                partly(BOTH[:1], missing("TO", "contact", "8")),
                "linked",
                "unresolved; again: association_target_missing",
                f"{REC}: v3",
            ),
            _make(
                "the order is not there",
                207,
                partly(BOTH[:1], missing("FROM", "order", "102")),
                "linked",
                "unresolved; again: association_unresolved",
                f"{REC}: v3",
            ),
            _make(
                "both ends are missing: two errors for one link",
                207,
                partly(BOTH[:1], missing("FROM", "order", "102"), missing("TO", "contact", "8")),
                "linked",
                "unresolved; again: association_unresolved",
                REC,
            ),
            GraphRow(
                "one id, two orders that are linked to it",
                "one buyer",
                "link contacts",
                207,
                partly([], missing("TO", "contact", "8")),
                "unresolved; again: association_target_missing",
                "unresolved; again: association_target_missing",
                "an error names one id, not the pair",
            ),
            _make(
                "an invalid identifier",
                207,
                partly(
                    BOTH[:1],
                    {
                        "category": "VALIDATION_ERROR",
                        "message": "Invalid identifier",
                        "context": {"id": ["8"]},
                    },
                ),
                "linked",
                "refused; rejected: association_refused",
                f"{REC} (amp-labs/connectors)",
            ),
            _make(
                "a limit of links, for one record",
                207,
                partly(
                    BOTH[:1],
                    {
                        "category": "VALIDATION_ERROR",
                        "message": "limit exceeded",
                        "context": {"id": ["8"]},
                    },
                ),
                "linked",
                "refused; rejected: association_refused",
                DEFENSIVE,
            ),
            _make(
                "an error without a context",
                207,
                partly(BOTH[:1], {"category": "VALIDATION_ERROR", "message": "102 with itself"}),
                "linked",
                AGAIN,
                REC,
            ),
            _make(
                "a link in both lists",
                207,
                partly(BOTH, missing("TO", "contact", "8")),
                "linked",
                AGAIN,
                DEFENSIVE,
            ),
            _make(
                "COMPLETE and no results: nothing was made",
                200,
                {"status": "COMPLETE", "results": []},
                AGAIN,
                AGAIN,
                f"{REP}: hubspot-api-nodejs#85",
            ),
            _make("an empty object", 200, {}, AGAIN, AGAIN, "our rule: success needs evidence"),
            _make(
                "a count of errors alone",
                207,
                {"status": "COMPLETE", "numErrors": 2},
                AGAIN,
                AGAIN,
                DEFENSIVE,
            ),
            _make(
                "whole: an end does not exist",
                400,
                refusal(
                    "One or more associations are invalid",
                    INVALID_OBJECT_IDS=["CONTACT=8 is not valid"],
                ),
                "linked",
                "refused; rejected: association_refused",
                f"{REC}: single calls",
            ),
            _make(
                "whole: a type that is not this pair's",
                400,
                refusal("One or more associations are invalid", INVALID_ASSOCIATION_TYPE_ID=["9"]),
                "linked",
                "refused; rejected: association_refused",
                REC,
            ),
            _make(
                "whole: the wrong direction",
                400,
                refusal(
                    "1 is invalid from object type 0-123 for associations to be created. expected: 0-1"
                ),
                "linked",
                "refused; rejected: association_refused",
                REP,
            ),
            _make(
                "whole: a limit of the account",
                400,
                refusal("ASSOCIATIONS_LIMIT_EXCEEDED"),
                "linked",
                "refused; rejected: association_refused",
                f"{REP}, unverified",
            ),
            _make(
                "a burst limit of links",
                429,
                {"policyName": "TEN_SECONDLY_ROLLING", "errorType": "RATE_LIMIT"},
                "unresolved; again: throttled",
                "unresolved; again: throttled",
                "HubSpot's usage guidelines",
            ),
            _make(
                "no scope for the other object",
                403,
                {"status": "error", "category": "MISSING_SCOPES", "message": "scopes"},
                "unresolved; pause: scope_missing",
                "unresolved; pause: scope_missing",
                "HubSpot's guide to object APIs",
            ),
        ),
    ),
    GraphSection(
        "Links are read and removed",
        "That nothing is linked arrives as an error, and is an empty list. An order of whose links no answer speaks is"
        " not taken for one without any: nothing of it is removed. A 204 says that links are gone; after any other 2xx"
        " they are looked at.",
        (
            GraphRow(
                "nothing is linked: an error that is none",
                "exclusive",
                "links of contacts",
                207,
                partly([], NOTHING),
                "linked",
                "linked",
                REC,
            ),
            GraphRow(
                "several targets, each with its types and labels",
                "exclusive",
                "links of contacts",
                200,
                partly([labelled("101", "7", "9"), labelled("102", "9", "8")]),
                "linked",
                "linked",
                REC,
            ),
            GraphRow(
                "one order's links alone",
                "exclusive",
                "links of contacts",
                200,
                {"results": [links("101", "9")]},
                "linked",
                "unresolved; again: association_unresolved, in doubt",
                "our rule: silence is no empty list",
            ),
            GraphRow(
                "the order is not there",
                "exclusive",
                "links of contacts",
                207,
                partly([links("101", "9")], missing("FROM", "order", "102")),
                "linked",
                AGAIN,
                DEFENSIVE,
            ),
            GraphRow(
                "the first of several pages",
                "exclusive",
                "links of contacts",
                200,
                {
                    "results": [
                        links("101", "9"),
                        links("102", "9", paging={"next": {"after": "x"}}),
                    ]
                },
                "linked",
                "linked",
                "paged by 500",
            ),
            GraphRow(
                "removed",
                "unlink",
                "unlink contacts",
                204,
                None,
                "unlinked",
                "unlinked",
                "v4 specification",
            ),
            GraphRow(
                "200 and a body, and they are still there",
                "unlink",
                "unlink contacts",
                200,
                {"status": "COMPLETE", "results": []},
                AGAIN,
                AGAIN,
                "2026-03 specification",
            ),
        ),
    ),
    GraphSection(
        "Lines",
        "A line is done when it is written and linked to its order. One order's bad line costs no other order"
        " anything.",
        (
            GraphRow(
                "written; computed values come back",
                "line",
                "upsert line_items",
                201,
                lambda call: {
                    "status": "COMPLETE",
                    "results": [
                        {
                            "id": LINES[e.id],
                            "properties": {
                                LINE_ID: e.id,
                                "price": "19.90",
                                "amount": "19.90",
                                "hs_margin": "19.90",
                            },
                            "new": True,
                        }
                        for e in call.inputs
                    ],
                },
                "created",
                "created",
                f"{REC}: single create",
            ),
            GraphRow(
                "a bad value, by trace id",
                "line",
                "upsert line_items",
                207,
                lambda call: {
                    "status": "COMPLETE",
                    "results": [{"id": "51", "properties": {LINE_ID: "A-1/1"}}],
                    "errors": [
                        {
                            "category": "VALIDATION_ERROR",
                            "message": "Property values were not valid",
                            "context": {"objectWriteTraceId": [call.inputs[1].trace]},
                        }
                    ],
                },
                "updated",
                "rejected; rejected: line_item_rejected",
                "HubSpot's error-handling guide",
            ),
            GraphRow(
                "whole, and nobody is named",
                "line",
                "upsert line_items",
                400,
                refusal("INVALID_PRICE"),
                "updated",
                "rejected; rejected: line_item_rejected",
                "seen: negative prices",
            ),
            GraphRow(
                "no word of one line",
                "line",
                "upsert line_items",
                200,
                {"results": [{"id": "51", "properties": {LINE_ID: "A-1/1"}}]},
                "updated",
                "unresolved; again: unconfirmed, in doubt",
                "our rule: success needs evidence",
            ),
            GraphRow(
                "the line is written and its link refused",
                "line",
                "link line_items",
                207,
                partly([made("101", "51")], missing("TO", "line_item", "52")),
                "updated",
                "unresolved; again: association_target_missing",
                REC,
            ),
            GraphRow(
                "leftovers are archived",
                "no lines",
                "archive line_items",
                204,
                None,
                "removed",
                "removed",
                "v3 specification",
            ),
            GraphRow(
                "the links to lines could not be read",
                "no lines",
                "links of line_items",
                502,
                None,
                "written; again: line_items_unresolved, in doubt",
                "written; again: line_items_unresolved, in doubt",
                "HubSpot's error-handling guide",
            ),
        ),
    ),
    GraphSection(
        "Buyers and other targets",
        "A name that HubSpot does not know waits, is skipped, fails or is made, as its event says; here it waits.",
        (
            GraphRow(
                "a further address: the answer shows the first one",
                "link",
                "read contacts",
                200,
                {
                    "results": [
                        {
                            "id": "7",
                            "properties": {
                                "email": "mia.new@example.com",
                                "hs_additional_emails": "mia@example.com",
                            },
                        },
                        {"id": "8", "properties": {"email": "leo@example.com"}},
                    ]
                },
                "linked",
                "linked",
                REP,
            ),
            GraphRow(
                "unknown: one error with all of them",
                "link",
                "read contacts",
                207,
                partly(
                    [{"id": "7", "properties": {"email": "mia@example.com"}}],
                    {
                        "status": "error",
                        "category": "OBJECT_NOT_FOUND",
                        "message": "Could not get some CONTACT objects",
                        "context": {"ids": ["leo@example.com"]},
                    },
                ),
                "linked",
                "not_found; again: association_target_missing",
                REC,
            ),
            GraphRow(
                "two records for one name",
                "link",
                "read contacts",
                200,
                {
                    "results": [
                        {"id": "7", "properties": {"email": "mia@example.com"}},
                        {"id": "8", "properties": {"email": "leo@example.com"}},
                        {
                            "id": "88",
                            "properties": {
                                "email": "l@example.com",
                                "hs_additional_emails": "leo@example.com",
                            },
                        },
                    ]
                },
                "linked",
                "refused; rejected: association_target_ambiguous",
                DEFENSIVE,
            ),
            GraphRow(
                "the property is not unique",
                "link",
                "read contacts",
                400,
                refusal("The property email is not a unique property"),
                "linked",
                "refused; rejected: association_refused",
                "inferred: `domain` of companies",
            ),
        ),
    ),
    GraphSection(
        "Stages and labels",
        "A stage that the list does not have is refused before anything is written, with the list of what there is."
        " HubSpot has the last word on the id: the stage may have gone since.",
        (
            GraphRow(
                "the stage is gone",
                "stage",
                "upsert orders",
                400,
                refusal(GONE),
                "not written; rejected: property_invalid (hs_pipeline_stage)",
                "not written; rejected: property_invalid (hs_pipeline_stage)",
                f"{REC}: deals",
            ),
            GraphRow(
                "no stage of that name",
                "stage",
                "pipelines",
                200,
                {
                    "results": [
                        {"id": "p", "label": "Orders", "stages": [{"id": "s1", "label": "Open"}]}
                    ]
                },
                "not written; rejected: stage_unknown",
                "not written; rejected: stage_unknown",
                "the pipelines API",
            ),
            GraphRow(
                "the pipelines could not be read",
                "stage",
                "pipelines",
                500,
                None,
                "not written; again: unconfirmed, in doubt",
                "not written; again: unconfirmed, in doubt",
                "our rule: nobody is refused unread",
            ),
            GraphRow(
                "no label of that name",
                "label",
                "labels",
                200,
                {"results": LABELS[:1]},
                "refused; rejected: association_refused",
                "refused; rejected: association_refused",
                "labels differ by account",
            ),
            GraphRow(
                "the labels could not be read",
                "label",
                "labels",
                200,
                {},
                AGAIN,
                AGAIN,
                "our rule: nobody is refused unread",
            ),
        ),
    ),
)
ROWS: Final = tuple(row for section in SECTIONS for row in section.rows)
