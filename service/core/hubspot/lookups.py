"""BatchCall + (BatchReply | NoReply) of a read -> what HubSpot holds under every key, in the call's own order.

A key that an answer does not mention is unresolved, not missing. A read writes nothing: its failure leaves no
doubt about the record.
"""

from dataclasses import dataclass, replace
from typing import Final

from service.core.hubspot import refusals, replies
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.verdicts import Applied, Retryable, Verdict
from service.core.reasons import Code, Reason

_STILL_THERE: Final = replace(
    replies.UNRESOLVED,
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


def vague(reply: BatchReply | NoReply) -> bool:
    """Whether an archive was answered, and neither refused nor done: by a 2xx that is no 204."""
    return isinstance(reply, BatchReply) and reply.accepted and reply.status != replies.DONE


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
    if not isinstance(reply, BatchReply) or not reply.accepted or reply.document is None:
        return tuple(_unambiguous(verdict) for verdict in replies.read(call, reply))
    found: list[Found | Missing | Verdict] = [_unambiguous(replies.UNRESOLVED)] * len(call.inputs)
    for said in reply.errors:
        # Another error is no word on what exists.
        missing = said.category == "OBJECT_NOT_FOUND"
        for at in call.index.named(said):
            found[at] = Missing() if missing else refusals.named(said, call, reply)
    for result in reply.results:
        if (at_result := call.index.result(result)) is not None:
            found[at_result] = Found(str(result["id"]))
    return tuple(found)


def read_values(
    call: BatchCall, reply: BatchReply | NoReply, name: str
) -> tuple[str | Missing | Verdict, ...]:
    """What batch/read says of one property of every key; "" where the record has no value of it."""
    known = read_keys(call, reply)
    values: dict[int, str] = {}
    for result in reply.results if isinstance(reply, BatchReply) else ():
        held = result.get("properties")
        if (at := call.index.result(result)) is not None and isinstance(held, dict):
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
