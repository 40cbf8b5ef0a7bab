"""A pause holds what it holds; what was held for too long goes back, and comes back when nothing stands in its way."""

from dataclasses import replace

import pytest

from service.core.hubspot.pauses import OUTAGE_CALLS, Doubt, Pause
from service.core.hubspot.places import FOREVER
from service.core.hubspot.suspicion import ALONE
from service.core.hubspot.verdicts import Applied, Cause, Halted, Retryable, Where
from service.core.intake.custody import Custody
from service.core.intake.gate import (
    HANGING,
    REST,
    WORN,
    Close,
    Gate,
    Open,
    Overdue,
    ProbeFailed,
    Resumed,
    Standing,
    Wait,
    rest,
)
from service.core.reasons import Code, Reason
from tests.strategies import ID_PROPERTY, batch, contribution, delivery, slot

LONGEST = 1740.0
ONE = batch(slot(contribution(key="A-1")))
HERE = Where("records", "upsert", "orders", id_property=ID_PROPERTY)
REASON = Reason(Code.UNAUTHENTICATED, "no such token", 401)
FAILED = [Retryable(Reason(Code.SERVER_ERROR, "503", 503), Cause.SERVER)]


def _custody(*, epoch: int = 1, returns: int = 0) -> Custody:
    """One delivery is held, since 0.0."""
    custody = Custody()
    came = delivery(b"", epoch=epoch, tag=1, headers={"x-delivery-count": returns})
    custody.arrive(replace(came, redelivered=returns > 0), 0.0)
    return custody


def _paused(now: float = 0.0) -> Gate:
    gate = Gate(LONGEST)
    doubt = gate.note(ONE, [Halted(REASON)], now)
    assert isinstance(doubt, Doubt)
    assert gate.question(now) is doubt
    assert gate.answered(doubt, REASON, now) == Pause(REASON, 1.0, HERE)
    return gate


def _standing(gate: Gate, now: float) -> Standing:
    question = gate.question(now)
    assert isinstance(question, Standing)
    return question


def _doubtful() -> tuple[Gate, Doubt]:
    gate = Gate(LONGEST)
    *before, doubt = [gate.note(ONE, FAILED, 0.0) for _ in range(OUTAGE_CALLS)]
    assert before == [None] * (OUTAGE_CALLS - 1)
    question = gate.question(0.0)
    assert isinstance(question, Doubt)
    assert question is doubt
    return gate, question


def test_a_pause_stops_calls_and_keeps_the_channels():
    gate = _paused()

    assert gate.reason == REASON
    assert gate.move(_custody(), None, 5.0) == Wait(LONGEST - 5.0)


def test_hubspot_is_asked_when_the_pause_says_so_and_not_before():
    gate = _paused(10.0)

    assert gate.question(10.25) == 0.75
    question = _standing(gate, 11.0)
    assert gate.answered(question, None, 11.5) == Resumed(1.5)
    assert gate.reason is None
    assert gate.question(11.5) == FOREVER


def test_a_probe_that_fails_is_asked_again_later_and_later():
    gate, other = _paused(), Reason(Code.OUTAGE, "503", 503)
    question = _standing(gate, 1.0)

    assert gate.answered(question, other, 2.0) == ProbeFailed(other, 2.0)
    assert gate.reason == other
    assert gate.question(3.0) == 1.0
    assert gate.answered(_standing(gate, 4.0), other, 4.0) == ProbeFailed(other, 4.0)


def test_an_answer_to_an_old_question_says_nothing():
    gate, doubt = _doubtful()
    begun = gate.answered(doubt, REASON, 0.5)
    assert isinstance(begun, Pause)

    assert gate.answered(doubt, None, 1.0) is None
    assert gate.reason == begun.reason


def test_orders_that_meet_it_alone_one_after_the_other_are_a_pause_without_a_question():
    gate = Gate(LONGEST)
    orders = [batch(slot(contribution(key=f"A-{n}"))) for n in range(ALONE)]

    said = [gate.note(order, [Halted(REASON)], 0.0) for order in orders]

    assert isinstance(said[0], Doubt)
    assert said[1:] == [None] * (ALONE - 2) + [Pause(REASON, 1.0, HERE)]
    assert gate.reason == REASON
    assert gate.weigh(orders[0], [Halted(REASON)], 0.0) == (Halted(REASON, 1.0),)


def test_a_second_reason_to_pause_changes_nothing():
    gate = _paused()
    assert gate.note(ONE, [Halted(Reason(Code.MIGRATING, "moving"))], 0.5) is None
    assert gate.reason == REASON


def test_one_order_that_fails_alone_is_no_pause_where_the_probe_is_answered():
    gate, doubt = _doubtful()
    assert gate.reason is None
    assert gate.note(ONE, FAILED, 0.0) is None, "asked already"

    assert gate.answered(doubt, None, 1.0) is None
    assert gate.question(1.0) == FOREVER


def test_and_a_pause_where_it_is_not():
    gate, doubt = _doubtful()

    begun = gate.answered(doubt, REASON, 1.0)

    assert isinstance(begun, Pause)
    assert begun.reason.code is Code.OUTAGE
    assert gate.reason == begun.reason


@pytest.mark.parametrize(
    ("paused", "publishing", "why"),
    [
        (True, None, Overdue.PAUSED),
        (False, HANGING, Overdue.UNPUBLISHED),
        (False, 1.0, Overdue.HELD),
        (False, None, Overdue.HELD),
    ],
)
def test_what_was_held_for_too_long_goes_back_whatever_the_reason(paused, publishing, why):
    gate = _paused() if paused else Gate(LONGEST)

    assert gate.move(_custody(), publishing, LONGEST) == Close(why, LONGEST)
    assert gate.closed is why


def test_intake_opens_when_nothing_is_held_no_publish_is_under_way_and_no_pause_stands():
    gate, custody = _paused(), _custody()
    assert isinstance(gate.move(custody, 1.0, LONGEST), Close)

    assert gate.move(custody, 1.0, LONGEST) == Wait(FOREVER), "its channel has not ended"
    custody.lose(frozenset({1}))
    assert gate.move(custody, 1.0, LONGEST) == Wait(FOREVER), "a publish is under way"
    assert gate.move(custody, None, LONGEST) == Wait(FOREVER), "the pause stands"
    gate.answered(_standing(gate, LONGEST), None, LONGEST)
    assert gate.move(custody, None, LONGEST) == Open()
    assert gate.closed is None
    assert gate.move(custody, None, LONGEST) == Wait(LONGEST)


def test_what_went_back_often_rests_before_it_is_fetched_again():
    gate, custody = _paused(), _custody(returns=WORN + 1)
    gate.move(custody, None, LONGEST)
    gate.answered(_standing(gate, LONGEST), None, LONGEST)
    custody.lose(frozenset({1}))

    assert gate.move(custody, None, LONGEST + 1.0) == Wait(2 * REST - 1.0)
    assert gate.move(custody, None, LONGEST + 2 * REST) == Open()


def test_what_makes_progress_does_not_rest():
    """Else one order that fails again and again would stop all others."""
    gate, custody = Gate(LONGEST), _custody(returns=2 * WORN)
    gate.move(custody, None, LONGEST)
    custody.lose(frozenset({1}))

    assert gate.move(custody, None, LONGEST) == Open()


def test_the_brokers_limit_of_50_is_out_of_reach_by_rest_alone():
    assert rest(WORN - 1) == 0.0
    assert sum(rest(returns) for returns in range(30)) > 30 * 24 * 3600.0
    assert sum(rest(returns) for returns in range(50)) > 10 * 365 * 24 * 3600.0


def test_who_stops_asks_nobody_and_leaves_the_channels_as_they_are():
    gate = _paused()
    gate.drain()

    assert gate.question(100.0) == FOREVER
    assert gate.move(_custody(), None, 2 * LONGEST) == Wait(FOREVER)
    assert gate.reason == REASON


def test_success_is_no_trouble():
    assert Gate(LONGEST).note(ONE, [Applied("1", None)], 0.0) is None
