"""The dead letter: the original message, byte for byte, with headers that say what went wrong.

What would change how the broker treats the copy is left behind: `x-*` (a copied x-death feeds the cycle
detection of RabbitMQ <= 3.13 and can delete the message), CC and BCC (route it elsewhere), expiration,
user_id, priority, and the broker's own reply address. Headers are bounded: a content header cannot be
split over frames, and one of 200 KB closes the publishing connection (501 FRAME_ERROR).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

from service.core.events import Contribution, Malformed
from service.core.outgoing import Outgoing, iso
from service.core.reasons import Reason

HEADERS_MAX: Final = 8192  # bytes, all header names and values together
_MESSAGE_MAX: Final = 2048
_TEXT_MAX: Final = 256
_UNWANTED: Final = frozenset({"cc", "bcc"})
_BROKERS_OWN_REPLY: Final = (
    "amq.rabbitmq.reply-to"  # 406 for whoever publishes with it and does not consume
)
_VARYING = re.compile(r"\"[^\"]*\"|'[^']*'|\d+")
Scalar = str | bytes | int | float | bool | Decimal | datetime | None


def dead_letter(
    failed: Contribution | Malformed, status: str, reason: Reason, attempts: int, stamp: datetime
) -> Outgoing:
    """The dead letter of one failed event; its routing key is the reason's code."""
    delivery = failed.delivery
    own = {
        name: value
        for name, value in _headers(failed, status, reason, attempts, stamp)
        if value is not None
    }
    headers = own | dict(_copied(delivery.headers, HEADERS_MAX - _size(own)))
    reply_to = delivery.properties.reply_to
    return Outgoing(
        exchange="dead_letters",
        routing_key=reason.code,
        body=delivery.body,
        content_type=delivery.properties.content_type,
        correlation_id=delivery.properties.correlation_id,
        headers=headers,
        content_encoding=delivery.properties.content_encoding,
        reply_to=None if reply_to and reply_to.startswith(_BROKERS_OWN_REPLY) else reply_to,
        timestamp=delivery.properties.timestamp,
        message_type=delivery.properties.message_type,
        app_id=delivery.properties.app_id,
    )


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
    return blake2b(cause.encode(), digest_size=8).hexdigest()


def _headers(
    failed: Contribution | Malformed, status: str, reason: Reason, attempts: int, stamp: datetime
) -> Iterator[tuple[str, Any]]:
    delivery = failed.delivery
    yield "ordersync-status", str(status)
    yield "ordersync-reason", str(reason.code)
    yield "ordersync-message", _short(reason.message, _MESSAGE_MAX)
    yield "ordersync-category", _short(reason.category)
    yield "ordersync-http-status", reason.http_status
    yield "ordersync-correlation-id", _short(reason.correlation_id)
    yield "ordersync-property", _short(reason.property)
    yield "ordersync-attempts", attempts
    yield "ordersync-failed-at", iso(stamp)
    yield "ordersync-exchange", delivery.exchange
    yield "ordersync-routing-key", delivery.routing_key
    yield "ordersync-queue", delivery.queue
    yield from _identity(failed)
    yield "ordersync-fingerprint", fingerprint(reason)
    yield "ordersync-replays", delivery.replays
    yield "ordersync-message-id", _short(delivery.properties.message_id)


def _identity(failed: Contribution | Malformed) -> Iterator[tuple[str, str | None]]:
    known = failed.event if isinstance(failed, Contribution) else failed.identity
    yield "ordersync-event-id", _short(known.id)
    yield "ordersync-event-source", _short(known.source)
    yield "ordersync-order", _short(known.subject)


def _copied(headers: Mapping[str, Any], room: int) -> Iterator[tuple[str, Any]]:
    """The producer's headers that fit: the event's own attributes first, a replay needs them."""
    dropped = 0
    for name, value in sorted(headers.items(), key=lambda header: not header[0].startswith("ce-")):
        if name.lower().startswith(("x-", "ordersync-")) or name.lower() in _UNWANTED:
            continue
        room -= _size({name: value})
        if room < 0 or not _plain(value):
            dropped += 1
        else:
            yield name, value
    if dropped:
        yield "ordersync-headers-dropped", dropped


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_plain(v) for v in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and _plain(v) for k, v in value.items())
    return isinstance(value, Scalar)


def _size(headers: Mapping[str, Any]) -> int:
    return sum(
        len(str(name).encode()) + len(str(value).encode(errors="replace")) + 6
        for name, value in headers.items()
    )


def _short(value: str | None, limit: int = _TEXT_MAX) -> str | None:
    """At most `limit` bytes of UTF-8."""
    if value is None or len(value.encode()) <= limit:
        return value
    return value.encode()[: limit - 3].decode(errors="ignore") + "…"
