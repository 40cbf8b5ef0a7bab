"""What each of HubSpot's answers means: the rows of docs/hubspot.md, and what the tests expect.

`python -m tests.core.hubspot_table` writes the page; a test fails when the page and the rows differ. The
verdicts stand in the rows and are checked; what happens next is asked of the core itself.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.flows import flow_for
from service.core.hubspot.pauses import Doubt, Pulse
from service.core.hubspot.verdicts import (
    Applied,
    Cause,
    Halted,
    Refused,
    Rejected,
    Retryable,
    Stale,
    Verdict,
)
from service.core.settlement.retries import Exhausted, Finish, PutBack, RetryPolicy, Step, decide
from service.core.waiting.batch import Batch
from tests.core import graph_table
from tests.strategies import ID_PROPERTY, batch, contribution, slot

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "hubspot.md"
NO_REPLY = {
    "no reply, nothing sent": NoReply("connection refused", sent=False),
    "no reply, sent": NoReply("timed out", sent=True),
}
# What the two orders of every call carry. Both have a weight; `paid_at` differs; the rest is A-2's.
ORDERS = {
    "A-1": {"city": "Ghent", "weight": "2", "paid_at": "2026-11-22"},
    "A-2": {"weight": "3", "paid_at": "soon", "colour": "red", "invoice": "R-7"},
}


class Row(NamedTuple):
    """One answer (two for an archive that finds its records first) and what it says of A-1 and A-2."""

    means: str
    answers: tuple[str, ...]  # files in answers/, or a key of NO_REPLY
    first: str  # the verdict for A-1
    second: str  # … for A-2
    source: str
    operation: str = "upsert"


class Section(NamedTuple):
    """Rows under one heading."""

    title: str
    text: str
    rows: tuple[Row, ...]


def _row(
    means: str, answer: str, first: str, second: str, source: str, operation: str = "upsert"
) -> Row:
    return Row(means, tuple(answer.split(" + ")), first, second, source, operation)


GUIDE = "HubSpot's error-handling guide"
LIMITS = "HubSpot's usage guidelines"
SPEC = "orders v3 specification"
OURS = "our rule: success needs evidence"
DEFENSIVE = "never seen; a safe reading"
SECTIONS = (
    Section(
        "Written, record by record",
        "The code of a 2xx decides nothing: HubSpot changed one from 201 to 200 in August 2025"
        " (hubspot-api-php#506). Results come in an order of their own.",
        (
            _row("both written", "upsert-200", "applied, created", "applied, found", SPEC),
            _row("the same as 201", "upsert-201", "applied, created", "applied, created", SPEC),
            _row(
                "results carry trace ids instead of keys",
                "upsert-200-traces-echoed",
                "applied, created",
                "applied, found",
                "optional in the specification; never recorded",
            ),
            _row(
                "keys come back normalised",
                "upsert-200-key-in-lower-case",
                "applied, created",
                "applied, created",
                "reported for e-mail addresses",
            ),
            _row(
                "PENDING, one result",
                "upsert-202-pending",
                "applied, created",
                "again: unconfirmed, in doubt",
                "recorded for associations (rudder-transformer)",
            ),
            _row(
                "a result that names no order of ours",
                "upsert-200-without-the-key",
                "again: unconfirmed, in doubt",
                "again: unconfirmed, in doubt",
                "recorded: HubSpot returns only what was set (Ballerina's orders client)",
            ),
            _row(
                "COMPLETE and no results: nothing was written",
                "upsert-200-empty-results",
                "again: unconfirmed, in doubt",
                "again: unconfirmed, in doubt",
                "in production: rudder-transformer#5147",
            ),
            _row(
                "an empty body",
                "upsert-200-no-body",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                OURS,
            ),
            _row(
                "a page of somebody else's",
                "upsert-200-html",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                OURS,
            ),
            _row(
                "cut off in the middle",
                "upsert-200-cut-off",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                OURS,
            ),
            _row("an update, both written", "update-200", "applied", "applied", SPEC, "update"),
        ),
    ),
    Section(
        "Some refused, by name",
        "An error is matched by `context.objectWriteTraceId`, else `context.ids`, else `context.id`."
        " `context.existingId` is the other record and never the culprit.",
        (
            _row(
                "an invalid value",
                "upsert-207-invalid-value",
                "applied, created",
                "rejected: property_invalid (paid_at)",
                GUIDE,
            ),
            _row(
                "an unknown property",
                "upsert-207-unknown-property",
                "applied, created",
                "rejected: property_unknown (colour)",
                GUIDE,
            ),
            _row(
                "a read-only property",
                "upsert-207-read-only",
                "applied, created",
                "rejected: property_read_only (closed_at)",
                "recorded (amp-labs/connectors)",
            ),
            _row(
                "a conflict with another record",
                "upsert-207-conflict-with-another",
                "applied, created",
                "rejected: conflict",
                "recorded (amp-labs/connectors)",
            ),
            _row(
                "one error for both",
                "upsert-207-one-error-many-traces",
                "rejected: refused",
                "rejected: refused",
                "the type is a list; never recorded with two",
            ),
            _row(
                "an order that is not there",
                "update-207-not-there",
                "applied",
                "rejected: order_not_found",
                "recorded (amp-labs/connectors)",
                "update",
            ),
            _row(
                "neither is there, one error",
                "update-207-none-there",
                "rejected: order_not_found",
                "rejected: order_not_found",
                "recorded (amp-labs/connectors)",
                "update",
            ),
            _row(
                "named by `id`",
                "update-207-id-not-ids",
                "applied",
                "rejected: order_not_found",
                "recorded for associations",
                "update",
            ),
            _row(
                "a category that is not final",
                "upsert-207-unknown-category",
                "applied, created",
                "again: unrecognised",
                DEFENSIVE,
            ),
            _row(
                "a limit, for one record",
                "upsert-207-rate-limit",
                "applied, created",
                "again: throttled",
                DEFENSIVE,
            ),
        ),
    ),
    Section(
        "Errors that name nobody",
        "An error without a context may be any record's that has no result. One such error and one such"
        " record: tried alone, then believed. Otherwise they are tried apart.",
        (
            _row(
                "one error, one record missing",
                "upsert-207-error-without-context",
                "applied, created",
                "suspect, in doubt",
                "recorded for associations (amp-labs/connectors)",
            ),
            _row(
                "one error, both missing",
                "upsert-207-errors-without-context",
                "refused in company, in doubt",
                "refused in company, in doubt",
                "recorded for associations (amp-labs/connectors)",
            ),
            _row(
                "an error with a message alone",
                "upsert-207-bare-error",
                "applied, created",
                "again: unrecognised",
                "recorded for campaigns (amp-labs/connectors)",
            ),
            _row(
                "only `existingId`",
                "upsert-207-only-existing-id",
                "refused in company, in doubt",
                "refused in company, in doubt",
                "it names the holder of the value",
            ),
            _row(
                "strangers",
                "upsert-207-strangers",
                "refused in company, in doubt",
                "refused in company, in doubt",
                DEFENSIVE,
            ),
            _row(
                "a record in both lists",
                "upsert-207-in-both-lists",
                "applied, created",
                "again: unconfirmed, in doubt",
                DEFENSIVE,
            ),
        ),
    ),
    Section(
        "Archive: found first, then archived",
        "batch/archive takes record ids only, so batch/read looks the keys up. An order that is not there"
        " is archived already. A 204 is all that HubSpot ever says to an archive; after any other 2xx the"
        " records are looked for once more, and only those that are gone are archived.",
        (
            _row("both", "read-200 + archive-204", "applied", "applied", SPEC, "archive"),
            _row(
                "one is gone already",
                "read-207-missing + archive-204",
                "applied",
                "applied, was not there",
                "recorded",
                "archive",
            ),
            _row(
                "the look-up fails for one",
                "read-207-other-error + archive-204",
                "applied",
                "again: unrecognised",
                DEFENSIVE,
                "archive",
            ),
            _row(
                "the look-up is silent about one",
                "read-200-silent + archive-204",
                "applied",
                "again: unconfirmed",
                OURS,
                "archive",
            ),
            _row(
                "200 and an envelope, both are gone",
                "read-200 + archive-200-complete + read-207-both-gone",
                "applied",
                "applied",
                "the 2026-03 associations API answers so",
                "archive",
            ),
            _row(
                "200 and an envelope, one is gone",
                "read-200 + archive-200-complete + read-207-one-gone",
                "again: unconfirmed, in doubt",
                "applied",
                OURS,
                "archive",
            ),
            _row(
                "an envelope that counts errors",
                "read-200 + archive-200-num-errors + read-200",
                "again: unconfirmed, in doubt",
                "again: unconfirmed, in doubt",
                OURS,
                "archive",
            ),
            _row(
                "200 without a body",
                "read-200 + archive-200-empty + read-200",
                "again: unconfirmed, in doubt",
                "again: unconfirmed, in doubt",
                OURS,
                "archive",
            ),
            _row(
                "200 and a page",
                "read-200 + archive-200-html + no reply, sent",
                "again: no_reply, in doubt",
                "again: no_reply, in doubt",
                OURS,
                "archive",
            ),
            _row(
                "refused whole",
                "read-200 + archive-400",
                "refused in company",
                "refused in company",
                "shape errors",
                "archive",
            ),
        ),
    ),
    Section(
        "Refused whole",
        "Nothing was written, because of at least one record. Believed is what the answer proves: an id or"
        " trace of ours, a quoted value that one record carries, a property that does not exist. Who is"
        " only pointed at is set aside; where nothing tells them apart, a part of the batch is tried. A record that"
        " is refused alone is rejected, where HubSpot's words are final: one of the categories"
        " `VALIDATION_ERROR`, `CONFLICT` and `OBJECT_NOT_FOUND`, or a known code of a property.",
        (
            _row(
                "the message quotes the value",
                "400-invalid-values",
                "refused in company",
                "rejected: property_invalid (paid_at)",
                "recorded (amp-labs/connectors)",
            ),
            _row(
                "an unknown property: all that carry it",
                "400-unknown-property",
                "refused in company",
                "rejected: property_unknown (colour)",
                "recorded (amp-labs/connectors)",
            ),
            _row(
                "a property that both carry, no value quoted",
                "400-nested-only",
                "suspect",
                "suspect",
                GUIDE,
            ),
            _row(
                "a unique value that another record holds",
                "400-value-taken",
                "refused in company",
                "rejected: value_taken (invoice)",
                "recorded for orders",
            ),
            _row(
                "named by `context.ids`",
                "400-named-by-ids",
                "refused in company",
                "rejected: refused",
                "the shape of recorded answers",
            ),
            _row(
                "named by trace id",
                "400-named-by-trace",
                "refused in company",
                "rejected: refused",
                DEFENSIVE,
            ),
            _row(
                "duplicates: each is fine alone",
                "400-duplicate-ids",
                "suspect",
                "refused in company",
                "recorded (amp-labs/connectors); we never send any",
            ),
            _row(
                "not found, by name",
                "404-not-found-category",
                "refused in company",
                "rejected: order_not_found",
                DEFENSIVE,
            ),
            _row(
                "an association that is no good",
                "400-bad-association",
                "refused in company",
                "refused in company",
                "reported; we send none",
            ),
            _row(
                "too many inputs",
                "400-too-many",
                "refused in company",
                "refused in company",
                "reported without its text",
            ),
            _row(
                "a conflict, nobody named",
                "409-anonymous",
                "refused in company",
                "refused in company",
                "hubspot-api-python#51, airbyte#76340",
            ),
            _row(
                "a conflict, the holder named",
                "409-with-existing-id",
                "refused in company",
                "refused in company",
                "it names the holder of the value",
            ),
        ),
    ),
    Section(
        "Faults of the set-up",
        "What HubSpot says of the set-up, one order may meet alone. So it is a suspicion: a probe that writes"
        " nothing, and orders tried alone, tell whose fault it is. Where it is everybody's, intake pauses, the"
        " probe finds out when to go on, and the log says what to fix. The order that alone meets it again and"
        " again, while others are written, is rejected as `refused_alone`.",
        (
            _row(
                "no such token",
                "401-invalid",
                "pause: unauthenticated",
                "pause: unauthenticated",
                "recorded (rudder-transformer)",
            ),
            _row(
                "the token has expired",
                "401-expired",
                "pause: unauthenticated",
                "pause: unauthenticated",
                "documented",
            ),
            _row(
                "401 without a body",
                "401-empty",
                "pause: unauthenticated",
                "pause: unauthenticated",
                DEFENSIVE,
            ),
            _row(
                "a scope is missing",
                "403-scopes",
                "pause: scope_missing",
                "pause: scope_missing",
                "HubSpot's guide to object APIs",
            ),
            _row(
                "the identifying property is not unique",
                "400-not-unique",
                "pause: id_property_not_unique",
                "pause: id_property_not_unique",
                "segment/action-destinations#3957",
            ),
            _row(
                "the identifying property does not exist",
                "400-no-such-id-property",
                "pause: id_property_not_unique",
                "pause: id_property_not_unique",
                "composed of recorded parts",
            ),
            _row(
                "the same, record by record",
                "207-no-such-id-property",
                "pause: id_property_not_unique",
                "pause: id_property_not_unique",
                "composed of recorded parts",
            ),
            _row(
                "no such object type",
                "400-unknown-type",
                "pause: endpoint_unknown",
                "pause: endpoint_unknown",
                "recorded (amp-labs/connectors)",
            ),
            _row(
                "no such address",
                "404-no-endpoint",
                "pause: endpoint_unknown",
                "pause: endpoint_unknown",
                "seen by other emulators",
            ),
            _row(
                "somebody else's 404",
                "404-html",
                "pause: endpoint_unknown",
                "pause: endpoint_unknown",
                DEFENSIVE,
            ),
            _row("moved", "301", "pause: endpoint_unknown", "pause: endpoint_unknown", DEFENSIVE),
            _row(
                "not allowed there",
                "405",
                "pause: endpoint_unknown",
                "pause: endpoint_unknown",
                DEFENSIVE,
            ),
            _row(
                "the account moves to another data centre",
                "477-with-time",
                "pause: migrating",
                "pause: migrating",
                GUIDE,
            ),
            _row("the same, without a time", "477", "pause: migrating", "pause: migrating", GUIDE),
        ),
    ),
    Section(
        "Quota",
        "A throttle counts towards nothing: no number of them makes a dead letter. `Retry-After` is not"
        " documented for 429 and is honoured where it stands; the budget closes besides.",
        (
            _row("burst", "429-burst", "again: throttled", "again: throttled", LIMITS),
            _row(
                "burst, by category",
                "429-by-category",
                "again: throttled",
                "again: throttled",
                "recorded (grouparoo)",
            ),
            _row(
                "burst, by type alone",
                "429-by-type-only",
                "again: throttled",
                "again: throttled",
                "seen without a policy",
            ),
            _row(
                "with a time",
                "429-retry-after",
                "again: throttled",
                "again: throttled",
                "undocumented",
            ),
            _row(
                "a limit with another status",
                "400-rate-limits",
                "again: throttled",
                "again: throttled",
                DEFENSIVE,
            ),
            _row("without a body", "429-empty", "again: throttled", "again: throttled", DEFENSIVE),
            _row(
                "the day's limit", "429-daily", "pause: daily_limit", "pause: daily_limit", LIMITS
            ),
            _row(
                "the day's limit, in words",
                "429-daily-by-words",
                "pause: daily_limit",
                "pause: daily_limit",
                "older shape",
            ),
        ),
    ),
    Section(
        "The call failed",
        "What may have been written is written again: upserts, updates and archives may be repeated."
        " `created` is null afterwards where it can't be known. A call that fails again and again is"
        " halved, in case one record makes it fail; a record is given up alone. Calls that fail one after"
        " the other for more than one order are an outage: a pause, not a failure of theirs.",
        (
            _row("locked", "423", "again: locked", "again: locked", GUIDE),
            _row("locked, no body", "423-html", "again: locked", "again: locked", GUIDE),
            _row(
                "internal error",
                "500",
                "again: server_error, in doubt",
                "again: server_error, in doubt",
                "HubSpot's SDKs try again",
            ),
            _row(
                "a gateway's page",
                "502-html",
                "again: server_error, in doubt",
                "again: server_error, in doubt",
                GUIDE,
            ),
            _row(
                "with a time",
                "503-retry-after",
                "again: server_error, in doubt",
                "again: server_error, in doubt",
                GUIDE,
            ),
            _row(
                "with an hour",
                "503-for-an-hour",
                "pause: server_error",
                "pause: server_error",
                "messages must not be held for so long",
            ),
            _row(
                "processing limit",
                "504",
                "again: server_error, in doubt",
                "again: server_error, in doubt",
                GUIDE,
            ),
            _row(
                "down",
                "521",
                "again: server_error, in doubt",
                "again: server_error, in doubt",
                GUIDE,
            ),
            _row(
                "unreachable",
                "523",
                "again: server_error, in doubt",
                "again: server_error, in doubt",
                GUIDE,
            ),
            _row(
                "no answer in 100 s",
                "524",
                "again: server_error, in doubt",
                "again: server_error, in doubt",
                GUIDE,
            ),
            _row(
                "timed out on the way in",
                "408",
                "again: server_error, in doubt",
                "again: server_error, in doubt",
                "HTTP",
            ),
            _row(
                "no connection",
                "no reply, nothing sent",
                "again: no_reply",
                "again: no_reply",
                "nothing was sent, nothing was written",
            ),
            _row(
                "no answer, or not a whole one",
                "no reply, sent",
                "again: no_reply, in doubt",
                "again: no_reply, in doubt",
                "the write may have happened",
            ),
            _row(
                "a complaint about the call's shape",
                "400-wrong-shape",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                "recorded (rudder-transformer): a bug of ours, no record's fault",
            ),
            _row(
                "the body was lost on the way",
                "400-no-body-found",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                "hubspot-api-ruby#187",
            ),
            _row(
                "too large",
                "413",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                "HTTP; no size is documented",
            ),
            _row(
                "400 and an empty object",
                "400-empty-object",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                "our rule: blame needs one of HubSpot's final words",
            ),
            _row(
                "a gateway's Bad Request",
                "400-gateway",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                "our rule: blame needs one of HubSpot's final words",
            ),
            _row(
                "400 in a category that is not final",
                "400-internal-error",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                "our rule: blame needs one of HubSpot's final words",
            ),
            _row(
                "a firewall's page with 400",
                "400-html",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                DEFENSIVE,
            ),
            _row(
                "a firewall's page with 403",
                "403-html",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                "HubSpot's own 403 is JSON and names scopes",
            ),
            _row(
                "a status nobody documented",
                "418",
                "again: unrecognised, in doubt",
                "again: unrecognised, in doubt",
                DEFENSIVE,
            ),
        ),
    ),
)
ROWS = tuple(row for section in SECTIONS for row in section.rows)


def load(name: str) -> BatchReply | NoReply:
    """The recorded-shape answer of that name."""
    if name in NO_REPLY:
        return NO_REPLY[name]
    stored: dict[str, Any] = orjson.loads((HERE / "answers" / f"{name}.json").read_bytes())
    body = stored["text"].encode() if "text" in stored else orjson.dumps(stored["body"])
    return BatchReply(stored["status"], stored.get("headers", {}), body)


def batch_of(operation: str) -> Batch:
    """The call that every row answers: A-1 and A-2, an event each."""
    values: dict[str, dict[str, Any]] = {
        key: {} if operation == "archive" else dict(v) for key, v in ORDERS.items()
    }
    return batch(*(slot(contribution(operation, key, **v)) for key, v in values.items()))


def judge(row: Row) -> tuple[Verdict, ...]:
    """What the core makes of a row's answers."""
    flow = flow_for(batch_of(row.operation), "t", ID_PROPERTY)
    next(flow)
    for name in row.answers:
        try:
            flow.send(load(name))
        except StopIteration as end:
            verdicts: tuple[Verdict, ...] = end.value
            return verdicts
    raise AssertionError(f"{row.means}: the flow asks for more answers than the row has")


def told(verdict: Verdict, *, operation: str = "upsert") -> str:
    """A verdict in the table's words."""
    match verdict:
        case Applied(record_id, created):
            found = {True: ", created", False: ", found", None: ""}[created]
            gone = ", was not there" if operation == "archive" and record_id is None else ""
            return f"applied{found if operation == 'upsert' else gone}"
        case Rejected(reason):
            at_fault = f" ({reason.property})" if reason.property else ""
            return f"rejected: {reason.code}{at_fault}"
        case Retryable(reason, _, _, ambiguous):
            return f"again: {reason.code}" + (", in doubt" if ambiguous else "")
        case Refused(_, named, ambiguous):
            return ("suspect" if named else "refused in company") + (
                ", in doubt" if ambiguous else ""
            )
        case Halted(reason):
            return f"pause: {reason.code}"
        case Stale():
            return "superseded"


def then(row: Row) -> str:
    """What the service does next, asked of the core."""
    taken, verdicts, numbers = batch_of(row.operation), judge(row), count(1)
    pulse = Pulse()
    doubt = pulse.note(taken, verdicts, 0.0)
    if isinstance(doubt, Doubt):
        return f"a probe; a pause of {pulse.confirmed(doubt).seconds:g} s if it fails, too; else tried apart"
    steps = decide(taken, verdicts, RetryPolicy(), 0.0, lambda: 1.0, lambda: next(numbers))
    said = [next_step(step, verdict) for step, verdict in zip(steps, verdicts, strict=True)]
    if said[0] == said[1]:
        waiting = [s for step in steps if isinstance(step, PutBack) for s in step.slots]
        parted = len({s.company for s in waiting}) == 2 or all(s.suspected for s in waiting)
        apart = isinstance(verdicts[0], Refused) and parted
        return f"both: {said[0]}, apart" if apart else f"both: {said[0]}"
    return f"A-1: {said[0]}; A-2: {said[1]}"


def next_step(step: Step, verdict: Verdict) -> str:
    """A step of the core in the table's words."""
    match step:
        case Finish(_, Applied()):
            return "outcome"
        case Finish(_, Rejected() | Exhausted()):
            return "outcome and dead letter"
        case PutBack(_, (again,)):
            exact = isinstance(verdict, Retryable) and (
                verdict.cause is Cause.THROTTLE or verdict.after
            )
            if not again.not_before:
                return "sent again at once"
            return f"sent again {'after' if exact else 'within'} {again.not_before:g} s"
        case _:
            raise AssertionError(step)


def page() -> str:
    """docs/hubspot.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from INTRODUCTION.splitlines()
    for section in SECTIONS:
        yield from ("", f"## {section.title}", "", section.text, "")
        yield "| answer | status | A-1 | A-2 | next | source |"
        yield "|---|---|---|---|---|---|"
        for row in section.rows:
            status = " → ".join(_status(name) for name in row.answers)
            cells = (row.means, status, row.first, row.second, then(row), row.source)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield from graph_table.lines()


def _status(name: str) -> str:
    answer = load(name)
    return str(answer.status) if isinstance(answer, BatchReply) else "–"


def names() -> Sequence[str]:
    """Every answer that is kept."""
    return sorted(path.stem for path in (HERE / "answers").glob("*.json"))


INTRODUCTION = """\
# HubSpot's answers, and what ordersync makes of them

<!-- Written by `python -m tests.core.hubspot_table`; a test keeps it in step with the code. -->

Every row is a test: an answer to a call with two orders, `A-1` and `A-2`, one event each, the verdict on
each order, and what happens to it next. The call is an upsert unless the row says otherwise. Both orders
carry a `weight`; `A-1` has `paid_at` = `2026-11-22`, `A-2` has `paid_at` = `soon` and is the only one with
a `colour` and an `invoice`.

The verdicts:

| verdict | means |
|---|---|
| applied | HubSpot named the order in its results (or said 204 to an archive): the outcome is `applied`, or `superseded` for an event of which nothing was left in the write |
| rejected | HubSpot refused this order for good. One event in the write: outcome `rejected` and a dead letter. Several: they are separated first and tried one by one |
| again | not applied as far as anyone knows. Sent again after a while, at most `ORDERSYNC_RETRY__ATTEMPTS` times and `…__PATIENCE` seconds, then `exhausted`; a throttle does not count |
| in doubt | the write may have happened, so `created` can't be known when it is sent again |
| refused in company | the whole call was refused and this order is not accused: it goes on without the accused, or a part of the batch is tried |
| suspect | the answer points at this order among others and proves nothing: tried apart from the rest |
| pause | about the set-up or HubSpot as a whole, unless one order meets it alone: a probe is asked. Where it meets the same, intake stops until it is answered; nobody is condemned |

Sources are named where HubSpot's behaviour is recorded or documented. The words of an answer do not matter
unless the table says so; every field of it may be missing."""


if __name__ == "__main__":
    PAGE.write_text(page())
