"""Requests that write nothing, to find out whether HubSpot takes requests of a kind, whoever they are about.

A look for a key that no record has tells of the address, the token, the scope to read and the identifying property.
An update of that key tells of the scope to write and whether the property is unique: updates create nothing. An
empty write tells whether that very address is let through. What HubSpot makes of a call without inputs does not
matter (a 400, or COMPLETE and nothing done: rudder-transformer#5147), as long as it is not the answer that a
wrong set-up gets. As few requests as can tell: where every second call fails, each of them fails as often.
"""

from collections.abc import Generator, Iterator
from typing import Any, Final, assert_never, cast

from service.core.hubspot import associations, calls, replies
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.requests import Call, ListCall
from service.core.hubspot.verdicts import Cause, Halted, Retryable, Where
from service.core.reasons import Reason

KEY: Final = "ordersync-probe"  # a key that no record has
# Contacts cannot be updated by their e-mail (hubspot-api-nodejs#548), whatever the set-up.
NO_UPDATE_BY: Final = frozenset({("contacts", "email")})

Probe = Generator[Call, BatchReply | NoReply, Reason | None]


def probe(where: Where) -> Probe:
    """The requests of a probe, until one is in trouble. Returns why HubSpot takes no such request; None = it does."""
    for call in _calls(where):
        found = _trouble(call, (yield call))
        if found is not None:
            return found
    return None


def _calls(where: Where) -> Iterator[Call]:
    endpoint = cast(
        "Any", where.endpoint
    )  # a Where is made of a call: its endpoint is one of that kind's
    match where.kind:
        case "list":
            yield ListCall(endpoint, where.object, where.to)
        case "links":
            yield associations.no_links(endpoint, where.to, where.object)
        case "records":
            yield from _about_records(where, endpoint)
        case _:
            assert_never(where.kind)


def _about_records(where: Where, endpoint: Any) -> Iterator[Call]:
    by = where.object, where.id_property
    if endpoint in {"update", "upsert"} and where.id_property and by not in NO_UPDATE_BY:
        yield calls.chosen(calls.touch(*by, KEY), by_event=where.chosen)
    elif endpoint == "read" or where.id_property:
        yield calls.chosen(calls.look_up(*by, [KEY]), by_event=where.chosen)
    if endpoint != "read":
        yield calls.nothing(where.object, endpoint)


def _trouble(call: Call, reply: BatchReply | NoReply) -> Reason | None:
    match replies.about_the_call(call, reply):
        case Halted(reason):
            return reason
        case Retryable(reason, cause) if _closed(call, reply, cause):
            return reason
        case _:
            return None


def _closed(call: Call, reply: BatchReply | NoReply, cause: Cause) -> bool:
    """Whether a request that failed tells of others: a no to one without inputs may be for being empty."""
    empty = not call.size and isinstance(reply, BatchReply) and 400 <= reply.status < 500
    return cause is Cause.THROTTLE or (cause is Cause.SERVER and not empty)
