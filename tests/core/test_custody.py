"""What is held, since when, and what is not ours any more."""

from dataclasses import replace

from service.core.intake.custody import Custody
from tests.strategies import delivery


def _kept(*tags: int, epoch: int = 1, custody: Custody | None = None) -> Custody:
    """Each tag arrived at the second of its number."""
    custody = custody or Custody()
    for tag in tags:
        custody.arrive(delivery(b"", epoch=epoch, tag=tag), float(tag))
    return custody


def test_the_age_is_that_of_the_oldest_that_is_neither_acked_nor_the_brokers_again():
    custody = _kept(10, 20, 30)
    assert custody.age(50.0) == 40.0

    custody.settle([delivery(b"", epoch=1, tag=10), delivery(b"", epoch=1, tag=20)])
    assert custody.age(50.0) == 20.0

    _kept(15, epoch=2, custody=custody)
    assert custody.age(50.0) == 35.0

    custody.lose(frozenset({2, 7}))
    assert custody.age(50.0) == 20.0

    custody.lose(frozenset({1}))
    custody.settle([delivery(b"", epoch=1, tag=30)])  # its outcome was under way
    assert custody.age(50.0) == 0.0


def test_ours_is_what_came_on_a_channel_that_lives():
    custody = _kept(1)
    held, other = delivery(b"", epoch=1), delivery(b"", epoch=2)
    assert custody.ours(held)
    assert not custody.ours(other)

    custody.settle([delivery(b"", epoch=1, tag=1)])
    assert custody.empty
    assert custody.ours(held), "its channel lives, whatever it holds"

    custody.lose(frozenset({1}))
    assert not custody.ours(held)


def test_the_broker_counts_how_often_a_message_went_back():
    custody = _kept(1)
    assert custody.returns == 0

    for tag, count in ((2, 7), (3, 4)):
        came = delivery(b"", tag=tag, headers={"x-delivery-count": count})
        custody.arrive(replace(came, redelivered=True), 1.0)
    assert custody.returns == 7

    custody.lose(frozenset({1}))
    assert custody.returns == 0
