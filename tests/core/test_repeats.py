"""repeats: of one event at most one delivery travels; the others get its answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.intake.repeats import Fresh, Held, Repeats
from service.core.outgoing import Outgoing
from tests.strategies import contribution


def _outcome(name="o"):
    return Outgoing("outcomes", "outcome.applied", name.encode(), None, None)


def test_a_repeat_of_a_held_event_waits_and_gets_its_outcome():
    repeats = Repeats(10)
    first, again = contribution(event_id="e"), contribution(event_id="e")

    assert repeats.arrive(first) == Fresh()
    assert repeats.arrive(again) == Held()
    assert repeats.settle(first, _outcome(), failed=False) == (again,)


def test_a_repeat_of_an_applied_event_gets_the_same_outcome():
    repeats, outcome = Repeats(10), _outcome()
    first = contribution(event_id="e")
    repeats.arrive(first)
    repeats.settle(first, outcome, failed=False)

    assert repeats.arrive(contribution(event_id="e")) is outcome


def test_a_replay_is_tried_anew():
    repeats = Repeats(10)
    first = contribution(event_id="e")
    repeats.arrive(first)
    repeats.settle(first, _outcome(), failed=False)

    replay = contribution(event_id="e", headers={"ordersync-replays": 1})

    assert repeats.arrive(replay) == Fresh()


def test_a_repeat_of_an_event_that_failed_gets_the_same_refusal():
    """Tried anew it could write an old value over a newer one, and one outcome id would say two things."""
    repeats, refusal = Repeats(10), _outcome("refused")
    first, waiting = contribution(event_id="e"), contribution(event_id="e")
    repeats.arrive(first)
    repeats.arrive(waiting)

    assert repeats.settle(first, refusal, failed=True) == (waiting,)
    assert repeats.arrive(waiting) is refusal
    assert repeats.arrive(contribution(event_id="e")) is refusal


@pytest.mark.parametrize("header", ["x-death", "ordersync-replay"])
def test_what_failed_and_comes_out_of_the_dead_letters_by_hand_is_tried_anew(header):
    repeats = Repeats(10)
    first = contribution(event_id="e")
    repeats.arrive(first)
    repeats.settle(first, _outcome(), failed=True)

    assert repeats.arrive(contribution(event_id="e", headers={header: "any"})) == Fresh()


def test_what_succeeded_and_is_sent_again_by_hand_is_not_written_again():
    repeats, outcome = Repeats(10), _outcome()
    first = contribution(event_id="e")
    repeats.arrive(first)
    repeats.settle(first, outcome, failed=False)

    assert repeats.arrive(contribution(event_id="e", headers={"x-death": "any"})) is outcome


def test_each_replay_has_an_outcome_of_its_own():
    repeats = Repeats(10)
    outcomes = [_outcome(f"o{number}") for number in range(3)]
    for number, outcome in enumerate(outcomes):
        event = contribution(event_id="e", headers={"ordersync-replays": number})
        assert repeats.arrive(event) == Fresh()
        repeats.settle(event, outcome, failed=False)

    for number, outcome in enumerate(outcomes):
        again = contribution(event_id="e", headers={"ordersync-replays": number})
        assert repeats.arrive(again) is outcome


def test_a_redelivery_takes_the_place_of_a_delivery_whose_channel_died():
    """Even while the old one's call is out: waiting for it, newer events would pass it."""
    repeats = Repeats(10)
    old, new = contribution(event_id="e", epoch=1), contribution(event_id="e", epoch=2)
    late = contribution(event_id="e", epoch=2)
    repeats.arrive(old)

    assert repeats.lose(frozenset({1})) == ()

    assert repeats.arrive(new) == Fresh()
    assert repeats.arrive(late) == Held()
    assert repeats.settle(old, _outcome(), failed=True) == ()  # it holds nothing any more
    assert repeats.settle(new, _outcome(), failed=False) == (late,)


def test_a_repeat_on_a_living_channel_is_tried_when_the_other_channel_dies():
    repeats = Repeats(10)
    old, dying, living = (contribution(event_id="e", epoch=epoch) for epoch in (1, 1, 2))
    for event in (old, dying, living, contribution(event_id="other", epoch=2)):
        repeats.arrive(event)

    assert repeats.lose(frozenset({1})) == (living,)
    assert repeats.arrive(living) == Fresh()


def test_the_oldest_outcomes_are_forgotten_first():
    repeats = Repeats(2)
    for name in ("e1", "e2", "e3"):
        event = contribution(event_id=name)
        repeats.arrive(event)
        repeats.settle(event, _outcome(name), failed=False)

    assert repeats.arrive(contribution(event_id="e1")) == Fresh()
    assert isinstance(repeats.arrive(contribution(event_id="e2")), Outgoing)
    assert isinstance(repeats.arrive(contribution(event_id="e3")), Outgoing)


@given(
    st.lists(
        st.tuples(st.sampled_from(["e1", "e2", "e3"]), st.sampled_from(["arrive", "done", "fail"])),
        max_size=40,
    )
)
def test_at_most_one_delivery_of_an_event_travels_and_memory_is_bounded(steps):
    repeats = Repeats(2)
    travelling, waiting = {}, {}
    for name, step in steps:
        if step == "arrive":
            event = contribution(event_id=name)
            match repeats.arrive(event):
                case Fresh():
                    assert name not in travelling
                    travelling[name] = event
                case Held():
                    assert name in travelling
                    waiting.setdefault(name, []).append(event)
                case Outgoing() as outcome:
                    assert outcome.body == name.encode()
        elif name in travelling:
            event = travelling.pop(name)
            released = repeats.settle(event, _outcome(name), failed=step == "fail")
            assert list(released) == waiting.pop(name, [])
        assert len(repeats._ended) <= 2
        assert {name for _, name in repeats._held} == set(travelling)
