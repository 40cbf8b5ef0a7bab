"""What an answer says of a call as a whole: a limit, an outage, a lock, the set-up, or nothing that can be read.

Law: a verdict that every record shares is about none of them. Where HubSpot refuses the records themselves,
`shared` is None, and who is to blame is for blame.py to find.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from service.core.events.order_event import ORDERS
from service.core.hubspot import blame
from service.core.hubspot.answers import BatchReply, NoReply, Problem
from service.core.hubspot.day import OURS
from service.core.hubspot.requests import Call
from service.core.hubspot.verdicts import Cause, Halted, Rejected, Retryable, Verdict
from service.core.reasons import Code, Reason

# seconds; 477 carries Retry-After, this is for one that does not.
MIGRATION_PAUSE = 60.0
# seconds; HubSpot: "locks last 2 s, leave at least 2 s between calls".
LOCK_PAUSE = 2.0
# seconds; who asks for more gets a pause, not messages held unacked.
LONG = 60.0
# Characters of an answer that nobody can read.
_BODY_SHOWN = 200
_WORDLESS: Final = frozenset({401, 404, 405, 408, 410, 413, 414, 423, 429, 477})  # say it by status
_OURS: Final = ("Invalid input JSON", "Invalid JSON input")
# Any other type of record is one that an event links to, and the event's affair.
_OUR_TYPES: Final = frozenset({ORDERS, "line_items"})
# About the records, if not the set-up.
_REFUSALS: Final = frozenset({400, 404, 409, 413, 414, 422})


def shared(call: Call, reply: BatchReply) -> Verdict | None:
    """The verdict that every record shares; None where the records themselves were refused."""
    if reply.refusal is None and 400 <= reply.status < 500 and reply.status not in _WORDLESS:
        # A firewall's page: not HubSpot's verdict.
        return unreadable(reply)
    said = reply.refusal or Problem(correlation_id=reply.correlation_id)
    verdict = _set_up(said, reply.status, call) or _whole(said, reply)
    if verdict is not None:
        return _paused_if_long(verdict, call)
    return None if blame.is_final(said) else _unjudged(said, reply)


def named(said: Problem, call: Call, reply: BatchReply) -> Verdict:
    """What an error entry of a 2xx says of the records that it names."""
    return _set_up(said, 0, call) or blame.verdict_of(said, reply.status)


def _set_up(said: Problem, status: int, call: Call) -> Halted | Rejected | None:
    halted = blame.set_up_fault(said, status, call.where.id_property)
    if halted is None:
        return None
    if halted.reason.code is Code.ID_PROPERTY_NOT_UNIQUE and call.where.chosen:
        return Rejected(halted.reason)
    kind = call.where.to or call.where.object
    if blame.is_unknown_type(said) and kind not in _OUR_TYPES:
        message = f"HubSpot has no object type {kind} in this account ({said.message})"
        return Rejected(replace(halted.reason, code=Code.ASSOCIATION_REFUSED, message=message))
    return replace(halted, where=call.where)


def _whole(said: Problem, reply: BatchReply) -> Verdict | None:
    """The verdict that every record shares; None where the records themselves were refused."""
    status, after = reply.status, reply.retry_after
    if reply.limited or (400 <= status < 500 and said.category in blame.THROTTLES):
        return _limited(said, status, after)
    if status in _PASSING:
        return _PASSING[status](said, after)
    if status >= 500 or status == 408:
        reason = _server(blame.reason_of(said, status), reply)
        return Retryable(reason, Cause.SERVER, after, ambiguous=True)
    # About the call's shape: no record is at fault.
    ours = status == 400 and said.message.startswith(_OURS)
    return None if status in _REFUSALS and not ours else unreadable(reply)


def _locked(said: Problem, after: float | None) -> Verdict:
    """It names nobody: whose lock it is shows when the call is halved."""
    reason = _reason(Code.LOCKED, f"HubSpot has the record locked: {said.message}", 423, said)
    return Retryable(reason, Cause.SERVER, max(LOCK_PAUSE, after or 0.0))


def _migrating(said: Problem, after: float | None) -> Verdict:
    message = "HubSpot is moving the account to another data centre"
    reason = replace(_reason(Code.MIGRATING, message, 477, said), category=None)
    return Halted(reason, MIGRATION_PAUSE if after is None else after)


_PASSING: Final[Mapping[int, Callable[[Problem, float | None], Verdict]]] = {
    423: _locked,
    477: _migrating,
}


def _reason(code: Code, message: str, status: int, said: Problem) -> Reason:
    return Reason(
        code,
        message,
        http_status=status,
        category=said.category,
        correlation_id=said.correlation_id,
    )


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
    known = reply.document
    said = reason.message if known else reply.body[:_BODY_SHOWN].decode("utf-8", "replace")
    message = (
        f"HubSpot answered {reply.status}: {said}" if said else f"HubSpot answered {reply.status}"
    )
    return replace(reason, code=Code.SERVER_ERROR, message=message, property=None)


def _is_daily(said: Problem) -> bool:
    """Whether a 429 is the day's limit: by its policy, else by its words (three shapes are known)."""
    return said.policy == "DAILY" or (said.policy is None and "daily limit" in said.message.lower())


def _limited(said: Problem, status: int, after: float | None) -> Verdict:
    if said.policy == OURS:
        return Halted(_reason(Code.DAILY_LIMIT, said.message, status, said), after)
    if _is_daily(said):
        message = "HubSpot's daily limit is used up; it is given out again at midnight in the account's time zone"
        return Halted(_reason(Code.DAILY_LIMIT, message, status, said), after)
    message = f"HubSpot's limit: {said.message}" if said.message else "HubSpot's limit was reached"
    return Retryable(_reason(Code.THROTTLED, message, status, said), Cause.THROTTLE, after)


def no_reply(reply: NoReply) -> Retryable:
    """Nobody answered."""
    return Retryable(
        Reason(Code.NO_REPLY, f"HubSpot did not answer: {reply.message}"),
        Cause.SERVER,
        ambiguous=reply.sent,
    )


def unreadable(reply: BatchReply) -> Retryable:
    """An answer that is no word of HubSpot's."""
    start = reply.body[:_BODY_SHOWN].decode("utf-8", "replace")
    message = f"HubSpot answered {reply.status} with a body that is not its JSON: {start!r}"
    reason = Reason(
        Code.UNRECOGNISED, message, http_status=reply.status, correlation_id=reply.correlation_id
    )
    return Retryable(reason, Cause.SERVER, ambiguous=True)


def _unjudged(said: Problem, reply: BatchReply) -> Retryable:
    """A no without any of HubSpot's final words: it may be a gateway's, and be over in a minute."""
    reason = blame.reason_of(said, reply.status)
    message = f"HubSpot answered {reply.status} without a reason that is final: {reason.message}"
    unjudged = replace(reason, code=Code.UNRECOGNISED, message=message)
    return Retryable(unjudged, Cause.SERVER, reply.retry_after, ambiguous=True)
