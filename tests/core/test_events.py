"""events: what an order event is. parse accepts what the schema accepts, names every fault, never raises."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from service.core.events.deliveries import ACQUIRED
from service.core.events.events import MAX_BODY, Contribution, parse
from service.core.events.malformed import Malformed
from service.core.events.order_event import RECORD_ID, TIME_PATTERN, Operation, Order, OrderEvent
from service.core.events.scalars import as_hubspot
from service.core.reasons import Code
from tests.strategies import ID_PROPERTY, JSON, delivery, document

SCHEMA = jsonschema_rs.Draft202012Validator(
    TypeAdapter(OrderEvent).json_schema(), validate_formats=True
)
ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time")


def _parse(document, id_property=ID_PROPERTY):
    return parse(delivery(orjson.dumps(document)), id_property)


def _binary(document, **properties):
    """The same event in binary mode."""
    event = dict(document)
    body = orjson.dumps(event.pop("data")) if "data" in event else b""
    headers = {f"ce-{name}": value for name, value in event.items()}
    properties = {"content_type": "application/json", "headers": headers} | properties
    return parse(delivery(body, **properties), ID_PROPERTY)


def _faults(parsed):
    assert isinstance(parsed, Malformed), parsed
    return dict(parsed.faults)


# --- what is accepted -----------------------------------------------------------------------------------


def test_an_upsert():
    event = _parse(document("upsert", "A-1", "e-1", a="1", b=2, c=2.5, d=True, e=None))

    assert isinstance(event, Contribution)
    assert event.operation is Operation.UPSERT
    assert event.order == Order("shop_order_id", "A-1")
    assert event.identity == ("/shops/eu-1", "e-1")
    assert event.values == {"a": "1", "b": "2", "c": "2.5", "d": "true", "e": ""}


@pytest.mark.parametrize("data", [None, {}, {"properties": None}, {"id_property": "other"}])
def test_an_archive_needs_no_data(data):
    made = document("archive")
    made.pop("data")

    event = _parse(made if data is None else made | {"data": data})

    assert isinstance(event, Contribution)
    assert event.values == {}


def test_an_event_may_choose_its_identifying_property():
    made = document()
    made["data"]["id_property"] = "other"

    event = _parse(made)

    assert isinstance(event, Contribution)
    assert event.order.id_property == "other"


def test_the_key_may_be_repeated_among_the_properties():
    assert isinstance(_parse(document(key="A-1", shop_order_id="A-1")), Contribution)


@pytest.mark.parametrize("operation", ["update", "archive"])
def test_hubspots_record_id_identifies_too(operation):
    made = document(operation, "17")
    made["data"]["id_property"] = RECORD_ID

    event = _parse(made)

    assert isinstance(event, Contribution)
    assert event.order == Order(RECORD_ID, "17")


def test_unknown_fields_are_ignored():
    made = document() | {"partitionkey": 7, "x": {"y": []}}
    made["data"]["note"] = [1]

    assert isinstance(_parse(made), Contribution)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+json",
        "application/cloudevents+json; charset=utf-8",
        "Application/CloudEvents+JSON ;charset=UTF-8",
    ],
)
def test_the_structured_mode_is_told_by_its_content_type(content_type):
    came = delivery(orjson.dumps(document()), content_type=content_type)

    assert isinstance(parse(came, ID_PROPERTY), Contribution)


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", None]
)
def test_the_binary_mode_has_its_attributes_in_headers(content_type):
    event = _binary(document("upsert", "A-1", a="1"), content_type=content_type)

    assert isinstance(event, Contribution)
    assert event.values == {"a": "1"}
    assert event.event.datacontenttype == "application/json"


def test_a_binary_archive_may_have_no_body():
    made = document("archive")
    del made["data"]

    assert isinstance(_binary(made), Contribution)


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22t10:00:00z",
        "2026-11-22T10:00:00.123456789+05:30",
        "2028-02-29T23:59:59-00:00",
        "0001-01-01T00:00:00Z",
    ],
)
def test_times_of_rfc_3339(time):
    assert isinstance(_parse(document() | {"time": time}), Contribution)


def test_the_brokers_counts_are_believed_of_what_was_delivered_before():
    counts = {"x-delivery-count": 3, "x-acquired-count": 7, "x-odd": []}
    came = delivery(b"", headers=counts)

    assert came.returns == 0  # the producer's invention
    assert replace(came, redelivered=True).returns == 3
    assert replace(came, redelivered=True, counter=ACQUIRED).returns == 7
    odd = delivery(b"", headers={"x-delivery-count": "3", "x-acquired-count": [1]})
    assert replace(odd, redelivered=True).returns == 0


@pytest.mark.parametrize("force", [[], {}, b"true", "TRUE", 1, None, False])
def test_force_is_true_or_it_is_not(force):
    assert not delivery(b"", headers={"ordersync-force": force}).forced


# --- values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("", ""),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (-7, "-7"),
        (10**30, "1" + "0" * 30),
        (1.0, "1.0"),
        (1e16, "10000000000000000"),
        (1e-7, "0.0000001"),
        (-0.0, "-0.0"),
    ],
)
def test_values_are_sent_as_text_without_exponents(value, sent):
    assert as_hubspot(value) == sent


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_sent_as_the_same_number(value):
    assert float(as_hubspot(value)) == value
    assert re.fullmatch(r"-?\d+(\.\d+)?", as_hubspot(value))


@pytest.mark.parametrize("number", ["123456789012345678901234567890", "18446744073709551616"])
def test_an_integer_of_any_size_keeps_its_digits_in_both_modes(number):
    made = document()
    body = orjson.dumps(made).replace(
        b'"properties":{}', b'"properties":{"n":%s}' % number.encode()
    )
    headers = {f"ce-{n}": v for n, v in made.items() if n != "data"}
    data = b'{"properties":{"n":%s}}' % number.encode()

    for came in (
        delivery(body),
        delivery(data, content_type="application/json", headers=headers),
    ):
        event = parse(came, ID_PROPERTY)
        assert isinstance(event, Contribution)
        assert event.values == {"n": number}


# --- what is malformed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_missing_attribute_is_named(name):
    made = document()
    del made[name]

    structured, binary = _faults(_parse(made)), _faults(_binary(made))

    expected = "must be one of" if name == "type" else "is required"
    assert structured[name].startswith(expected)
    assert binary[f"ce-{name}"].startswith(expected)
    assert len(structured) == len(binary) == 1


def test_every_fault_is_named_at_once():
    made = document() | {"specversion": "0.3", "id": "", "time": "yesterday", "source": 7}
    made["data"] = {"properties": {"a": [], "b": {}, "c": 1, "": 2}, "id_property": ""}

    assert _faults(_parse(made)) == {
        "specversion": "must be '1.0'",
        "id": "must not be empty",
        "time": "must be RFC 3339 with seconds and an offset, as 2026-11-22T10:00:00Z",
        "source": "must be a string",
        "data.properties.a": "must be a string, number, boolean or null",
        "data.properties.b": "must be a string, number, boolean or null",
        "data.properties.": "a property's name has 1 to 255 characters",
        "data.id_property": "must not be empty",
    }


def test_an_unknown_type_hides_no_other_fault():
    made = document() | {"type": "ordersync.order.delete.v1", "id": ""}
    del made["source"]

    assert set(_faults(_parse(made))) == {"type", "id", "source"}
    assert _faults(_parse(document() | {"type": 7})).keys() == {"type"}


def test_a_property_may_be_called_like_an_event_type():
    made = document() | {"data": {"properties": {"ordersync.order.upsert.v1": []}}}

    assert set(_faults(_parse(made))) == {"data.properties.ordersync.order.upsert.v1"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"data": {"properties": []}}, "data.properties"),
        ({"data": 7}, "data"),
        ({"data": {}}, "data.properties"),
        ({"type": "ordersync.order.archive.v1", "data": {"properties": {}}}, "data.properties"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"sequence": 7}, "sequence"),
        ({"subject": "k" * 1025}, "subject"),
        ({"id": "i" * 256}, "id"),
        ({"source": "s" * 1025}, "source"),
        ({"data": {"properties": {"p" * 256: 1}}}, f"data.properties.{'p' * 100}…"),
        ({"data": {"properties": {}, "id_property": "p" * 1025}}, "data.id_property"),
    ],
)
def test_a_fault_has_its_path(change, path):
    assert set(_faults(_parse(document() | change))) == {path}


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-22T10:00:00",  # naive
        "2026-11-22 10:00:00Z",
        "2026-11-22T10:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T10:00:60Z",
        "2026-11-22T10:00:00+24:00",
        "2026-11-22T10:00:00Z\n",
        "٢٠٢٦-11-22T10:00:00Z",
    ],
)
def test_times_that_are_not_of_rfc_3339(time):
    assert _faults(_parse(document() | {"time": time}))["time"].startswith("must be RFC 3339")


@pytest.mark.parametrize("day", ["2026-02-29", "2026-04-31", "0000-01-01"])
def test_days_that_no_calendar_has(day):
    faults = _faults(_parse(document() | {"time": f"{day}T00:00:00Z"}))

    assert faults == {"time": "is not a day of the calendar"}


def test_an_event_cannot_change_the_key_that_identifies_its_order():
    faults = _faults(_parse(document(key="A-1", shop_order_id="A-2")))

    assert set(faults) == {"data.properties.shop_order_id"}


def test_an_upsert_needs_a_key_of_the_producers():
    made = document("upsert", "17")
    made["data"]["id_property"] = RECORD_ID

    assert "given out by HubSpot" in _faults(_parse(made))["data.id_property"]


@pytest.mark.parametrize("key", ["A-1", "17 ", "-1", "٣"])
def test_a_record_id_is_digits(key):
    made = document("archive", key)
    made["data"]["id_property"] = RECORD_ID

    assert set(_faults(_parse(made))) == {"subject"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.INVALID_JSON),
        (b'{"specversion": "1.0"', Code.INVALID_JSON),
        (b"\xff\xfe", Code.INVALID_JSON),
        (b'{"id": "\\ud800"}', Code.INVALID_JSON),
        (b"[" * 100_000, Code.INVALID_JSON),
        (b'{"a":' * 40_000, Code.INVALID_JSON),
        (b"9" * 5_000, Code.INVALID_JSON),
        (b"[]", Code.INVALID_EVENT),
        (b"null", Code.INVALID_EVENT),
        (b'"text"', Code.INVALID_EVENT),
        (b"{}", Code.INVALID_EVENT),
        (b" " * (MAX_BODY + 1), Code.OVERSIZED),
    ],
)
def test_bodies_that_are_no_events(body, code):
    malformed = parse(delivery(body), ID_PROPERTY)

    assert isinstance(malformed, Malformed)
    assert malformed.code is code
    assert malformed.message


@pytest.mark.parametrize(
    ("properties", "body", "code"),
    [
        ({"content_type": "application/json"}, b"{}", Code.NOT_CLOUDEVENT),
        ({"content_type": None, "headers": {"x-death": []}}, b"{}", Code.NOT_CLOUDEVENT),
        (
            {"content_type": "application/cloudevents-batch+json"},
            b"[]",
            Code.NOT_CLOUDEVENT,
        ),
        (
            {"content_type": "text/xml", "headers": {"ce-id": "1"}},
            b"<a/>",
            Code.NOT_CLOUDEVENT,
        ),
        (
            {"content_type": "application/json", "headers": {"ce-id": "1"}},
            b"{",
            Code.INVALID_JSON,
        ),
        (
            {"content_type": "application/json", "headers": {"ce-data": {"properties": {}}}},
            b"",
            Code.NOT_CLOUDEVENT,
        ),
        (
            {"content_type": "application/json", "headers": {"ce-id": "1"}},
            b" " * (MAX_BODY + 1),
            Code.OVERSIZED,
        ),
    ],
)
def test_messages_that_are_no_events(properties, body, code):
    malformed = parse(delivery(body, **properties), ID_PROPERTY)

    assert isinstance(malformed, Malformed)
    assert malformed.code is code


def test_data_comes_from_the_body_and_never_from_a_header():
    headers = {f"ce-{n}": v for n, v in document().items() if n != "data"}
    came = delivery(
        b"", content_type="application/json", headers=headers | {"ce-data": {"properties": {}}}
    )

    assert set(_faults(parse(came, ID_PROPERTY))) == {"data"}


def test_what_could_be_read_of_it_is_kept():
    made = document(key="A-1", event_id="e-1") | {"specversion": "9", "source": "s" * 2000}

    malformed = _parse(made)
    binary = _binary(made)

    assert isinstance(malformed, Malformed)
    assert isinstance(binary, Malformed)
    assert malformed.identity == binary.identity
    assert (malformed.identity.id, malformed.identity.subject) == ("e-1", "A-1")
    assert malformed.identity.source is None


def test_a_message_full_of_faults_is_told_in_a_sentence_of_bounded_length():
    """20,000 bad properties took the loop half a second to name."""
    many, some, wide = (
        _parse(document() | {"data": {"properties": {name: [] for name in names}}})
        for names in (
            [f"a{n}" for n in range(10_000)],
            [f"a{n}" for n in range(200)],
            ["n" * 20_000],
        )
    )

    assert _faults(many) == {"": "more than 2000 faults: too many to name"}
    assert len(_faults(some)) == 200
    assert isinstance(some, Malformed)
    assert some.message.endswith("; and 180 more faults")
    assert isinstance(wide, Malformed)
    assert len(wide.message) < 300


def test_a_header_that_is_no_text_is_no_attribute():
    for value in (7, b"\xff", [], {}, None, True, 1.5):
        assert set(_faults(_binary(document() | {"id": value}))) == {"ce-id"}


# --- law 9: parse accepts exactly what the schema accepts -----------------------------------------------

_TEXTS = st.sampled_from(
    ["", "1.0", "A-1", "17", RECORD_ID, "shop_order_id", "application/json", "text/xml"]
    + [f"ordersync.order.{o}.v1" for o in ("upsert", "update", "archive", "delete")]
    + ["2026-11-22T10:00:00Z", "2026-02-30T10:00:00Z", "2026-11-22t10:00:00.5+01:00", "yesterday"]
    + ["0000-11-22T10:00:00Z", "2026-11-22T10:00:00", "x" * 255, "x" * 256, "x" * 1025, "é" * 1024]
)
_SCRAPS = _TEXTS | JSON | st.from_regex(TIME_PATTERN, fullmatch=True)
_PATHS = st.sampled_from(
    [(name,) for name in (*ATTRIBUTES, "datacontenttype", "sequence", "traceparent", "unknown")]
    + [("data",), ("data", "properties"), ("data", "id_property"), ("data", "unknown")]
    + [("data", "properties", name) for name in ("a", "", "x" * 256, "shop_order_id", RECORD_ID)]
)


@st.composite
def _documents(draw):
    """A valid event, changed in up to three places."""
    operation = draw(st.sampled_from(["upsert", "update", "archive"]))
    made = document(operation, draw(st.sampled_from(["A-1", "17"])), a="1")
    for path in draw(st.lists(_PATHS, max_size=3)):
        target: Any = made
        for step in path[:-1]:
            target = target.get(step) if isinstance(target, dict) else None
        if isinstance(target, dict):
            if draw(st.booleans()):
                target[path[-1]] = draw(_SCRAPS)
            else:
                target.pop(path[-1], None)
    return made


def _beyond_the_schema(made):
    """What the models check that JSON Schema's vocabulary does not: the whole list."""
    data = made.get("data") or {}
    chosen = data.get("id_property")
    if chosen == RECORD_ID:
        key = made["subject"]
        if made["type"].endswith("upsert.v1") or not (key.isascii() and key.isdigit()):
            return True
    values = data.get("properties") or {}
    name = chosen or ID_PROPERTY
    if name in values and as_hubspot(values[name]) != made["subject"]:
        return True
    try:
        date.fromisoformat(made["time"][:10])
    except ValueError:
        return True  # the year 0000, which JSON Schema's date-time has and the calendar has not
    return False


@given(_documents() | JSON)
@example(document() | {"time": "2026-11-22T10:00:00Z\n"})
@example(document() | {"time": "0000-11-22T10:00:00Z"})
@example(document("update", "17", hs_object_id="17"))
def test_law_9_parse_accepts_exactly_what_the_schema_accepts(made):
    parsed = _parse(made)

    valid = SCHEMA.is_valid(made) and not _beyond_the_schema(made)
    assert isinstance(parsed, Contribution) == valid, parsed


@given(_documents())
def test_both_modes_say_the_same(made):
    """Where the attributes are texts, as headers are; `datacontenttype` is the content type there."""
    made.pop("datacontenttype", None)
    if any(not isinstance(v, str) for n, v in made.items() if n != "data"):
        return

    structured, binary = _parse(made), _binary(made)

    assert isinstance(structured, Contribution) == isinstance(binary, Contribution)
    if isinstance(structured, Contribution) and isinstance(binary, Contribution):
        assert (structured.values, structured.order) == (binary.values, binary.order)
    elif isinstance(structured, Malformed) and isinstance(binary, Malformed):
        assert [f.message for f in structured.faults] == [f.message for f in binary.faults]


@given(
    st.binary(max_size=200) | JSON.map(orjson.dumps) | _documents().map(orjson.dumps),
    st.none() | st.sampled_from(["application/cloudevents+json", "application/json"]) | st.text(),
    st.dictionaries(
        st.text(max_size=8) | st.sampled_from([f"ce-{name}" for name in ATTRIBUTES]),
        st.text(max_size=8) | st.integers() | st.binary(max_size=8) | JSON,
    ),
)
def test_parse_never_raises(body, content_type, headers):
    parsed = parse(delivery(body, content_type=content_type, headers=headers), ID_PROPERTY)

    if isinstance(parsed, Malformed):
        assert parsed.faults
        assert parsed.message


def test_properties_that_cannot_be_read_are_told_with_what_the_body_says_of_the_event():
    unread = replace(
        delivery(orjson.dumps(document("upsert", "A-1", "e-1"))), fault="ValueError: year 292278994"
    )

    malformed = parse(unread, ID_PROPERTY)

    assert isinstance(malformed, Malformed)
    assert (malformed.code, malformed.identity.id) == (Code.NOT_CLOUDEVENT, "e-1")
    assert malformed.message == "its AMQP properties cannot be read: ValueError: year 292278994"
