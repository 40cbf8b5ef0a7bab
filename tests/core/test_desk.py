"""The desk, by hand: what a driver is told, and in which order. The laws are in test_whole_core."""

from dataclasses import replace
from typing import Any

import orjson

from service.core.departure import STUCK, Judgement, Stuck, UnderWay
from service.core.desk import Desk
from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution
from service.core.events.malformed import Malformed
from service.core.hubspot.budget import BudgetPolicy
from service.core.hubspot.pauses import Doubt, Pause
from service.core.hubspot.places import FOREVER
from service.core.hubspot.verdicts import Applied, Cause, Halted, Rejected, Retryable, Verdict
from service.core.intake.crashes import CONDEMNED, SUSPECTED, Suspected
from service.core.intake.gate import Resumed, Standing, Wait
from service.core.policies import Policies
from service.core.reasons import Code, Reason
from service.core.settlement.retries import RetryPolicy
from service.core.waiting.batch import BatchPolicy
from tests.strategies import ID_PROPERTY, STAMP, delivery, document

POLICIES = Policies(
    id_property=ID_PROPERTY,
    batch=BatchPolicy(linger=0.25),
    retry=RetryPolicy(attempts=1),
    budget=BudgetPolicy(),
    concurrency=None,
    grace=25.0,
    longest=1740.0,
)
REASON = Reason(Code.UNAUTHENTICATED, "no such token", 401)
WRITTEN = Applied("1", created=True)
FAILED = Retryable(Reason(Code.SERVER_ERROR, "503", 503), Cause.SERVER)


def _desk() -> Desk:
    return Desk(POLICIES, "t")


def _came(event_id: str = "e1", key: str = "A-1", *, epoch: int = 1, **values: Any) -> Delivery:
    return delivery(orjson.dumps(document("upsert", key, event_id, **values)), epoch=epoch)


def _returned(times: int, event_id: str = "e1", key: str = "A-1") -> Delivery:
    came = _came(event_id, key)
    counted = {"x-delivery-count": times}
    came.properties.headers = counted
    return replace(came, redelivered=True)


def _carry(desk: Desk, *verdicts: Verdict, now: float = 1.0) -> Judgement:
    departure = desk.depart(now)
    assert departure is not None
    return desk.judged(departure, verdicts, now, STAMP, lambda: 0.5)


def _settle(desk: Desk, judgement: Judgement) -> None:
    assert judgement.closing is not None
    desk.settled(judgement.closing, 1.0)


def test_from_arrival_to_settlement():
    desk, came = _desk(), _came(a="1")

    (read,) = desk.arrive(came, 0.0)
    assert isinstance(read, Contribution)
    assert (desk.held, desk.in_flight, desk.age(1.0)) == (1, 0, 1.0)
    assert desk.wait(0.0, lambda _: 0.0) == 0.25

    closing = _carry(desk, WRITTEN).closing
    assert closing is not None
    assert [message.routing_key for message in closing.messages] == ["outcome.applied"]
    assert closing.deliveries == [came]

    assert list(desk.settled(closing, 2.0)) == []
    assert (desk.held, desk.in_flight, desk.age(2.0)) == (0, 0, 0.0)
    assert desk.wait(2.0, lambda _: 0.0) == FOREVER


def test_a_batch_that_is_due_waits_for_the_line():
    desk = _desk()
    desk.arrive(_came(), 0.0)
    assert desk.wait(0.0, lambda _: 3.0) == 0.25
    assert desk.wait(1.0, lambda _: 3.0) == 3.0
    assert desk.wait(1.0, lambda _: FOREVER) == FOREVER


def test_a_failure_has_an_outcome_and_a_dead_letter():
    desk = _desk()
    desk.arrive(_came(), 0.0)

    closing = _carry(desk, Rejected(REASON)).closing

    assert closing is not None
    assert [message.exchange for message in closing.messages] == ["outcomes", "dead_letters"]


def test_a_malformed_event_is_answered_without_a_call():
    desk, came = _desk(), delivery(b"{")
    (read,) = desk.arrive(came, 0.0)

    assert isinstance(read, Malformed)
    assert desk.answerable
    closing = desk.answers(1.0, STAMP)
    assert closing is not None
    assert closing.deliveries == [came]
    assert desk.answers(1.0, STAMP) is None


def test_a_repeat_is_answered_the_same_without_a_call():
    desk, repeat = _desk(), _came()
    desk.arrive(_came(), 0.0)
    judgement = _carry(desk, WRITTEN)
    desk.arrive(repeat, 1.0)
    assert desk.answers(1.0, STAMP) is None, "what becomes of the event is not known"
    _settle(desk, judgement)

    closing = desk.answers(1.0, STAMP)

    assert closing is not None
    assert closing.deliveries == [repeat]
    assert judgement.closing is not None
    assert closing.messages == judgement.closing.messages


def test_answers_of_a_channel_that_ended_are_nobodys():
    desk = _desk()
    desk.arrive(delivery(b"{", epoch=1), 0.0)
    desk.arrive(_came(epoch=1), 0.0)
    _settle(desk, _carry(desk, WRITTEN))
    desk.arrive(_came(epoch=1), 1.0)

    desk.lose(frozenset({1}), 2.0)

    assert not desk.answerable


def test_what_is_suspected_is_read_one_at_a_time_and_told_once():
    desk = _desk()
    first, second = (_returned(SUSPECTED, f"e{n}", f"A-{n}") for n in (1, 2))

    suspected, read = desk.arrive(first, 0.0)
    assert isinstance(suspected, Suspected)
    assert read.delivery is first
    assert list(desk.arrive(second, 0.0)) == []

    judgement = _carry(desk, WRITTEN)
    assert judgement.closing is not None
    (read,) = desk.settled(judgement.closing, 1.0)
    assert read.delivery is second


def test_what_killed_too_often_is_set_aside_without_a_call():
    desk = _desk()
    desk.arrive(_returned(CONDEMNED), 0.0)

    closing = desk.answers(0.0, STAMP)

    assert closing is not None
    assert [m.routing_key for m in closing.messages] == ["outcome.exhausted", "crash_suspect"]
    assert desk.depart(9.0) is None


def test_nothing_is_settled_of_a_channel_that_ended_and_its_lane_goes_on():
    desk = _desk()
    desk.arrive(_came(epoch=1), 0.0)
    departure = desk.depart(1.0)
    assert departure is not None
    desk.lose(frozenset({1}), 1.0)
    assert not desk.permits(departure)
    desk.arrive(_came(epoch=2), 1.0)
    assert desk.depart(9.0) is None, "of an order nothing is in flight twice"

    judgement = desk.judged(departure, [WRITTEN], 9.0, STAMP, lambda: 0.5)

    assert judgement.closing is not None
    assert judgement.closing.deliveries == []
    desk.settled(judgement.closing, 9.0)
    assert desk.depart(9.0) is not None, "the redelivery is written anew"


def test_what_was_not_permitted_waits_again_as_far_as_it_is_ours():
    desk = _desk()
    desk.arrive(_came("e1", "A-1", epoch=1), 0.0)
    desk.arrive(_came("e2", "A-2", epoch=2), 0.0)
    departure = desk.depart(1.0)
    assert departure is not None
    assert desk.permits(departure)
    desk.lose(frozenset({1}), 1.0)

    desk.withdraw(departure)

    assert (desk.held, desk.in_flight) == (1, 0)
    again = desk.depart(9.0)
    assert again is not None
    assert [slot.order.key for slot in again.batch.slots] == ["A-2"]


def _pause(desk: Desk, now: float = 1.0) -> None:
    """A call is halted, and so is the probe."""
    assert _carry(desk, Halted(REASON), now=now).closing is None
    doubt = desk.gate.question(now)
    assert isinstance(doubt, Doubt)
    assert isinstance(desk.answered(doubt, REASON, now), Pause)


def test_in_a_pause_nothing_departs_and_nobody_is_given_up():
    desk = _desk()
    for n in range(2):
        desk.arrive(_came(f"e{n}", f"A-{n}", a="1"), 0.0)
    under_way = desk.depart(1.0)
    assert under_way is not None
    desk.arrive(_came("e2", "A-2", a="1"), 0.0)
    _pause(desk)
    alone = Retryable(REASON, Cause.RECORD)

    assert desk.judged(under_way, (alone, alone), 1.0, STAMP, lambda: 0.5).closing is None
    assert desk.depart(99.0) is None
    assert desk.wait(99.0, lambda _: 0.0) == FOREVER

    question = desk.gate.question(99.0)
    assert isinstance(question, Standing)
    assert isinstance(desk.answered(question, None, 99.0), Resumed)
    departures = [desk.depart(99.0), desk.depart(99.0)]
    slots = [slot for each in departures if each is not None for slot in each.batch.slots]
    assert [slot.failures for slot in slots] == [0, 0, 0], "forgiven"
    assert [slot.attempts for slot in slots] == [1, 1, 1]


def test_what_one_order_alone_meets_is_its_refusal():
    """The desk asks, weighs and concludes; core.hubspot.suspicion says when."""
    desk = _desk()
    desk.arrive(_came(), 0.0)
    now, judgement = 0.0, None
    while judgement is None or judgement.closing is None:
        now += 100.0
        judgement = _carry(desk, Halted(REASON), now=now)
        question = desk.gate.question(now)
        if isinstance(question, Doubt):
            desk.answered(question, None, now + 1.0)

    assert not isinstance(judgement.trouble, Pause)
    (verdict,) = judgement.verdicts
    assert isinstance(verdict, Rejected)
    assert verdict.reason.code is Code.REFUSED_ALONE


def test_stopping_takes_nothing_in_and_is_done_when_all_is_settled():
    desk = _desk()
    desk.arrive(_came(), 0.0)
    assert not desk.done(0.0)

    desk.drain(0.0)

    assert list(desk.arrive(_came("e2", "A-2"), 0.1)) == []
    assert desk.wait(0.1, lambda _: 0.0) == 0.0, "no lingering"
    assert not desk.done(0.1)
    judgement = _carry(desk, WRITTEN)
    assert not desk.done(1.0)
    _settle(desk, judgement)
    assert desk.done(1.0)


def test_stopping_is_over_with_the_grace_or_where_nothing_can_be_settled():
    desk = _desk()
    desk.arrive(_came(), 0.0)
    desk.drain(0.0)
    assert desk.depart(0.0) is not None
    assert desk.wait(5.0, lambda _: 0.0) == 20.0
    assert not desk.done(24.9)
    assert desk.done(25.0)

    paused = _desk()
    paused.arrive(_came(), 0.0)
    _pause(paused)
    paused.drain(1.0)
    assert paused.done(1.0)


def test_what_is_under_way_for_longer_than_anything_may_be_is_told():
    desk = _desk()
    desk.arrive(_came("e1", "A-1"), 0.0)
    judgement = _carry(desk, WRITTEN, now=1.0)
    assert judgement.closing is not None
    desk.arrive(_came("e2", "A-2"), 10.0)
    assert desk.depart(11.0) is not None

    assert list(desk.stuck(STUCK)) == []
    assert list(desk.stuck(1.0 + STUCK)) == [Stuck(UnderWay.SETTLEMENT, STUCK)]
    assert [each.what for each in desk.stuck(11.0 + STUCK)] == list(UnderWay)


def test_the_channels_are_closed_when_the_oldest_was_held_for_too_long():
    desk = _desk()
    desk.arrive(_came(), 10.0)
    assert desk.move(10.0) == Wait(POLICIES.longest)
    assert not isinstance(desk.move(10.0 + POLICIES.longest), Wait)
