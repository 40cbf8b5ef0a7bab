"""pauses: a fault of the set-up or of HubSpot is nobody's dead letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from service.core.hubspot.suspicion import ALONE, QUIET
from service.core.hubspot.verdicts import Applied, Cause, Halted, Rejected, Retryable, Where
from service.core.reasons import Code, Reason
from tests.strategies import ID_PROPERTY, batch, contribution, slot

REASON = Reason(Code.SERVER_ERROR, "HubSpot answered 503", 503)
FAILED = Retryable(REASON, Cause.SERVER)
ONE, TWO = (batch(slot(contribution(key=key))) for key in ("A-1", "A-2"))
BOTH = batch(slot(contribution(key="A-1")), slot(contribution(key="A-2")))
HERE = Where("records", "upsert", "orders", id_property=ID_PROPERTY)


def _note_all(pulse, calls):
    return [pulse.note(taken, verdicts, 0.0) for taken, verdicts in calls]


def test_what_is_said_of_the_set_up_is_a_doubt_and_a_pause_when_the_probe_says_so_too():
    halted = Halted(Reason(Code.MIGRATING, "moving"), 120.0)
    pulse = Pulse()

    doubt = pulse.note(BOTH, [halted] * 2, 0.0)

    assert doubt == Doubt(halted.reason, HERE, 120.0)
    assert pulse.confirmed(doubt) == Pause(halted.reason, 120.0, HERE)


def test_beside_a_written_order_there_is_no_doubt():
    assert Pulse().note(BOTH, [Applied("1", None), Halted(REASON)], 0.0) is None


def test_where_orders_were_written_just_now_it_takes_a_few_calls_to_doubt():
    """One order that meets it among many costs no probe."""
    pulse = Pulse()
    pulse.note(ONE, [Applied("1", None)], 0.0)

    said = _note_all(pulse, [(BOTH, [Halted(REASON)] * 2)] * OUTAGE_CALLS)

    assert [type(s) for s in said] == [type(None)] * (OUTAGE_CALLS - 1) + [Doubt]
    assert isinstance(pulse.note(BOTH, [Halted(REASON)] * 2, 2 * QUIET), Doubt)


def test_a_record_that_was_not_there_is_no_evidence():
    """Of an archive that found nothing, only a look-up was made."""
    pulse = Pulse()
    pulse.note(ONE, [Applied(None, None)], 0.0)

    assert isinstance(pulse.note(BOTH, [Halted(REASON)] * 2, 0.0), Doubt)


def test_no_pause_is_longer_than_the_longest():
    pulse = Pulse()
    doubt = pulse.note(ONE, [Halted(REASON, 86_400.0)], 0.0)

    assert isinstance(doubt, Doubt)
    assert pulse.confirmed(doubt) == Pause(REASON, LONGEST, HERE)


@pytest.mark.parametrize("calls", [[ONE], [ONE, TWO], [BOTH]])
def test_calls_that_fail_in_a_row_are_a_doubt_that_a_probe_settles(calls):
    pulse = Pulse()

    said = _note_all(
        pulse, [(taken, [FAILED] * len(taken.slots)) for taken in calls * 8][: 2 * OUTAGE_CALLS]
    )

    assert [bool(s) for s in said] == [False, False, False, True] * 2
    doubt = said[-1]
    assert isinstance(doubt, Doubt)
    assert doubt.reason.code is Code.OUTAGE
    assert doubt.reason.message == "HubSpot fails every call: HubSpot answered 503"
    outage = HERE._replace(id_property="")  # a call without orders at the same address is enough
    assert pulse.confirmed(doubt) == Pause(doubt.reason, FIRST, outage)


def test_orders_that_fail_alone_one_after_the_other_are_a_pause_whatever_a_probe_says():
    pulse = Pulse()
    orders = [batch(slot(contribution(key=f"A-{n}"))) for n in range(ALONE)]

    said = _note_all(pulse, [(order, [FAILED]) for order in orders])

    assert [type(s) for s in said] == [type(None)] * (ALONE - 1) + [Pause]


@pytest.mark.parametrize(
    "alive", [Applied("1", None), Rejected(REASON), Retryable(REASON, Cause.THROTTLE)]
)
def test_any_other_answer_ends_the_row(alive):
    calls = [(BOTH, [FAILED, FAILED])] * 3

    said = _note_all(Pulse(), [*calls, (BOTH, [FAILED, alive]), *calls])

    assert said == [None] * 7


def test_each_kind_of_orders_has_a_row_of_its_own():
    """Updates that are written say nothing of upserts that fail."""
    updates = batch(slot(contribution("update", "B-1")))

    said = _note_all(
        Pulse(), [(BOTH, [FAILED] * 2), (updates, [Applied("1", created=False)])] * OUTAGE_CALLS
    )

    assert [type(s) for s in said] == [type(None)] * 6 + [Doubt, type(None)]


def test_without_a_write_in_between_the_next_pause_is_twice_as_long():
    pulse = Pulse()

    def pause():
        doubt = pulse.note(ONE, [Halted(REASON)], 0.0)
        assert isinstance(doubt, Doubt)
        return pulse.confirmed(doubt).seconds

    lengths = [pause() for _ in range(4)]
    pulse.note(ONE, [Retryable(REASON, Cause.THROTTLE)], 0.0)  # an answer, but nothing written
    longer = pause()
    pulse.note(TWO, [Rejected(REASON)], 0.0)

    assert lengths == [1.0, 2.0, 4.0, 8.0]
    assert longer == 16.0
    assert pause() == FIRST


THROTTLE = Retryable(Reason(Code.THROTTLED, "HubSpot answered 429", 429), Cause.THROTTLE, 2.0)


def test_a_throttle_is_waited_for_and_a_doubt_only_when_nothing_else_is_heard_for_long():
    pulse = Pulse()

    assert pulse.note(ONE, [THROTTLE], 10.0) is None
    assert pulse.note(TWO, [THROTTLE], 10.0 + LONG_THROTTLE - 1.0) is None
    assert pulse.note(ONE, [THROTTLE], 10.0 + LONG_THROTTLE) == Doubt(THROTTLE.reason, HERE, 2.0)
    assert pulse.note(ONE, [THROTTLE], 10.0 + LONG_THROTTLE) is None  # it has to begin anew


@pytest.mark.parametrize("heard", [[Applied("1", None)], [FAILED], [Applied("1", None), THROTTLE]])
def test_whatever_else_is_heard_ends_a_throttle(heard):
    pulse = Pulse()
    pulse.note(ONE, [THROTTLE], 0.0)
    pulse.note(ONE if len(heard) == 1 else BOTH, heard, LONG_THROTTLE - 1.0)

    assert pulse.note(ONE, [THROTTLE], LONG_THROTTLE) is None


@given(st.integers(0, 100_000))
def test_probing_goes_on_for_ever_and_never_seldomer(probes):
    """2**1024 is no float: an outage of a day has more probes than that."""
    assert 0 < Pulse().probe_failed(probes) <= SELDOM


def test_two_throttles_with_nothing_between_them_for_long_are_two():
    pulse = Pulse()

    assert pulse.note(ONE, [THROTTLE], 0.0) is None
    assert pulse.note(ONE, [THROTTLE], 1000.0) is None
    assert pulse.note(ONE, [THROTTLE], 1000.0 + LONG_THROTTLE) == Doubt(THROTTLE.reason, HERE, 2.0)


def test_pausing_goes_on_for_ever():
    pulse, doubt = Pulse(), Doubt(REASON, HERE)

    pauses = [pulse.confirmed(doubt) for _ in range(1100)]

    assert pauses[-1] == Pause(REASON, LONGEST_IN_VAIN, HERE)


def test_the_row_starts_anew_after_a_pause():
    pulse = Pulse()
    failing = [(BOTH, [FAILED, FAILED])] * (OUTAGE_CALLS - 1)
    _note_all(pulse, failing)

    pulse.confirmed(Doubt(REASON, HERE))

    assert _note_all(pulse, failing) == [None] * (OUTAGE_CALLS - 1)
