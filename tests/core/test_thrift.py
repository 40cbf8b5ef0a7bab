"""Calls spent on latency: only what nobody asks for, in the window and over the day."""

from hypothesis import given
from hypothesis import strategies as st

from service.core.hubspot.places import FOREVER
from service.core.hubspot.thrift import BURST, DAY, EARLY, FREE, Thrift

LIMIT, WINDOW = 100, 10.0


def _whenever_it_may(thrift: Thrift, seconds: float, step: float, used: float = 0.0) -> int:
    """Early calls of somebody who takes every chance."""
    calls, now = 0, 0.0
    while now < seconds:
        if thrift.early(used) <= now:
            thrift.spend(now, LIMIT, WINDOW)
            calls += 1
        else:
            now += step
    return calls


@given(st.floats(0.001, 0.5), st.floats(1.0, 100.0))
def test_whoever_takes_every_chance_keeps_to_the_pace(step: float, seconds: float) -> None:
    calls = _whenever_it_may(Thrift(), seconds, step)

    assert calls <= EARLY * LIMIT * (seconds + step) / WINDOW + BURST + 1


@given(st.integers(0, 10**6))
def test_what_remains_of_the_day_lasts_for_another_day(remaining: int) -> None:
    thrift = Thrift()
    thrift.hear(remaining)

    calls = _whenever_it_may(thrift, DAY / 100, 1.0)

    assert calls <= max(1, remaining) / 100 + BURST + 1


@given(st.lists(st.floats(0.0, 1.0), max_size=60))
def test_the_traffics_own_calls_count(gaps: list[float]) -> None:
    """At the pace of EARLY or above it, nothing is left for latency."""
    thrift, now = Thrift(), 0.0
    for gap in gaps:
        now += min(gap, WINDOW / (EARLY * LIMIT))
        thrift.spend(now, LIMIT, WINDOW)

    assert len(gaps) < BURST or thrift.early(0.0) > now - WINDOW / (EARLY * LIMIT) * BURST
    # Made good within a window, whatever was spent.
    assert thrift.early(0.0) <= now + WINDOW


def test_a_crowded_window_has_nothing_to_spare() -> None:
    assert Thrift().early(1.0 - FREE) < 0.0
    assert Thrift().early(1.0 - FREE + 0.01) == FOREVER
