"""retries: what becomes of a slot after an answer. Nobody is condemned in company, and it always ends."""

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.desk import Desk
from service.core.hubspot.verdicts import Applied, Cause, Halted, Refused, Rejected, Retryable
from service.core.reasons import Code, Reason
from service.core.settlement.retries import (
    CEILING,
    HALTED,
    THROTTLED,
    Exhausted,
    Finish,
    PutBack,
    RetryPolicy,
    backoff,
    decide,
)
from service.core.waiting.slots import separate
from tests.core.test_desk import POLICIES as DESK
from tests.strategies import STAMP, batch, contribution, slot, verdicts

POLICY = RetryPolicy(attempts=3, patience=100.0)
REASON = Reason(Code.REFUSED, "no")


def _failed(cause=Cause.SERVER, after=None, *, ambiguous=False):
    return Retryable(REASON, cause, after, ambiguous)


def _decide(taken, said, policy=POLICY, now=10.0, chance=0.5):
    numbers = count(1)
    return decide(taken, said, policy, now, lambda: chance, lambda: next(numbers))


def _slots(number):
    return [slot(contribution(key=f"A-{n}")) for n in range(number)]


def _again(step):
    assert isinstance(step, PutBack)
    (alone,) = step.slots
    return alone


def test_an_applied_slot_is_finished():
    (step,) = _decide(batch(*_slots(1)), [Applied("17", created=True)])

    assert isinstance(step, Finish)
    assert step.verdict == Applied("17", created=True)
    assert step.slot.attempts == 1


def test_a_rejected_event_is_finished_a_rejected_merge_is_separated():
    merged = slot(contribution(a="1"), contribution("update", b="2"))
    alone = slot(contribution(key="A-2"))

    apart, done = _decide(batch(merged, alone), [Rejected(REASON), Rejected(REASON)])

    assert isinstance(apart, PutBack)
    assert [s.contributions for s in apart.slots] == [(c,) for c in merged.contributions]
    assert all(s.sealed and s.attempts == 1 for s in apart.slots)
    assert isinstance(done, Finish)


def test_a_refused_batch_is_suspected_as_a_whole():
    steps = _decide(batch(*_slots(5)), [Refused(REASON)] * 5)

    assert [(_again(s).company, _again(s).suspected) for s in steps] == [(1, True)] * 5
    assert all(_again(s).not_before == 0.0 for s in steps)


def test_where_several_are_at_fault_for_sure_a_refused_batch_falls_into_pieces():
    numbers = count(1)
    said = [Refused(REASON)] * 5

    steps = decide(
        batch(*_slots(5)),
        said,
        POLICY,
        10.0,
        lambda: 0.5,
        lambda: next(numbers),
        pieces=lambda _: [2, 3],
    )

    assert [_again(s).company for s in steps] == [1, 1, 2, 2, 2]
    assert not any(_again(s).suspected for s in steps)


def test_what_fails_afterwards_is_suspected_no_more():
    suspects = [_again(s) for s in _decide(batch(*_slots(4)), [Refused(REASON)] * 4)]

    again = [_again(s) for s in _decide(batch(*suspects), [_failed()] * 4)]

    assert not any(s.suspected for s in again)


def test_who_is_pointed_at_is_set_aside():
    said = [Refused(REASON), Refused(REASON, named=True), Refused(REASON)]

    assert [_again(s).company for s in _decide(batch(*_slots(3)), said)] == [2, 1, 2]


def test_the_rest_goes_on_together_when_the_guilty_are_out():
    steps = _decide(batch(*_slots(3)), [Rejected(REASON), Refused(REASON), Refused(REASON)])

    assert [_again(s).company for s in steps[1:]] == [1, 1]


def test_suspects_beside_the_proven_are_tried_part_by_part():
    said = [Rejected(REASON), *[Refused(REASON, named=True)] * 2]

    again = [_again(s) for s in _decide(batch(*_slots(3)), said)[1:]]

    assert [(s.company, s.suspected) for s in again] == [(1, True), (1, True)]


def test_a_refusal_that_may_have_been_written_leaves_a_doubt():
    (step,) = _decide(batch(*_slots(1)), [Refused(REASON, ambiguous=True)])

    assert _again(step).ambiguous


def test_a_failed_call_is_tried_again_together_after_a_while_and_later_apart():
    first = [_again(s) for s in _decide(batch(*_slots(4)), [_failed()] * 4)]
    assert {(s.company, s.not_before, s.failures) for s in first} == {(1, 10.5, 1)}

    second = [_again(s) for s in _decide(batch(*first), [_failed()] * 4)]
    assert [s.company for s in second] == [1, 2, 2, 3]  # the first alone, the rest in halves
    assert {s.not_before for s in second} == {11.0}


def test_one_answer_one_delay():
    """A hundred records that an answer forgot come back in one call, not in a hundred."""
    chances = iter([0.3, 0.9, 0.1])
    taken = batch(*_slots(3))

    steps = decide(
        taken, [_failed(Cause.SILENCE)] * 3, POLICY, 0.0, lambda: next(chances), count(1).__next__
    )

    assert len({_again(s).not_before for s in steps}) == 1


def test_hubspot_may_ask_for_more_time_than_we_would_take():
    (step,) = _decide(batch(*_slots(1)), [_failed(after=30.0)])

    assert _again(step).not_before == 40.0


@pytest.mark.parametrize(("after", "until"), [(None, 10.0 + THROTTLED), (4.0, 14.0)])
def test_a_throttle_counts_for_nothing(after, until):
    (first,) = _slots(1)
    for _ in range(20):
        (step,) = _decide(batch(first), [_failed(Cause.THROTTLE, after)])
        first = _again(step)

    assert (first.failures, first.first_sent, first.not_before) == (0, None, until)


def test_a_throttle_condemns_nobody_who_has_failed_before():
    """Failures may pass the limit in company; a 429 to the next call is no reason to give up."""
    pair = [_again(s) for s in _decide(batch(*_slots(2)), [_failed()] * 2)]
    while pair[0].failures < POLICY.attempts:
        pair = [_again(s) for s in _decide(batch(*pair), [_failed()] * 2)]

    (step,) = _decide(batch(pair[0]), [_failed(Cause.THROTTLE)])

    assert isinstance(step, PutBack)


def test_a_suspicion_outlives_a_throttle():
    """Set free, the suspects would have the next whole batch refused again."""
    suspects = [_again(s) for s in _decide(batch(*_slots(4)), [Refused(REASON)] * 4)][:2]

    again = [_again(s) for s in _decide(batch(*suspects), [_failed(Cause.THROTTLE)] * 2)]

    assert [s.company for s in again] == [1, 1]


@pytest.mark.parametrize("number", [1, 2, 5, 100])
def test_a_halted_call_is_taken_apart_the_first_alone(number):
    """What one order meets alone is no reason to stop the others."""
    steps = _decide(batch(*_slots(number)), [Halted(REASON, 3600.0)] * number)

    companies = [_again(s).company for s in steps]
    assert all(companies)
    assert companies.count(companies[0]) == 1
    assert len(set(companies)) == min(number, 3)
    if number > 1:
        assert {_again(s).not_before for s in steps} == {10.0 + HALTED}


def test_halted_by_name_it_travels_without_those_that_were_written():
    said = [Applied("1", None), Halted(REASON), Applied("2", None)]

    assert _again(_decide(batch(*_slots(3)), said)[1]).company


def test_after_the_last_attempt_it_is_exhausted():
    (last,) = _slots(1)
    for _ in range(POLICY.attempts - 1):
        last = _again(_decide(batch(last), [_failed()])[0])

    (step,) = _decide(batch(last), [_failed()])

    assert isinstance(step, Finish)
    assert step.verdict == Exhausted(_failed())


def test_patience_ends_too_also_for_a_merge():
    merged = slot(contribution(a="1"), contribution("update", b="2"))
    tried = _again(_decide(batch(merged), [_failed()], now=10.0)[0])

    assert isinstance(_decide(batch(tried), [_failed()], now=109.0)[0], PutBack)
    (step,) = _decide(batch(tried), [_failed()], now=110.0)

    assert isinstance(step, Finish)
    assert isinstance(step.verdict, Exhausted)


def test_of_a_merge_each_event_gets_a_last_try_of_its_own():
    merged = slot(contribution(a="1"), contribution("update", b="2"))
    for _ in range(POLICY.attempts - 1):
        merged = _again(_decide(batch(merged), [_failed()])[0])

    (step,) = _decide(batch(merged), [_failed()])

    assert isinstance(step, PutBack)
    assert [s.failures for s in step.slots] == [POLICY.attempts - 1] * 2
    (end,) = _decide(batch(step.slots[0]), [_failed()])
    assert isinstance(end, Finish)


def test_who_is_never_mentioned_gets_a_last_try_of_its_own():
    """Silence names nobody: the company may be why."""
    pair = _slots(2)
    for _ in range(POLICY.attempts):
        pair = [_again(s) for s in _decide(batch(*pair), [_failed(Cause.SILENCE)] * 2)]

    assert pair[0].company != pair[1].company
    (end,) = _decide(batch(pair[0]), [_failed(Cause.SILENCE)])
    assert isinstance(end, Finish)


def test_who_is_named_again_and_again_is_given_up_where_it_stands():
    said = [_failed(Cause.RECORD), Applied("1", created=False)]
    (named, *others) = _slots(POLICY.attempts + 1)
    for other in others[:-1]:
        named = _again(_decide(batch(named, other), said)[0])

    assert isinstance(_decide(batch(named, others[-1]), said)[0], Finish)


def test_a_pause_puts_back_and_counts_nothing():
    (step,) = _decide(batch(*_slots(1)), [Halted(REASON, 5.0)])

    assert (_again(step).failures, _again(step).not_before) == (0, 15.0)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_backoff_is_full_jitter_under_a_ceiling(failures, chance):
    assert 0.0 <= backoff(failures, chance) <= CEILING
    assert backoff(failures, 0.0) == 0.0


@given(st.integers(1, 6).flatmap(lambda n: st.lists(verdicts(), min_size=n, max_size=n)))
def test_every_slot_gets_one_step_and_no_event_is_lost(said):
    taken = batch(
        *(slot(contribution(key=f"A-{n}"), contribution(key=f"A-{n}")) for n in range(len(said)))
    )

    steps = _decide(taken, said)

    for before, step, verdict in zip(taken.slots, steps, said, strict=True):
        match step:
            case Finish(after, end):
                assert after.contributions == before.contributions
                assert isinstance(end, Applied)  # two events in it: nobody is condemned
            case PutBack(same, parts):
                assert same is before
                assert not isinstance(verdict, Applied)
                assert sum((p.contributions for p in parts), ()) == before.contributions


@given(
    st.integers(2, 6).flatmap(lambda n: st.lists(verdicts(), min_size=n, max_size=n)),
    st.integers(0, 5),
    st.floats(0, 1000),
)
def test_law_5_no_event_is_condemned_in_company(said, failures, now):
    """Rejected only by name; given up only by name or alone, however late it is."""
    taken = _slots(len(said))
    for _ in range(failures):
        taken = [_again(s) for s in _decide(batch(*taken), [_failed()] * len(taken))]

    for step, verdict in zip(_decide(batch(*taken), said, now=now), said, strict=True):
        if isinstance(step, Finish) and isinstance(step.verdict, Exhausted):
            assert isinstance(verdict, Retryable)
            assert verdict.cause in {Cause.RECORD, Cause.MISSING}
        elif isinstance(step, Finish):
            assert isinstance(verdict, Applied | Rejected)


POLICIES = replace(DESK, retry=RetryPolicy())


def _isolate(number, answer):
    """Calls until a batch of `number` is settled at the desk; `answer(slots)` is HubSpot."""
    desk, calls, rejected, now = Desk(POLICIES, "t"), 0, [], 0.0
    for n in range(number):
        desk.arrive(contribution(key=f"A-{n}").delivery, now)
    while desk.held:
        departure = desk.depart(now)
        if departure is None:
            now += _until_more(desk, now)
            continue
        calls += 1
        slots = departure.batch.slots
        judgement = desk.judged(departure, answer(slots), now, STAMP, lambda: 0.5)
        if judgement.closing is None:
            continue
        for finish in judgement.closing.finished:
            if isinstance(finish.verdict, Rejected | Exhausted):
                assert len(slots) == 1 or isinstance(finish.verdict, Rejected)
                rejected.append(finish.slot.order.key)
        desk.settled(judgement.closing, now)
    return calls, sorted(rejected)


def _until_more(desk, now):
    """Seconds until something can happen; every probe is answered as it should be."""
    question = desk.gate.question(now)
    if isinstance(question, float):
        return min(question, desk.wait(now, lambda _: 0.0))
    desk.answered(question, None, now)
    return 0.0


@given(st.sets(st.integers(0, 99), min_size=1, max_size=4))
def test_anonymous_refusals_cost_at_most_15_calls_a_poison(poison):
    bad = {f"A-{n}" for n in poison}

    def answer(slots):
        if not any(s.order.key in bad for s in slots):
            return [Applied("1", created=True)] * len(slots)
        return [Rejected(REASON)] if len(slots) == 1 else [Refused(REASON)] * len(slots)

    calls, rejected = _isolate(100, answer)

    assert rejected == sorted(bad)
    assert calls <= 15 * len(bad)


@given(st.sets(st.integers(0, 99), min_size=1, max_size=100))
def test_culprits_named_in_the_refusal_cost_one_more_call(poison):
    bad = {f"A-{n}" for n in poison}

    def answer(slots):
        if not any(s.order.key in bad for s in slots):
            return [Applied("1", created=True)] * len(slots)
        return [Rejected(REASON) if s.order.key in bad else Refused(REASON) for s in slots]

    assert _isolate(100, answer) == (1 if len(bad) == 100 else 2, sorted(bad))


@given(st.integers(0, 99))
def test_a_record_that_makes_every_call_with_it_fail_is_found_and_the_others_are_served(poison):
    """A 5xx for one record: its neighbours are not given up with it."""
    bad = f"A-{poison}"

    def answer(slots):
        if any(s.order.key == bad for s in slots):
            return [_failed(ambiguous=True)] * len(slots)
        return [Applied("1", created=True)] * len(slots)

    calls, rejected = _isolate(100, answer)

    assert rejected == [bad]
    assert calls <= 25


@given(st.data(), st.integers(1, 12))
def test_whatever_hubspot_answers_it_ends(data, number):
    """Any verdicts at first, then only whole refusals and failures: a bounded number of calls."""
    budget = iter(range(30))

    def answer(slots):
        if next(budget, None) is not None:
            return data.draw(st.lists(verdicts(), min_size=len(slots), max_size=len(slots)))
        return [Rejected(REASON)] if len(slots) == 1 else [Refused(REASON)] * len(slots)

    calls, _ = _isolate(number, answer)

    assert calls <= 30 + 3 * number


def test_separated_events_keep_their_doubt():
    (step,) = _decide(batch(*_slots(1)), [_failed(ambiguous=True)])

    assert all(s.ambiguous for s in separate(_again(step)))
