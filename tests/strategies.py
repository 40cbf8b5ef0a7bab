"""What may come in, as Hypothesis strategies: order events, deliveries, traffic, HubSpot's replies.

`contribution` and `delivery` build single values for examples; everything else draws. The properties are
few (`a` to `d`) and the orders are few, so that events meet: most laws are about what happens when they do.
"""

from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

import orjson
from hypothesis import strategies as st

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.core.events.order_event import STRUCTURED, Operation
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.verdicts import Applied, Cause, Halted, Refused, Rejected, Retryable
from service.core.reasons import Code, Reason
from service.core.waiting.batch import Batch
from service.core.waiting.slots import Slot, coalesce, slot_of

STAMP = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ID_PROPERTY = "shop_order_id"
_TAGS = count(1)

OPERATIONS = st.sampled_from(list(Operation))


def properties_of(**given: Any) -> Any:
    """AMQP properties as a client hands them over; what is not given is None."""
    names = [
        "content_type",
        "content_encoding",
        "headers",
        "delivery_mode",
        "priority",
        "correlation_id",
        "reply_to",
        "expiration",
        "message_id",
        "timestamp",
        "message_type",
        "user_id",
        "app_id",
    ]
    return SimpleNamespace(**(dict.fromkeys(names) | {"delivery_mode": 2} | given))


def delivery(body: bytes, *, epoch: int = 1, tag: int | None = None, **properties: Any) -> Delivery:
    """A delivery of `body`; structured unless a content type is given."""
    return Delivery(
        epoch=epoch,
        tag=next(_TAGS) if tag is None else tag,
        queue="orders.events",
        exchange="orders.events",
        routing_key="order",
        redelivered=False,
        properties=properties_of(**({"content_type": STRUCTURED} | properties)),
        body=body,
        received_at=STAMP,
    )


def document(
    operation: str = "upsert", key: str = "A-1", event_id: str = "e-1", **values: Any
) -> dict[str, Any]:
    """A valid order event as a document; keyword arguments are its properties."""
    data: dict[str, Any] = {} if operation == "archive" else {"properties": values}
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/shops/eu-1",
        "type": f"ordersync.order.{operation}.v1",
        "subject": key,
        "time": "2026-11-22T10:00:00Z",
        "data": data,
    }


def contribution(
    operation: str = "upsert",
    key: str = "A-1",
    event_id: str | None = None,
    *,
    epoch: int = 1,
    id_property: str = ID_PROPERTY,
    headers: dict[str, Any] | None = None,
    **values: Any,
) -> Contribution:
    """One parsed event: through the real parser, from real bytes."""
    tag = next(_TAGS)
    event = document(operation, key, event_id or f"e-{tag}", **values)
    taken = parse(delivery(orjson.dumps(event), epoch=epoch, tag=tag, headers=headers), id_property)
    assert isinstance(taken, Contribution), taken
    return taken


def graph_contribution(
    data: dict[str, Any], operation: str = "upsert", key: str = "A-1", event_id: str | None = None
) -> Contribution:
    """One parsed event with the given `data`."""
    tag = next(_TAGS)
    event = document(operation, key, event_id or f"e-{tag}") | {"data": data}
    taken = parse(delivery(orjson.dumps(event), tag=tag), ID_PROPERTY)
    assert isinstance(taken, Contribution), taken
    return taken


def slot(*contributions: Contribution, born: float = 0.0) -> Slot:
    """One slot of events that merge."""
    merged: Slot | None = slot_of(contributions[0], born)
    for later in contributions[1:]:
        assert merged is not None
        merged = coalesce(merged, later)
    assert merged is not None
    return merged


def batch(*slots: Slot, company: int = 0) -> Batch:
    """The slots as a batch that lingered."""
    first = slots[0]
    return Batch(first.operation, first.order.id_property, company, slots, "linger")


# --- order events ---------------------------------------------------------------------------------------

KEYS = st.sampled_from(["A-1", "A-2", "A-3"])
VALUES = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["1", "2", "3"]), max_size=4
)


@st.composite
def contributions(draw: Any, keys: Any = KEYS, operations: Any = OPERATIONS) -> Contribution:
    """An event of one of a few orders."""
    operation = draw(operations)
    values = {} if operation == Operation.ARCHIVE else draw(VALUES)
    return contribution(str(operation), draw(keys), **values)


def lanes(max_size: int = 8) -> Any:
    """The events of one order, in arrival order."""
    return st.lists(contributions(keys=st.just("A-1")), min_size=1, max_size=max_size)


def traffic(max_size: int = 30) -> Any:
    """Events of a few orders, in arrival order."""
    return st.lists(contributions(), min_size=1, max_size=max_size)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)

# --- what HubSpot may say -------------------------------------------------------------------------------

_REASONS = st.builds(Reason, st.sampled_from(list(Code)), st.text(max_size=10))


def verdicts() -> Any:
    """Any verdict."""
    seconds = st.none() | st.floats(0, 30)
    return (
        st.builds(Applied, st.none() | st.just("17"), st.none() | st.booleans())
        | st.builds(Rejected, _REASONS)
        | st.builds(Retryable, _REASONS, st.sampled_from(list(Cause)), seconds, st.booleans())
        | st.builds(Refused, _REASONS, st.booleans())
        | st.builds(Halted, _REASONS, seconds)
    )


def replies(bodies: Any = None) -> Any:
    """Any answer, or none: all statuses, bodies of any JSON, HTML, cut off, empty."""
    statuses = st.sampled_from(
        [200, 201, 202, 204, 207, 301, 400, 401, 403, 404, 408, 409, 413, 414, 423, 429, 477]
        + [500, 502, 503, 504, 521, 523, 524]
    )
    any_body = (bodies if bodies is not None else JSON).map(orjson.dumps)
    cut = any_body.flatmap(lambda b: st.integers(0, len(b)).map(lambda at: b[:at]))
    body = any_body | cut | st.just(b"") | st.just(b"<html>Bad gateway</html>") | st.binary()
    headers = st.dictionaries(
        st.sampled_from(
            ["retry-after", "x-hubspot-correlation-id", "x-hubspot-ratelimit-remaining"]
        ),
        st.text(max_size=5),
    )
    answer = st.builds(BatchReply, statuses, headers, body)
    return answer | st.builds(NoReply, st.just("timed out"), st.booleans())
