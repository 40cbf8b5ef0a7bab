"""handover: what is newer than a former owner's write waits until that can't come any more; nothing else."""

from dataclasses import replace

from service.core.handover import Handover
from tests.strategies import contribution

OVERLAP = 30.0


def _event(key="A-1", event_id="e", *, epoch=1, returns=0, redelivered=False):
    event = contribution(key=key, event_id=event_id, headers={"x-delivery-count": returns})
    return replace(event, delivery=replace(event.delivery, epoch=epoch, redelivered=redelivered))


def _taken_over(key, event_id, epoch=1):
    return _event(key, event_id, epoch=epoch, returns=1, redelivered=True)


def _waits(handover, event, now):
    handover.arrived(event, now)
    return handover.not_before(event, now)


def test_nothing_waits_without_a_takeover():
    handover = Handover(OVERLAP, 100)

    assert _waits(handover, _event(), 5.0) == 0.0


def test_of_a_redelivered_order_the_first_goes_the_newer_wait():
    handover = Handover(OVERLAP, 100)

    assert _waits(handover, _taken_over("A-1", "e1"), 5.0) == 0.0
    assert _waits(handover, _taken_over("A-1", "e2"), 6.0) == 35.0
    assert _waits(handover, _event("A-1", "e3"), 7.0) == 35.0
    assert _waits(handover, _event("A-2", "e4"), 7.0) == 0.0


def test_after_the_overlap_nothing_waits_any_more():
    handover = Handover(OVERLAP, 100)
    handover.arrived(_taken_over("A-1", "e1"), 5.0)

    assert _waits(handover, _event("A-1", "e2"), 35.0) == 0.0
    assert _waits(handover, _taken_over("A-1", "e3"), 40.0) == 0.0
    assert _waits(handover, _event("A-1", "e4"), 41.0) == 0.0


def test_what_we_returned_ourselves_is_no_takeover():
    handover = Handover(OVERLAP, 100)
    handover.arrived(_event("A-1", "e1", epoch=1), 0.0)

    again = _event("A-1", "e1", epoch=2, returns=1, redelivered=True)
    behind = _event("A-1", "e2", epoch=2, returns=1, redelivered=True)

    assert _waits(handover, again, 5.0) == 0.0
    assert _waits(handover, behind, 5.0) == 0.0  # was on its way to us and never arrived
    assert _waits(handover, _event("A-1", "e3", epoch=2), 5.0) == 0.0


def test_what_somebody_held_in_between_is_a_takeover():
    handover = Handover(OVERLAP, 100)
    handover.arrived(_event("A-1", "e1", epoch=1), 0.0)

    theirs = _event("A-1", "e1", epoch=2, returns=2, redelivered=True)

    assert _waits(handover, theirs, 5.0) == 0.0
    assert _waits(handover, _event("A-1", "e2", epoch=2), 5.0) == 35.0


def test_a_channel_that_is_somebody_elses_stays_so_until_it_ends():
    handover = Handover(OVERLAP, 100)
    handover.arrived(_event("A-2", "known", epoch=1), 0.0)
    handover.arrived(_taken_over("A-1", "e1", epoch=2), 1.0)

    known = _event("A-2", "known", epoch=2, returns=1, redelivered=True)
    handover.arrived(known, 2.0)
    assert handover.not_before(_event("A-2", "newer", epoch=2), 2.0) == 31.0

    handover.forget(frozenset({2}))
    handover.arrived(_event("A-2", "known", epoch=3, returns=2, redelivered=True), 40.0)
    assert handover.not_before(_event("A-2", "newest", epoch=3), 40.0) == 0.0


def test_the_memory_is_bounded():
    handover = Handover(OVERLAP, 2)
    for name in ("e1", "e2", "e3"):
        handover.arrived(_event("A-1", name, epoch=1), 0.0)

    forgotten = _event("A-1", "e1", epoch=2, returns=1, redelivered=True)

    assert len(handover._returns) == 2
    handover.arrived(forgotten, 1.0)
    assert handover.not_before(_event("A-1", "e4", epoch=2), 1.0) == 31.0
