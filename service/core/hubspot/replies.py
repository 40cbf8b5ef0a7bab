"""BatchCall + (BatchReply | NoReply) -> one Verdict for every input, in the call's own order.

Evidence in this order: the trace id, then `context.ids`, then `context.id`; results are matched by trace
id where it is echoed, then by the key's value, then by record id. Never by position: HubSpot's order of
results is its own. What an answer does not mention is unresolved, whatever its status.

A refusal of a whole call says that something in it is bad. Who, is for the answer's own words to prove
(service/core/hubspot/blame.py) or for solitude.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from service.core.hubspot import blame
from service.core.hubspot.answers import (
    BatchReply,
    NoReply,
    Problem,
    correlation_id,
    document,
    name_of,
    objects,
    problem,
)
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.index import Index
from service.core.hubspot.requests import Call
from service.core.hubspot.verdicts import (
    Applied,
    Cause,
    Halted,
    Refused,
    Rejected,
    Retryable,
    Verdict,
)
from service.core.reasons import Code, Reason

# All that HubSpot ever says to an archive.
DONE: Final = 204
# seconds; 477 carries Retry-After, this is for one that does not.
MIGRATION_PAUSE = 60.0
# seconds; HubSpot: "locks last 2 s, leave at least 2 s between calls".
LOCK_PAUSE = 2.0
# seconds; who asks for more gets a pause, not messages held unacked.
LONG = 60.0
# Of a number of seconds that is worth reading.
_DIGITS = 9
# Characters of an answer that nobody can read.
_BODY_SHOWN = 200
_WORDLESS: Final = frozenset({401, 404, 405, 408, 410, 413, 414, 423, 429, 477})  # say it by status
_OURS: Final = ("Invalid input JSON", "Invalid JSON input")
# About the records, if not the set-up.
_REFUSALS: Final = frozenset({400, 404, 409, 413, 414, 422})


_UNRESOLVED: Final = Retryable(
    Reason(Code.UNCONFIRMED, "HubSpot answered without a word about this record"),
    Cause.SILENCE,
    ambiguous=True,
)
_STILL_THERE: Final = replace(
    _UNRESOLVED,
    reason=Reason(
        Code.UNCONFIRMED, "HubSpot answered the archive without a 204, and the order is still there"
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """batch/read knows the key."""

    record_id: str


@dataclass(frozen=True, slots=True)
class Missing:
    """batch/read says that there is no such record."""


def read(call: BatchCall, reply: BatchReply | NoReply) -> tuple[Verdict, ...]:
    """A verdict for every input of a write."""
    if isinstance(reply, NoReply):
        return (_no_reply(reply),) * len(call.inputs)
    if 200 <= reply.status < 300:
        return _accepted(call, reply)
    said = _refusal(reply)
    shared = _refused(call, reply, said)
    if shared is not None:
        return (shared,) * len(call.inputs)
    return blame.whole_call(call, said or Problem(), reply.status)


def about_the_call(call: Call, reply: BatchReply | NoReply) -> Verdict | None:
    """What an answer says of all records alike; None: it speaks of the records themselves."""
    match reply:
        case NoReply():
            return _no_reply(reply)
        case BatchReply(status=status) if 200 <= status < 300:
            done = status == DONE and call.endpoint == "archive"
            return None if done or document(reply) is not None else _unreadable(reply)
        case BatchReply():
            return _refused(call, reply, _refusal(reply))
        case _:
            assert_never(reply)


def vague(reply: BatchReply | NoReply) -> bool:
    """Whether an archive was answered, and neither refused nor done: by a 2xx that is no 204."""
    return isinstance(reply, BatchReply) and 200 <= reply.status < 300 and reply.status != DONE


def read_back(record_id: str, said: Verdict, known: Found | Missing | Verdict) -> Verdict:
    """A vague answer to an archive, judged by a look for the record: done is what is not there."""
    match known:
        case Missing():
            return Applied(record_id, None)
        case Found():
            return _STILL_THERE if isinstance(said, Retryable) else said
        case Retryable() as failed:
            return replace(failed, ambiguous=True)
        case verdict:
            return verdict


def read_keys(
    call: BatchCall, reply: BatchReply | NoReply
) -> tuple[Found | Missing | Verdict, ...]:
    """What batch/read says of every key. A key it does not mention is unresolved, not missing."""
    if not isinstance(reply, BatchReply) or not 200 <= reply.status < 300:
        return tuple(_unambiguous(verdict) for verdict in read(call, reply))
    body = document(reply)
    if body is None:
        return (_unambiguous(_unreadable(reply)),) * len(call.inputs)
    found: list[Found | Missing | Verdict] = [_unambiguous(_UNRESOLVED)] * len(call.inputs)
    index = Index(call)
    for entry in objects(body, "errors"):
        said = problem(entry, correlation_id(reply))
        # Another error is no word on what exists.
        missing = said.category == "OBJECT_NOT_FOUND"
        for at in index.named(said):
            found[at] = Missing() if missing else _named(said, call, reply)
    for result in objects(body, "results"):
        at_result = index.result(result)
        if at_result is not None:
            found[at_result] = Found(str(result["id"]))
    return tuple(found)


def read_values(
    call: BatchCall, reply: BatchReply | NoReply, name: str
) -> tuple[str | Missing | Verdict, ...]:
    """What batch/read says of one property of every key; "" where the record has no value of it."""
    known = read_keys(call, reply)
    body = document(reply) if isinstance(reply, BatchReply) else None
    index, values = Index(call), dict[int, str]()
    for result in objects(body or {}, "results"):
        held = result.get("properties")
        if (at := index.result(result)) is not None and isinstance(held, dict):
            values[at] = str(held.get(name) or "")
    return tuple(
        values.get(at, "") if isinstance(each, Found) else each for at, each in enumerate(known)
    )


def _unambiguous(verdict: Verdict) -> Verdict:
    """A read writes nothing: its failure leaves no doubt about the record."""
    match verdict:
        case Retryable(reason, cause, after):
            return Retryable(reason, cause, after)
        case _:
            return verdict


def _no_reply(reply: NoReply) -> Retryable:
    return Retryable(
        Reason(Code.NO_REPLY, f"HubSpot did not answer: {reply.message}"),
        Cause.SERVER,
        ambiguous=reply.sent,
    )


def _unreadable(reply: BatchReply) -> Retryable:
    start = reply.body[:_BODY_SHOWN].decode("utf-8", "replace")
    message = f"HubSpot answered {reply.status} with a body that is not its JSON: {start!r}"
    reason = Reason(Code.UNRECOGNISED, message, reply.status, None, correlation_id(reply))
    return Retryable(reason, Cause.SERVER, ambiguous=True)


def _unjudged(said: Problem, reply: BatchReply) -> Retryable:
    """A no without any of HubSpot's final words: it may be a gateway's, and be over in a minute."""
    reason = blame.reason_of(said, reply.status)
    message = f"HubSpot answered {reply.status} without a reason that is final: {reason.message}"
    unjudged = replace(reason, code=Code.UNRECOGNISED, message=message)
    return Retryable(unjudged, Cause.SERVER, retry_after(reply), ambiguous=True)


# --- 2xx: record by record ------------------------------------------------------------------------------


def _accepted(call: BatchCall, reply: BatchReply) -> tuple[Verdict, ...]:
    if call.endpoint == "archive" and reply.status == DONE:
        return tuple(Applied(i.id, None) for i in call.inputs)
    body = document(reply)
    if body is None:
        return (_unreadable(reply),) * len(call.inputs)
    index = Index(call)
    verdicts, strangers = _written(call, index, body)
    unattributed: list[Verdict] = []
    for entry in objects(body, "errors"):
        said = problem(entry, correlation_id(reply))
        verdict = _named(said, call, reply)
        named = index.named(said)
        if not named:
            unattributed.append(verdict)
        for at in named:
            verdicts[at] = _also(verdicts[at], verdict)
    # Results are no evidence here: none are specified.
    if call.endpoint == "archive":
        verdicts = [None if isinstance(v, Applied) else v for v in verdicts]
    if strangers and not unattributed and call.by_record_id:
        verdicts = _merged(call, verdicts, strangers)
    return _resolve(verdicts, unattributed)


def _written(
    call: BatchCall, index: Index, body: Mapping[str, Any]
) -> tuple[list[Verdict | None], list[Mapping[str, Any]]]:
    """What the results say of every record, and the results that are nobody's of ours."""
    verdicts: list[Verdict | None] = [None] * len(call.inputs)
    strangers: list[Mapping[str, Any]] = []
    for result in objects(body, "results"):
        if (at := index.result(result)) is not None:
            verdicts[at] = Applied(str(result["id"]), _created(call, result))
        elif name_of(result.get("id")) is not None:
            strangers.append(result)
    return verdicts, strangers


def _merged(
    call: BatchCall, verdicts: list[Verdict | None], strangers: Sequence[Mapping[str, Any]]
) -> list[Verdict | None]:
    """A record that was merged comes back under the survivor's id: alone, the only result is its own."""
    if verdicts == [None] and len(strangers) == 1:
        return [Applied(str(strangers[0]["id"]), _created(call, strangers[0]))]
    apart = Refused(_UNRESOLVED.reason, named=True, ambiguous=True)
    return [verdict or apart for verdict in verdicts]


def _also(known: Verdict | None, verdict: Verdict) -> Verdict:
    """In both lists: never seen, and no evidence of either. Asked again."""
    return _UNRESOLVED if isinstance(known, Applied) or known is _UNRESOLVED else verdict


def _created(call: BatchCall, result: Mapping[str, Any]) -> bool | None:
    if call.endpoint in {"create", "update"}:
        return call.endpoint == "create"
    created = result.get("new")
    return created if isinstance(created, bool) else None


def _resolve(
    verdicts: Sequence[Verdict | None], unattributed: Sequence[Verdict]
) -> tuple[Verdict, ...]:
    """The records in neither list: unresolved, and suspects where an error names nobody."""
    silent: Verdict = _UNRESOLVED
    if unattributed and (missing := sum(verdict is None for verdict in verdicts)):
        silent = unattributed[0]
        if isinstance(silent, Rejected) and len(verdicts) > 1:
            named = missing == len(unattributed)
            silent = Refused(silent.reason, named=named, ambiguous=True)
    return tuple(verdict or silent for verdict in verdicts)


# --- everything else: the call as a whole -----------------------------------------------------------------


def _refusal(reply: BatchReply) -> Problem | None:
    """What HubSpot says of a call that it did not take; None where the body is none of its own."""
    body = document(reply)
    return None if body is None else problem(body, correlation_id(reply))


def _refused(call: Call, reply: BatchReply, refusal: Problem | None) -> Verdict | None:
    """The verdict that every record shares; None where the records themselves were refused."""
    if refusal is None and 400 <= reply.status < 500 and reply.status not in _WORDLESS:
        # A firewall's page: not HubSpot's verdict.
        return _unreadable(reply)
    said = refusal or Problem(correlation_id=correlation_id(reply))
    shared = _set_up(said, reply.status, call) or _whole(said, reply)
    if shared is not None:
        return _paused_if_long(shared, call)
    return None if blame.is_final(said) else _unjudged(said, reply)


def _named(said: Problem, call: BatchCall, reply: BatchReply) -> Verdict:
    """What an error entry of a 2xx says of the records that it names."""
    return _set_up(said, 0, call) or blame.verdict_of(said, reply.status)


def _set_up(said: Problem, status: int, call: Call) -> Halted | Rejected | None:
    halted = blame.set_up_fault(said, status, call.where.id_property)
    if halted is None:
        return None
    if halted.reason.code is Code.ID_PROPERTY_NOT_UNIQUE and call.where.chosen:
        return Rejected(halted.reason)
    return replace(halted, where=call.where)


def _whole(said: Problem, reply: BatchReply) -> Verdict | None:  # noqa: PLR0911  (a table of statuses)
    """The verdict that every record shares; None where the records themselves were refused."""
    after = retry_after(reply)
    match reply.status:
        case status if status == 429 or (400 <= status < 500 and said.category in blame.THROTTLES):
            return _limited(said, status, after)
        case 423:  # names nobody: whose lock it is shows when the call is halved
            message = f"HubSpot has the record locked: {said.message}"
            locked = Reason(Code.LOCKED, message, 423, said.category, said.correlation_id)
            return Retryable(locked, Cause.SERVER, max(LOCK_PAUSE, after or 0.0))
        case 477:
            message = "HubSpot is moving the account to another data centre"
            migrating = Reason(Code.MIGRATING, message, 477, None, said.correlation_id)
            return Halted(migrating, MIGRATION_PAUSE if after is None else after)
        case 400 if said.message.startswith(_OURS):
            # About the call's shape: no record is at fault.
            return _unreadable(reply)
        case status if status in _REFUSALS:
            return None
        case status if status >= 500 or status == 408:
            reason = _server(blame.reason_of(said, status), reply)
            return Retryable(reason, Cause.SERVER, after, ambiguous=True)
        case _:
            return _unreadable(reply)


def _paused_if_long(verdict: Verdict, call: Call) -> Verdict:
    """Who asks for a long wait gets a pause: held messages would outlast the broker's patience."""
    match verdict:
        case Retryable(reason, _, after) if after is not None and after > LONG:
            return Halted(reason, after, call.where)
        case Halted():
            return replace(verdict, where=call.where)
        case _:
            return verdict


def _server(reason: Reason, reply: BatchReply) -> Reason:
    known = document(reply)
    said = reason.message if known else reply.body[:_BODY_SHOWN].decode("utf-8", "replace")
    message = (
        f"HubSpot answered {reply.status}: {said}" if said else f"HubSpot answered {reply.status}"
    )
    return Reason(Code.SERVER_ERROR, message, reply.status, reason.category, reason.correlation_id)


def is_daily(said: Problem) -> bool:
    """Whether a 429 is the day's limit: by its policy, else by its words (three shapes are known)."""
    return said.policy == "DAILY" or (said.policy is None and "daily limit" in said.message.lower())


def _limited(said: Problem, status: int, after: float | None) -> Verdict:
    if is_daily(said):
        message = "HubSpot's daily limit is used up; it is given out again at midnight in the portal's time zone"
        return Halted(
            Reason(Code.DAILY_LIMIT, message, status, said.category, said.correlation_id), after
        )
    message = f"HubSpot's limit: {said.message}" if said.message else "HubSpot's limit was reached"
    return Retryable(
        Reason(Code.THROTTLED, message, status, said.category, said.correlation_id),
        Cause.THROTTLE,
        after,
    )


def retry_after(reply: BatchReply) -> float | None:
    """Seconds, where the answer holds them. Documented for 477 only; honoured wherever it stands."""
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) <= _DIGITS else None
