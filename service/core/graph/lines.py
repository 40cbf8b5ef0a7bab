"""The third step: lines, written by a key of their own, then linked to their order.

A line's key is `<order>/<key>` in a unique property, so that a try may be repeated: it finds its own line. A line is
done when it is written and linked; until then it is `unresolved`, and on the next try only the step that is missing is
taken. Lines of all orders of a flow fill the same calls.
"""

from collections.abc import Sequence
from dataclasses import replace

from service.core.events.order_event import ORDERS
from service.core.graph import judging
from service.core.graph.link_types import PLAIN
from service.core.graph.orders import RECORDS, Names
from service.core.graph.steps import Step, each_alone
from service.core.graph.work import Work
from service.core.hubspot import associations, calls
from service.core.hubspot.associations import MADE_AT_MOST, Pair
from service.core.hubspot.calls import Record
from service.core.hubspot.verdicts import Applied, Halted, Rejected, Retryable

LINE_ITEMS = "line_items"


def line_id(order: str, key: str) -> str:
    """A line's own key: both parts percent-encoded where they hold `%` or `/`."""
    return f"{_encoded(order)}/{_encoded(key)}"


def key_within(order: str, held: str) -> str | None:
    """The line's key within its order; None where the line is not ours, or another order's."""
    own, slash, key = held.partition("/")
    if not slash or own != _encoded(order) or not key or "/" in key:
        return None
    return key.replace("%2F", "/").replace("%25", "%")


def write_lines(works: Sequence[Work], line_id_property: str, names: Names) -> Step[None]:
    """Write the lines of written orders, and link them."""
    wanted = [(work, key) for work in works if work.going for key in _unwritten(work)]
    verdicts = yield from each_alone(
        wanted,
        RECORDS,
        lambda some: calls.records(
            LINE_ITEMS,
            "upsert",
            line_id_property,
            [_record(work, key) for work, key in some],
            next(names),
        ),
        judging.of_records,
    )
    for (work, key), verdict in zip(wanted, verdicts, strict=True):
        work.line(key, verdict)
    yield from _attach(works)


def _unwritten(work: Work) -> list[str]:
    return [key for key in work.wanted_lines.items if key not in work.lines]


def _record(work: Work, key: str) -> Record:
    return Record(line_id(work.own_key or "", key), work.wanted_lines.items[key])


def _attach(works: Sequence[Work]) -> Step[None]:
    wanted = [(work, key, pair) for work in works if work.going for key, pair in _unattached(work)]
    plain = (PLAIN[LINE_ITEMS],)
    verdicts = yield from each_alone(
        wanted,
        MADE_AT_MOST,
        lambda some: associations.make(ORDERS, LINE_ITEMS, [(pair, plain) for _, _, pair in some]),
        judging.of_links,
    )
    for (work, key, _), verdict in zip(wanted, verdicts, strict=True):
        match verdict:
            case Applied():
                work.attached.add(key)
            case Rejected() | Retryable() | Halted():
                work.line(key, _unlinked(verdict))
            case _:
                raise AssertionError(verdict)


def _unattached(work: Work) -> list[tuple[str, Pair]]:
    return [
        (key, Pair(work.record_id or "", part.record_id))
        for key, part in work.lines.items()
        if part.done and part.record_id is not None and key not in work.attached
    ]


def _unlinked(verdict: Rejected | Retryable | Halted) -> Rejected | Retryable | Halted:
    message = f"the line is written and not linked to its order: {verdict.reason.message}"
    return replace(verdict, reason=replace(verdict.reason, message=message))


def _encoded(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F")
