"""A message is condemned alone, and only for returns that nobody lived through."""

from dataclasses import replace

from service.core.crashes import CALM, CONDEMNED, SUSPECTED, Crashes, Step, accused
from service.core.reasons import Code
from tests.strategies import contribution


def test_few_returns_are_nothing() -> None:
    assert Crashes().judge(SUSPECTED - 1, alone=False) is Step.TAKE


def test_many_returns_call_for_one_at_a_time() -> None:
    assert Crashes().judge(SUSPECTED, alone=False) is Step.ISOLATE
    assert Crashes().judge(CONDEMNED + 5, alone=False) is Step.ISOLATE, (
        "in company nobody is condemned"
    )


def test_alone_a_suspect_is_taken_until_it_has_killed_too_often() -> None:
    assert Crashes().judge(CONDEMNED - 1, alone=True) is Step.TAKE
    assert Crashes().judge(CONDEMNED, alone=True) is Step.CONDEMN


def test_returns_that_we_lived_through_do_not_count() -> None:
    crashes = Crashes()
    for _ in range(SUSPECTED):
        crashes.returned()
    assert crashes.judge(2 * SUSPECTED - 1, alone=False) is Step.TAKE


def test_after_enough_messages_above_suspicion_many_are_taken_again() -> None:
    crashes = Crashes()
    steps = [crashes.judge(0, alone=True) for _ in range(CALM)]
    assert steps == [Step.TAKE] * (CALM - 1) + [Step.RELEASE]
    assert crashes.judge(SUSPECTED, alone=True) is Step.TAKE
    assert crashes.judge(0, alone=True) is Step.TAKE, "the count begins anew"


def test_the_reason_names_the_cause_for_the_runbook() -> None:
    reason = accused(contribution()).reason
    assert reason.code is Code.CRASH_SUSPECT
    assert "without another try" in reason.message


def test_only_the_broker_counts_returns() -> None:
    """On a message that was never delivered before, a count is its producer's invention."""
    counts = {"x-delivery-count": 4, "x-acquired-count": 6, "x-other": "text"}
    first = contribution(headers=counts).delivery
    assert first.returns == 0
    assert replace(first, redelivered=True).returns == 6
    assert replace(contribution().delivery, redelivered=True).returns == 0
