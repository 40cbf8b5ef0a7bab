"""dead letters: the original and what went wrong, in headers that any client can write and that are bounded."""

import logging
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, encode, frame, header

from service.core.events.events import Contribution, parse
from service.core.events.malformed import Malformed
from service.core.letters.dead_letters import (
    HEADERS_MAX,
    dead_letter,
    failure_of,
    fingerprint,
    writable,
)
from service.core.letters.failure import Failure
from service.core.reasons import Code, Reason
from tests.strategies import ID_PROPERTY, STAMP, contribution, delivery

REASON = Reason(
    Code.PROPERTY_INVALID, "soon was not a valid long.", 207, "VALIDATION_ERROR", "c-1", "paid_at"
)
OWN = "ordersync-"


def _letter(failed=None, reason=REASON, status="rejected"):
    return dead_letter(failed or contribution(), status, reason, 3, STAMP)


def _of_message(**properties):
    """The dead letter of a malformed message with these AMQP properties."""
    malformed = parse(delivery(b"{", **properties), ID_PROPERTY)
    assert isinstance(malformed, Malformed)
    return _letter(malformed, Reason(malformed.code, malformed.message), "malformed")


def _marshal(letter):
    """What goes on the wire: proves that a client can write it."""
    properties = commands.Basic.Properties(
        content_type=letter.content_type,
        content_encoding=letter.content_encoding,
        headers=letter.headers,
        delivery_mode=2,
        correlation_id=letter.correlation_id,
        reply_to=letter.reply_to,
        timestamp=letter.timestamp,
        message_type=letter.message_type,
        app_id=letter.app_id,
    )
    return frame.marshal(header.ContentHeader(0, len(letter.body), properties), 1)


def _table(letter):
    return len(encode.field_table(dict(letter.headers))) - 4


def test_the_body_is_the_original_and_the_headers_say_what_went_wrong():
    event = contribution("upsert", "A-1", "e-1", headers={"tenant": "eu"}, a="1")

    letter = _letter(event)

    assert letter.body is event.delivery.body
    assert (letter.exchange, letter.routing_key) == ("dead_letters", "property_invalid")
    assert letter.content_type == "application/cloudevents+json"
    headers = dict(letter.headers or {})
    assert len(headers.pop("ordersync-fingerprint")) == 16
    assert headers == {
        "ordersync-status": "rejected",
        "ordersync-reason": "property_invalid",
        "ordersync-message": "soon was not a valid long.",
        "ordersync-category": "VALIDATION_ERROR",
        "ordersync-http-status": 207,
        "ordersync-correlation-id": "c-1",
        "ordersync-property": "paid_at",
        "ordersync-attempts": 3,
        "ordersync-failed-at": "2026-11-22T10:00:00.000Z",
        "ordersync-exchange": "orders.events",
        "ordersync-routing-key": "order",
        "ordersync-queue": "orders.events",
        "ordersync-event-id": "e-1",
        "ordersync-event-source": "/shops/eu-1",
        "ordersync-id-property": "shop_order_id",
        "ordersync-order": "A-1",
        "ordersync-replays": 0,
        "ordersync-first-failed-at": "2026-11-22T10:00:00.000Z",
        "tenant": "eu",
    }


@pytest.mark.parametrize(
    "name", ["x-death", "X-First-Death-Queue", "CC", "bcc", "ordersync-reason", "Ordersync-Status"]
)
def test_headers_that_would_steer_the_broker_or_pass_for_ours_are_left_behind(name):
    letter = _of_message(headers={name: ["anywhere"], "kept": 1})

    assert letter.headers["ordersync-reason"] == "invalid_json"
    assert letter.headers["kept"] == 1
    assert [n for n in letter.headers if n == name] in ([], ["ordersync-reason"])
    assert "ordersync-headers-dropped" not in letter.headers


def test_expiration_user_id_and_priority_are_left_behind_the_message_id_is_kept():
    letter = _of_message(expiration="1", user_id="guest", priority=9, message_id="m-1", app_id="a")

    assert not {"expiration", "user_id", "priority"} & set(dir(letter))
    assert letter.headers["ordersync-message-id"] == "m-1"
    assert letter.app_id == "a"


@pytest.mark.parametrize(
    ("reply_to", "kept"),
    [("answers", "answers"), (None, None), ("amq.rabbitmq.reply-to.g1", None)],
)
def test_the_brokers_own_reply_address_is_left_behind(reply_to, kept):
    assert _of_message(reply_to=reply_to).reply_to == kept


def test_replays_are_counted():
    assert _letter(contribution(headers={"ordersync-replays": 2})).headers["ordersync-replays"] == 2


@pytest.mark.parametrize("count", [0, -1, True, "2", 1.5, None, [1]])
def test_a_count_of_replays_that_is_none_is_none(count):
    assert contribution(headers={"ordersync-replays": count}).delivery.replays == 0


def test_values_that_a_client_would_write_otherwise_are_written_as_near_as_may_be():
    """A double would be written with 4 bytes (or not at all: 1e300), such a decimal not at all."""
    letter = _of_message(
        headers={
            "double": 0.1,
            "huge": 1e300,
            "decimal": Decimal(4294967295),
            "no text": b"\xff\xfe",
            "bytes": bytearray(b"\x00"),
            "list": [b"\xff", {"deep": 2.5}, None, True, STAMP],
        }
    )

    _marshal(letter)
    assert {n: v for n, v in letter.headers.items() if not n.startswith(OWN)} == {
        "double": "0.1",
        "huge": "1e+300",
        "decimal": "4294967295",
        "no text": bytearray(b"\xff\xfe"),
        "bytes": bytearray(b"\x00"),
        "list": [bytearray(b"\xff"), {"deep": "2.5"}, None, True, STAMP],
    }


def _nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("integer", 2**63),
        ("naive", datetime(2026, 1, 1)),  # noqa: DTZ001
        ("ancient", datetime(1969, 12, 31, tzinfo=UTC)),
        ("before", datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
        ("object", object()),
        ("surrogate", "\ud800"),
        ("\ud800", 1),
        ("n" * 129, 1),  # a client would cut the name short
        ("é" * 65, 1),
        ("deep", _nested(9)),
        ("deepest", _nested(900)),
        ("table", {"n" * 129: 1}),
        ("large", "v" * HEADERS_MAX),
    ],
)
def test_what_no_client_can_write_or_does_not_fit_is_dropped_and_counted(name, value):
    letter = _of_message(headers={name: value, "kept": 1})

    _marshal(letter)
    assert name not in letter.headers
    assert letter.headers["kept"] == 1
    assert letter.headers["ordersync-headers-dropped"] == 1


def test_the_events_own_attributes_come_before_other_headers():
    crowd = {f"h{n:04}": "v" * 40 for n in range(500)}

    letter = _of_message(
        content_type="application/json", headers=crowd | {"ce-id": "e-1", "ce-type": "nothing"}
    )

    assert (letter.headers["ce-id"], letter.headers["ce-type"]) == ("e-1", "nothing")
    assert letter.headers["ordersync-headers-dropped"] > 300
    assert _table(letter) <= HEADERS_MAX


def test_headers_of_200_kb_do_not_come_along():
    letter = _of_message(headers={"large": "x" * 200_000, "many": ["y"] * 50_000})

    assert _table(letter) <= HEADERS_MAX
    assert letter.headers["ordersync-headers-dropped"] == 2


def test_no_sentence_is_longer_than_its_place():
    long = Reason(Code.REFUSED, "é" * 5_000, 400, "C" * 900, "c" * 900, "p" * 900)

    letter = _letter(contribution(key="k" * 1024, event_id="i" * 255), long)

    assert len(letter.headers["ordersync-message"].encode()) <= 2048
    assert letter.headers["ordersync-message"].endswith("…")
    assert len(letter.headers["ordersync-order"].encode()) <= 256
    assert _table(letter) <= HEADERS_MAX
    _marshal(letter)


# --- any header that can come in ------------------------------------------------------------------------

_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(
    lambda n: len(n.encode()) <= 255
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
    | st.binary(max_size=400)
    | st.binary(max_size=40).map(bytearray)
    | st.decimals(allow_nan=True, places=3)
    | st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
)
_HEADERS = st.dictionaries(
    _NAMES | st.sampled_from(["x-death", "CC", "ce-id", "ce-type", "ordersync-replays"]),
    st.recursive(
        _SCALARS, lambda v: st.lists(v, max_size=5) | st.dictionaries(_NAMES, v, max_size=5)
    ),
    max_size=40,
)


@given(_HEADERS, st.sampled_from(["application/json", "application/cloudevents+json", None, "x"]))
def test_law_any_message_has_a_dead_letter_that_can_be_written_within_its_bound(headers, kind):
    logging.getLogger("pamqp.encode").disabled = True
    came = delivery(b'{"properties": {}}', headers=headers, content_type=kind)
    parsed = parse(came, ID_PROPERTY)
    letter = _letter(parsed if isinstance(parsed, Malformed) else contribution(headers=headers))

    _marshal(letter)

    assert _table(letter) <= HEADERS_MAX
    assert not {n for n in letter.headers if n.lower().startswith("x-") or n.lower() == "cc"}


def test_the_same_cause_has_the_same_fingerprint():
    def of(message, **more):
        return fingerprint(Reason(Code.PROPERTY_INVALID, message, **more))

    assert of('Property "a" has 3 faults') == of('Property "b" has 17 faults')
    assert of("it's '1'") != of("it is")
    assert of("no", property="a") != of("no", property="b")
    assert of("no", category="a") != of("no")
    assert of("no", correlation_id="1", http_status=400) == of("no", correlation_id="2")
    assert of("\ud800")


def test_a_contribution_is_named_by_its_event():
    event = contribution("archive", "A-9", "e-9")
    assert isinstance(event, Contribution)

    assert _letter(event).headers["ordersync-event-id"] == "e-9"


def test_anybodys_headers_are_made_writable_whatever_they_are_called():
    """What moves a letter of the broker's: nothing is left out by name, what cannot be written is counted."""
    deep: object = 1
    for _ in range(9):
        deep = {"in": deep}
    given = {"x-own": 1e300, "raw": b"\xff", "tenant": "eu", "deep": deep, "n" * 129: 1}

    made = writable(given)

    assert made == {
        "x-own": "1e+300", "raw": bytearray(b"\xff"), "tenant": "eu", "ordersync-headers-dropped": 2,
    }  # fmt: skip
    assert encode.field_table(made)
    assert writable({"tenant": "eu"}) == {"tenant": "eu"}


def test_law_what_is_written_on_a_dead_letter_is_read_back_from_it():
    failed = contribution("upsert", "A-1", "e-1", headers={"ordersync-replays": 2})

    written = failure_of(failed, "rejected", REASON, 3, STAMP)

    assert Failure.from_headers(written.to_headers()) == written


@given(_HEADERS)
def test_whatever_headers_say_a_failure_can_be_read_from_them(headers):
    read = Failure.from_headers(headers)

    assert Failure.from_headers(read.to_headers()) == read
