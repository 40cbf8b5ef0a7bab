"""The calls that one batch takes, as a generator: it yields calls, is sent answers, returns verdicts.

Upsert and update take one. Archiving by a key of ours takes two: batch/archive knows record ids only, so
batch/read finds them first, and an order that is not there is archived already. An answer to an archive
that is no 204 is no confirmation: the records are looked for once more.

What came out of the dead letters (`checked`) reads first what HubSpot holds, and writes what of it is
not older than that (core.staleness): two calls, three where an order is not there.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from service.core.events.order_event import ORDERS, RECORD_ID, Operation
from service.core.hubspot import calls, lookups, replies, staleness
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.lookups import Found, Missing
from service.core.hubspot.staleness import Holding
from service.core.hubspot.verdicts import Applied, Stale, Verdict
from service.core.waiting.batch import Batch
from service.core.waiting.slots import Slot

Flow = Generator[BatchCall, BatchReply | NoReply, tuple[Verdict, ...]]
_Known = Holding | Missing | Verdict


def flow_for(
    batch: Batch, name: str, configured: str, overtaken: Mapping[int, Stale] | None = None
) -> Flow:
    """The flow of one attempt; `name` is unique to it, `configured` the set-up's identifying property.

    `overtaken`: places of slots whose fate is known without a call (core.sequences).
    Returns one verdict for every slot, in the batch's order.
    """
    if overtaken:
        return (yield from _without_overtaken(batch, name, configured, overtaken))
    by_event = batch.id_property != configured
    if batch.slots[0].checked:
        return (yield from _checked(batch, name, by_event=by_event))
    return (yield from _FLOWS[batch.operation](batch, name, by_event=by_event))


def _without_overtaken(
    batch: Batch, name: str, configured: str, overtaken: Mapping[int, Stale]
) -> Flow:
    left = [slot for at, slot in enumerate(batch.slots) if at not in overtaken]
    verdicts: tuple[Verdict, ...] = ()
    if left:
        verdicts = yield from flow_for(replace(batch, slots=tuple(left)), name, configured)
    rest = iter(verdicts)
    return tuple(overtaken.get(at) or next(rest) for at in range(len(batch.slots)))


def _values(batch: Batch, name: str, *, by_event: bool) -> Flow:
    call = calls.chosen(calls.write(batch, name), by_event=by_event)
    return replies.read(call, (yield call))


def _gone(batch: Batch, _name: str, *, by_event: bool) -> Flow:
    keys = [slot.order.key for slot in batch.slots]
    if batch.id_property == RECORD_ID:
        return (yield from _archive([(key, key) for key in keys], batch.id_property))
    return (yield from _archive_by_key(batch, keys, by_event=by_event))


_FLOWS: Final[Mapping[Operation, Callable[..., Flow]]] = {
    Operation.CREATE: _values,
    Operation.UPSERT: _values,
    Operation.UPDATE: _values,
    Operation.ARCHIVE: _gone,
}


def _archive_by_key(batch: Batch, keys: list[str], *, by_event: bool) -> Flow:
    search = calls.chosen(calls.find(ORDERS, keys, batch.id_property), by_event=by_event)
    known = lookups.read_keys(search, (yield search))
    found = [(key, k.record_id) for key, k in zip(keys, known, strict=True) if isinstance(k, Found)]
    archived: dict[str, Verdict] = {}
    if found:
        verdicts = yield from _archive(found, batch.id_property)
        archived = {key: verdict for (key, _), verdict in zip(found, verdicts, strict=True)}
    return tuple(_archived(key, k, archived) for key, k in zip(keys, known, strict=True))


def _archive(found: Sequence[tuple[str, str]], id_property: str) -> Flow:
    """Archive (key, record id) pairs; what HubSpot does not confirm by its 204 is read back."""
    call = calls.archive(ORDERS, found, id_property)
    reply = yield call
    verdicts = replies.read(call, reply)
    if not lookups.vague(reply):
        return verdicts
    ids = [record_id for _, record_id in found]
    look = calls.find(ORDERS, ids, RECORD_ID)
    known = lookups.read_keys(look, (yield look))
    return tuple(map(lookups.read_back, ids, verdicts, known))


def _archived(key: str, known: Found | Missing | Verdict, archived: dict[str, Verdict]) -> Verdict:
    match known:
        case Found():
            return archived[key]
        case Missing():
            return Applied(None, None)
        case verdict:
            return verdict


# --- out of the dead letters ------------------------------------------------------------------------------


def _checked(batch: Batch, name: str, *, by_event: bool) -> Flow:
    """Read first, then write what is left; the verdicts of what is not written are made here."""
    known = yield from _look(batch, by_event=by_event)
    judged = [_judge(slot, k) for slot, k in zip(batch.slots, known, strict=True)]
    writes = [at for at, judgement in enumerate(judged) if isinstance(judgement, _Write)]
    if not writes:
        return tuple(j for j in judged if not isinstance(j, _Write))
    chosen = [j for j in judged if isinstance(j, _Write)]
    written = yield from _write(batch, chosen, name, by_event=by_event)
    fates = dict(zip(writes, map(_told, chosen, written), strict=True))
    return tuple(fates[at] if isinstance(j, _Write) else j for at, j in enumerate(judged))


class _Write:
    """What a slot still writes, under which record id, and what it leaves out."""

    __slots__ = ("left_out", "record_id", "slot")

    def __init__(self, slot: Slot, record_id: str, left_out: tuple[str, ...]) -> None:
        self.slot, self.record_id, self.left_out = slot, record_id, left_out


def _look(
    batch: Batch, *, by_event: bool
) -> Generator[BatchCall, BatchReply | NoReply, list[_Known]]:
    """What HubSpot holds for every order; of those that are not there, whether they are archived."""
    keys = [slot.order.key for slot in batch.slots]
    names = sorted({name for slot in batch.slots for name in slot.contributions[0].values})
    search = calls.chosen(
        calls.find(ORDERS, keys, batch.id_property, histories=names), by_event=by_event
    )
    known: list[_Known] = list(staleness.holdings(search, (yield search)))
    missing = [at for at, k in enumerate(known) if isinstance(k, Missing)]
    if missing and batch.operation is not Operation.ARCHIVE:
        lost = [keys[at] for at in missing]
        bin_ = calls.chosen(
            calls.find(ORDERS, lost, batch.id_property, archived=True), by_event=by_event
        )
        gone = staleness.holdings(bin_, (yield bin_))
        known = [dict(zip(missing, gone, strict=True)).get(at, k) for at, k in enumerate(known)]
    return known


def _judge(slot: Slot, known: _Known) -> Verdict | _Write:
    """What is left of one slot's event, given what HubSpot holds."""
    event, archive = slot.contributions[0], slot.operation is Operation.ARCHIVE
    match known:
        case Missing():
            return Applied(None, None) if archive else _Write(slot, "", ())
        case Holding(record_id=record_id, archived=archived) if archive or archived is not None:
            if staleness.written_since(event, known):
                return Stale(record_id, tuple(event.values))
            return _Write(slot, record_id, ())
        case Holding(record_id=record_id):
            older = staleness.left_out(event, known)
            if older and len(older) == len(event.values):
                return Stale(record_id, older)
            return _Write(_without(slot, older), record_id, older)
        case verdict:
            return verdict


def _without(slot: Slot, names: tuple[str, ...]) -> Slot:
    event = slot.contributions[0]
    left = {name: value for name, value in event.values.items() if name not in names}
    return replace(slot, contributions=(replace(event, values=left),)) if names else slot


def _write(batch: Batch, chosen: Sequence[_Write], name: str, *, by_event: bool) -> Flow:
    if batch.operation is Operation.ARCHIVE:
        found = [(w.slot.order.key, w.record_id) for w in chosen]
        return (yield from _archive(found, batch.id_property))
    left = replace(batch, slots=tuple(w.slot for w in chosen))
    return (yield from _values(left, name, by_event=by_event))


def _told(write: _Write, verdict: Verdict) -> Verdict:
    """A success says what it left out."""
    if isinstance(verdict, Applied) and write.left_out:
        return replace(verdict, left_out=write.left_out)
    return verdict
