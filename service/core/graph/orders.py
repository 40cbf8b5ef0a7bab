"""The first step: the orders themselves. Lines and links wait for it, targets are looked up beside it.

A create is no upsert: a key that is taken refuses it (`order_exists`, with the holder's record id). Whoever cannot know
whether an earlier try of the same event was carried out looks the key up first, so that its own first try is never
called somebody else's order: it is taken for ours when it was made no earlier than the event and has had every value
that the event gives it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, assert_never

from service.core.events.order_event import ORDERS, Operation
from service.core.graph import judging
from service.core.graph.inline import Inline
from service.core.graph.link_types import PLAIN
from service.core.graph.steps import Reply, Step, each_alone
from service.core.graph.work import Work
from service.core.hubspot import calls, lookups, staleness
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.calls import BatchCall, Record
from service.core.hubspot.lookups import Found, Missing
from service.core.hubspot.staleness import Holding, moment
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
from service.core.reasons import Code, Reason
from service.core.waiting.backlog import HISTORIES
from service.core.waiting.batch import Batch

RECORDS: Final = 100  # per call
# A producer's clock may run ahead of HubSpot's.
SKEW: Final = timedelta(minutes=5)
Names = Iterator[str]
Encode = Callable[[Sequence[tuple[Work, Record]]], BatchCall]
Judge = Callable[[BatchCall, Reply], Sequence[Verdict]]


def write_orders(
    works: Sequence[Work],
    batch: Batch,
    values: Callable[[Work], dict[str, str]],
    *,
    names: Names,
    links: Callable[[Work], Inline],
) -> Step[None]:
    """Write every order that is not written yet; `links` are those that a create may bring with it."""
    left = _unwritten(works)

    def encode(some: Sequence[tuple[Work, Record]]) -> BatchCall:
        wanted = [record for _, record in some]
        call = calls.records(
            ORDERS, calls.WRITES[batch.operation], batch.id_property, wanted, next(names)
        )
        return calls.chosen(call, by_event=some[0][0].chosen)

    def record(work: Work) -> Record:
        return Record(work.slot.order.key, values(work))

    if batch.operation is not Operation.CREATE:
        yield from _write(left, record, encode, judging.of_records)
        return
    yield from _look_for_own([w for w in left if _doubtful(w)], batch.id_property, values)
    left = _unwritten(left)
    plain, unclear = yield from _create_linked(left, record, encode, {w: links(w) for w in left})
    yield from _look_for_own(unclear, batch.id_property, values)
    yield from _write(_unwritten(plain), record, encode, _of_creates)
    yield from _name_holders([work for work in left if _conflicts(work)], batch.id_property)


def _unwritten(works: Sequence[Work]) -> list[Work]:
    return [work for work in works if not work.written and work.refused is None]


def _write(
    works: Sequence[Work], record: Callable[[Work], Record], encode: Encode, judge: Judge
) -> Step[None]:
    wanted = [(work, record(work)) for work in works]
    verdicts = yield from each_alone(wanted, RECORDS, encode, judge)
    for work, verdict in zip(works, verdicts, strict=True):
        _note(work, verdict)


def _create_linked(
    works: Sequence[Work],
    record: Callable[[Work], Record],
    encode: Encode,
    links: Mapping[Work, Inline],
) -> Step[tuple[list[Work], list[Work]]]:
    """Create them with their links; whoever is refused, for anything but a taken key, is left to be created without.

    The second list holds those of them whom a 2xx refuses: whether an order is made beside an error about its link is
    not documented.
    """
    if not any(links.values()):
        return list(works), []
    refused: list[Work] = []
    unclear: list[Work] = []
    groups = list(calls.portions(works, RECORDS))
    sent = tuple(
        encode([(work, _linked(record(work), links[work])) for work in group]) for group in groups
    )
    replies = yield sent
    for some, call, reply in zip(groups, sent, replies, strict=True):
        for work, verdict in zip(some, _of_creates(call, reply), strict=True):
            if _links_may_be_why(verdict):
                refused.append(work)
                unclear += [work] if links[work] and _speaks_of_each(reply) else []
                continue
            _note(work, verdict)
            work.inline = frozenset(links[work])
    return refused, unclear


def _speaks_of_each(reply: Reply) -> bool:
    return isinstance(reply, BatchReply) and reply.accepted


def _links_may_be_why(verdict: Verdict) -> bool:
    match verdict:
        case Refused():
            return True
        case Rejected():
            return not _taken(verdict)
        case Halted(reason):
            return reason.code is Code.SCOPE_MISSING
        case Applied() | Stale() | Retryable():
            return False
        case _:
            assert_never(verdict)


def _linked(record: Record, links: Inline) -> Record:
    return replace(record, links=[(to, PLAIN[kind]) for kind, ids in links.items() for to in ids])


def _of_creates(call: BatchCall, reply: Reply) -> Sequence[Verdict]:
    """A create that may have been carried out is not sent again: it would meet its own first try."""
    return [
        Retryable(verdict.reason, Cause.SILENCE, ambiguous=True)
        if isinstance(verdict, Refused) and verdict.ambiguous
        else verdict
        for verdict in judging.of_records(call, reply)
    ]


def _note(work: Work, verdict: Verdict) -> None:
    match verdict:
        case Applied(record_id, created):
            work.record_id, work.created, work.written = record_id, created, True
        case _:
            work.refused = verdict


def _conflicts(work: Work) -> bool:
    return isinstance(work.refused, Rejected) and _taken(work.refused)


def _taken(verdict: Rejected) -> bool:
    return verdict.reason.code in {Code.CONFLICT, Code.VALUE_TAKEN}


def _name_holders(works: Sequence[Work], id_property: str) -> Step[None]:
    """Who has the keys of refused creates; one whose key nobody has was refused for another value."""
    for some in calls.portions(works, RECORDS):
        call = calls.chosen(
            calls.look_up(ORDERS, id_property, [work.slot.order.key for work in some]),
            by_event=some[0].chosen,
        )
        (reply,) = yield (call,)
        for work, known in zip(some, lookups.read_keys(call, reply), strict=True):
            match known:
                case Found(record_id):
                    _refuse(work, record_id)
                case Missing():
                    pass
                # Whose key it is has to be known before anything is concluded.
                case unknown:
                    work.refused = unknown


def _refuse(work: Work, holder: str) -> None:
    message = f"HubSpot has an order with this key already (record {holder})"
    known = work.refused.reason if isinstance(work.refused, Rejected) else None
    work.record_id = holder
    work.refused = Rejected(
        Reason(
            code=Code.ORDER_EXISTS,
            message=message,
            http_status=known.http_status if known else None,
            category=known.category if known else None,
            correlation_id=known.correlation_id if known else None,
        )
    )


def _look_for_own(
    works: Sequence[Work], id_property: str, values: Callable[[Work], dict[str, str]]
) -> Step[None]:
    """Creates that may have been carried out already: HubSpot is asked before anything is concluded."""
    for some in calls.portions(works, HISTORIES):
        wanted = {name for work in some for name in values(work)}
        call = calls.chosen(
            calls.find(
                ORDERS,
                [work.slot.order.key for work in some],
                id_property,
                histories=sorted(wanted),
            ),
            by_event=some[0].chosen,
        )
        (reply,) = yield (call,)
        for work, known in zip(some, staleness.holdings(call, reply), strict=True):
            match known:
                case Missing():
                    pass
                case Holding():
                    _own_or_taken(work, known, values(work))
                case verdict:
                    work.refused = verdict


def _doubtful(work: Work) -> bool:
    return work.slot.ambiguous or any(event.delivery.redelivered for event in work.events)


def _own_or_taken(work: Work, held: Holding, values: dict[str, str]) -> None:
    event = work.events[0]
    since = moment(event.event.time) - SKEW
    made_since = held.made is not None and held.made >= since
    had = {name: held.had.get(name, frozenset()) for name in values}
    if made_since and all(value in had[name] or not value for name, value in values.items()):
        work.record_id, work.written, work.created = held.record_id, True, None
    else:
        _refuse(work, held.record_id)


def find_own_keys(works: Sequence[Work], configured: str) -> Step[None]:
    """The configured key of orders that events name otherwise: their lines' keys begin with it."""
    nameless = [
        w for w in works if w.own_key is None and w.wish.lines is not None and w.refused is None
    ]
    by = {work.slot.order.id_property for work in nameless}
    for id_property in sorted(by):
        group = [work for work in nameless if work.slot.order.id_property == id_property]
        for some in calls.portions(group, RECORDS):
            call = calls.chosen(
                calls.find(
                    ORDERS,
                    [work.slot.order.key for work in some],
                    id_property,
                    properties=[configured],
                ),
                by_event=some[0].chosen,
            )
            (reply,) = yield (call,)
            held = lookups.read_values(call, reply, configured)
            for work, known in zip(some, held, strict=True):
                _name(work, known, configured)


def _name(work: Work, known: str | Missing | Verdict, configured: str) -> None:
    match known:
        case str(key) if key:
            work.own_key = key
        case str():
            message = f"the order has no {configured}, and its lines are named after it"
            work.refused = Rejected(Reason(Code.LINE_ITEMS_UNRESOLVED, message))
        case Missing():
            message = (
                f"HubSpot has no order whose {work.slot.order.id_property} is {work.slot.order.key}"
            )
            work.refused = Rejected(Reason(Code.ORDER_NOT_FOUND, message))
        case verdict:
            work.refused = verdict


def find_orders(works: Sequence[Work], id_property: str, configured: str) -> Step[None]:
    """The record ids and configured keys of orders that are to be archived; one that is not there has neither."""
    for some in calls.portions(works, RECORDS):
        keys = [work.slot.order.key for work in some]
        call = calls.chosen(
            calls.find(ORDERS, keys, id_property, properties=[configured]), by_event=some[0].chosen
        )
        (reply,) = yield (call,)
        found = lookups.read_keys(call, reply)
        held = lookups.read_values(call, reply, configured)
        for work, known, own in zip(some, found, held, strict=True):
            match known:
                case Found(record_id):
                    work.record_id = record_id
                    work.own_key = own if isinstance(own, str) else None
                case Missing():
                    pass
                case verdict:
                    work.refused = verdict
