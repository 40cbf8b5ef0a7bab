"""concurrency: as many calls in flight as the quota can use at HubSpot's pace, and no more than the bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.hubspot.concurrency import LEAST, MOST, Concurrency


@given(
    st.floats(0.1, 100.0),
    st.lists(st.floats(0.0, 120.0), max_size=50),
    st.none() | st.integers(1, MOST),
)
def test_law_enough_for_the_quota_at_the_latest_pace_and_never_above_the_bound(
    per_second, latencies, most
):
    concurrency = Concurrency(most)
    for seconds in latencies:
        concurrency.learn(seconds)

    calls = concurrency.calls(per_second)

    bound = most or MOST
    assert 1 <= calls <= bound
    if latencies:
        assert calls >= min(bound, per_second * latencies[-1])


@pytest.mark.parametrize(("seconds", "calls"), [(0.05, 4), (0.5, 11), (1.0, 20), (3.0, 58)])
def test_it_follows_hubspots_pace_up(seconds, calls):
    """190 per 10 s; one slow answer is enough."""
    concurrency = Concurrency()
    for _ in range(20):
        concurrency.learn(0.05)

    concurrency.learn(seconds)

    assert concurrency.calls(19.0) == calls


def test_it_follows_hubspots_pace_down():
    concurrency = Concurrency()
    concurrency.learn(20.0)

    assert concurrency.calls(19.0) == MOST
    for _ in range(120):
        concurrency.learn(0.1)
    assert concurrency.calls(19.0) == LEAST


def test_one_quick_answer_among_slow_ones_throttles_nothing():
    concurrency = Concurrency()
    concurrency.learn(3.0)

    concurrency.learn(0.1)

    assert concurrency.calls(10.0) >= 0.9 * 30
