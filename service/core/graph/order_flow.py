"""One batch of complete orders, from their stages' names to the removal of their leftovers.

Theory of operation
-------------------
    stages, own keys      whoever asks for a stage that is not there is refused before anything of it is written
          |
    orders -------------- targets        the orders are written; beside them, the records that links go to are looked up
          |                  |
          '-----> made ------'           missing targets that an event wants made, for orders that are written
                   |
          .--------'--------.
        lines             links          each written order's lines, by their own keys, and linked; its other links
          |                 |
          '--> leftovers <--'            last, and only where every line of that order is there

Every step leaves out what is proven done, so that a try after a failure goes on where the last one ended; and
every step may be repeated whole, because nothing is created without a key. A failure at any point leaves more
in HubSpot than is wanted, never less: what goes, goes last. The calls of a step leave together, for all orders
of the batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from service.core.events.graph import Stage
from service.core.graph.directory import Directory
from service.core.graph.inline import known_links
from service.core.graph.leftovers import archive_lines, own_lines, remove_leftovers
from service.core.graph.lines import write_lines
from service.core.graph.linking import write_links
from service.core.graph.orders import find_orders, find_own_keys, write_orders
from service.core.graph.pipelines import StageIds
from service.core.graph.replayed import call_stale, spare_lines, spare_links, spare_values
from service.core.graph.stages import doubt_stages, find_stages, values_of
from service.core.graph.steps import Step, beside
from service.core.graph.targets import find_targets, make_targets, settle_missing
from service.core.graph.work import Work
from service.core.hubspot.verdicts import Fate, Rejected, Verdict
from service.core.reasons import Code, Reason
from service.core.waiting.batch import Batch
from service.core.waiting.slots import Slot


@dataclass(frozen=True, slots=True)
class Account:
    """What the set-up says of the HubSpot account."""

    id_property: str
    line_id_property: str | None


def complete(
    batch: Batch, name: str, account: Account, directory: Directory, now: float
) -> Step[tuple[Fate, ...]]:
    """The flow of a batch of which an order has more than properties, or is to be created."""
    works = [_begin(slot, account) for slot in batch.slots]
    names = (f"{name}.{number}" for number in count(1))
    stages: dict[Stage, StageIds] = {}
    remembered = yield from find_stages(works, stages, directory, now)
    yield from find_own_keys(works, account.id_property)
    checked = [work for work in works if work.slot.checked and not work.written]
    if checked:
        yield from find_targets(works, directory, now)
        yield from _spare(checked, batch, account, stages)
    yield from beside(
        write_orders(
            works,
            batch,
            lambda work: values_of(work, stages),
            names=names,
            links=lambda work: known_links(work, directory, now),
        ),
        find_targets(works, directory, now),
    )
    if remembered:
        doubt_stages(works, directory)
    yield from make_targets(works, directory, now, names)
    settle_missing(works)
    yield from beside(
        write_lines(works, account.line_id_property or "", names),
        write_links(works, directory, now),
    )
    if account.line_id_property is not None:
        yield from remove_leftovers(works, account.line_id_property)
    return tuple(work.verdict() for work in works)


def _spare(
    works: Sequence[Work], batch: Batch, account: Account, stages: dict[Stage, StageIds]
) -> Step[None]:
    """Replays: look first, and leave out all that would undo something newer."""
    fine = [work for work in works if work.refused is None]
    yield from spare_values(
        fine, batch.id_property, {work: values_of(work, stages) for work in fine}
    )
    if account.line_id_property is not None:
        yield from spare_lines(fine, account.line_id_property)
    yield from spare_links(fine)
    call_stale(fine)


def archive(
    batch: Batch, account: Account, then: Callable[[Batch], Step[tuple[Verdict, ...]]]
) -> Step[tuple[Fate, ...]]:
    """Our lines of the orders first, then the orders: `then` archives those whose lines are gone."""
    works = [_begin(slot, account) for slot in batch.slots]
    yield from _archive_lines(works, batch, account, account.line_id_property or "")
    ready = [work for work in works if not work.failures and work.refused is None]
    fates = {work: work.verdict() for work in works if work not in ready}
    if ready:
        verdicts = yield from then(replace(batch, slots=tuple(work.slot for work in ready)))
        fates |= dict(zip(ready, verdicts, strict=True))
    return tuple(fates[work] for work in works)


def _archive_lines(
    works: Sequence[Work], batch: Batch, account: Account, line_id_property: str
) -> Step[None]:
    yield from find_orders(works, batch.id_property, account.id_property)
    there = [work for work in works if work.record_id is not None and work.own_key]
    lines = yield from own_lines(there, line_id_property)
    yield from archive_lines(
        [(work, key, record_id) for work in there for key, record_id in lines.get(work, {}).items()]
    )


def _begin(slot: Slot, account: Account) -> Work:
    chosen = slot.order.id_property != account.id_property
    work = Work.on(slot, _own_key(slot, account.id_property), chosen=chosen)
    if work.wish.lines is not None and account.line_id_property is None:
        work.refused = _NOT_CONFIGURED
    return work


def _own_key(slot: Slot, configured: str) -> str | None:
    """The order's configured key, where its events say it."""
    if slot.order.id_property == configured:
        return slot.order.key
    said = [
        event.values[configured] for event in slot.contributions if event.values.get(configured)
    ]
    return said[-1] if said else None


_NOT_CONFIGURED: Final = Rejected(
    Reason(
        Code.LINE_ITEMS_NOT_CONFIGURED,
        "the event has lines, and no property of line items is named that holds their keys: create a unique one in "
        "HubSpot and set ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY to its name",
    )
)
