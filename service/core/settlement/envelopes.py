"""OutcomeData -> the message: its id, its CloudEvents attributes, where it goes.

The id is made of the event's identity and its count of replays: the same event settled twice after a crash
gives the same id.
"""

from hashlib import blake2b
from typing import Final

from service.core.events.deliveries import Delivery
from service.core.events.malformed import Malformed
from service.core.events.order_event import STRUCTURED
from service.core.headers import REPLAY
from service.core.outgoing import Outgoing
from service.core.settlement.outcome import SOURCE, TYPE, Outcome, OutcomeData, ReplayReference

# bytes: an AMQP short string.
_CORRELATION_MAX: Final = 255


def outcome_id(source: str, event_id: str, replays: int) -> str:
    """Deterministic: of the event and how often it was replayed."""
    # No two pairs make one name.
    name = f"{len(source)} {replays} {source}{event_id}"
    return blake2b(name.encode(), digest_size=16).hexdigest()


def envelope(
    identity: str,
    event_id: str | None,
    subject: str | None,
    data: OutcomeData,
    traceparent: str | None,
) -> Outgoing:
    """The message; correlated with its event where the id fits."""
    outcome = Outcome(
        specversion="1.0",
        id=identity,
        source=SOURCE,
        type=TYPE,
        time=data.settled_at,
        datacontenttype="application/json",
        subject=subject,
        correlationid=event_id,
        traceparent=traceparent,
        data=data,
    )
    short = event_id is not None and len(event_id.encode()) <= _CORRELATION_MAX
    return Outgoing(
        exchange="outcomes",
        routing_key=f"outcome.{data.status}",
        body=outcome.body,
        content_type=STRUCTURED,
        correlation_id=event_id if short else None,
    )


def replay_of(delivery: Delivery, left_out: tuple[str, ...]) -> ReplayReference:
    """Which replay this was, as an outcome says it."""
    name = delivery.headers.get(REPLAY)
    return ReplayReference(
        number=delivery.replays,
        id=name if isinstance(name, str) else None,
        forced=delivery.forced,
        left_out=list(left_out),
    )


def malformed_id(malformed: Malformed) -> str:
    """Of all that tells one unreadable message from another: a redelivery gives the same id."""
    delivery = malformed.delivery
    seen = f"{delivery.properties.message_id}\0{malformed.identity}\0{delivery.replays}\0".encode()
    body = delivery.unread.digest if delivery.unread else delivery.body
    return blake2b(seen + body, digest_size=16).hexdigest()
