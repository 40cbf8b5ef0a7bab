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

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal

from service.core.events.deliveries import READ_AT_MOST, Delivery
from service.core.events.events import Contribution, parse
from service.core.headers import DEATH, header
from service.core.letters.dead_letters import fingerprint
from service.core.letters.failure import UNDELIVERED, UNEXPLAINED, Failure, given, text_of
from service.core.outgoing import iso
from service.core.reasons import Reason

Maker = Literal["ordersync", "broker", "unknown"]
READABLE: Final = (
    16 << 20
)  # bytes of a body that is read: all that RabbitMQ 4 takes (max_message_size)
_BROKERS: Final[Mapping[str, str]] = {
    "delivery_limit": "the broker delivered it more often than the queue allows, and nobody settled it",
    "expired": "its time to live ran out in the queue",
    "rejected": "a consumer refused it",
    "maxlen": "the queue was full",
}
_REASON: Final = header("reason")
MESSAGE_ID: Final = header("message_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter(Failure):
    """One dead letter without its body: its failure, and the message that it is. None = unknown.

    Times of the failure are RFC 3339 in UTC, so that they sort as text; the event's is the producer's.
    """

    # The event's id, else the message's, else a digest of the body.
    id: str
    made_by: Maker
    type: str | None
    time: str | None
    size: int  # bytes of the body

    @property
    def source(self) -> str | None:
        """The event's."""
        return self.event_source

    @property
    def lines(self) -> tuple[str, ...]:
        """Its history, a line for each replay."""
        return tuple((self.history or "").splitlines())

    def row(self) -> dict[str, Any]:
        """As JSON shows it."""
        fields = asdict(self) | {"source": self.event_source, "history": self.lines}
        del fields["event_source"]
        return {name: fields.pop(name) for name in _FIRST} | fields


_FIRST: Final = (
    "id",
    "made_by",
    "status",
    "reason",
    "message",
    "fingerprint",
    "failed_at",
    "replays",
    "order",
)


def read(delivery: Delivery, id_property: str | None) -> Letter:
    """One message of the dead-letter queue."""
    headers = delivery.headers
    parsed = parse(delivery, id_property or "")
    known = parsed.event if isinstance(parsed, Contribution) else parsed.identity
    if _is_ours(headers):
        said = given(headers)
    else:
        said = _by_the_broker(headers)
        if isinstance(parsed, Contribution):
            said["id_property"] = parsed.order.id_property or None
    message_id = said["message_id"] or delivery.properties.message_id
    event_id = said["event_id"] or known.id
    return Letter(
        **said
        | {
            "event_id": event_id,
            "event_source": said["event_source"] or known.source,
            "order": said["order"] or known.subject,
            "fingerprint": said["fingerprint"] or _fingerprint(said["reason"], said["message"]),
            "first_failed_at": said["first_failed_at"] or said["failed_at"],
            "message_id": message_id,
        },
        id=event_id or message_id or _digest(delivery),
        made_by=_MAKERS.get(said["status"], "ordersync"),
        type=known.type,
        time=known.time,
        size=delivery.size,
    )


def key(delivery: Delivery, letter: Letter) -> int:
    """The same for copies of one letter, wherever they were moved: its message, and when that failed."""
    said = f"{sent_as(delivery)}\0{letter.failed_at}\0{letter.reason}\0{letter.replays}\0"
    body = delivery.unread.digest if delivery.unread else delivery.body
    digest = blake2b(said.encode(errors="replace") + body, digest_size=8)
    return int.from_bytes(digest.digest())


def sent_as(delivery: Delivery) -> str | None:
    """The message id that its producer gave it. That of the message is ours where the letter is."""
    if _is_ours(delivery.headers):
        return text_of(delivery.headers.get(MESSAGE_ID))
    return delivery.properties.message_id


def unanswered(delivery: Delivery, letter: Letter) -> bool:
    """Whether the broker took the event past us, and nobody has told its producer.

    What ordersync rejects unread, because it is too large, has its outcome.
    """
    return letter.reason in _BROKERS and DEATH in delivery.headers and delivery.size <= READ_AT_MOST


def _is_ours(headers: Mapping[str, Any]) -> bool:
    return _REASON in headers and DEATH not in headers


def contribution(delivery: Delivery, id_property: str | None) -> Contribution | None:
    """The order event in it; None where it holds none."""
    parsed = parse(delivery, id_property or "")
    return parsed if isinstance(parsed, Contribution) else None


_MAKERS: Final[Mapping[str, Maker]] = {UNDELIVERED: "broker", UNEXPLAINED: "unknown"}


def _by_the_broker(headers: Mapping[str, Any]) -> dict[str, Any]:
    """What its newest death says; or nothing: it was put there by hand, and nothing says why.

    A replay may have died, too: its count, its history and its first failure are the message's word.
    """
    death = _death(headers)
    found = death or {}
    reason = text_of(found.get("reason")) or UNEXPLAINED
    keys, died, said = found.get("routing-keys"), found.get("time"), given(headers)
    return given({}) | {
        "status": UNEXPLAINED if death is None else UNDELIVERED,
        "reason": reason,
        "message": _BROKERS.get(reason, "nothing says why it is here"),
        "failed_at": iso(died.astimezone(UTC)) if isinstance(died, datetime) else None,
        "exchange": text_of(found.get("exchange")) or "",
        "routing_key": (text_of(keys[0]) or "") if isinstance(keys, list) and keys else "",
        "queue": text_of(found.get("queue")) or "",
        "replays": said["replays"],
        "first_failed_at": said["first_failed_at"],
        "history": said["history"],
    }


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The newest entry of x-death: the broker puts it first."""
    deaths = headers.get(DEATH)
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    return first if isinstance(first, dict) else None


def _digest(delivery: Delivery) -> str:
    body = delivery.unread.digest if delivery.unread else delivery.body
    return f"body-{blake2b(body, digest_size=8).hexdigest()}"


def _fingerprint(reason: str, message: str) -> str:
    return fingerprint(Reason(reason, message))  # type: ignore[arg-type]  # the broker's reasons are no codes of ours
