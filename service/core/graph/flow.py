"""Which calls a batch takes: a plain batch one or two, a batch of complete orders its steps."""

from collections.abc import Mapping
from dataclasses import replace

from service.core.events.order_event import Operation
from service.core.graph.directory import Directory
from service.core.graph.order_flow import Account, archive, complete
from service.core.graph.steps import Step
from service.core.hubspot import flows
from service.core.hubspot.verdicts import Fate, Stale, Verdict
from service.core.waiting.batch import Batch


def flow_for(
    batch: Batch,
    name: str,
    account: Account,
    directory: Directory,
    now: float,
    overtaken: Mapping[int, Stale] | None = None,
) -> Step[tuple[Fate, ...]]:
    """The flow of one attempt; `name` is unique to it and starts every trace id.

    `overtaken`: places of slots whose fate is known without a call (core.intake.sequences). Returns one fate for
    every slot, in the batch's order.
    """
    left = [slot for at, slot in enumerate(batch.slots) if at not in (overtaken or {})]
    fates: tuple[Fate, ...] = ()
    if left:
        rest = replace(batch, slots=tuple(left)) if overtaken else batch
        fates = yield from _whole(rest, name, account, directory, now)
    if not overtaken:
        return fates
    others = iter(fates)
    return tuple(overtaken.get(at) or next(others) for at in range(len(batch.slots)))


def _whole(
    batch: Batch, name: str, account: Account, directory: Directory, now: float
) -> Step[tuple[Fate, ...]]:
    if batch.operation is Operation.ARCHIVE and account.line_id_property is not None:
        return (yield from archive(batch, account, lambda rest: _plain(rest, name, account)))
    if batch.operation is Operation.CREATE or batch.complete:
        return (yield from complete(batch, name, account, directory, now))
    return (yield from _plain(batch, name, account))


def _plain(batch: Batch, name: str, account: Account) -> Step[tuple[Verdict, ...]]:
    """A flow whose calls leave one by one."""
    flow = flows.flow_for(batch, name, account.id_property)
    try:
        call = next(flow)
        while True:
            (reply,) = yield (call,)
            call = flow.send(reply)
    except StopIteration as end:
        verdicts: tuple[Verdict, ...] = end.value
        return verdicts
