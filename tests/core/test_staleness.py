"""staleness: nothing that is older than what the order holds is written over it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import find
from service.core.hubspot.lookups import Missing
from service.core.hubspot.staleness import (
    Holding,
    holdings,
    left_out,
    moment,
    moot,
    written_since,
)
from service.core.hubspot.verdicts import Halted, Retryable
from tests.strategies import JSON, contribution
from tests.strategies import replies as any_reply

EVENT = "2026-11-22T10:00:00Z"
BEFORE = datetime(2026, 11, 22, 9, 59, 59, tzinfo=UTC)
AFTER = datetime(2026, 11, 22, 10, 0, 1, tzinfo=UTC)
CALL = find("orders", ["A-1", "A-2"], "k", histories=["a"])


def _reply(*results, **more):
    return BatchReply(200, {}, orjson.dumps({"status": "COMPLETE", "results": results} | more))


def _result(key="A-1", **more):
    return {"id": "17", "properties": {"k": key}} | more


def _held(reply):
    return holdings(CALL, reply)


def test_a_record_is_read_with_its_newest_values_by_time_and_not_by_place():
    history = [
        {"value": "old", "timestamp": "2026-11-22T09:00:00.000Z"},
        {"value": "new", "timestamp": "2026-11-22T10:00:01Z"},
        {"value": "older", "timestamp": "2026-11-22T08:00:00Z"},
    ]

    first, second = _held(
        _reply(
            _result(
                updatedAt="2026-11-22T10:00:01.000Z",
                archivedAt="2026-11-22T09:59:59Z",
                propertiesWithHistory={"a": history, "b": []},
            )
        )
    )

    assert first == Holding("17", AFTER, BEFORE, {"a": (AFTER, "new")})
    assert isinstance(second, Retryable)


def test_what_is_not_there_and_what_failed_stay_what_they_are():
    missing = {"category": "OBJECT_NOT_FOUND", "context": {"ids": ["A-2"]}}

    stranger = _result("Z-9")
    held = _held(_reply(stranger, _result(), errors=[missing]))
    assert held == (Holding("17", newest={}), Missing())
    assert all(isinstance(h, Halted) for h in _held(BatchReply(401, {}, b"")))
    assert all(isinstance(h, Retryable) for h in _held(NoReply("timed out", sent=True)))


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2026-11-22T10:00:01Z", AFTER),
        ("2026-11-22T10:00:01", AFTER),  # HubSpot's are UTC
        (1795341601000, AFTER),
        (True, None),
        ("yesterday", None),
        (10**18, None),  # no calendar has it
        (-(10**18), None),
        (None, None),
        ([], None),
    ],
)
def test_times_come_as_text_or_as_milliseconds(value, time):
    (held, _) = _held(_reply(_result(updatedAt=value)))

    assert isinstance(held, Holding)
    assert held.updated == time


@given(any_reply(), JSON, JSON, JSON)
def test_whatever_the_answer_every_key_gets_one_holding(reply, histories, updated, stamp):
    entry = [{"timestamp": stamp, "value": updated}, histories]
    odd = _reply(
        _result(propertiesWithHistory=histories, updatedAt=updated),
        _result("A-2", propertiesWithHistory={"a": entry, "b": histories}),
    )

    assert len(_held(reply)) == len(_held(odd)) == 2


def test_a_value_is_left_out_where_hubspot_holds_a_newer_and_other_one():
    event = contribution("update", a="1", b="1", c="1", d="1")
    holding = Holding(
        "17",
        newest={"a": (AFTER, "2"), "b": (BEFORE, "2"), "c": (AFTER, "1")},
    )

    assert left_out(event, holding) == ("a",)
    assert left_out(event, Holding("17")) == ()


@pytest.mark.parametrize(
    ("updated", "archived", "newer"),
    [(None, None, False), (BEFORE, None, False), (AFTER, None, True), (BEFORE, AFTER, True)],
)
def test_an_order_was_written_since_when_it_changed_or_went_after_the_event(
    updated, archived, newer
):
    event = contribution("archive")

    assert written_since(event, Holding("17", updated, archived)) is newer


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-22t10:00:00z",
        "2026-11-22T10:00:00.123456789+05:30",
        "0001-01-01T00:00:00+14:00",  # before the first moment that UTC has
        "9999-12-31T23:59:59-12:00",
    ],
)
def test_every_time_that_an_event_may_have_can_be_compared(time):
    """A small z raised here; so did the ends of the calendar."""
    event = contribution("update", a="1")
    event = replace(event, event=event.event.model_copy(update={"time": time}))

    assert moment(time).tzinfo is not None
    assert written_since(event, Holding("17", AFTER)) is (moment(time) < AFTER)
    assert left_out(event, Holding("17", newest={"a": (AFTER, "2")})) in ((), ("a",))


@pytest.mark.parametrize(
    ("operation", "held", "settled"),
    [
        ("upsert", Holding("17", newest={"a": (BEFORE, "1")}), True),  # the very value
        ("upsert", Holding("17", newest={"a": (AFTER, "2")}), True),  # a newer one
        ("upsert", Holding("17", newest={"a": (BEFORE, "2")}), False),  # an older one
        ("update", Holding("17", newest={}), False),
        ("update", Holding("17", archived=AFTER, newest={"a": (AFTER, "1")}), False),
        ("update", Missing(), False),
        ("archive", Missing(), True),
        ("archive", Holding("17", archived=BEFORE), True),
        ("archive", Holding("17", updated=AFTER), True),  # written since
        ("archive", Holding("17", updated=BEFORE), False),
    ],
)
def test_an_event_is_moot_when_nothing_is_left_of_it_to_be_written(operation, held, settled):
    values: dict[str, Any] = {} if operation == "archive" else {"a": "1"}
    event = contribution(operation, "A-1", **values)
    lines: Any = object()

    assert moot(event, held) is settled
    assert not moot(replace(event, graph=lines), held), "lines and links are not looked up"


def test_an_event_without_values_is_not_moot():
    assert not moot(contribution("upsert", "A-1"), Holding("17", newest={}))
