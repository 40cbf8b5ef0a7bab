"""sequences: an event that is older than what was applied of its order is not written any more."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from service.core.hubspot.verdicts import Stale
from service.core.intake.sequences import Sequences
from tests.strategies import contribution, slot


def _event(sequence, event_id="e", key="A-1", source="/shops/eu-1", headers=None):
    made = contribution("update", key, event_id, headers=headers, a="1", b="2")
    return replace(
        made, event=made.event.model_copy(update={"sequence": sequence, "source": source})
    )


def test_events_without_a_sequence_are_left_alone():
    sequences = Sequences(10)
    event = _event(None)

    assert sequences.arrive(event) is event
    sequences.applied([event])
    assert sequences.overtaken([slot(event)]) == {}


def test_an_event_behind_a_newer_one_travels_apart_and_is_overtaken_when_that_was_applied():
    sequences = Sequences(10)
    newer = sequences.arrive(_event("0002", "e2"))
    older = sequences.arrive(_event("0001", "e1"))

    assert not newer.apart
    assert older.apart
    assert sequences.overtaken([slot(older)]) == {}  # the newer one may still fail
    sequences.applied([newer])
    assert sequences.overtaken([slot(newer), slot(older)]) == {1: Stale(None, ("a", "b"), "e2")}


def test_force_overrides():
    sequences = Sequences(10)
    newer = sequences.arrive(_event("0002"))
    sequences.applied([newer])

    for force in (True, "true"):
        forced = sequences.arrive(_event("0001", headers={"ordersync-force": force}))
        assert sequences.overtaken([slot(forced)]) == {}
    for no_force in (False, "yes", [True], {}, 1):
        event = sequences.arrive(_event("0001", headers={"ordersync-force": no_force}))
        assert sequences.overtaken([slot(event)]) != {}


def test_sequences_count_within_a_source_and_an_order():
    sequences = Sequences(10)
    sequences.applied([sequences.arrive(_event("0009"))])

    assert not sequences.arrive(_event("0001", key="A-2")).apart
    assert not sequences.arrive(_event("0001", source="/shops/us-1")).apart


def test_the_oldest_lines_are_forgotten():
    sequences = Sequences(1)
    for key in ("A-1", "A-2"):
        sequences.applied([sequences.arrive(_event("0009", key=key))])

    assert not sequences.arrive(_event("0001", key="A-1")).apart


def test_an_older_event_that_was_applied_after_all_is_not_the_newest():
    sequences = Sequences(10)
    for sequence in ("0005", "0003"):
        sequences.applied([_event(sequence, f"e{sequence}")])

    late = sequences.arrive(replace(_event("0004"), apart=True))
    same = sequences.arrive(replace(_event("0005"), apart=True))
    assert sequences.overtaken([slot(late)])[0].by == "e0005"
    assert sequences.overtaken([slot(same)]) == {}  # no older than what was applied


@given(st.lists(st.tuples(st.sampled_from("ABCDE"), st.integers(0, 9)), max_size=30))
def test_the_memory_is_bounded_and_an_in_order_stream_is_never_held_up(events):
    sequences, newest = Sequences(2), {}
    for key, number in events:
        newest[key] = max(number, newest.get(key, 0))
        event = sequences.arrive(_event(f"{newest[key]:04}", key=key))
        assert not event.apart
        sequences.applied([event])
        assert len(sequences._arrived) <= 2
        assert len(sequences._applied) <= 2
