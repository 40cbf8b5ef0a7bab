"""pauses: a fault of the set-up or of HubSpot is nobody's dead letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.events.order_event import Order
from service.core.hubspot.pauses import (
    FIRST,
    LONG_THROTTLE,
    LONGEST,
    LONGEST_IN_VAIN,
    OUTAGE_CALLS,
    SELDOM,
    Doubt,
    Pause,
    Pulse,
)
from service.core.hubspot.verdicts import Applied, Cause, Halted, Retryable
from service.core.reasons import Code, Reason

REASON = Reason(Code.SERVER_ERROR, "HubSpot answered 503", 503)
FAILED = Retryable(REASON, Cause.SERVER)
ONE, TWO = Order("k", "A-1"), Order("k", "A-2")


def _note_all(pulse, calls):
    return [pulse.note(orders, verdicts, 0.0) for orders, verdicts in calls]


def test_a_halt_pauses_at_once_for_as_long_as_hubspot_asks():
    halted = Halted(Reason(Code.MIGRATING, "moving"), 120.0)

    assert Pulse().note([ONE, TWO], [Applied("1", None), halted], 0.0) == Pause(
        halted.reason, 120.0
    )


def test_no_pause_is_longer_than_the_longest():
    assert Pulse().note([ONE], [Halted(REASON, 86_400.0)], 0.0) == Pause(REASON, LONGEST)


def test_an_outage_is_failing_calls_in_a_row_of_more_than_one_order():
    said = _note_all(Pulse(), [([ONE], [FAILED]), ([TWO], [FAILED])] * 2)

    assert said[:3] == [None] * 3
    assert isinstance(said[3], Pause)
    assert said[3].reason.code is Code.OUTAGE
    assert said[3].reason.message == "HubSpot fails every call: HubSpot answered 503"


def test_one_order_that_keeps_failing_is_a_doubt_that_a_probe_settles():
    """Whether it is HubSpot or the order: no other order is there to tell."""
    pulse = Pulse()

    said = _note_all(pulse, [([ONE], [FAILED])] * 6)

    assert [type(s) for s in said] == [type(None)] * 3 + [Doubt] * 3
    doubt = said[-1]
    assert isinstance(doubt, Doubt)
    assert doubt.reason.code is Code.OUTAGE
    assert pulse.confirmed(doubt) == Pause(doubt.reason, FIRST)


@pytest.mark.parametrize("alive", [Applied("1", None), Retryable(REASON, Cause.THROTTLE)])
def test_any_other_answer_ends_the_row(alive):
    calls = [([ONE, TWO], [FAILED, FAILED])] * 3

    said = _note_all(Pulse(), [*calls, ([ONE, TWO], [FAILED, alive]), *calls])

    assert said == [None] * 7


def test_without_a_write_in_between_the_next_pause_is_twice_as_long():
    pulse = Pulse()
    halt = ([ONE], [Halted(REASON)])

    lengths = [p.seconds for p in _note_all(pulse, [halt] * 4) if p]
    pulse.note([ONE], [Retryable(REASON, Cause.THROTTLE)], 0.0)  # an answer, but nothing written
    longer = pulse.note(*halt, 0.0)
    pulse.note([ONE], [Applied("1", None)], 0.0)
    fresh = pulse.note(*halt, 0.0)

    assert lengths == [1.0, 2.0, 4.0, 8.0]
    assert isinstance(longer, Pause)
    assert longer.seconds == 16.0
    assert fresh == Pause(REASON, FIRST)


THROTTLE = Retryable(Reason(Code.THROTTLED, "HubSpot answered 429", 429), Cause.THROTTLE, 2.0)


def test_a_throttle_is_waited_for_and_pauses_only_when_nothing_else_is_heard_for_long():
    pulse = Pulse()

    assert pulse.note([ONE], [THROTTLE], 10.0) is None
    assert pulse.note([TWO], [THROTTLE], 10.0 + LONG_THROTTLE - 1.0) is None
    assert pulse.note([ONE], [THROTTLE], 10.0 + LONG_THROTTLE) == Pause(THROTTLE.reason, 2.0)
    assert pulse.note([ONE], [THROTTLE], 10.0 + LONG_THROTTLE) is None  # it has to begin anew


@pytest.mark.parametrize("heard", [[Applied("1", None)], [FAILED], [Applied("1", None), THROTTLE]])
def test_whatever_else_is_heard_ends_a_throttle(heard):
    pulse = Pulse()
    pulse.note([ONE], [THROTTLE], 0.0)
    pulse.note([ONE, TWO][: len(heard)], heard, LONG_THROTTLE - 1.0)

    assert pulse.note([ONE], [THROTTLE], LONG_THROTTLE) is None


@given(st.integers(0, 100_000))
def test_probing_goes_on_for_ever_and_never_seldomer(probes):
    """2**1024 is no float: an outage of a day has more probes than that."""
    assert 0 < Pulse().probe_failed(probes) <= SELDOM


def test_two_throttles_with_nothing_between_them_for_long_are_two():
    pulse = Pulse()

    assert pulse.note([ONE], [THROTTLE], 0.0) is None
    assert pulse.note([ONE], [THROTTLE], 1000.0) is None
    assert pulse.note([ONE], [THROTTLE], 1000.0 + LONG_THROTTLE) == Pause(THROTTLE.reason, 2.0)


def test_pausing_goes_on_for_ever():
    pulse = Pulse()

    said = _note_all(pulse, [([ONE], [Halted(REASON)])] * 1100)

    assert said[-1] == Pause(REASON, LONGEST_IN_VAIN)


def test_the_row_starts_anew_after_a_pause():
    pulse = Pulse()
    failing = ([ONE, TWO], [FAILED, FAILED])

    said = _note_all(pulse, [failing] * (2 * OUTAGE_CALLS))

    assert [bool(s) for s in said] == [False, False, False, True] * 2
