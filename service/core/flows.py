"""The calls that one batch takes, as a generator: it yields calls, is sent answers, returns verdicts.

Upsert and update take one. Archiving by a key of ours takes two: batch/archive knows record ids only, so
batch/read finds them first, and an order that is not there is archived already.
"""

from collections.abc import Generator

from service.core import calls, replies
from service.core.answers import BatchReply, NoReply
from service.core.backlog import Batch
from service.core.calls import BatchCall
from service.core.events import RECORD_ID, Operation
from service.core.replies import Found, Missing
from service.core.verdicts import Applied, Verdict

Flow = Generator[BatchCall, BatchReply | NoReply, tuple[Verdict, ...]]


def flow_for(batch: Batch, name: str, configured: str) -> Flow:
    """The flow of one attempt; `name` is unique to it, `configured` the set-up's identifying property.

    Returns one verdict for every slot, in the batch's order.
    """
    if batch.operation is not Operation.ARCHIVE:
        call = calls.write(batch, name)
        return replies.read(call, (yield call), configured)
    keys = [slot.order.key for slot in batch.slots]
    if batch.id_property == RECORD_ID:
        call = calls.archive([(key, key) for key in keys], batch.id_property)
        return replies.read(call, (yield call), configured)
    return (yield from _archive_by_key(batch, keys, configured))


def _archive_by_key(batch: Batch, keys: list[str], configured: str) -> Flow:
    search = calls.find(keys, batch.id_property)
    known = replies.read_keys(search, (yield search), configured)
    found = [(key, k.record_id) for key, k in zip(keys, known, strict=True) if isinstance(k, Found)]
    archived: dict[str, Verdict] = {}
    if found:
        call = calls.archive(found, batch.id_property)
        verdicts = replies.read(call, (yield call), configured)
        archived = {sent.key: verdict for sent, verdict in zip(call.inputs, verdicts, strict=True)}
    return tuple(_archived(key, k, archived) for key, k in zip(keys, known, strict=True))


def _archived(key: str, known: Found | Missing | Verdict, archived: dict[str, Verdict]) -> Verdict:
    match known:
        case Found():
            return archived[key]
        case Missing():
            return Applied(None, None)
        case verdict:
            return verdict
