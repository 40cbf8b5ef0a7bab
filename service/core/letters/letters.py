"""A dead letter, read back: ours by its headers, the broker's own by its x-death. Total: it never raises.

Law: a producer does not pass for us. Headers of ours prove nothing by themselves, since a producer can
write them and an `expiration`, and let the broker carry the message here. But the broker then adds an
x-death, and no letter of ours has one: we never copy `x-*`. So an x-death makes a letter the broker's,
whatever else it says, and only a letter without one, which somebody published straight to the dead
letters, is read by our headers. Of an x-death only the queue and the reason of the newest entry are the
broker's word: RabbitMQ before 4.0 takes the rest of the entry from the message, if it finds one there
(measured on 3.10.8).

What is grouped, filtered and shown is all here; how a letter is got and put back is the shell's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.core.letters.dead_letters import fingerprint
from service.core.outgoing import iso
from service.core.reasons import Reason

Maker = Literal["ordersync", "broker", "unknown"]
UNEXPLAINED: Final = "unknown"  # the reason of a message that nothing explains
UNDELIVERED: Final = "undelivered"  # the status of what the broker gave up on
_BROKERS: Final[Mapping[str, str]] = {
    "delivery_limit": "the broker delivered it more often than the queue allows, and nobody settled it",
    "expired": "its time to live ran out in the queue",
    "rejected": "a consumer refused it",
    "maxlen": "the queue was full",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """What is known of one dead letter without its body. None = unknown.

    Times of the failure are RFC 3339 in UTC, so that they sort as text; the event's is the producer's.
    """

    id: str  # the event's id, else the message's, else a digest of the body
    made_by: Maker
    status: str
    reason: str
    message: str
    fingerprint: str
    failed_at: str | None
    replays: int
    order: str | None
    source: str | None
    event_id: str | None
    type: str | None
    time: str | None
    category: str | None
    http_status: int | None
    correlation_id: str | None
    property: str | None
    attempts: int | None
    exchange: str
    routing_key: str
    queue: str
    message_id: str | None
    first_failed_at: str | None
    history: tuple[str, ...]
    size: int  # bytes of the body

    def row(self) -> dict[str, Any]:
        """As JSON shows it."""
        return asdict(self)


def read(delivery: Delivery, id_property: str | None) -> Letter:
    """One message of the dead-letter queue."""
    headers = delivery.headers
    if "ordersync-reason" in headers and "x-death" not in headers:
        return _ours(delivery, id_property)
    return _brokers(delivery, _death(headers), id_property)


def moment(text: str | None) -> datetime | None:
    """A time in UTC, also where it says no offset; None where there is none to read. Total."""
    try:
        read = None if text is None else datetime.fromisoformat(text.upper())  # no small z
        return read and (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # no time, or one that UTC's calendar has not
        return None


def contribution(delivery: Delivery, id_property: str | None) -> Contribution | None:
    """The order event in it; None where it holds none."""
    parsed = parse(delivery, id_property or "")
    return parsed if isinstance(parsed, Contribution) else None


def _ours(delivery: Delivery, id_property: str | None) -> Letter:
    headers = delivery.headers
    known = _identity(delivery, id_property)
    event_id = _text(headers, "ordersync-event-id") or known["id"]
    message_id = _text(headers, "ordersync-message-id") or delivery.properties.message_id
    reason = _text(headers, "ordersync-reason") or UNEXPLAINED
    message = _text(headers, "ordersync-message") or ""
    failed_at = _time(headers, "ordersync-failed-at")
    status = _text(headers, "ordersync-status") or ""
    return Letter(
        id=event_id or message_id or _digest(delivery.body),
        made_by="broker" if status == UNDELIVERED else "ordersync",
        status=status,
        reason=reason,
        message=message,
        fingerprint=_text(headers, "ordersync-fingerprint") or _fingerprint(reason, message),
        failed_at=failed_at,
        replays=delivery.replays,
        order=_text(headers, "ordersync-order") or known["subject"],
        source=_text(headers, "ordersync-event-source") or known["source"],
        event_id=event_id,
        type=known["type"],
        time=known["time"],
        category=_text(headers, "ordersync-category"),
        http_status=_number(headers, "ordersync-http-status"),
        correlation_id=_text(headers, "ordersync-correlation-id"),
        property=_text(headers, "ordersync-property"),
        attempts=_number(headers, "ordersync-attempts"),
        exchange=_text(headers, "ordersync-exchange") or "",
        routing_key=_text(headers, "ordersync-routing-key") or "",
        queue=_text(headers, "ordersync-queue") or "",
        message_id=message_id,
        first_failed_at=_time(headers, "ordersync-first-failed-at") or failed_at,
        history=tuple(_history(headers)),
        size=len(delivery.body),
    )


def _brokers(
    delivery: Delivery, death: Mapping[str, Any] | None, id_property: str | None
) -> Letter:
    """The broker's own; or put there by hand, where not even an x-death says why."""
    by_the_broker, death = death is not None, death or {}
    reason = _text(death, "reason") or UNEXPLAINED
    message = _BROKERS.get(reason, "nothing says why it is here")
    known, headers = _identity(delivery, id_property), delivery.headers
    keys = death.get("routing-keys")
    died = death.get("time")
    failed_at = iso(died.astimezone(UTC)) if isinstance(died, datetime) else None
    message_id = delivery.properties.message_id
    return Letter(
        id=known["id"] or message_id or _digest(delivery.body),
        made_by="broker" if by_the_broker else "unknown",
        status=UNDELIVERED if by_the_broker else "unknown",
        reason=reason,
        message=message,
        fingerprint=_fingerprint(reason, message),
        failed_at=failed_at,
        replays=delivery.replays,
        order=known["subject"],
        source=known["source"],
        event_id=known["id"],
        type=known["type"],
        time=known["time"],
        category=None,
        http_status=None,
        correlation_id=None,
        property=None,
        attempts=None,
        exchange=_text(death, "exchange") or "",
        routing_key=_first_text(keys) or "",
        queue=_text(death, "queue") or "",
        message_id=message_id,
        first_failed_at=_time(headers, "ordersync-first-failed-at") or failed_at,
        history=tuple(_history(headers)),
        size=len(delivery.body),
    )


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The newest entry of x-death: the broker puts it first."""
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    return first if isinstance(first, dict) else None


def _identity(delivery: Delivery, id_property: str | None) -> dict[str, str | None]:
    parsed = parse(delivery, id_property or "")
    known = parsed.event if isinstance(parsed, Contribution) else parsed.identity
    return {name: getattr(known, name) for name in ("id", "source", "type", "time", "subject")}


def _history(headers: Mapping[str, Any]) -> Iterator[str]:
    yield from (_text(headers, "ordersync-history") or "").splitlines()


def _text(headers: Mapping[str, Any], name: str) -> str | None:
    """A text that says something; headers may hold anything."""
    value = headers.get(name)
    return value if isinstance(value, str) and value else None


def _first_text(values: Any) -> str | None:
    first = values[0] if isinstance(values, list) and values else None
    return first if isinstance(first, str) else None


def _time(headers: Mapping[str, Any], name: str) -> str | None:
    at = moment(_text(headers, name))
    return None if at is None else iso(at)


def _number(headers: Mapping[str, Any], name: str) -> int | None:
    value = headers.get(name)
    return value if type(value) is int else None


def _digest(body: bytes) -> str:
    return f"body-{blake2b(body, digest_size=8).hexdigest()}"


def _fingerprint(reason: str, message: str) -> str:
    return fingerprint(Reason(reason, message))  # type: ignore[arg-type]  # the broker's reasons are no codes of ours
