"""Answers to the calls of a graph, read with the same rules as those to batches of orders."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from service.core.graph.steps import Reply
from service.core.hubspot import associations, replies
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.associations import LinkCall
from service.core.hubspot.calls import BatchCall, Input
from service.core.hubspot.verdicts import (
    Applied,
    Halted,
    Refused,
    Rejected,
    Retryable,
    Stale,
    Verdict,
)
from service.core.reasons import Code


def of_records(call: BatchCall, reply: Reply) -> Sequence[Verdict]:
    """A verdict for every record of a write."""
    return replies.read(call, reply)


def of_links(call: LinkCall, reply: Reply) -> Sequence[Verdict]:
    """A verdict for every link of a create or an archive.

    Only 204 says that all links of an archive are gone; another 2xx is no word on any of them.
    """
    shared = replies.about_the_call(call, reply)
    if shared is not None:
        return [shared] * call.size
    if not isinstance(reply, BatchReply) or not reply.accepted:
        return [_about_links(verdict) for verdict in replies.read(_as_records(call), reply)]
    if call.endpoint == "archive" and reply.status == 204:
        return [Applied(pair.target, None) for pair in call.pairs]
    body = reply.document or {}
    return associations.made(call, body, reply.status, reply.correlation_id)


def _as_records(call: LinkCall) -> BatchCall:
    """A refused call is refused as a whole: which links it held is all that has to be known of it."""
    inputs = tuple(Input(f"{p.origin}>{p.target}", p.target, "", {}) for p in call.pairs)
    return BatchCall("update", "", inputs, b"", object=call.object)


def _about_links(verdict: Verdict) -> Verdict:
    match verdict:
        case Rejected(reason):
            return Rejected(replace(reason, code=Code.ASSOCIATION_REFUSED))
        case Applied() | Stale() | Refused() | Retryable() | Halted():
            return verdict
        case _:
            assert_never(verdict)
