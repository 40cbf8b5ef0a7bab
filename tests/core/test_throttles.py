"""throttles: a 429 is told from the first one on, and is over when a call gets through."""

import orjson
import pytest

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.throttles import (
    BURST,
    DAILY,
    FORGOTTEN,
    SECONDLY,
    UNKNOWN,
    Began,
    Over,
    Throttles,
    throttle_of,
)

WELL = BatchReply(200, {}, b"{}")


def limited(message="You have reached your ten_secondly_rolling limit.", **said):
    headers = {"retry-after": said.pop("after")} if "after" in said else {}
    body = {"status": "error", "message": message, "errorType": "RATE_LIMIT"} | said
    return BatchReply(429, headers, orjson.dumps(body))


def read(reply, ours=12, limit=100):
    found = throttle_of(reply, 10.0, ours, limit)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("reply", "policy", "seconds"),
    [
        (limited(policyName="TEN_SECONDLY_ROLLING"), BURST, 10.0),
        (limited(policyName="TEN_SECONDLY_ROLLING", after="4"), BURST, 4.0),
        (limited("You have reached your daily limit.", policyName="DAILY"), DAILY, None),
        (limited("You have reached your daily limit."), DAILY, None),
        (limited("You have reached your secondly limit."), SECONDLY, 10.0),
        (limited("Slow down.", policyName="NEW_POLICY"), UNKNOWN, 10.0),
        (BatchReply(429, {}, b""), UNKNOWN, 10.0),
        (BatchReply(429, {}, b"<html>"), UNKNOWN, 10.0),
    ],
)
def test_each_shape_of_a_429_names_its_limit_and_until_when(reply, policy, seconds):
    found = read(reply)

    assert (found.policy, found.seconds) == (policy, seconds)


@pytest.mark.parametrize("reply", [WELL, BatchReply(503, {}, b""), NoReply("cut", sent=True)])
def test_no_other_answer_is_a_throttle(reply):
    assert throttle_of(reply, 10.0, 1, 100) is None


def test_it_is_told_in_hubspots_words_and_who_may_be_calling():
    others = read(limited(policyName=BURST))
    ours = read(limited(policyName=BURST), ours=100)
    day = read(limited("You have reached your daily limit."))

    assert others.message == (
        "HubSpot answers 429, limit TEN_SECONDLY_ROLLING (You have reached your ten_secondly_rolling "
        "limit.); calls get through again within 10 s"
    )
    assert "12 of 100 calls in this window are ours: another process" in others.advice
    assert "all 100 calls of this window are ours: lower ORDERSYNC_HUBSPOT__CALLS" in ours.advice
    assert day.message.endswith("calls get through again at midnight in the account's time zone")
    assert "belong to the account" in day.advice


def test_it_begins_once_and_is_over_with_the_first_call_that_left_after_the_last_429():
    throttles, throttle = Throttles(), read(limited())

    began = throttles.note(limited(), throttle, 0.0, 1.0)
    again = throttles.note(limited(), throttle, 2.0, 3.0)
    early = throttles.note(WELL, None, 2.5, 4.0)  # on its way when the limit was hit
    silent = throttles.note(NoReply("cut", sent=True), None, 5.0, 6.0)
    spell = throttles.spell(6.0)
    over = throttles.note(WELL, None, 5.0, 7.0)

    assert isinstance(began, Began)
    assert (again, early, silent) == (None, None, None)
    assert spell is not None
    assert (spell.answers, spell.since) == (2, 1.0)
    assert isinstance(over, Over)
    assert (over.seconds, over.spell.answers) == (6.0, 2)
    assert throttles.spell(7.0) is None
    assert throttles.note(WELL, None, 8.0, 9.0) is None


def test_another_limit_is_told_anew_and_the_throttle_goes_on():
    throttles, day = Throttles(), limited("You have reached your daily limit.")

    throttles.note(limited(), read(limited()), 0.0, 1.0)
    told = throttles.note(day, read(day), 2.0, 3.0)
    again = throttles.note(day, read(day), 4.0, 5.0)
    over = throttles.note(WELL, None, 6.0, 7.0)

    assert isinstance(told, Began)
    assert (told.spell.throttle.policy, told.spell.answers, told.spell.since) == ("DAILY", 2, 1.0)
    assert again is None
    assert isinstance(over, Over)
    assert (over.seconds, over.spell.answers) == (6.0, 3)


def test_where_nobody_has_called_since_nobody_knows():
    throttles = Throttles()
    throttles.note(limited(), read(limited()), 0.0, 1.0)

    assert throttles.spell(1.0 + 10.0 + FORGOTTEN) is not None
    assert throttles.spell(1.1 + 10.0 + FORGOTTEN) is None
    assert isinstance(throttles.note(limited(), read(limited()), 500.0, 501.0), Began)
