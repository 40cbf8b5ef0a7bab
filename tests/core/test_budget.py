"""budget: HubSpot's burst limit, never exceeded and used up. In virtual time, over a network that delays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.budget import LONGEST, Budget, BudgetPolicy
from service.core.hubspot.neighbours import REMEMBERED
from service.core.hubspot.places import FOREVER
from tests.core.quota import (
    at_will,
    bursts,
    drive,
    longest_gap,
    most_in_a_window,
    quick,
    random,
    steady,
    taking,
    taking_always,
    together,
    use,
    wild,
)

WINDOW = 10.0
FREE = BudgetPolicy(100, WINDOW)
PRO = BudgetPolicy(190, WINDOW)


def _headers(limit=100, remaining=90, interval=10_000):
    return {
        "x-hubspot-ratelimit-max": str(limit),
        "x-hubspot-ratelimit-remaining": str(remaining),
        "x-hubspot-ratelimit-interval-milliseconds": str(interval),
    }


def _answer(**headers):
    return BatchReply(200, _headers(**headers), b"")


def _heard(policy=FREE, now=0.0, **headers):
    """A budget after its first call, answered at once."""
    budget = Budget(policy)
    assert budget.wait(now) == 0.0
    budget.spend(now)
    budget.learn(_answer(**headers), now, now)
    return budget


# --- laws -----------------------------------------------------------------------------------------------


@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 2, 5, 20, 100]),
    st.sampled_from([quick, wild]),
    st.sampled_from([1, 4, 30]),
    st.sampled_from([0.0, 0.1]),
)
def test_law_8_no_window_of_hubspots_holds_more_calls_than_the_limit(
    seed, limit, delay, concurrency, silent
):
    """On the server's clock, whatever the network does; so it never has a reason to say 429."""
    run = drive(
        seed,
        BudgetPolicy(limit, WINDOW),
        seconds=35.0,
        concurrency=concurrency,
        delay=delay,
        silent=silent,
    )

    assert most_in_a_window(run.ours, WINDOW) <= limit
    assert run.refused == []


@pytest.mark.parametrize("policy", [FREE, PRO])
@pytest.mark.parametrize("concurrency", [4, 8])
def test_at_least_97_percent_is_used_while_there_is_work(policy, concurrency):
    """Calls take up to 200 ms."""
    run = drive(1, policy, seconds=520.0, concurrency=concurrency)
    used = use(run, policy.calls, WINDOW)

    print(f"{policy.calls} per {WINDOW:g} s, {concurrency} in flight: {used:.1%} used, no 429")
    assert used >= 0.97
    assert run.refused == []


PACES = {
    "0.05 s": taking_always(0.05),
    "0.5 s": taking_always(0.5),
    "1 s": taking_always(1.0),
    "3 s": taking_always(3.0),
    "0.1 to 0.5 s": taking(0.1, 0.5),
    "0.3 to 3 s": taking(0.3, 3.0),
    "0.02 to 0.2 s, counted anywhere between": quick,
}


@pytest.mark.parametrize("policy", [FREE, PRO])
@pytest.mark.parametrize("pace", PACES)
def test_alone_at_least_97_percent_is_used_at_any_pace_of_hubspots(policy, pace):
    run = drive(1, policy, seconds=1020.0, concurrency=128, delay=PACES[pace])
    used = use(run, policy.calls, WINDOW)

    print(f"{policy.calls} per {WINDOW:g} s, {pace} a call: {used:.1%} used")
    assert used >= 0.97
    assert run.refused == []


@pytest.mark.parametrize("policy", [FREE, PRO])
@pytest.mark.parametrize("pace", ["0.05 s", "0.5 s", "0.1 to 0.5 s"])
def test_three_processes_on_one_token_use_97_percent_together_and_meet_no_429(policy, pace):
    """Nobody tells them of each other but HubSpot's headers."""
    joint = together(1, policy, [(0.0, 300.0)] * 3, delay=PACES[pace])

    print(f"{policy.calls} per {WINDOW:g} s, {pace} a call: {joint.use(policy.calls, WINDOW):.1%}")
    assert joint.refused == []
    assert joint.use(policy.calls, WINDOW) >= 0.97
    assert min(joint.each) >= policy.calls * 30 * 0.15  # each has a share


@pytest.mark.parametrize("policy", [FREE, PRO])
def test_processes_that_start_and_stop_at_will_hardly_ever_meet_a_429(policy):
    """Six runs of five minutes with about eight starts and stops each."""
    joints = [
        together(seed, policy, at_will(seed, 300.0), delay=taking(0.05, 0.2)) for seed in range(6)
    ]
    used = sum(joint.use(policy.calls, WINDOW) for joint in joints) / len(joints)
    refused = sum(len(joint.refused) for joint in joints)

    print(f"{policy.calls} per {WINDOW:g} s: {used:.1%} used together, {refused} answers 429")
    assert used >= 0.96
    assert refused <= 3


@pytest.mark.parametrize("policy", [FREE, PRO])
@pytest.mark.parametrize("competitor", [steady, random])
@pytest.mark.parametrize("concurrency", [4, 8])
def test_beside_a_client_that_takes_half_there_is_at_most_one_429_a_window(
    policy, competitor, concurrency
):
    for seed in range(3):
        run = drive(
            seed,
            policy,
            seconds=320.0,
            concurrency=concurrency,
            competitor=competitor,
            taking=policy.calls // 2,
        )
        left = use(run, policy.calls, WINDOW)

        print(
            f"{policy.calls} per {WINDOW:g} s, {concurrency} in flight, half taken"
            f" ({competitor.__name__}): {left:.1%} of the rest used,"
            f" {len(run.refused) / 32:.2f} answers 429 a window"
        )
        assert most_in_a_window(run.refused, WINDOW) <= 1
        assert left >= 0.8


@pytest.mark.parametrize("policy", [FREE, PRO])
def test_beside_a_client_that_calls_in_bursts_429s_stay_rare(policy):
    """Half of the limit within half a second: what is on its way then may be refused, no more."""
    run = drive(
        1, policy, seconds=520.0, concurrency=4, competitor=bursts, taking=policy.calls // 2
    )

    assert most_in_a_window(run.refused, WINDOW) <= 4
    assert len(run.refused) / 52 <= 0.5
    assert use(run, policy.calls, WINDOW) >= 0.75


@pytest.mark.parametrize("before", [1, 50, 99, 100])
def test_what_a_predecessor_used_is_found_out_by_one_call(before):
    run = drive(1, FREE, seconds=60.0, used_before=before)

    assert len(run.refused) <= 1
    assert len(run.ours) >= 400


@pytest.mark.parametrize("seed", range(5))
def test_beside_a_client_that_takes_everything_we_neither_hammer_nor_stop(seed):
    run = drive(seed, FREE, seconds=300.0, competitor=steady, taking=400)

    assert most_in_a_window(run.refused, WINDOW) <= 3
    assert longest_gap(run) <= 150.0


@given(st.integers(0, 10**6), st.sampled_from([None, steady, random, bursts]))
def test_it_never_waits_for_an_answer_that_nobody_owes(seed, competitor):
    """Whatever was said: with nothing on its way there is a time at which the next call leaves."""
    run = drive(
        seed,
        BudgetPolicy(10, WINDOW),
        seconds=100.0,
        competitor=competitor,
        taking=20,
        silent=0.3,
        delay=wild,
    )

    assert len(run.ours) + len(run.refused) >= 5


# --- rules ----------------------------------------------------------------------------------------------


def test_the_first_call_goes_alone():
    budget = Budget(FREE)
    budget.spend(0.0)

    assert budget.wait(5.0) == FOREVER
    budget.learn(_answer(remaining=99), 0.0, 5.0)
    assert budget.wait(5.0) == 0.0


def test_a_place_is_free_one_window_after_its_answer():
    budget = _heard(BudgetPolicy(2, WINDOW), limit=2, remaining=1)
    budget.spend(1.0)
    budget.learn(_answer(limit=2, remaining=0), 1.0, 3.0)

    assert budget.wait(3.0) == 7.0
    assert budget.wait(10.0) == 0.0
    assert budget.used == 1


def test_a_full_window_of_calls_on_their_way_waits_for_an_answer():
    budget = _heard(BudgetPolicy(3, WINDOW), limit=3, remaining=2)
    budget.spend(10.0)
    budget.spend(10.0)
    budget.spend(10.0)

    assert budget.wait(11.0) == FOREVER


def test_the_limit_is_lowered_by_the_headers_and_never_raised():
    budget = _heard(limit=50, remaining=49)
    assert budget.limit == 50

    budget.spend(1.0)
    budget.learn(_answer(limit=500, remaining=498, interval=20_000), 1.0, 1.0)

    assert (budget.limit, budget.window, budget.remaining) == (100, 20.0, 498)


def test_hubspots_interval_is_believed_both_ways_and_calls_per_second_are_never_raised():
    budget = _heard(limit=500, interval=1_000)
    assert (budget.limit, budget.window) == (10, 1.0)

    budget.spend(5.0)
    budget.learn(_answer(limit=7, interval=2_000), 5.0, 5.0)

    assert (budget.limit, budget.window) == (7, 2.0)


@pytest.mark.parametrize("interval", [1, 999_999_999])
def test_one_odd_interval_neither_silences_nor_unleashes_us(interval):
    """999,999,999 ms are 11 days; 1 ms would be 100,000 calls a second."""
    budget = _heard(interval=interval)
    calls = 0
    for now in range(120):
        while budget.wait(float(now)) == 0.0:
            budget.spend(float(now))
            budget.learn(_answer(interval=interval, remaining=100), float(now), float(now))
            calls += 1

    assert 100 <= calls <= 1_300


@pytest.mark.parametrize("value", ["", "x", "-3", "1e3", "٣", "9" * 5000])
def test_headers_that_are_no_numbers_are_no_headers(value):
    budget = _heard()
    budget.spend(1.0)

    budget.learn(BatchReply(200, dict.fromkeys(_headers(), value), b""), 1.0, 1.0)

    assert (budget.limit, budget.window, budget.remaining) == (100, WINDOW, 90)


def test_no_answer_holds_its_place_all_the_same():
    budget = _heard(BudgetPolicy(2, WINDOW), limit=2, remaining=1)
    budget.spend(0.0)
    budget.learn(NoReply("timed out", sent=True), 0.0, 4.0)

    assert budget.used == 2
    assert budget.wait(4.0) == 6.0


def test_what_our_calls_cannot_explain_is_somebody_elses():
    budget = _heard(remaining=10)  # 90 counted, 1 ours
    left = []
    for tenth in range(1, 20):
        now = tenth / 10
        if budget.wait(now) == 0.0:
            budget.spend(now)
            budget.learn(_answer(remaining=9 - len(left)), now, now)
            left.append(now)

    assert 2 <= len(left) <= 8  # places are taken one by one, and the last stay free


def test_while_others_use_it_the_last_place_stays_free():
    budget = _heard(remaining=1)

    assert budget.wait(0.1) == pytest.approx(9.9)


def test_others_are_forgotten_after_some_windows():
    budget = _heard(remaining=50)
    assert budget.wait(0.0) > 0.0  # spaced

    later = REMEMBERED * WINDOW + 1.0
    assert budget.wait(later) == 0.0
    budget.spend(later)
    assert budget.wait(later) == 0.0


def test_a_429_stops_until_a_place_is_free():
    budget = _heard(remaining=99)
    budget.spend(4.0)
    budget.learn(BatchReply(429, _headers(remaining=0), b""), 4.0, 4.0)
    budget.refused(None, 4.0)

    assert 0.0 < budget.wait(4.0) <= WINDOW


@pytest.mark.parametrize("after", [3.0, 86_400.0])
def test_a_429_that_names_a_time_closes_for_it_within_reason(after):
    budget = _heard(remaining=99)
    budget.spend(0.0)
    budget.learn(BatchReply(429, {}, b""), 0.0, 0.0)
    budget.refused(after, 0.0)

    assert budget.wait(0.0) == min(after, LONGEST)


def test_a_429_without_any_header_still_stops():
    budget = Budget(FREE)
    budget.spend(0.0)
    budget.learn(BatchReply(429, {}, b""), 0.0, 0.1)
    budget.refused(None, 0.1)

    assert budget.wait(0.2) > 1.0


def test_without_any_header_the_configured_limit_is_all_that_counts():
    budget = Budget(BudgetPolicy(3, WINDOW))
    budget.spend(0.0)
    budget.learn(BatchReply(200, {}, b""), 0.0, 0.0)

    budget.spend(5.0)
    budget.spend(5.0)

    assert budget.wait(5.0) == 5.0


def test_calls_that_the_header_may_not_have_counted_are_taken_off():
    budget = _heard(remaining=50)  # somebody else is there
    for left in (0.2, 0.4, 0.6):
        budget.spend(left)

    budget.learn(_answer(remaining=8), 0.2, 0.7)

    # 6 of the 8, of which one that has all leaves 3 and others a part.
    leaves = 0
    while budget.wait(0.7) == 0.0:
        budget.spend(0.7)
        leaves += 1
    assert leaves <= 1


def test_a_call_that_was_refused_gives_no_place_back():
    """It never had one: when its window is over, nothing has come free."""
    budget = _heard(remaining=50)
    budget.spend(5.0)
    budget.learn(BatchReply(429, _headers(remaining=0), b""), 5.0, 5.0)
    budget.refused(None, 5.0)

    leaves = 0
    while budget.wait(15.1) == 0.0:
        budget.spend(15.1)
        leaves += 1

    assert leaves <= 1  # to find out


def test_a_late_answer_does_not_overrule_newer_news():
    budget = _heard(remaining=99)
    budget.spend(1.0)
    budget.spend(2.0)
    budget.learn(_answer(remaining=1), 2.0, 2.1)
    held_up = budget.wait(2.2)

    budget.learn(_answer(remaining=98), 1.0, 2.2)

    assert held_up > 0.0
    assert budget.wait(2.2) > 0.0


def test_a_call_that_hangs_does_not_hold_up_the_others():
    budget = _heard(remaining=20)
    budget.spend(0.0)

    assert 0.0 < budget.wait(0.6) <= 0.5 or budget.wait(0.6) == 0.0
    assert budget.wait(1.0) == 0.0
