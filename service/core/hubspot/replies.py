"""BatchCall + (BatchReply | NoReply) -> one Verdict for every input, in the call's own order.

Evidence in this order: the trace id, then `context.ids`, then `context.id`; results are matched by trace
id where it is echoed, then by the key's value, then by record id. Never by position: HubSpot's order of
results is its own. What an answer does not mention is unresolved, whatever its status.

A refusal of a whole call says that something in it is bad. Who, is for the answer's own words to prove
(service/core/hubspot/blame.py) or for solitude.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, assert_never

from service.core.hubspot import blame, refusals
from service.core.hubspot.answers import BatchReply, NoReply, Problem, name_of
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.requests import Call
from service.core.hubspot.verdicts import Applied, Cause, Refused, Rejected, Retryable, Verdict
from service.core.reasons import Code, Reason

# All that HubSpot ever says to an archive.
DONE: Final = 204
UNRESOLVED: Final = Retryable(
    Reason(Code.UNCONFIRMED, "HubSpot answered without a word about this record"),
    Cause.SILENCE,
    ambiguous=True,
)


def read(call: BatchCall, reply: BatchReply | NoReply) -> tuple[Verdict, ...]:
    """A verdict for every input of a write."""
    if isinstance(reply, NoReply):
        return (refusals.no_reply(reply),) * len(call.inputs)
    shared = about_the_call(call, reply)
    if shared is not None:
        return (shared,) * len(call.inputs)
    if reply.accepted:
        return _accepted(call, reply)
    return blame.whole_call(call, reply.refusal or Problem(), reply.status)


def about_the_call(call: Call, reply: BatchReply | NoReply) -> Verdict | None:
    """The verdict on all records alike; None: the answer speaks of the records themselves."""
    match reply:
        case NoReply():
            return refusals.no_reply(reply)
        case BatchReply(accepted=True):
            done = reply.status == DONE and call.endpoint == "archive"
            return None if done or reply.document is not None else refusals.unreadable(reply)
        case BatchReply():
            return refusals.shared(call, reply)
        case _:
            assert_never(reply)


# --- 2xx: record by record ------------------------------------------------------------------------------


def _accepted(call: BatchCall, reply: BatchReply) -> tuple[Verdict, ...]:
    if call.endpoint == "archive" and reply.status == DONE:
        return tuple(Applied(i.id, None) for i in call.inputs)
    verdicts, strangers = _written(call, reply)
    unattributed: list[Verdict] = []
    for said in reply.errors:
        verdict = refusals.named(said, call, reply)
        named = call.index.named(said)
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
    call: BatchCall, reply: BatchReply
) -> tuple[list[Verdict | None], list[Mapping[str, Any]]]:
    """What the results say of every record, and the results that are nobody's of ours."""
    verdicts: list[Verdict | None] = [None] * len(call.inputs)
    strangers: list[Mapping[str, Any]] = []
    for result in reply.results:
        if (at := call.index.result(result)) is not None:
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
    apart = Refused(UNRESOLVED.reason, named=True, ambiguous=True)
    return [verdict or apart for verdict in verdicts]


def _also(known: Verdict | None, verdict: Verdict) -> Verdict:
    """In both lists: never seen, and no evidence of either. Asked again."""
    return UNRESOLVED if isinstance(known, Applied) or known is UNRESOLVED else verdict


def _created(call: BatchCall, result: Mapping[str, Any]) -> bool | None:
    if call.endpoint in {"create", "update"}:
        return call.endpoint == "create"
    created = result.get("new")
    return created if isinstance(created, bool) else None


def _resolve(
    verdicts: Sequence[Verdict | None], unattributed: Sequence[Verdict]
) -> tuple[Verdict, ...]:
    """The records in neither list: unresolved, and suspects where an error names nobody."""
    silent: Verdict = UNRESOLVED
    if unattributed and (missing := sum(verdict is None for verdict in verdicts)):
        silent = unattributed[0]
        if isinstance(silent, Rejected) and len(verdicts) > 1:
            named = missing == len(unattributed)
            silent = Refused(silent.reason, named=named, ambiguous=True)
    return tuple(verdict or silent for verdict in verdicts)
