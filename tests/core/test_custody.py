"""What is kept, since when, and when it goes back."""

from service.core.intake.custody import Custody, Overdue
from tests.strategies import delivery

PATIENCE, LONGEST = 300.0, 1740.0


def _kept(*tags: int, epoch: int = 1, custody: Custody | None = None) -> Custody:
    """Each tag arrived at the second of its number."""
    custody = custody or Custody(PATIENCE, LONGEST)
    for tag in tags:
        custody.arrived(delivery(b"", epoch=epoch, tag=tag), float(tag))
    return custody


def test_the_age_is_that_of_the_oldest_that_is_neither_acked_nor_given_back():
    custody = _kept(10, 20, 30)
    assert custody.age(50.0) == 40.0

    custody.acked([delivery(b"", epoch=1, tag=10), delivery(b"", epoch=1, tag=20)])
    assert custody.age(50.0) == 20.0

    _kept(15, epoch=2, custody=custody)
    assert custody.age(50.0) == 35.0

    custody.lost(frozenset({2, 7}))
    assert custody.age(50.0) == 20.0

    custody.gave_back()
    custody.acked([delivery(b"", epoch=1, tag=30)])  # its outcome was under way
    assert custody.age(50.0) == 0.0


def test_what_was_kept_for_long_goes_back_a_moment_before_the_broker_fetches_it():
    custody = _kept(10)

    assert custody.overdue(LONGEST) is None
    assert custody.overdue(LONGEST + 10.0) is Overdue.KEPT


def test_a_publish_that_hangs_for_longer_than_patience_gives_everything_back():
    custody = Custody(PATIENCE, LONGEST)
    first, second = custody.publishing(100.0), custody.publishing(200.0)

    assert custody.overdue(399.0) is None
    assert custody.overdue(400.0) is Overdue.UNPUBLISHED

    custody.published(first)
    assert custody.overdue(400.0) is None
    assert not custody.published_all

    custody.published(second)
    assert custody.published_all


def test_there_is_nothing_to_ask_before_something_may_be_overdue():
    custody = Custody(PATIENCE, LONGEST)
    assert custody.ask_within(0.0) == PATIENCE  # what begins now is not overdue before

    _kept(10, custody=custody)
    assert custody.ask_within(1600.0) == 150.0

    custody.publishing(1400.0)
    assert custody.ask_within(1600.0) == 100.0
    assert custody.ask_within(9999.0) == 0.0
