"""poison: a part tells something whatever the rate, and isolating costs little more than information theory asks."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.waiting.poison import FIRST_RECORDS, HIGHEST, HORIZON, LOWEST, Poison
from tests.bench.taking_apart import RATES, SIZE, desk_calls, drawn, halving_calls


def _learned(rate, records=10_000):
    poison = Poison()
    for _ in range(records // 1_000):
        poison.learn(round(1_000 * (1 - rate)), round(1_000 * rate))
    return poison


@given(st.floats(0, 1), st.integers(2, 1_000), st.integers(0, 20_000))
def test_a_part_is_neither_nobody_nor_all(rate, number, records):
    assert 1 <= _learned(rate, records).part(number) < number


@given(st.floats(0, 1), st.integers(1, 1_000))
def test_the_pieces_are_the_whole_and_alike(rate, number):
    sizes = _learned(rate).pieces(number)

    assert sum(sizes) == number
    assert 1 <= min(sizes) <= max(sizes) <= min(sizes) + 1


def test_one_alone_is_a_part():
    assert Poison().part(1) == 1


def test_the_more_are_refused_the_smaller_the_part():
    parts = [_learned(rate).part(100) for rate in (0.0, 0.01, 0.1, 0.3, 0.9)]

    assert parts == [50, 38, 7, 2, 1]


def test_the_rate_stays_within_bounds_and_what_is_over_is_forgotten():
    assert _learned(1.0).rate == HIGHEST
    assert Poison().rate < FIRST_RECORDS / HORIZON
    times = _learned(0.5)
    rates = [times.rate]
    for _ in range(40):
        times.learn(1_000, 0)
        rates.append(times.rate)
    assert all(later <= earlier for earlier, later in pairwise(rates))
    assert rates[-1] == LOWEST


@pytest.mark.parametrize("rate", RATES)
def test_refusals_that_name_nobody_cost_less_than_halving_at_every_rate(rate):
    records = 3_000
    guilty = drawn(rate, records, seed=2)

    calls, _ = desk_calls(guilty)

    assert calls <= sum(halving_calls(guilty[at : at + SIZE]) for at in range(0, records, SIZE))


def test_one_in_a_hundred_costs_a_hundred_calls_for_a_thousand_at_most():
    calls, most = desk_calls(drawn(0.01, 10_000, seed=3))

    assert calls <= 1_000
    assert most <= 20


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=220))
def test_every_record_at_fault_is_found_and_nobody_else_is_refused(guilty):
    """`desk_calls` asserts both, and that who is refused was alone; wherever they are, at two calls each at most."""
    calls, _ = desk_calls(guilty)

    assert calls <= 2 * len(guilty) + 3
