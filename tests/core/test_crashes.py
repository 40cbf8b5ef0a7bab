"""A message is condemned alone, and only for returns that nobody lived through."""

from dataclasses import replace

import pytest

from service.core.events.deliveries import ACQUIRED, DELIVERED, Delivery, counter_of
from service.core.intake.crashes import CALM, CONDEMNED, SUSPECTED, Crashes, accused
from service.core.reasons import Code
from tests.strategies import contribution, delivery


def _returned(times: int, *, epoch: int = 1) -> Delivery:
    came = delivery(b"", epoch=epoch, headers={"x-delivery-count": times})
    return replace(came, redelivered=True)


def _line(*waiting: Delivery) -> Crashes:
    crashes = Crashes()
    for each in waiting:
        crashes.wait(each)
    return crashes


def test_few_returns_are_nothing() -> None:
    assert not Crashes().suspects(_returned(SUSPECTED - 1))
    assert Crashes().suspects(_returned(SUSPECTED))


def test_only_what_is_in_front_is_condemned_and_only_once() -> None:
    first, neighbour = _returned(CONDEMNED), _returned(CONDEMNED)
    crashes = _line(first, neighbour)
    assert list(crashes.take()) == [(first, True)]
    assert list(crashes.take()) == [], "one at a time"

    crashes.settle([first])
    assert list(crashes.take()) == [(neighbour, False)], "it went back as often, and is tried"


def test_what_went_back_less_often_is_tried() -> None:
    before = _returned(CONDEMNED - 1)
    assert list(_line(before).take()) == [(before, False)]


def test_what_comes_behind_a_suspect_that_was_survived_is_not_condemned() -> None:
    first, second = _returned(SUSPECTED), _returned(CONDEMNED)
    crashes = _line(first, second)
    list(crashes.take())
    crashes.settle([first])
    assert list(crashes.take()) == [(second, False)]


def test_returns_that_we_lived_through_do_not_count() -> None:
    crashes = Crashes()
    for _ in range(SUSPECTED):
        crashes.lose(frozenset({1}))
    assert not crashes.suspects(_returned(2 * SUSPECTED - 1))


def test_as_many_are_taken_at_once_as_were_survived() -> None:
    crashes = _line(*(_returned(SUSPECTED) for _ in range(2 * CALM + 5)))
    for _ in range(CALM):
        taken = [each for each, _ in crashes.take()]
        assert len(taken) == 1
        crashes.settle(taken)
    assert len(list(crashes.take())) == CALM


def test_a_channel_that_ends_takes_its_deliveries_out_of_the_line() -> None:
    first, second, other = (_returned(SUSPECTED, epoch=epoch) for epoch in (1, 1, 2))
    crashes = _line(first, second, other)
    list(crashes.take())

    crashes.lose(frozenset({1}))

    assert [each for each, _ in crashes.take()] == [other]
    assert not crashes.calm
    crashes.settle([other])
    assert crashes.calm


def test_stopping_leaves_the_line_to_the_broker() -> None:
    crashes = _line(_returned(SUSPECTED))
    crashes.drain()
    assert list(crashes.take()) == []


def test_the_reason_names_the_cause_for_the_runbook() -> None:
    reason = accused(contribution()).reason
    assert reason.code is Code.CRASH_SUSPECT
    assert "without another try" in reason.message


def test_only_the_broker_counts_returns() -> None:
    """On a message that was never delivered before, a count is its producer's invention."""
    counts = {"x-delivery-count": 4, "x-acquired-count": 6, "x-other": "text"}
    first = contribution(headers=counts).delivery
    assert first.returns == 0
    back = replace(first, redelivered=True)
    assert back.returns == 4, "RabbitMQ before 4.3 hands on what a producer wrote beside its count"
    assert replace(back, counter=counter_of("4.3.1")).returns == 6
    assert replace(contribution().delivery, redelivered=True).returns == 0


@pytest.mark.parametrize(
    ("version", "counter"),
    [
        ("3.10.8", DELIVERED),
        ("4.2.0", DELIVERED),
        ("4.3.0", ACQUIRED),
        ("4.10.0-rc.1", ACQUIRED),
        ("5.0", ACQUIRED),
        ("", DELIVERED),
    ],
)
def test_which_header_counts_is_the_brokers_versions_matter(version: str, counter: str) -> None:
    assert counter_of(version) == counter
