"""The calls of the day: our part is never exceeded, whatever the headers say; the last ones go to who matters most."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.hubspot.day import DAY, LOW, SELDOM, STALE, Day
from service.core.hubspot.limits import Limits

STAMP = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def said(remaining: int | None, limit: int | None = 10_000) -> Limits:
    return Limits(None, None, None, limit, remaining)


@given(
    st.integers(1, 400),
    st.lists(st.tuples(st.floats(0.0, DAY / 3), st.integers(1, 300)), max_size=30),
)
def test_without_headers_no_24_hours_hold_more_than_our_part(
    ours: int, bursts: list[tuple[float, int]]
) -> None:
    day, now = Day(ours), 0.0
    calls: list[float] = []
    for gap, wanted in bursts:
        now += gap
        for _ in range(wanted):
            if day.refusal(now) is None:
                day.spend(now)
                calls.append(now)
        left = day.left(now)
        assert left is not None
        assert left >= 0

    assert all(sum(at <= each < at + DAY for each in calls) <= ours for at in calls)


@given(st.lists(st.integers(0, 10_000), max_size=60), st.integers(1, 500))
def test_headers_that_lie_cost_at_most_one_part_more_each_time_they_rise(
    headers: list[int], ours: int
) -> None:
    """A rise is a new day; whatever else they say, our part stays."""
    day, sent = Day(ours), 0
    before, rises = None, 0
    for number, remaining in enumerate(headers):
        now = float(number)
        for _ in range(100):
            if day.refusal(now) is None:
                day.spend(now)
                sent += 1
        rises += before is not None and remaining > before - 100
        day.hear(said(remaining), now)
        before = remaining

    assert sent <= ours * (rises + 1)


def test_a_new_day_is_seen_in_the_headers_by_a_call_kept_for_it() -> None:
    day, now = Day(1_000), 0.0
    day.hear(said(5_000), now)
    sent = 0
    while day.refusal(now) is None:
        day.spend(now)
        sent += 1
    assert sent == 990, "one in a hundred is kept"
    assert day.refusal(now + SELDOM - 1) is not None
    now += SELDOM
    assert day.refusal(now) is None
    day.spend(now)
    assert day.refusal(now) is not None, "one look"
    day.hear(said(10_000), now)
    assert day.refusal(now) is None
    assert day.left(now) == 1_000


def test_the_smaller_count_is_what_is_left_and_old_news_is_none() -> None:
    day = Day(1_000)
    assert day.left(0.0) == 1_000
    day.hear(said(400), 0.0)
    day.spend(1.0)

    assert day.left(1.0) == 399
    assert day.left(STALE + 1.0) == 999
    assert Day().left(0.0) is None
    assert Day().share(0.0) == 1.0


def test_answers_that_overtake_each_other_are_no_new_day() -> None:
    day = Day(100)
    day.hear(said(5_000), 0.0)
    for _ in range(50):
        day.spend(0.0)
    day.hear(said(4_950), 0.1)
    day.hear(said(5_000), 0.2)  # of the first call, which was slow

    assert day.left(0.2) == 50


def test_low_is_told_once_a_day_with_when_it_will_be_empty() -> None:
    day = Day()
    told = 0
    for n in range(1, 601):
        day.spend(float(n))
        day.hear(said(2_600 - n), float(n))
        told += day.low(float(n))
    assert told == 1
    assert day.share(600.0) <= LOW
    assert day.sentence(600.0, STAMP) == (
        "2000 of the day's 10000 calls are left; at this pace none after 12:33 UTC"
    )
    day.spend(601.0)
    day.hear(said(9_999), 601.0)
    assert day.sentence(601.0, STAMP) is None
    day.spend(602.0)
    day.hear(said(1_500), 602.0)
    assert day.low(602.0), "the next day's"


@pytest.mark.parametrize("limit", [None, 0])
def test_headers_that_say_nothing_leave_everything_as_it_was(limit: int | None) -> None:
    day = Day()
    day.hear(said(5, limit or None), 0.0)
    day.spend(0.0)

    assert (day.left(0.0), day.limit(), day.empty_in(0.0)) == (None, None, None)
    assert not day.low(0.0)
    assert day.refusal(0.0) is None


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(15, 120), st.integers(0, 300)
)
def test_the_end_is_forecast_by_the_calls_of_all_who_share_the_day(
    paces: list[int], minutes: int, before: int
) -> None:
    """Processes on one token: each makes its own calls, and each knows when the day of all ends. Paces per minute."""
    days, limit = [Day() for _ in paces], 50_000
    remaining = limit - 60 * before
    for minute in range(minutes):
        now = minute * 60.0
        for day, pace in zip(days, paces, strict=True):
            for _ in range(pace):
                day.spend(now)
                remaining -= 1
                day.hear(said(remaining, limit), now)
    truth = remaining * 60.0 / sum(paces)

    for day in days:
        seconds = day.empty_in((minutes - 1) * 60.0)
        if truth < 0.8 * DAY:
            assert seconds is not None
        if seconds is not None:
            assert 0.8 * truth <= seconds <= 1.2 * truth
