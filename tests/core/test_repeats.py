"""repeats: of one event at most one delivery travels; the others get its answer."""

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
    assert repeats.applied(first, _outcome()) == (again,)


def test_a_repeat_of_an_applied_event_gets_the_same_outcome():
    repeats, outcome = Repeats(10), _outcome()
    first = contribution(event_id="e")
    repeats.arrive(first)
    repeats.applied(first, outcome)

    assert repeats.arrive(contribution(event_id="e")) is outcome


def test_a_replay_is_tried_anew():
    repeats = Repeats(10)
    first = contribution(event_id="e")
    repeats.arrive(first)
    repeats.applied(first, _outcome())

    replay = contribution(event_id="e", headers={"ordersync-replays": 1})

    assert repeats.arrive(replay) == Fresh()


def test_a_failed_event_is_forgotten_and_its_repeats_are_tried():
    repeats = Repeats(10)
    first, again = contribution(event_id="e"), contribution(event_id="e")
    repeats.arrive(first)
    repeats.arrive(again)

    assert repeats.failed(first) == (again,)
    assert repeats.arrive(again) == Fresh()


def test_a_redelivery_takes_the_place_of_a_delivery_whose_channel_died():
    """Even while the old one's call is out: waiting for it, newer events would pass it."""
    repeats = Repeats(10)
    old, new = contribution(event_id="e", epoch=1), contribution(event_id="e", epoch=2)
    late = contribution(event_id="e", epoch=2)
    repeats.arrive(old)

    assert repeats.forget(frozenset({1})) == ()

    assert repeats.arrive(new) == Fresh()
    assert repeats.arrive(late) == Held()
    assert repeats.failed(old) == ()  # its call came back: it holds nothing any more
    assert repeats.applied(new, _outcome()) == (late,)


def test_a_repeat_on_a_living_channel_is_tried_when_the_other_channel_dies():
    repeats = Repeats(10)
    old, dying, living = (contribution(event_id="e", epoch=epoch) for epoch in (1, 1, 2))
    for event in (old, dying, living, contribution(event_id="other", epoch=2)):
        repeats.arrive(event)

    assert repeats.forget(frozenset({1})) == (living,)
    assert repeats.arrive(living) == Fresh()


def test_the_oldest_outcomes_are_forgotten_first():
    repeats = Repeats(2)
    for name in ("e1", "e2", "e3"):
        event = contribution(event_id=name)
        repeats.arrive(event)
        repeats.applied(event, _outcome(name))

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
            done = repeats.applied(event, _outcome(name)) if step == "done" else None
            released = repeats.failed(event) if done is None else done
            assert list(released) == waiting.pop(name, [])
        assert len(repeats._outcomes) <= 2
        assert {name for _, name in repeats._held} == set(travelling)
