"""After a takeover: the oldest event of a redelivered order goes at once, what is newer of it waits."""

from dataclasses import replace

from service.core.events.events import Contribution
from service.core.intake.handover import Handover
from tests.strategies import contribution

OVERLAP = 30.0


def came(key: str, number: int, *, epoch: int = 1, returns: int = 0) -> Contribution:
    headers = {"x-delivery-count": returns} if returns else None
    made = contribution("upsert", key, f"{key}-{number}", epoch=epoch, headers=headers)
    return replace(made, delivery=replace(made.delivery, redelivered=returns > 0))


def arrive(handover: Handover, event: Contribution, now: float) -> float:
    handover.arrive(event, now)
    return handover.not_before(event) if now < handover.until else 0.0


def test_what_was_never_delivered_waits_for_nothing() -> None:
    handover = Handover(OVERLAP, 10)
    assert arrive(handover, came("A", 1), 0.0) == 0.0


def test_of_somebody_elses_order_only_the_oldest_event_goes_at_once() -> None:
    handover = Handover(OVERLAP, 10)
    assert arrive(handover, came("A", 1, returns=1), 5.0) == 0.0
    assert arrive(handover, came("A", 2, returns=1), 5.1) == 35.0
    assert arrive(handover, came("A", 3), 6.0) == 35.0, "newer, and never delivered before"
    assert arrive(handover, came("B", 1), 6.0) == 0.0, "another order waits for nothing"
    assert arrive(handover, came("A", 4), 35.0) == 0.0, "the former owner's calls are over"


def test_what_we_returned_ourselves_is_no_takeover() -> None:
    handover = Handover(OVERLAP, 10)
    arrive(handover, came("A", 1), 0.0)
    handover.lose(frozenset({1}))
    assert arrive(handover, came("A", 1, epoch=2, returns=1), 1.0) == 0.0
    assert arrive(handover, came("A", 2, epoch=2, returns=1), 1.0) == 0.0, "was on its way to us"


def test_what_somebody_held_after_us_is_one() -> None:
    handover = Handover(OVERLAP, 10)
    arrive(handover, came("A", 1), 0.0)
    arrive(handover, came("A", 2), 0.0)
    assert arrive(handover, came("A", 1, epoch=2, returns=2), 1.0) == 0.0
    assert arrive(handover, came("A", 2, epoch=2, returns=2), 1.0) == 31.0


def test_the_memory_is_bounded_and_forgetting_is_safe() -> None:
    handover = Handover(OVERLAP, 1)
    arrive(handover, came("A", 1), 0.0)
    arrive(handover, came("B", 1), 0.0)
    arrive(handover, came("A", 1, epoch=2, returns=1), 1.0)
    assert arrive(handover, came("A", 2, epoch=2, returns=1), 1.0) == 31.0
    assert arrive(handover, came("C", 1, epoch=2, returns=1), 40.0) == 0.0, "long after"


def test_a_channel_that_is_somebody_elses_stays_so_until_it_ends() -> None:
    handover = Handover(OVERLAP, 10)
    arrive(handover, came("A", 1), 0.0)
    arrive(handover, came("B", 1, epoch=2, returns=1), 1.0)

    arrive(handover, came("A", 1, epoch=2, returns=1), 2.0)
    assert arrive(handover, came("A", 2, epoch=2), 2.0) == 31.0, "known to us, but on their channel"

    handover.lose(frozenset({2}))
    assert arrive(handover, came("A", 1, epoch=3, returns=2), 40.0) == 0.0
    assert arrive(handover, came("A", 3, epoch=3), 40.0) == 0.0


def test_what_we_never_read_of_a_takeover_is_another_owners_still_when_our_channel_ends() -> None:
    """It was on its way to us, behind what we read, and the former owner may be writing it."""
    handover = Handover(OVERLAP, 10)
    arrive(handover, came("A", 1, returns=1), 0.0)
    handover.lose(frozenset({1}))

    assert arrive(handover, came("A", 1, epoch=2, returns=2), 1.0) == 0.0, "ours"
    assert arrive(handover, came("B", 1, epoch=2, returns=2), 1.0) == 0.0, "the oldest of its order"
    assert arrive(handover, came("B", 2, epoch=2, returns=2), 1.0) == 30.0
    assert arrive(handover, came("C", 1, epoch=2), 1.0) == 0.0


def test_long_after_a_takeover_what_we_never_read_is_nobodys() -> None:
    handover = Handover(OVERLAP, 10)
    arrive(handover, came("A", 1, returns=1), 0.0)
    handover.lose(frozenset({1}))

    arrive(handover, came("A", 1, epoch=2, returns=2), 60.0)
    assert arrive(handover, came("B", 1, epoch=2, returns=2), 60.0) == 0.0
    assert arrive(handover, came("B", 2, epoch=2, returns=2), 60.0) == 0.0
