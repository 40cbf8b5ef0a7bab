"""crashes: a message that kills its process is condemned alone, and long after it was suspected."""

from service.core.crashes import CALM, CONDEMNED, SUSPECTED, Crashes, Step, accused
from service.core.reasons import Code
from tests.strategies import contribution


def test_a_message_that_went_back_a_few_times_is_taken_with_the_others():
    crashes = Crashes()

    assert crashes.judge(0, alone=False) is Step.TAKE
    assert crashes.judge(SUSPECTED - 1, alone=False) is Step.TAKE


def test_a_suspect_is_taken_alone_and_condemned_only_there():
    crashes = Crashes()

    assert crashes.judge(SUSPECTED, alone=False) is Step.ISOLATE
    assert crashes.judge(CONDEMNED, alone=False) is Step.ISOLATE
    assert crashes.judge(SUSPECTED, alone=True) is Step.TAKE
    assert crashes.judge(CONDEMNED - 1, alone=True) is Step.TAKE
    assert crashes.judge(CONDEMNED, alone=True) is Step.CONDEMN


def test_returns_that_we_lived_through_are_held_against_nobody():
    crashes = Crashes()
    for _ in range(CONDEMNED):
        crashes.returned()

    assert crashes.judge(CONDEMNED + SUSPECTED - 1, alone=False) is Step.TAKE
    assert crashes.judge(2 * CONDEMNED - 1, alone=True) is Step.TAKE
    assert crashes.judge(2 * CONDEMNED, alone=True) is Step.CONDEMN


def test_many_are_taken_again_after_some_above_suspicion():
    crashes = Crashes()

    steps = [crashes.judge(0, alone=True) for _ in range(CALM - 1)]
    steps.append(crashes.judge(SUSPECTED, alone=True))  # starts the count anew
    steps += [crashes.judge(0, alone=True) for _ in range(CALM)]

    assert steps[:-1] == [Step.TAKE] * (2 * CALM - 1)
    assert steps[-1] is Step.RELEASE
    assert crashes.judge(0, alone=True) is Step.TAKE


def test_the_accused_is_told_how_often():
    event = contribution(headers={"x-delivery-count": 21})

    verdict = accused(event)

    assert verdict.reason.code is Code.CRASH_SUSPECT
    assert "died 0 times or more" in verdict.reason.message  # never delivered before: invented
