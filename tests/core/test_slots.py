"""slots: which events of one order share a write, what it says, and that it says the same as one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.events.order_event import Operation
from service.core.waiting.slots import coalesce, overwriter, separate, slot_of, without_epochs
from tests.core.model import Orders
from tests.strategies import contribution, lanes, slot


def _slots(events):
    """The lane as the backlog would build it while nothing leaves."""
    made = []
    for event in events:
        merged = coalesce(made[-1], event) if made else None
        if merged is None:
            made.append(slot_of(event, 0.0))
        else:
            made[-1] = merged
    return made


def test_later_values_win_field_by_field():
    merged = slot(
        contribution(a="1", b="1"), contribution("update", b="2"), contribution("update", c=None)
    )

    assert merged.operation is Operation.UPSERT
    assert merged.merged() == {"a": "1", "b": "2", "c": ""}


@pytest.mark.parametrize(
    ("waits", "arrives"),
    [
        ("update", "upsert"),
        ("upsert", "archive"),
        ("update", "archive"),
        ("archive", "upsert"),
        ("archive", "update"),
    ],
)
def test_events_keep_apart_where_one_write_would_say_something_else(waits, arrives):
    assert coalesce(slot(contribution(waits)), contribution(arrives)) is None


@pytest.mark.parametrize("headers", [{"ordersync-replays": 1}, {"x-death": []}])
def test_what_came_out_of_the_dead_letters_merges_with_nobody_and_is_checked(headers):
    back, live = contribution("update", headers=headers), contribution("update")

    assert slot(back).checked
    assert not slot(live).checked
    assert coalesce(slot(back), live) is None
    assert coalesce(slot(live), back) is None


def test_what_an_operator_forces_is_not_checked():
    forced = contribution(headers={"ordersync-replays": 1, "ordersync-force": "true"})

    assert not slot(forced).checked
    assert coalesce(slot(forced), contribution("update")) is None


def test_two_archives_are_one():
    both = slot(contribution("archive"), contribution("archive"))

    assert both.operation is Operation.ARCHIVE
    assert len(both.contributions) == 2


def test_a_slot_that_was_sent_or_sealed_takes_no_more():
    apart = separate(slot(contribution(), contribution()))

    assert all(coalesce(s, contribution()) is None for s in apart)


@given(lanes(), st.booleans())
def test_law_4_a_merged_write_leaves_the_order_as_one_by_one_would(events, exists):
    one_by_one, merged = Orders(), Orders()
    for orders in (one_by_one, merged):
        if exists:
            orders.apply("upsert", "A-1", {"a": "0", "z": "0"})

    taken = [one_by_one.apply(e.operation, "A-1", e.values) for e in events]
    written = [
        merged.apply(s.operation, "A-1", s.merged())
        for s in _slots(events)
        for _ in s.contributions
    ]

    assert merged.state() == one_by_one.state()
    assert written == taken


@given(lanes())
def test_separating_keeps_every_event_in_order_each_alone_and_closed(events):
    for merged in _slots(events):
        apart = separate(merged)

        assert tuple(s.contributions[0] for s in apart) == merged.contributions
        assert all(len(s.contributions) == 1 and s.sealed for s in apart)
        assert [s.operation for s in apart] == [c.operation for c in merged.contributions]


def test_an_event_is_overwritten_by_the_one_that_took_its_last_value():
    first, second, third = (
        contribution(a="1", b="1"),
        contribution("update", a="2"),
        contribution("update", b="3"),
    )
    merged = slot(first, second, third)

    assert overwriter(merged, 0) is third
    assert overwriter(merged, 1) is None
    assert overwriter(slot(contribution("archive"), contribution("archive")), 0) is None


@given(lanes())
def test_an_event_is_overwritten_exactly_when_nothing_of_it_is_written(events):
    for merged in _slots(events):
        for index, event in enumerate(merged.contributions):
            later = merged.contributions[index + 1 :]
            gone = bool(event.values) and all(
                any(name in c.values for c in later) for name in event.values
            )
            assert (overwriter(merged, index) is not None) == gone


def test_what_is_left_when_a_channel_died_is_what_the_live_ones_brought():
    old, new = contribution("upsert", epoch=1, a="1"), contribution("update", epoch=2, b="2")
    merged = slot(old, new)

    left = without_epochs(merged, frozenset({1}))

    assert left is not None
    assert left.operation is Operation.UPDATE  # the upsert is gone, the broker has it again
    assert left.contributions == (new,)
    assert without_epochs(merged, frozenset({1, 2})) is None
    assert without_epochs(merged, frozenset({3})) is merged


def test_what_is_left_of_updates_and_upserts_travels_as_an_update():
    """It fails on an order that is not there, and then its events are tried one by one."""
    merged = slot(
        contribution("upsert", epoch=1),
        contribution("update", epoch=2),
        contribution("upsert", epoch=2),
    )

    left = without_epochs(merged, frozenset({1}))

    assert left is not None
    assert left.operation is Operation.UPDATE
    assert len(left.contributions) == 2


@given(lanes(), st.lists(st.integers(1, 2), min_size=8, max_size=8))
def test_what_is_left_is_the_slot_that_would_be_if_the_rest_had_never_come(events, epochs):
    marked = [
        contribution(str(e.operation), "A-1", epoch=epoch, **e.values)
        for e, epoch in zip(events, epochs, strict=False)
    ]
    for merged in _slots(marked):
        left = without_epochs(merged, frozenset({1}))

        survivors = [c for c in merged.contributions if c.delivery.epoch == 2]
        if not survivors:
            assert left is None
        else:
            alone = _slots(survivors)
            assert left is not None
            assert left.contributions == tuple(survivors)
            # An update before an upsert would not have merged: as an update it fails on an order
            # that is not there, and then its events are tried one by one.
            assert left.operation == (alone[0].operation if len(alone) == 1 else Operation.UPDATE)
