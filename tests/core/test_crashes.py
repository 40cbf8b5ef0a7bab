"""A message is condemned alone, and only for returns that nobody lived through."""

from dataclasses import replace

import pytest

from service.core.events.deliveries import ACQUIRED, DELIVERED, counter_of
from service.core.intake.crashes import CALM, CONDEMNED, SUSPECTED, Crashes, accused
from service.core.reasons import Code
from tests.strategies import contribution


def test_few_returns_are_nothing() -> None:
    assert not Crashes().suspects(SUSPECTED - 1)
    assert Crashes().suspects(SUSPECTED)


def test_only_what_is_in_front_is_condemned_and_only_once() -> None:
    crashes = Crashes()
    assert not crashes.condemns(CONDEMNED - 1)
    assert crashes.condemns(CONDEMNED)
    assert not crashes.condemns(CONDEMNED), "its neighbour went back as often, and is tried"


def test_what_comes_behind_a_suspect_that_was_survived_is_not_condemned() -> None:
    crashes = Crashes()
    crashes.survived(1)
    assert not crashes.condemns(CONDEMNED)


def test_returns_that_we_lived_through_do_not_count() -> None:
    crashes = Crashes()
    for _ in range(SUSPECTED):
        crashes.returned()
    assert not crashes.suspects(2 * SUSPECTED - 1)


def test_as_many_are_held_at_once_as_were_survived() -> None:
    crashes = Crashes()
    crashes.survived(CALM - 1)
    assert crashes.room == 1
    crashes.survived(1)
    assert crashes.room == CALM


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
