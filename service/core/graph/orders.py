"""The first step: the orders themselves. Lines and links wait for it, targets are looked up beside it.

A create is no upsert: a key that is taken refuses it (`order_exists`, with the holder's record id). Whoever cannot know
whether an earlier try of the same event was carried out looks the key up first, so that its own first try is never
called somebody else's order: it is taken for ours when it was made no earlier than the event and has had every value
that the event gives it.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from service.core.events.order_event import ORDERS, Operation
from service.core.graph import judging
from service.core.graph.steps import Step, each_alone
from service.core.graph.work import Work
from service.core.hubspot import calls, lookups, staleness
from service.core.hubspot.calls import Record
from service.core.hubspot.lookups import Found, Missing
from service.core.hubspot.staleness import Holding, moment
from service.core.hubspot.verdicts import Applied, Rejected, Verdict
from service.core.reasons import Code, Reason
from service.core.waiting.backlog import HISTORIES

RECORDS: Final = 100  # per call
# A producer's clock may run ahead of HubSpot's.
SKEW: Final = timedelta(minutes=5)
Names = Iterator[str]


def write_orders(
    works: Sequence[Work],
    operation: Operation,
    id_property: str,
    values: Callable[[Work], dict[str, str]],
    names: Names,
) -> Step[None]:
    """Write every order that is not written yet."""
    left = [work for work in works if not work.written and work.refused is None]
    if operation is Operation.CREATE:
        yield from _look_for_own(left, id_property, values)
        left = [work for work in left if not work.written and work.refused is None]
    verdicts = yield from each_alone(
        [(work, Record(work.slot.order.key, values(work))) for work in left],
        RECORDS,
        lambda some: calls.chosen(
            calls.records(
                ORDERS,
                calls.WRITES[operation],
                id_property,
                [record for _, record in some],
                next(names),
            ),
            by_event=some[0][0].chosen,
        ),
        judging.of_records,
    )
    for work, verdict in zip(left, verdicts, strict=True):
        _note(work, verdict)
    if operation is Operation.CREATE:
        yield from _name_holders([work for work in left if _conflicts(work)], id_property)


def _note(work: Work, verdict: Verdict) -> None:
    match verdict:
        case Applied(record_id, created):
            work.record_id, work.created, work.written = record_id, created, True
        case _:
            work.refused = verdict


def _conflicts(work: Work) -> bool:
    return isinstance(work.refused, Rejected) and work.refused.reason.code in {
        Code.CONFLICT,
        Code.VALUE_TAKEN,
    }


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
            Code.ORDER_EXISTS,
            message,
            known.http_status if known else None,
            known.category if known else None,
            known.correlation_id if known else None,
        )
    )


def _look_for_own(
    works: Sequence[Work], id_property: str, values: Callable[[Work], dict[str, str]]
) -> Step[None]:
    """Creates that may have been carried out already: HubSpot is asked before anything is concluded."""
    doubtful = [work for work in works if _doubtful(work)]
    for some in calls.portions(doubtful, HISTORIES):
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
