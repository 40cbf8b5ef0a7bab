"""BatchCall + (BatchReply | NoReply) -> one Verdict for every input, in the call's own order.

Evidence in this order: the trace id, then `context.ids`, then `context.id`; results are matched by trace
id where it is echoed, then by the key's value, then by record id. Never by position: HubSpot's order of
results is its own. What an answer does not mention is unresolved, whatever its status.

A refusal of a whole call says that something in it is bad. Who, is for the answer's own words to prove
(service/core/blame.py) or for solitude.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.core import blame
from service.core.answers import (
    BatchReply,
    NoReply,
    Problem,
    correlation_id,
    document,
    objects,
    problem,
)
from service.core.calls import BatchCall
from service.core.events import RECORD_ID
from service.core.reasons import Code, Reason
from service.core.verdicts import Applied, Cause, Halted, Refused, Rejected, Retryable, Verdict

MIGRATION_PAUSE = 60.0  # seconds; 477 carries Retry-After, this is for one that does not
LOCK_PAUSE = 2.0  # seconds; HubSpot: "locks last 2 s, leave at least 2 s between calls"
_BODY_SHOWN = 200  # characters of an answer that nobody can read

_UNRESOLVED: Final = Retryable(
    Reason(Code.UNCONFIRMED, "HubSpot answered without a word about this record"),
    Cause.SILENCE,
    ambiguous=True,
)


@dataclass(frozen=True, slots=True)
class Found:
    """batch/read knows the key."""

    record_id: str


@dataclass(frozen=True, slots=True)
class Missing:
    """batch/read says that there is no such record."""


def read(call: BatchCall, reply: BatchReply | NoReply, configured: str) -> tuple[Verdict, ...]:
    """A verdict for every input of a write. `configured` is the set-up's identifying property."""
    match reply:
        case NoReply():
            return (_no_reply(reply),) * len(call.inputs)
        case BatchReply(status=status) if 200 <= status < 300:
            return _accepted(call, reply)
        case BatchReply():
            return _refused(call, reply, configured)


def read_keys(
    call: BatchCall, reply: BatchReply | NoReply, configured: str
) -> tuple[Found | Missing | Verdict, ...]:
    """What batch/read says of every key. A key it does not mention is unresolved, not missing."""
    if not isinstance(reply, BatchReply) or not 200 <= reply.status < 300:
        return tuple(_unambiguous(verdict) for verdict in read(call, reply, configured))
    body = document(reply)
    if body is None:
        return (_unreadable(reply),) * len(call.inputs)
    found: list[Found | Missing | Verdict] = [_UNRESOLVED] * len(call.inputs)
    index = _Index(call)
    for entry in objects(body, "errors"):
        for at in index.named(problem(entry, None)):
            found[at] = Missing()
    for result in objects(body, "results"):
        at_result = index.result(result)
        if at_result is not None:
            found[at_result] = Found(str(result["id"]))
    return tuple(found)


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


# --- 2xx: record by record ------------------------------------------------------------------------------


class _Index:
    """Where in a call a record stands, by all that an answer may name it by."""

    def __init__(self, call: BatchCall) -> None:
        self._id_property = call.id_property
        self._by_trace = {i.trace: at for at, i in enumerate(call.inputs) if i.trace}
        self._by_id = {i.id: at for at, i in enumerate(call.inputs)}
        self._inputs = call.inputs
        self._by_folded: dict[str, int | None] | None = None

    def named(self, said: Problem) -> list[int]:
        """Every input that an error names; one entry may name many."""
        if said.traces:
            return [self._by_trace[t] for t in said.traces if t in self._by_trace]
        return [at for at in (self._key(i) for i in said.ids) if at is not None]

    def result(self, result: Mapping[str, Any]) -> int | None:
        """The input that a result answers; None for a stranger or a result without an id."""
        record_id = result.get("id")
        if not isinstance(record_id, str | int):
            return None
        if (at := self._by_trace.get(result.get("objectWriteTraceId", ""))) is not None:
            return at
        if self._id_property == RECORD_ID:
            return self._by_id.get(str(record_id))
        properties = result.get("properties")
        key = properties.get(self._id_property) if isinstance(properties, dict) else None
        return self._key(key) if isinstance(key, str) else None

    def _key(self, key: str) -> int | None:
        at = self._by_id.get(key)
        return at if at is not None else self._folded().get(_fold(key))

    def _folded(self) -> Mapping[str, int | None]:
        """Keys as HubSpot may have normalised them; those that fold to one value identify nobody."""
        if self._by_folded is None:
            self._by_folded = {}
            for at, sent in enumerate(self._inputs):
                folded = _fold(sent.id)
                self._by_folded[folded] = None if folded in self._by_folded else at
        return self._by_folded


def _fold(key: str) -> str:
    return key.strip().casefold()


def _accepted(call: BatchCall, reply: BatchReply) -> tuple[Verdict, ...]:
    if call.endpoint == "archive" and not reply.body.strip():
        return tuple(Applied(i.id, None) for i in call.inputs)  # 204 is all that archive ever says
    body = document(reply)
    if body is None:
        return (_unreadable(reply),) * len(call.inputs)
    index = _Index(call)
    verdicts: list[Verdict | None] = [None] * len(call.inputs)
    for result in objects(body, "results"):
        if (at := index.result(result)) is not None:
            verdicts[at] = Applied(str(result["id"]), _created(call, result))
    unattributed = _errors(reply, body, index, verdicts)
    if call.endpoint == "archive" and not unattributed:
        return tuple(v or Applied(i.id, None) for v, i in zip(verdicts, call.inputs, strict=True))
    return _resolve(verdicts, unattributed, reply)


def _created(call: BatchCall, result: Mapping[str, Any]) -> bool | None:
    if call.endpoint == "update":
        return False
    created = result.get("new")
    return created if isinstance(created, bool) else None


def _errors(
    reply: BatchReply, body: Mapping[str, Any], index: _Index, verdicts: list[Verdict | None]
) -> list[Problem]:
    """Put every error at the record that it names; the ones that name none are returned."""
    unattributed: list[Problem] = []
    for entry in objects(body, "errors"):
        said = problem(entry, correlation_id(reply))
        named = index.named(said)
        if not named:
            unattributed.append(said)
        for at in named:
            # In both lists: never seen, and no evidence of either. Asked again.
            verdicts[at] = (
                _UNRESOLVED
                if isinstance(verdicts[at], Applied)
                else blame.verdict_of(said, reply.status)
            )
    return unattributed


def _resolve(
    verdicts: Sequence[Verdict | None], unattributed: Sequence[Problem], reply: BatchReply
) -> tuple[Verdict, ...]:
    """The records in neither list: unresolved, and suspects where an error names nobody."""
    silent: Verdict = _UNRESOLVED
    if unattributed and (missing := sum(verdict is None for verdict in verdicts)):
        said = blame.verdict_of(unattributed[0], reply.status)
        if isinstance(said, Rejected):
            alone = len(verdicts) == 1
            silent = (
                said
                if alone
                else Refused(said.reason, named=missing == len(unattributed), ambiguous=True)
            )
        else:
            silent = said
    return tuple(verdict or silent for verdict in verdicts)


# --- everything else: the call as a whole -----------------------------------------------------------------


def _refused(call: BatchCall, reply: BatchReply, configured: str) -> tuple[Verdict, ...]:
    said = problem(document(reply) or {}, correlation_id(reply))
    whole = _whole(said, reply, call, configured)
    if whole is not None:
        return (whole,) * len(call.inputs)
    return blame.whole_call(call, said, reply.status)


def _whole(said: Problem, reply: BatchReply, call: BatchCall, configured: str) -> Verdict | None:
    """The verdict that every record shares; None where the records themselves were refused."""
    halted = blame.set_up_fault(said, reply.status)
    if halted is not None:
        if halted.reason.code is Code.ID_PROPERTY_NOT_UNIQUE and call.id_property != configured:
            return Rejected(halted.reason)  # the event itself asked for that property
        return halted
    after = retry_after(reply)
    reason = blame.reason_of(said, reply.status)
    match reply.status:
        case 429:
            return _limited(said, after)
        case 423:
            locked = Reason(
                Code.LOCKED,
                f"HubSpot has the record locked: {said.message}",
                423,
                said.category,
                said.correlation_id,
            )
            return Retryable(locked, Cause.RECORD, max(LOCK_PAUSE, after or 0.0))
        case 477:
            migrating = Reason(
                Code.MIGRATING,
                "HubSpot is moving the account to another data centre",
                477,
                None,
                said.correlation_id,
            )
            return Halted(migrating, MIGRATION_PAUSE if after is None else after)
        case 408:
            return Retryable(_server(reason, reply), Cause.SERVER, after, ambiguous=True)
        case status if status >= 500:
            return Retryable(_server(reason, reply), Cause.SERVER, after, ambiguous=True)
        case _:
            return None


def _server(reason: Reason, reply: BatchReply) -> Reason:
    said = reason.message or reply.body[:_BODY_SHOWN].decode("utf-8", "replace")
    message = (
        f"HubSpot answered {reply.status}: {said}" if said else f"HubSpot answered {reply.status}"
    )
    return Reason(Code.SERVER_ERROR, message, reply.status, reason.category, reason.correlation_id)


def is_daily(said: Problem) -> bool:
    """Whether a 429 is the day's limit: by its policy, else by its words (three shapes are known)."""
    return said.policy == "DAILY" or (said.policy is None and "daily limit" in said.message.lower())


def _limited(said: Problem, after: float | None) -> Verdict:
    if is_daily(said):
        message = "HubSpot's daily limit is used up; it is given out again at midnight in the portal's time zone"
        return Halted(
            Reason(Code.DAILY_LIMIT, message, 429, said.category, said.correlation_id), after
        )
    message = f"HubSpot's limit: {said.message}" if said.message else "HubSpot's limit was reached"
    return Retryable(
        Reason(Code.THROTTLED, message, 429, said.category, said.correlation_id),
        Cause.THROTTLE,
        after,
    )


def retry_after(reply: BatchReply) -> float | None:
    """Seconds, where the answer holds them. Documented for 477 only; honoured wherever it stands."""
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None
