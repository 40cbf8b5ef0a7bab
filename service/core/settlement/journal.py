"""The journal: what became of every event, to be looked up by its order later. No value of a property is in it.

    Settlements --- groups ---> messages of the stream --- remembered ---> rows of one order

One message holds a group of outcomes that were settled together:

    | n, 2 bytes | n times 4 bytes: CRC-32 of each row's key | zlib of {"columns": [...], "rows": [[...], ...]} |

so that a reader who looks for one order unpacks only what holds it: of a million outcomes a few hundred.

Law: of what somebody ordered, nothing but names and counts. Sentences of HubSpot's, which quote values, and
the addresses of buyers stay in the outcome itself. Whatever else somebody puts into the stream is read over,
and an outcome as it was published is read like a row: a stream that is bound to the outcomes' exchange holds such.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from service.core.outgoing import Outgoing
from service.core.settlement.outcome import Outcome, OutcomeData, Parts, ReasonGiven
from service.core.settlement.outcomes import Settlement

JOURNAL: Final = "orders.journal"
CONTENT_TYPE: Final = "application/vnd.ordersync.journal"
# Of one message.
GROUP: Final = 500
# Lines and links of one event that were not done, by name; the rest is counted.
UNDONE: Final = 20
# Bytes of one group unpacked: far more than 500 rows take.
UNPACKED: Final = 16 << 20
# zlib's fastest: a third larger than its default, at a quarter of the time.
_LEVEL: Final = 1

# Whatever is met in a message that is none of ours.
UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, struct.error, zlib.error)

COLUMNS: Final = (
    "key",
    "id_property",
    "record_id",
    "status",
    "operation",
    "created",
    "event_id",
    "event_source",
    "event_time",
    "reason",
    "property",
    "http_status",
    "category",
    "correlation_id",
    "attempts",
    "batch_size",
    "merged",
    "superseded_by",
    "replay",
    "left_out",
    "received_at",
    "settled_at",
    "lines",
    "links",
    "undone",
)
# What nobody has to look into.
_DONE: Final = frozenset(
    {"created", "updated", "unchanged", "removed", "linked", "unlinked", "superseded"}
)


def groups(settlements: Iterable[Settlement]) -> Iterator[Outgoing]:
    """The messages that remember these."""
    rest = iter(settlements)
    while group := [settlement.data for settlement in islice(rest, GROUP)]:
        yield _group([_row(data) for data in group])


def size_of(group: Outgoing) -> int:
    """How many outcomes it holds."""
    return int.from_bytes(group.body[:2])


def remembered(body: bytes, key: str) -> list[dict[str, Any]]:
    """What one message of the stream says of one order, by column. Total: what cannot be read says nothing."""
    try:
        if body.startswith(b"{"):
            return _published(body, key)
        if not _may_hold(body, key):
            return []
        return [dict.fromkeys(COLUMNS) | row for row in _rows(body) if row["key"] == key]
    except UNREADABLE:
        return []


def written_at(body: bytes) -> str | None:
    """When the newest outcome of a message was settled; None where nothing says so."""
    try:
        if body.startswith(b"{"):
            return _OUTCOME.validate_json(body).data.settled_at
        return max((str(row["settled_at"]) for row in _rows(body)), default=None)
    except UNREADABLE:
        return None


def _group(rows: Sequence[tuple[Any, ...]]) -> Outgoing:
    index = [zlib.crc32((row[0] or "").encode()) for row in rows]
    packed = zlib.compress(orjson.dumps({"columns": COLUMNS, "rows": rows}), _LEVEL)
    return Outgoing(
        exchange="journal",
        routing_key=JOURNAL,
        body=struct.pack(f">H{len(index)}I", len(index), *index) + packed,
        content_type=CONTENT_TYPE,
        correlation_id=None,
    )


def _row(data: OutcomeData) -> tuple[Any, ...]:
    """In the order of COLUMNS."""
    order, event, batch, replay = data.order, data.event, data.batch, data.replay
    return (
        order.key,
        order.id_property,
        order.record_id,
        data.status,
        data.operation,
        data.created,
        event.id,
        event.source,
        event.time,
        *_why(data.reason),
        data.attempts,
        None if batch is None else batch.size,
        None if batch is None else batch.merged,
        data.superseded_by,
        None if replay is None else replay.number,
        None if replay is None else replay.left_out,
        data.received_at,
        data.settled_at,
        *((None, None, None) if data.parts is None else _parts(data.parts)),
    )


def _why(reason: ReasonGiven | None) -> tuple[Any, ...]:
    """All but its sentence, in which HubSpot quotes values."""
    if reason is None:
        return (None, None, None, None, None)
    return (
        reason.code,
        reason.property,
        reason.http_status,
        reason.category,
        reason.correlation_id,
    )


def _parts(parts: Parts) -> tuple[Any, ...]:
    lines = [(f"line {line.key}", line.status, line.reason) for line in parts.line_items]
    links = [(f"{link.to} by {link.by}", link.status, link.reason) for link in parts.associations]
    undone = [
        (name, status, reason.code if reason else None)
        for name, status, reason in (*lines, *links)
        if status not in _DONE
    ]
    return (
        Counter(str(status) for _, status, _ in lines),
        Counter(str(status) for _, status, _ in links),
        undone[:UNDONE],
    )


def _may_hold(body: bytes, key: str) -> bool:
    """Whether it is worth unpacking: the key's CRC-32 stands in the index, perhaps across two entries."""
    end = 2 + 4 * int.from_bytes(body[:2])
    return body.find(struct.pack(">I", zlib.crc32(key.encode())), 2, end) >= 0


def _rows(body: bytes) -> Iterator[dict[str, Any]]:
    packed = body[2 + 4 * int.from_bytes(body[:2]) :]
    group = orjson.loads(zlib.decompressobj().decompress(packed, UNPACKED))
    columns = group["columns"]
    return (dict(zip(columns, row, strict=True)) for row in group["rows"])


def _published(body: bytes, key: str) -> list[dict[str, Any]]:
    """A single outcome, as the exchange of outcomes has it."""
    # Most are of other orders, and `orjson` writes a key in one way.
    if orjson.dumps(key) not in body:
        return []
    data = _OUTCOME.validate_json(body).data
    if data.order.key != key:
        return []
    # As it would come out of a group.
    return [dict(zip(COLUMNS, orjson.loads(orjson.dumps(_row(data))), strict=True))]


_OUTCOME: Final = TypeAdapter(Outcome)
