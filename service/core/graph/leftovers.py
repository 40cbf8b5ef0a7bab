"""The last step: lines of ours that an order is not to have any more are archived.

Only where every line of that order was written, so that a failure leaves more than wanted and never less; and
only lines whose own key says that they are this order's: lines that people added, and those of other programs,
are never touched. A line that is linked to its order is found through the links; one that an event names
(`remove`) by its key.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import assert_never

from service.core.graph import judging
from service.core.graph.lines import LINE_ITEMS, key_within, line_id
from service.core.graph.orders import RECORDS
from service.core.graph.reading import links_of
from service.core.graph.steps import Step, each_alone
from service.core.graph.work import Work, unresolved
from service.core.hubspot import calls, lookups
from service.core.hubspot.lookups import Found, Missing
from service.core.hubspot.staleness import Holding, holdings, made_or_written_since
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
from service.core.waiting.parts import Part, PartStatus

_UNREAD = "the lines that the order has could not be read, so none was removed"


def remove_leftovers(works: Sequence[Work], line_id_property: str) -> Step[None]:
    """Archive the lines that are to go."""
    ready = [work for work in works if work.going and _complete(work)]
    lists = [work for work in ready if work.wanted_lines.replaces and not work.created]
    leftovers = yield from own_lines(lists, line_id_property)
    spared = yield from _spared([work for work in lists if work.slot.checked], leftovers)
    going: list[tuple[Work, str, str]] = []
    for work in lists:
        for key, record_id in leftovers.get(work, {}).items():
            if record_id in spared:
                work.left_out.append(f"line_items.{key}")
            elif key not in work.wanted_lines.items:
                going.append((work, key, record_id))
    named = yield from _named(
        [work for work in ready if work.wanted_lines.remove], line_id_property
    )
    yield from archive_lines([*going, *named])
    for work in ready:
        if work.wanted_lines.replaces and (work.created or work in leftovers):
            _note_absent(work)


def _note_absent(work: Work) -> None:
    """A line that one of the merged events takes away, and that its list does not find, is not there."""
    for key in work.wish.taken_away:
        work.removed.setdefault(key, Part(PartStatus.REMOVED))


def _spared(works: Sequence[Work], leftovers: Mapping[Work, Mapping[str, str]]) -> Step[set[str]]:
    """Of replayed lists: the leftovers that were made or changed after the event, or that nobody can date."""
    spared: set[str] = set()
    for work in works:
        named = leftovers.get(work, {}).items()
        ids = [each for key, each in named if key not in work.wanted_lines.items]
        for some in calls.portions(ids, RECORDS):
            call = calls.look_up(LINE_ITEMS, "hs_object_id", some)
            (reply,) = yield (call,)
            for record_id, held in zip(some, holdings(call, reply), strict=True):
                newer = not isinstance(held, Holding) or made_or_written_since(work.events[0], held)
                spared |= {record_id} if newer else set()
    return spared


def own_lines(
    works: Sequence[Work], line_id_property: str
) -> Step[Mapping[Work, Mapping[str, str]]]:
    """Of every order the lines that are ours: key -> record id. An order that cannot be read fails, and is left out."""
    linked = yield from links_of(works, LINE_ITEMS)
    found: dict[Work, dict[str, str]] = {}
    # Nothing in HubSpot keeps a line from being linked to a second order (reference, section 3.2).
    holders: defaultdict[str, list[Work]] = defaultdict(list)
    for work in works:
        if (links := linked.get(work)) is None:
            work.fail(unresolved(Code.LINE_ITEMS_UNRESOLVED, _UNREAD))
            continue
        known = {part.record_id for part in work.lines.values()}
        found[work] = {}
        for each in links:
            if each.target not in known:
                holders[each.target].append(work)
    groups = list(calls.portions(holders, RECORDS))
    reads = tuple(
        calls.look_up(LINE_ITEMS, "hs_object_id", some, [line_id_property]) for some in groups
    )
    answers = (yield reads) if reads else ()
    for some, call, reply in zip(groups, reads, answers, strict=True):
        values = lookups.read_values(call, reply, line_id_property)
        for record_id, value in zip(some, values, strict=True):
            for work in holders[record_id]:
                _sort(work, record_id, value, found)
    return found


def archive_lines(wanted: Sequence[tuple[Work, str, str]]) -> Step[None]:
    """Archive (order, key, record id); what of it is proven gone is `removed`."""
    verdicts = yield from each_alone(
        wanted,
        RECORDS,
        lambda some: calls.discard(LINE_ITEMS, [record_id for _, _, record_id in some]),
        judging.of_records,
    )
    for (work, key, record_id), verdict in zip(wanted, verdicts, strict=True):
        _gone(work, key, record_id, verdict)


def _gone(work: Work, key: str, record_id: str, verdict: Verdict) -> None:
    match verdict:
        case Applied():
            work.removed[key] = Part(PartStatus.REMOVED, record_id)
        case Rejected(reason) | Retryable(reason) | Halted(reason):
            work.removed[key] = Part(PartStatus.UNRESOLVED, record_id, reason)
            work.fail(verdict)
        case _:
            raise AssertionError(verdict)


def _sort(
    work: Work, record_id: str, value: str | Missing | Verdict, found: dict[Work, dict[str, str]]
) -> None:
    match value:
        case str(held):
            key = None if work.own_key is None else key_within(work.own_key, held)
            if key is not None and work in found:
                found[work][key] = record_id
        case Missing():
            pass
        case Applied() | Stale() | Rejected() | Refused() | Retryable() | Halted():
            found.pop(work, None)
            work.fail(unresolved(Code.LINE_ITEMS_UNRESOLVED, _UNREAD))
        case _:
            assert_never(value)


def _named(works: Sequence[Work], line_id_property: str) -> Step[list[tuple[Work, str, str]]]:
    """The lines that events name to be removed; one that is not there is removed already."""
    wanted = [
        (w, key) for w in works for key in sorted(w.wanted_lines.remove) if key not in w.removed
    ]
    going: list[tuple[Work, str, str]] = []
    for some in calls.portions(wanted, RECORDS):
        keys = [line_id(work.own_key or "", key) for work, key in some]
        call = calls.look_up(LINE_ITEMS, line_id_property, keys)
        (reply,) = yield (call,)
        for (work, key), known in zip(some, lookups.read_keys(call, reply), strict=True):
            match known:
                case Found(record_id):
                    going.append((work, key, record_id))
                case Missing():
                    work.removed[key] = Part(PartStatus.REMOVED)
                case _:
                    work.fail(
                        unresolved(Code.LINE_ITEMS_UNRESOLVED, f"line {key} could not be looked up")
                    )
    return going


def _complete(work: Work) -> bool:
    """Whether it has a wish for lines, and every one of them is written and linked."""
    return work.wish.lines is not None and all(
        key in work.attached for key in work.wanted_lines.items
    )
