"""outcomes: one receipt an event, a dead letter a failure; the same event settled twice has one id."""

from dataclasses import replace
from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.events.events import parse
from service.core.events.malformed import Malformed
from service.core.hubspot.verdicts import Applied, Cause, Rejected, Retryable, Stale
from service.core.letters import letters
from service.core.reasons import Code, Reason
from service.core.settlement.envelopes import outcome_id
from service.core.settlement.outcome import Status
from service.core.settlement.outcomes import (
    conclude,
    conclude_malformed,
    conclude_moot,
    conclude_undelivered,
)
from service.core.settlement.retries import Exhausted, Finish
from tests.strategies import ID_PROPERTY, STAMP, contribution, delivery, document, lanes, slot

REASON = Reason(Code.VALUE_TAKEN, "taken", 400, "VALIDATION_ERROR", "c-1", "invoice")
SETTLED = "2026-11-22T10:00:00.000Z"


def _conclude(made, verdict, size=7):
    return conclude(Finish(made, verdict), size, STAMP)


def _said(settlement):
    return orjson.loads(settlement.outcome.body)


def _data(made, verdict):
    return [_said(s)["data"] for s in _conclude(made, verdict)]


def test_an_applied_event_gets_its_receipt():
    event = contribution("upsert", "A-1", "e-1", a="1")

    (settlement,) = _conclude(replace(slot(event), attempts=2), Applied("17", created=True))

    assert settlement.delivery is event.delivery
    assert settlement.contribution is event
    assert (settlement.status, settlement.reason, settlement.dead_letter) == (
        Status.APPLIED,
        None,
        None,
    )
    outcome = settlement.outcome
    assert (outcome.exchange, outcome.routing_key) == ("outcomes", "outcome.applied")
    assert (outcome.correlation_id, outcome.content_type) == (
        "e-1",
        "application/cloudevents+json",
    )
    assert _said(settlement) == {
        "specversion": "1.0",
        "id": outcome_id("/shops/eu-1", "e-1", 0),
        "source": "/ordersync",
        "type": "ordersync.order.outcome.v1",
        "time": SETTLED,
        "datacontenttype": "application/json",
        "subject": "A-1",
        "correlationid": "e-1",
        "data": {
            "status": "applied",
            "event": {
                "id": "e-1",
                "source": "/shops/eu-1",
                "type": "ordersync.order.upsert.v1",
                "time": "2026-11-22T10:00:00Z",
            },
            "order": {"id_property": "shop_order_id", "key": "A-1", "record_id": "17"},
            "operation": "upsert",
            "created": True,
            "reason": None,
            "attempts": 2,
            "batch": {"size": 7, "merged": 1},
            "superseded_by": None,
            "replay": None,
            "parts": None,
            "received_at": SETTLED,
            "settled_at": SETTLED,
        },
    }


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Rejected(REASON), "rejected"),
        (Exhausted(Retryable(REASON, Cause.SERVER)), "exhausted"),
    ],
)
def test_a_failed_event_gets_a_reason_and_a_dead_letter(verdict, status):
    (settlement,) = _conclude(slot(contribution()), verdict)

    data = _said(settlement)["data"]
    assert (data["status"], data["created"]) == (status, None)
    assert data["reason"] == {
        "code": "value_taken",
        "message": "taken",
        "http_status": 400,
        "category": "VALIDATION_ERROR",
        "correlation_id": "c-1",
        "property": "invoice",
    }
    assert settlement.dead_letter is not None
    assert settlement.dead_letter.headers is not None
    assert settlement.dead_letter.headers["ordersync-status"] == status
    assert settlement.outcome.routing_key == f"outcome.{status}"


def test_an_event_of_which_nothing_was_left_is_superseded_by_the_one_that_took_the_last():
    merged = slot(
        contribution(event_id="e1", a="1", b="1"),
        contribution("update", event_id="e2", a="2"),
        contribution("update", event_id="e3", b="3"),
    )

    first, second, third = _data(merged, Applied("17", created=True))

    assert (first["status"], first["superseded_by"], first["created"]) == ("superseded", "e3", None)
    assert (second["status"], second["superseded_by"]) == ("applied", None)
    assert (second["created"], third["created"]) == (True, False)  # readers count orders by it
    assert third["batch"] == {"size": 7, "merged": 3}


def _one_of_200(number: int) -> dict[str, Any]:
    return {f"p{number % 200}": "1"}


def test_a_window_of_events_of_one_new_order_is_concluded_without_holding_up_the_loop():
    events = tuple(
        contribution("upsert", "A-1", f"e{number}", **_one_of_200(number))
        for number in range(2_000)  # as many as the prefetch lets be merged
    )
    began = process_time()

    settled = _conclude(replace(slot(events[0]), contributions=events), Applied("17", created=True))

    assert process_time() - began < 2.0  # 0.2 s; 42 s when each event looked at all before it
    assert sum(_said(each)["data"]["created"] is True for each in settled) == 1


@pytest.mark.parametrize(
    ("operation", "created", "ambiguous", "redelivered", "said"),
    [
        ("upsert", True, False, False, True),
        ("upsert", False, False, False, False),
        ("upsert", None, False, False, None),
        ("upsert", False, True, False, None),  # our first try may have created it
        ("upsert", False, False, True, None),  # so may a delivery before this one
        ("upsert", True, True, True, True),  # then it was not there after all
        ("update", False, True, True, False),  # an update never creates
        ("archive", None, False, False, None),
    ],
)
def test_created_is_said_where_it_can_be_known(operation, created, ambiguous, redelivered, said):
    event = contribution(operation)
    event = replace(event, delivery=replace(event.delivery, redelivered=redelivered))

    (data,) = _data(replace(slot(event), ambiguous=ambiguous), Applied("17", created))

    assert data["created"] is said


def test_a_replay_says_what_it_left_out():
    headers = {"ordersync-replays": 2, "ordersync-replay": "r-1", "ordersync-force": True}
    event = contribution("update", headers=headers, a="1")

    (data,) = _data(slot(event), Applied("17", created=False, left_out=("a",)))

    assert data["replay"] == {"number": 2, "id": "r-1", "forced": True, "left_out": ["a"]}


@pytest.mark.parametrize("by", [None, "e-9"])
def test_a_stale_event_is_superseded(by):
    event = contribution("update", headers={"ordersync-replay": 7}, a="1")

    (settlement,) = _conclude(slot(event), Stale("17", ("a",), by))

    data = _said(settlement)["data"]
    assert (settlement.status, settlement.dead_letter) == (Status.SUPERSEDED, None)
    assert (data["superseded_by"], data["order"]["record_id"]) == (by, "17")
    assert data["replay"] == {"number": 0, "id": None, "forced": False, "left_out": ["a"]}


def test_a_replay_that_is_malformed_is_still_a_replay():
    malformed = parse(delivery(b"{", headers={"ordersync-replays": 1}), ID_PROPERTY)
    assert isinstance(malformed, Malformed)

    assert _said(conclude_malformed(malformed, STAMP))["data"]["replay"]["number"] == 1


def test_a_malformed_message_gets_an_outcome_too():
    body = orjson.dumps(document(key="A-1", event_id="e-1") | {"specversion": "0.3"})
    malformed = parse(delivery(body), ID_PROPERTY)
    assert isinstance(malformed, Malformed)

    settlement = conclude_malformed(malformed, STAMP)

    data = _said(settlement)["data"]
    assert settlement.contribution is None
    assert settlement.dead_letter is not None
    assert settlement.dead_letter.body == body
    assert (data["status"], data["operation"], data["batch"]) == ("malformed", None, None)
    assert data["event"]["id"] == "e-1"
    assert data["order"] == {"id_property": None, "key": "A-1", "record_id": None}
    assert data["reason"]["code"] == "invalid_event"


def test_a_message_that_says_nothing_of_itself_gets_one_all_the_same():
    malformed = parse(delivery(b"{"), ID_PROPERTY)
    assert isinstance(malformed, Malformed)

    said = _said(conclude_malformed(malformed, STAMP))

    assert not {"subject", "correlationid", "traceparent"} & set(said)
    assert set(said["data"]["event"].values()) == {None}


def test_the_trace_goes_on():
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    body = orjson.dumps(document() | {"traceparent": trace})
    event = parse(delivery(body), ID_PROPERTY)
    assert not isinstance(event, Malformed)

    (settlement,) = _conclude(slot(event), Applied("17", None))

    assert _said(settlement)["traceparent"] == trace


def test_an_id_that_is_no_short_string_is_no_amqp_correlation_id():
    (settlement,) = _conclude(slot(contribution(event_id="é" * 200)), Applied("17", None))

    assert settlement.outcome.correlation_id is None
    assert _said(settlement)["correlationid"] == "é" * 200


@given(*[st.text(max_size=6)] * 4, st.integers(0, 3), st.integers(0, 3))
def test_the_outcomes_id_is_the_events_and_nobody_elses(
    source, event_id, other_source, other_id, replays, other_replays
):
    same = (source, event_id, replays) == (other_source, other_id, other_replays)
    ours = outcome_id(source, event_id, replays)

    assert (ours == outcome_id(other_source, other_id, other_replays)) == same


def test_a_nul_between_source_and_id_moves_nothing():
    assert outcome_id("a\0b", "c", 0) != outcome_id("a", "b\0c", 0)
    assert outcome_id("a", "b\x000", 1) != outcome_id("a", "b", 0)


def test_a_malformed_message_that_comes_again_has_the_same_id_a_replay_another():
    def of(body=b"{", **properties):
        malformed = parse(delivery(body, **properties), ID_PROPERTY)
        assert isinstance(malformed, Malformed)
        return _said(conclude_malformed(malformed, STAMP))["id"]

    assert of() == of()
    assert len({of(), of(b"["), of(message_id="m"), of(headers={"ordersync-replays": 1})}) == 4


@given(lanes(), st.booleans())
def test_law_3_every_event_of_a_slot_is_settled_exactly_once_in_order(events, applied):
    made = [slot(event) for event in events]
    verdict = Applied("17", created=False) if applied else Rejected(REASON)

    settled = [s for one in made for s in _conclude(one, verdict)]

    assert [s.delivery for s in settled] == [e.delivery for e in events]
    assert all((s.dead_letter is None) == applied for s in settled)


def test_what_the_broker_gave_up_on_has_an_outcome_of_the_events_own_id():
    """The id that the service would have given: if it did, before the broker gave up, the reader drops ours."""
    event = contribution("upsert", "A-1", "e-1", headers={"x-death": [{"reason": "expired"}]})
    letter = letters.read(event.delivery, ID_PROPERTY)

    sent = conclude_undelivered(event.delivery, letter, ID_PROPERTY, STAMP)

    told = orjson.loads(sent.body)
    assert told["id"] == outcome_id("/shops/eu-1", "e-1", 0)
    assert (told["data"]["status"], told["data"]["reason"]["code"]) == ("exhausted", "expired")
    assert (told["data"]["replay"], sent.routing_key) == (None, "outcome.exhausted")


def test_of_an_unreadable_message_as_much_as_can_be_read():
    broken = delivery(b"{", headers={"x-death": [{"reason": "expired"}], "ordersync-replays": 1})
    letter = letters.read(broken, ID_PROPERTY)

    told = orjson.loads(conclude_undelivered(broken, letter, ID_PROPERTY, STAMP).body)

    assert (told["data"]["event"]["id"], told["data"]["operation"]) == (None, None)
    assert told["data"]["replay"]["number"] == 1


def test_what_time_has_settled_ends_as_its_replay_would_have():
    event = contribution("upsert", "A-1", "e-1", hs_tax="4", total="1")

    sent = conclude_moot(event, 2, "17", STAMP)

    told = orjson.loads(sent.body)
    assert told["id"] == outcome_id("/shops/eu-1", "e-1", 3)
    assert (told["data"]["status"], told["data"]["order"]["record_id"]) == ("superseded", "17")
    assert told["data"]["replay"] == {
        "number": 3, "id": None, "forced": False, "left_out": ["hs_tax", "total"],
    }  # fmt: skip
