"""What is remembered of the account, for how long, and how much of it."""

from service.core.events.graph import Target
from service.core.graph.directory import KEPT, REACH, Directory


def buyer(number: int) -> Target:
    return Target("contacts", "email", f"{number}@example.com")


def test_a_record_is_remembered_for_minutes_and_not_for_ever():
    known = Directory()
    known.learn_target(buyer(1), "7", 0.0)

    assert known.target(buyer(1), KEPT - 1) == "7"
    assert known.target(buyer(1), KEPT) is None


def test_the_oldest_record_is_forgotten_first():
    known = Directory()
    for number in range(REACH):
        known.learn_target(buyer(number), "7", 0.0)
    known.learn_target(buyer(0), "8", 1.0)
    known.learn_target(buyer(REACH), "9", 1.0)

    assert known.target(buyer(0), 1.0) == "8"
    assert known.target(buyer(1), 1.0) is None
    assert known.target(buyer(2), 1.0) == "7"
