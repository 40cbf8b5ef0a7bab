"""replies: total, and no success without evidence. The meaning of each answer is docs/hubspot.md."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.events.order_event import RECORD_ID
from service.core.hubspot import calls, lookups, replies
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall, Input
from service.core.hubspot.verdicts import Applied, Cause, Halted, Refused, Rejected, Retryable
from service.core.reasons import Code
from tests.strategies import JSON
from tests.strategies import replies as any_reply

ENDPOINTS = st.sampled_from(["upsert", "update", "archive", "read"])


def _call(number=2, endpoint="upsert", id_property="k"):
    inputs = [Input(f"A-{n}", f"A-{n}", f"t.{n}", {"a": "1"}) for n in range(number)]
    return BatchCall(endpoint, id_property, tuple(inputs), b"", object="orders")


def _reply(body, status=200, **headers):
    return BatchReply(status, headers, orjson.dumps(body))


@st.composite
def _envelopes(draw):
    """JSON that looks like HubSpot's more or less: our records in the right and in the wrong places."""
    scraps = st.sampled_from(["A-0", "A-1", "t.0", "t.1", 17, "17", True, None, "", [], {}]) | JSON
    result = st.fixed_dictionaries(
        {},
        optional={
            "id": scraps,
            "properties": st.dictionaries(st.sampled_from(["k", "a"]), scraps) | scraps,
            "objectWriteTraceId": scraps,
            "new": scraps,
        },
    )
    context = st.dictionaries(
        st.sampled_from(["objectWriteTraceId", "ids", "id", "existingId"]),
        st.lists(scraps, max_size=3) | scraps,
    )
    error = st.fixed_dictionaries(
        {},
        optional={
            "category": st.sampled_from(["VALIDATION_ERROR", "CONFLICT", "NEW"]) | scraps,
            "message": st.sampled_from(["no", "Property values were not valid: [{"]) | scraps,
            "context": context | scraps,
            "errors": st.lists(scraps, max_size=2),
        },
    )
    return draw(
        st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(["COMPLETE", "PENDING", "error"]) | scraps,
                "results": st.lists(result | scraps, max_size=4) | scraps,
                "errors": st.lists(error | scraps, max_size=3) | scraps,
                "numErrors": scraps,
                "category": scraps,
                "message": scraps,
                "context": context,
                "policyName": scraps,
            },
        )
    )


@given(
    any_reply(_envelopes() | JSON), ENDPOINTS, st.integers(1, 4), st.sampled_from(["k", RECORD_ID])
)
def test_reading_is_total(reply, endpoint, number, id_property):
    """Any answer: a verdict for every input, a sentence with every refusal, never an exception."""
    call = _call(number, endpoint, id_property)

    for verdicts in (replies.read(call, reply), lookups.read_keys(call, reply)):
        assert len(verdicts) == number
        for verdict in verdicts:
            if isinstance(verdict, Rejected | Retryable | Refused | Halted):
                assert verdict.reason.message


def _names(result, key, trace):
    if not isinstance(result, dict):
        return False
    named = isinstance(result.get("id"), str | int) and not isinstance(result["id"], bool)
    properties = result.get("properties")
    by_key = isinstance(properties, dict) and properties.get("k") == key
    return named and result["id"] != "" and (by_key or result.get("objectWriteTraceId") == trace)


@given(_envelopes() | JSON, st.sampled_from([200, 201, 202, 204, 207, 226, 299]))
def test_success_needs_evidence(body, status):
    """No JSON with a 2xx applies a record that no result names."""
    verdicts = replies.read(_call(), _reply(body, status))

    results = body.get("results") if isinstance(body, dict) else None
    for at, verdict in enumerate(verdicts):
        if isinstance(verdict, Applied):
            assert isinstance(results, list)
            assert any(_names(r, f"A-{at}", f"t.{at}") for r in results)


@given(_envelopes() | JSON, st.sampled_from([200, 201, 202, 205, 207, 226, 299]))
def test_an_archive_is_done_by_a_204_alone(body, status):
    """COMPLETE says so of nothing, nor do results, nor does an empty body: 204 is HubSpot's only word."""
    call = _call(endpoint="archive", id_property=RECORD_ID)

    for raw in (orjson.dumps(body), b"", b" "):
        said = BatchReply(status, {}, raw)
        assert lookups.vague(said)
        assert not any(isinstance(v, Applied) for v in replies.read(call, said))
    done = replies.read(call, BatchReply(204, {}, b""))
    assert done == (Applied("A-0", None), Applied("A-1", None))


@given(any_reply(_envelopes()))
def test_only_a_2xx_applies(reply):
    if isinstance(reply, BatchReply) and 200 <= reply.status < 300:
        return
    for endpoint in ("upsert", "update", "archive"):
        verdicts = replies.read(_call(endpoint=endpoint), reply)
        assert not any(isinstance(v, Applied) for v in verdicts)


@given(_envelopes(), st.sampled_from([200, 207]))
def test_an_order_is_gone_only_when_hubspot_says_that_it_is_not_found(body, status):
    found = lookups.read_keys(_call(endpoint="read"), _reply(body, status))

    errors = body.get("errors")
    said = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
    if not any(e.get("category") == "OBJECT_NOT_FOUND" for e in said):
        assert not any(isinstance(f, lookups.Missing) for f in found)


@pytest.mark.parametrize("twice", [1, 2, 3])
def test_however_many_errors_a_record_in_both_lists_is_asked_again(twice):
    error = {"category": "VALIDATION_ERROR", "context": {"objectWriteTraceId": ["t.0"]}}
    body = {"results": [{"id": "1", "properties": {"k": "A-0"}}], "errors": [error] * twice}

    first, second = replies.read(_call(), _reply(body, 207))

    assert isinstance(first, Retryable)
    assert first.reason.code is Code.UNCONFIRMED
    assert isinstance(second, Retryable)


def test_alone_an_error_without_a_name_is_its_own():
    body = {"results": [], "errors": [{"category": "VALIDATION_ERROR", "message": "no"}]}

    assert isinstance(replies.read(_call(1), _reply(body, 207))[0], Rejected)


def test_the_events_own_choice_of_property_is_its_own_fault():
    body = {
        "message": "Unable to perform upsert by non-unique 0-123 property other",
        "category": "VALIDATION_ERROR",
    }

    call = _call(id_property="other")

    chosen = replies.read(calls.chosen(call, by_event=True), _reply(body, 400))
    configured = replies.read(call, _reply(body, 400))

    assert all(isinstance(v, Rejected) for v in chosen)
    assert all(isinstance(v, Halted) for v in configured)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0", 0.0), ("", None), ("-1", None), ("1.5", None), ("9" * 400, None)]
    + [("Wed, 21 Oct 2026 07:28:00 GMT", None), ("٧", None)],
)
def test_retry_after_is_seconds_or_nothing(value, seconds):
    assert BatchReply(503, {"retry-after": value}, b"").retry_after == seconds


def test_a_read_that_failed_leaves_no_doubt():
    for reply in (NoReply("timed out", sent=True), BatchReply(502, {}, b""), _reply([])):
        for verdict in lookups.read_keys(_call(endpoint="read"), reply):
            assert isinstance(verdict, Retryable)
            assert not verdict.ambiguous


def test_a_daily_limit_is_told_by_its_policy_then_by_its_words():
    def halted(**body):
        return isinstance(replies.read(_call(), _reply(body, 429))[0], Halted)

    assert halted(policyName="DAILY")
    assert halted(message="You have reached your daily limit.")
    assert not halted(policyName="TEN_SECONDLY_ROLLING", message="not the daily limit")


def test_nobody_sees_a_body_longer_than_a_line():
    (verdict,) = replies.read(_call(1), BatchReply(502, {}, b"x" * 10_000))

    assert isinstance(verdict, Retryable)
    assert len(verdict.reason.message) < 300


# --- an answer that is no judgement on a record -----------------------------------------------------------

NO_JUDGEMENT = [
    {},
    {"message": "Bad Request"},
    {"message": "no", "category": "INTERNAL_ERROR"},
    {"message": "no", "category": "SOMETHING_NEW"},
    {
        "message": "no",
        "errors": [{"message": "no", "code": "X", "context": {"propertyName": ["a"]}}],
    },
    {"message": "no", "errors": [{"message": "no", "code": "INVALID_LONG"}]},
]


@pytest.mark.parametrize("body", NO_JUDGEMENT)
@pytest.mark.parametrize("status", [400, 402, 404, 409, 413, 414, 418, 422, 451])
def test_alone_too_only_final_words_condemn(status, body):
    """A gateway says no to everybody for a minute: nobody is rejected by it."""
    (verdict,) = replies.read(_call(1), _reply(body, status))

    assert not isinstance(verdict, Rejected)


@pytest.mark.parametrize(
    "body",
    [
        {"category": "VALIDATION_ERROR"},
        {"category": "CONFLICT"},
        {"category": "OBJECT_NOT_FOUND"},
        {"errors": [{"code": "INVALID_LONG", "context": {"propertyName": ["a"]}}]},
        {"errors": [{"code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["a"]}}]},
        {"errors": [{"code": "LEADING_TRAILING_WHITESPACE", "context": {"propertyName": ["a"]}}]},
    ],
)
def test_alone_final_words_condemn(body):
    (verdict,) = replies.read(_call(1), _reply(body, 400))

    assert isinstance(verdict, Rejected)


@pytest.mark.parametrize("category", ["RATE_LIMITS", "RATE_LIMIT"])
@pytest.mark.parametrize("status", [400, 403, 409, 429])
def test_a_limit_is_a_throttle_whatever_its_status(status, category):
    (verdict,) = replies.read(_call(1), _reply({"category": category}, status))

    assert isinstance(verdict, Retryable)
    assert verdict.cause is Cause.THROTTLE


# --- an event's words are never HubSpot's -----------------------------------------------------------------

HUBSPOTS_WORDS = [
    "Unable to perform upsert by non-unique 0-123 property k",
    "Unable to infer object type from: orders",
    "Duplicate IDs found in batch input: [A-0]. IDs must be unique",
    "Invalid input JSON on line 1",
    "You have reached your daily limit.",
    'Property "k" does not exist',
    "Property values were not valid: [" + '{"name":"k","error":"PROPERTY_DOESNT_EXIST"}]',
    "Cannot set PropertyValueCoordinates{propertyName=k, value=A-1} on 1. 2 already has that value.",
]


@pytest.mark.parametrize("words", HUBSPOTS_WORDS)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "entry"])
def test_a_value_that_speaks_as_hubspot_is_that_records_fault_alone(words, whole):
    """HubSpot quotes the value at the start of its sentence."""
    fault = {"message": f"{words} was not a valid long.", "error": "INVALID_LONG", "name": "a"}
    message = "Property values were not valid: " + orjson.dumps([fault]).decode()
    inputs = (Input("A-0", "A-0", "t.0", {"a": words}), Input("A-1", "A-1", "t.1", {"a": "1"}))
    entry = {"category": "VALIDATION_ERROR", "message": message}
    if whole:
        said = _reply(entry, 400)
    else:
        named = entry | {"context": {"objectWriteTraceId": ["t.0"]}}
        said = _reply(
            {"results": [{"id": "1", "properties": {"k": "A-1"}}], "errors": [named]}, 207
        )

    first, second = replies.read(BatchCall("upsert", "k", inputs, b"", object="orders"), said)

    assert isinstance(first, Rejected)
    assert first.reason.property == "a"
    assert second == Applied("1", None) or isinstance(second, Refused)


@given(st.sampled_from(HUBSPOTS_WORDS), st.text(max_size=9), st.text(max_size=9))
def test_no_sentence_around_an_events_words_pauses_everybody(words, before, after):
    """Whatever HubSpot writes around a value: only its own sentence, whole, is read as a fault of the set-up."""
    message = f"{before}{words}{after} was refused"

    for status in (400, 207):
        entry = {"category": "VALIDATION_ERROR", "message": message}
        body = entry if status == 400 else {"errors": [entry]}
        for verdict in replies.read(_call(), _reply(body, status)):
            assert not isinstance(verdict, Halted)


def test_a_taken_value_may_hold_anything():
    value = "x} on 1. 2 already has that value. propertyName=b, value=y"
    message = (
        "Cannot set PropertyValueCoordinates{portalId=1, objectTypeId=ObjectTypeId{legacyObjectType="
        f"ORDER}}, propertyName=a, value={value}}} on 901. 955 already has that value."
    )
    inputs = (Input("A-0", "A-0", "t.0", {"a": value}), Input("A-1", "A-1", "t.1", {"b": "y"}))
    said = _reply({"category": "VALIDATION_ERROR", "message": message}, 400)

    first, second = replies.read(BatchCall("upsert", "k", inputs, b"", object="orders"), said)

    assert isinstance(first, Rejected)
    assert (first.reason.property, first.reason.code) == ("a", Code.VALUE_TAKEN)
    assert isinstance(second, Refused)


def test_a_403_tells_which_scopes_are_needed():
    """The recorded shape, and the older one."""
    nested = {"errors": [{"context": {"requiredGranularScopes": ["a.read", "b.read"]}}]}
    for body in (nested, {"context": {"requiredGranularScopes": ["a.read", "b.read"]}}):
        (verdict,) = replies.read(_call(1), _reply(body | {"category": "MISSING_SCOPES"}, 403))

        assert isinstance(verdict, Halted)
        assert verdict.reason.message == (
            "the app lacks a scope: grant it one or more of a.read, b.read"
        )


def test_a_policy_in_lower_case_is_the_same_policy():
    (verdict,) = replies.read(_call(1), _reply({"policyName": "daily"}, 429))

    assert isinstance(verdict, Halted)
    assert verdict.reason.code is Code.DAILY_LIMIT


def test_a_merged_record_comes_back_under_the_survivors_id():
    """Alone, the only result is its own; in company it is set aside, to be alone."""
    survivor = {"id": "99", "properties": {"a": "1", "hs_object_id": "99"}}
    fine = {"id": "A-1", "properties": {}}

    alone = replies.read(_call(1, "update", RECORD_ID), _reply({"results": [survivor]}))
    merged, other = replies.read(
        _call(2, "update", RECORD_ID), _reply({"results": [survivor, fine]})
    )

    assert alone == (Applied("99", created=False),)
    assert isinstance(merged, Refused)
    assert merged.named
    assert merged.ambiguous
    assert other == Applied("A-1", created=False)


@pytest.mark.parametrize(
    ("endpoint", "id_property", "body"),
    [
        ("upsert", "k", {"results": [{"id": "99"}]}),
        ("update", RECORD_ID, {"results": [{"id": "99"}, {"id": "98"}]}),
        ("update", RECORD_ID, {"results": [{"id": "99"}], "errors": [{"message": "no"}]}),
        ("archive", RECORD_ID, {"results": [{"id": "99"}]}),
    ],
)
def test_a_stranger_is_no_evidence_anywhere_else(endpoint, id_property, body):
    (verdict,) = replies.read(_call(1, endpoint, id_property), _reply(body))

    assert not isinstance(verdict, Applied)
