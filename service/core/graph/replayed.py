"""A replayed event's lines, links and stage: nothing of it undoes something newer.

    part                        is left out where
    property, stage             its history has a newer, other value (core.hubspot.staleness)
    line's property             likewise, in the line's own history
    line that is not there      a line of that key was archived after the event
    line that would go          it was made or changed after the event
    exclusive link              another link of that type is there
    link with labels, unlink    the link is there

Links have no history in HubSpot, so whatever a link would take away may be newer, and stays. `--force` is for those
who know better.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from service.core.events.graph import Link, Unlink
from service.core.events.order_event import ORDERS
from service.core.graph.lines import LINE_ITEMS, line_id
from service.core.graph.reading import links_of
from service.core.graph.steps import Step
from service.core.graph.work import Work, unresolved
from service.core.hubspot import calls, staleness
from service.core.hubspot.associations import Linked
from service.core.hubspot.lookups import Missing
from service.core.hubspot.staleness import Holding
from service.core.hubspot.verdicts import Stale, Verdict
from service.core.reasons import Code
from service.core.waiting.backlog import HISTORIES
from service.core.waiting.claims import STAGE_PROPERTIES

Values = Mapping[Work, Mapping[str, str]]


def spare_values(works: Sequence[Work], id_property: str, values: Values) -> Step[None]:
    """Look at the orders first; what of the events' values is older than what they hold is left out."""
    for some in calls.portions(works, HISTORIES):
        known = yield from _orders_held(some, id_property, values)
        for work, held in zip(some, known, strict=True):
            _judge_order(work, held, values[work])


def spare_lines(works: Sequence[Work], line_id_property: str) -> Step[None]:
    """Look at the lines that events name; what is older than what they hold, or than their end, is left out."""
    named = [
        (work, key) for work in works if work.refused is None for key in work.wanted_lines.items
    ]
    for some in calls.portions(named, HISTORIES):
        live = yield from _lines_held(some, line_id_property, archived=False)
        gone = yield from _lines_held(some, line_id_property, archived=True)
        for (work, key), held, before in zip(some, live, gone, strict=True):
            _judge_line(work, key, held, before)


def spare_links(works: Sequence[Work]) -> Step[None]:
    """Look at the links of orders that are there; whatever an event would take away stays."""
    there = [work for work in works if work.refused is None and work.record_id is not None]
    kinds = {
        link.target.object for work in there for link in work.wanted_links if _takes_away(link)
    }
    for kind in sorted(kinds):
        links = yield from links_of(there, kind)
        for work in there:
            if work in links:
                _judge_links(work, kind, links[work])
            else:
                message = f"the order's links to {kind} could not be read"
                work.refused = unresolved(Code.ASSOCIATION_UNRESOLVED, message)


def call_stale(works: Sequence[Work]) -> None:
    """Of an event that has nothing left to do nothing is written, not even that its order exists."""
    for work in works:
        if work.refused is None and work.left_out and not work.anything_left:
            work.refused = Stale(work.record_id, tuple(work.left_out))


def _orders_held(
    some: Sequence[Work], id_property: str, values: Values
) -> Step[list[Holding | Missing | Verdict]]:
    keys = [work.slot.order.key for work in some]
    names = sorted({name for work in some for name in values[work]})
    by_event = some[0].chosen
    call = calls.chosen(calls.find(ORDERS, keys, id_property, histories=names), by_event=by_event)
    (reply,) = yield (call,)
    known = list(staleness.holdings(call, reply))
    missing = [at for at, each in enumerate(known) if isinstance(each, Missing)]
    if missing:
        lost = [keys[at] for at in missing]
        archived = calls.chosen(
            calls.find(ORDERS, lost, id_property, archived=True), by_event=by_event
        )
        (reply,) = yield (archived,)
        gone = staleness.holdings(archived, reply)
        for at, each in zip(missing, gone, strict=True):
            known[at] = each
    return known


def _judge_order(work: Work, held: Holding | Missing | Verdict, values: Mapping[str, str]) -> None:
    match held:
        case Missing():
            pass
        case Holding(record_id=record_id, archived=datetime()):
            if staleness.written_since(work.events[0], held):
                work.refused = Stale(record_id, tuple(values))
        case Holding(record_id=record_id):
            work.record_id = record_id
            older = set(staleness.older(work.events[0], values, held))
            if older & set(STAGE_PROPERTIES):
                older |= set(STAGE_PROPERTIES) & values.keys()
            work.leave_out_values(older)
        case verdict:
            work.refused = verdict


def _lines_held(
    some: Sequence[tuple[Work, str]], line_id_property: str, *, archived: bool
) -> Step[tuple[Holding | Missing | Verdict, ...]]:
    names = sorted({name for work, key in some for name in work.wanted_lines.items[key]})
    keys = [line_id(work.own_key or "", key) for work, key in some]
    call = calls.look_up(LINE_ITEMS, line_id_property, keys, histories=names, archived=archived)
    (reply,) = yield (call,)
    return staleness.holdings(call, reply)


def _judge_line(
    work: Work, key: str, held: Holding | Missing | Verdict, before: Holding | Missing | Verdict
) -> None:
    values = work.wanted_lines.items[key]
    match held, before:
        case Holding(), _:
            work.leave_out_of_line(key, set(staleness.older(work.events[0], values, held)))
        case Missing(), Holding() if staleness.written_since(work.events[0], before):
            work.leave_out_line(key)
        case Missing(), Holding() | Missing():
            pass
        case _:
            message = f"line {key} could not be looked up"
            work.refused = unresolved(Code.LINE_ITEMS_UNRESOLVED, message)


def _takes_away(link: Link | Unlink) -> bool:
    return isinstance(link, Unlink) or link.exclusive or link.labels is not None


def _judge_links(work: Work, kind: str, there: Sequence[Linked]) -> None:
    held = {each.target for each in there}
    stale = [
        link
        for link in work.wanted_links
        if link.target.object == kind and _undoes(link, work.targets.get(link.target), held)
    ]
    work.leave_out_links(stale)


def _undoes(link: Link | Unlink, record_id: str | None, held: set[str]) -> bool:
    if isinstance(link, Unlink):
        return record_id in held
    others = bool(held - {record_id})
    return (link.exclusive and others) or (link.labels is not None and record_id in held)
