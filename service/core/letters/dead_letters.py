"""The dead letter: the original message, byte for byte, with headers that say what went wrong.

What would change how the broker treats the copy is left behind: `x-*` (a copied x-death feeds the cycle
detection of RabbitMQ <= 3.13 and can delete the message), CC and BCC (route it elsewhere), expiration,
user_id, priority, and the broker's own reply address. Headers are bounded, as they are on the wire: a
content header cannot be split over frames, and one of 200 KB closes the publishing connection (501
FRAME_ERROR). What a client cannot write as it came (a double, bytes that are no text) is written as
near to it as may be; what it cannot write at all, or would cut short, is left behind and counted.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

from service.core.events.events import Contribution
from service.core.events.malformed import Malformed
from service.core.headers import DROPPED, travels
from service.core.letters.failure import Failure, given
from service.core.outgoing import Outgoing, iso
from service.core.reasons import Reason

# bytes, all header names and values together.
HEADERS_MAX: Final = 8192
_BROKERS_OWN_REPLY: Final = (
    # 406 for whoever publishes with it and does not consume.
    "amq.rabbitmq.reply-to"
)
_VARYING = re.compile(r"\"[^\"]*\"|'[^']*'|\d+")
# Of a producer's nested tables and lists.
_DEPTH_MAX: Final = 8
# bytes; the protocol's own limit for a field's name.
_NAME_MAX: Final = 128
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The size of what no client can write.
UNWRITABLE: Final = float("inf")


def dead_letter(
    failed: Contribution | Malformed,
    status: str,
    reason: Reason,
    attempts: int,
    stamp: datetime,
    part: str | None = None,
) -> Outgoing:
    """The dead letter of one failed event; its routing key is the reason's code. `part`: which of the event's."""
    delivery = failed.delivery
    failure = failure_of(failed, status, reason, attempts, stamp)
    own = replace(failure, part=part).to_headers()
    return Outgoing(
        exchange="dead_letters",
        routing_key=reason.code,
        body=delivery.body,
        content_type=delivery.properties.content_type,
        correlation_id=delivery.properties.correlation_id,
        headers=own | dict(_copied(delivery.headers, HEADERS_MAX - _size(own))),
        content_encoding=delivery.properties.content_encoding,
        reply_to=sendable(delivery.properties.reply_to),
        timestamp=delivery.properties.timestamp,
        message_type=delivery.properties.message_type,
        app_id=delivery.properties.app_id,
    )


def failure_of(
    failed: Contribution | Malformed, status: str, reason: Reason, attempts: int, stamp: datetime
) -> Failure:
    """What is to be said of one failed event."""
    delivery = failed.delivery
    known = failed.event if isinstance(failed, Contribution) else failed.identity
    # An earlier dead letter of it, kept through its replays.
    before = given(delivery.headers)
    return Failure(
        status=str(status),
        reason=str(reason.code),
        message=reason.message,
        category=reason.category,
        http_status=reason.http_status,
        correlation_id=reason.correlation_id,
        property=reason.property,
        attempts=attempts,
        failed_at=iso(stamp),
        exchange=delivery.exchange,
        routing_key=delivery.routing_key,
        queue=delivery.queue,
        event_id=known.id,
        event_source=known.source,
        id_property=failed.order.id_property if isinstance(failed, Contribution) else None,
        order=known.subject,
        fingerprint=fingerprint(reason),
        replays=delivery.replays,
        first_failed_at=before["first_failed_at"] or iso(stamp),
        history=before["history"],
        message_id=delivery.properties.message_id,
    )


def sendable(reply_to: str | None) -> str | None:
    """Where a reply goes, but not the broker's own addresses: on another connection it refuses them."""
    return None if reply_to and reply_to.startswith(_BROKERS_OWN_REPLY) else reply_to


def writable(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Anybody's headers as near as a client can write them; what it cannot is left behind and counted."""
    copies = {name: _writable(value, _DEPTH_MAX) for name, value in headers.items()}
    kept = {name: copy for name, copy in copies.items() if _size({name: copy}) < UNWRITABLE}
    left = len(copies) - len(kept)
    return kept | {DROPPED: left} if left else kept


def fingerprint(reason: Reason) -> str:
    """The same cause, the same value: numbers and quoted values do not count."""
    cause = "|".join(
        (
            reason.code,
            reason.category or "",
            reason.property or "",
            _VARYING.sub("…", reason.message),
        )
    )
    return blake2b(cause.encode(errors="replace"), digest_size=8).hexdigest()


def _copied(headers: Mapping[str, Any], room: float) -> Iterator[tuple[str, Any]]:
    """The producer's headers that fit: the event's own attributes first, a replay needs them."""
    dropped, room = 0, room - _size({DROPPED: len(headers)})
    for name, value in sorted(headers.items(), key=lambda header: not header[0].startswith("ce-")):
        if not travels(name):
            continue
        copy = _writable(value, _DEPTH_MAX)
        size = _size({name: copy})
        if size > room:
            dropped += 1
        else:
            room -= size
            yield name, copy
    if dropped:
        yield DROPPED, dropped


def _writable(value: Any, depth: int) -> Any:
    """The value as a client can write it; `...`, which nobody can, from `depth` on."""
    match value:
        case float() | Decimal():  # a client writes 4-byte floats, and mantissas of 31 bits
            return str(value)
        case bytes():  # a long string that is no UTF-8: writable as a byte array only
            return bytearray(value)
        case list():
            return [_writable(item, depth - 1) for item in value] if depth else ...
        case dict():
            return {n: _writable(item, depth - 1) for n, item in value.items()} if depth else ...
        case _:
            return value


def _size(headers: Mapping[str, Any]) -> float:
    """Bytes of a table's entries on the wire, at most; infinite where one cannot be written."""
    return sum(1 + _name_size(name) + _value_size(value) for name, value in headers.items())


def _name_size(name: str) -> float:
    size = _text_size(name)
    # A client cuts a longer one short.
    return size if size <= _NAME_MAX else UNWRITABLE


def _value_size(value: Any) -> float:
    size: float
    match value:
        case None | bool():
            size = 1
        case int() if -(2**63) <= value < 2**63:
            size = 8
        case datetime() if value.tzinfo is not None and value >= _EPOCH:
            size = 8
        case str():
            size = 4 + _text_size(value)
        case bytearray():
            size = 4 + len(value)
        case list():
            size = 4 + sum(map(_value_size, value))
        case dict():
            size = 4 + _size(value)
        case _:
            size = UNWRITABLE
    # The byte that says its type.
    return 1 + size


def _text_size(text: str) -> float:
    try:
        return len(text.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return UNWRITABLE
