"""blame: an accusation is believed as far as the answer proves it, and no further."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.hubspot import blame
from service.core.hubspot.answers import Detail, Problem
from service.core.hubspot.calls import BatchCall, Input
from service.core.hubspot.verdicts import Cause, Refused, Rejected, Retryable
from service.core.reasons import Code


def _call(*values, id_property="k"):
    inputs = [
        Input(f"A-{n}", f"A-{n}", f"t.{n}", {**v, "k": f"A-{n}"}) for n, v in enumerate(values)
    ]
    return BatchCall("upsert", id_property, tuple(inputs), b"", object="orders")


def _invalid(name, value, error="INVALID_LONG"):
    return Detail(name, error, f"{value} was not a valid long.")


def _whole(call, *details, **more):
    said = Problem("Some are no good", "VALIDATION_ERROR", details=details, **more)
    return [
        v.reason if isinstance(v, Rejected) else isinstance(v, Refused) and v.named
        for v in blame.whole_call(call, said, 400)
    ]


def _guilty(*args, **more):
    return [getattr(v, "property", v) for v in _whole(*args, **more)]


def test_the_one_that_carries_the_quoted_value_is_guilty():
    call = _call({"a": "1"}, {"a": "soon"}, {"b": "soon"})

    assert _guilty(call, _invalid("a", "soon")) == [False, "a", False]


def test_two_that_carry_it_and_one_accusation_prove_nothing():
    call = _call({"a": "soon"}, {"a": "soon"}, {"a": "1"})

    assert _guilty(call, _invalid("a", "soon")) == [True, True, False]
    assert _guilty(call, *[_invalid("a", "soon")] * 2) == ["a", "a", False]


def test_a_value_that_nobody_carries_in_that_form_points_at_all_who_carry_the_property():
    call = _call({"a": "1"}, {"a": "2"}, {})

    assert _guilty(call, _invalid("a", "two")) == [True, True, False]


def test_an_unknown_or_read_only_property_is_the_fault_of_all_who_carry_it():
    for error in ("PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"):
        call = _call({"a": "1"}, {"a": "2"}, {"b": "1"})

        assert _guilty(call, Detail("a", error, "no")) == ["a", "a", False]


def test_the_key_is_everybodys_so_only_its_quoted_value_accuses():
    call = _call({}, {})

    assert _guilty(call, _invalid("k", "A-1")) == [False, "k"]
    assert _guilty(call, _invalid("k", "A-7")) == [False, False]


def test_ids_and_traces_prove_and_the_rest_goes_free():
    call = _call({"a": "1"}, {"a": "1"})

    assert _whole(call, ids=("A-1",))[0] is False
    assert isinstance(_whole(call, ids=("A-1",))[1], object)
    assert [isinstance(v, bool) for v in _whole(call, traces=("t.0",))] == [False, True]
    assert _whole(call, _invalid("a", "1"), ids=("Z-9",)) == [False, False]


def test_each_of_the_guilty_is_told_its_own_fault():
    call = _call({"a": "x"}, {"b": "y"})
    details = (Detail("a", "INVALID_LONG", "a is no good"), Detail("b", "NEW_ERROR", ""))

    first, second = _whole(call, *details)

    assert (first.property, first.message) == ("a", "a is no good")
    assert (second.property, second.message, second.code) == (
        "b",
        "b: NEW_ERROR",
        Code.PROPERTY_INVALID,
    )


def test_the_guilty_by_id_may_carry_none_of_the_faults():
    call = _call({"a": "x"}, {"b": "y"})

    _, second = _whole(call, _invalid("a", "x"), ids=("A-1",))

    assert second.property == "a"  # the answer's first fault is all that is known


def test_alone_it_is_rejected():
    (reason,) = _whole(_call({}))

    assert (reason.code, reason.http_status) == (Code.REFUSED, 400)


def test_a_refusal_without_a_word_still_has_a_sentence():
    assert blame.reason_of(Problem(), 400).message == "HubSpot refused it (400) without a word"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (Problem("no", "VALIDATION_ERROR"), Rejected),
        (Problem("no", "CONFLICT"), Rejected),
        (Problem("no", "OBJECT_NOT_FOUND"), Rejected),
        (Problem("no", None, details=(Detail("a", "INVALID_LONG", "no"),)), Rejected),
        (Problem("no", None, details=(Detail("a", "VALUE_TAKEN", "no"),)), Rejected),
        (Problem("no", None, details=(Detail("a", "X", "no"),)), Retryable),
        (Problem("no", None, details=(Detail(None, "INVALID_LONG", "no"),)), Retryable),
        (Problem("no", None), Retryable),
        (Problem("no", "SOMETHING_NEW"), Retryable),
        (Problem("no", "RATE_LIMITS"), Retryable),
        (Problem("no", "RATE_LIMIT"), Retryable),
    ],
)
def test_only_known_categories_are_final(said, verdict):
    assert isinstance(blame.verdict_of(said, 207), verdict)


def test_a_limit_for_one_record_is_a_throttle():
    verdict = blame.verdict_of(Problem("slow", "RATE_LIMITS"), 207)

    assert isinstance(verdict, Retryable)
    assert (verdict.cause, verdict.reason.code) == (Cause.THROTTLE, Code.THROTTLED)


def test_the_advice_of_a_set_up_fault_quotes_hubspot_where_it_spoke():
    spoke = blame.set_up_fault(Problem("bad token", "INVALID_AUTHENTICATION"), 401, "k")
    silent = blame.set_up_fault(Problem(), 401, "k")

    assert spoke is not None
    assert spoke.reason.message.endswith("(HubSpot: bad token)")
    assert silent is not None
    assert "HUBSPOT__TOKEN" in silent.reason.message


_VALUES = st.dictionaries(
    st.sampled_from(["a", "b"]), st.sampled_from(["1", "soon", "late"]), max_size=2
)


@given(
    st.lists(_VALUES, min_size=2, max_size=6),
    st.sets(st.sampled_from([("a", "soon"), ("b", "late"), ("a", "late")]), min_size=1),
)
def test_law_no_innocent_is_condemned_by_what_an_answer_proves(values, forbidden):
    """HubSpot's array has an element for each bad value, and names no record."""
    call = _call(*values)
    bad = [(n, v) for i in call.inputs for n, v in i.values.items() if (n, v) in forbidden]
    if not bad:
        return
    said = Problem("no", "VALIDATION_ERROR", details=tuple(_invalid(n, v) for n, v in bad))

    for sent, verdict in zip(call.inputs, blame.whole_call(call, said, 400), strict=True):
        guilty = any(fault in forbidden for fault in sent.values.items())
        assert isinstance(verdict, Rejected if guilty else Refused)
        if isinstance(verdict, Refused):
            assert not verdict.named


# --- every property at fault is told ----------------------------------------------------------------------


def _missing(name):
    return Detail(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')


def test_the_sentence_names_every_bad_property_of_a_record():
    call = _call({"a": "soon", "b": "1", "c": "2"}, {"d": "1"})

    reason, other = _whole(call, _invalid("a", "soon"), _missing("b"), _missing("d"))

    assert reason.message == ('a: soon was not a valid long.; b: Property "b" does not exist')
    assert (reason.property, reason.code) == ("a", Code.PROPERTY_INVALID)
    assert other.message == 'Property "d" does not exist'


def test_of_very_many_the_first_are_told_and_more_are_named():
    names = [f"p{n}" for n in range(100)]
    said = Problem("no", "VALIDATION_ERROR", details=tuple(map(_missing, names)))

    message = blame.reason_of(said, 400).message

    assert message.startswith('p0: Property "p0" does not exist; p1: ')
    assert "and 97 more: p3, p4, " in message
    assert message.endswith("p22 …")
    assert len(message) < 500


def test_alone_too_every_bad_property_is_told():
    (reason,) = _whole(_call({"a": "soon", "b": "1"}), _invalid("a", "soon"), _missing("b"))

    assert "soon was not a valid long" in reason.message
    assert 'Property "b" does not exist' in reason.message


# --- linear -----------------------------------------------------------------------------------------------


def _steps(story):
    """Lines that run in service.core.hubspot: work that does not depend on the machine."""
    steps = 0

    def trace(frame, _event, _arg):
        nonlocal steps
        if "/core/hubspot/" not in frame.f_code.co_filename:
            return None
        steps += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        story()
    finally:
        sys.settrace(before)
    return steps


def _all_bad(records, properties):
    """Every value of every record is refused, each by its own words."""
    values = [{f"p{p}": f"v{r}.{p}" for p in range(properties)} for r in range(records)]
    faults = [_invalid(name, value) for each in values for name, value in each.items()]
    return _call(*values), tuple(faults)


def _none_proven(records, properties):
    """Values in a form that nobody sent: each fault points at every carrier and proves nothing."""
    call, _ = _all_bad(records, properties)
    words = [f"x{r}" for r in range(records - 1)]
    return call, tuple(_invalid(f"p{p}", word) for word in words for p in range(properties))


def _one_value(records, properties):
    """Everybody has the same value, and one accusation fewer than carriers."""
    call = _call(*[{f"p{p}": "soon" for p in range(properties)}] * records)
    return call, tuple(_invalid(f"p{p}", "soon") for p in range(properties))


@pytest.mark.parametrize("made", [_all_bad, _none_proven, _one_value])
@pytest.mark.parametrize("named", [False, True], ids=["by value", "by id"])
def test_law_judging_a_refusal_is_linear(made, named):
    """Of steps, not of time: four times as much to judge takes about four times as many."""

    def steps(records, properties):
        call, faults = made(records, properties)
        ids = tuple(sent.id for sent in call.inputs) if named else ()
        said = Problem("no", "VALIDATION_ERROR", ids=ids, details=faults)
        return _steps(lambda: blame.whole_call(call, said, 400))

    base = steps(20, 50)
    assert steps(20, 200) <= 5 * base
    assert steps(80, 50) <= 5 * base
    assert base <= 30 * 20 * 50
