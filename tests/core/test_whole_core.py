"""The core as a whole: seeds of random traffic through every room, against a HubSpot that misbehaves.

CORE_SEEDS=3000 python -m pytest tests/core/test_whole_core.py    runs as many as you like.
"""

import os

import pytest

from service.core.settlement.outcome import Status
from service.core.waiting.backlog import BatchPolicy
from tests.core.hubspot import Faults
from tests.core.simulation import Simulation, Traffic
from tests.strategies import contribution

SEEDS = int(os.environ.get("CORE_SEEDS", "300"))


def _balanced(done: Simulation) -> None:
    """Nothing lost, settled once, nobody wrongly judged, HubSpot as one by one would have left it."""
    assert done.books.wrong == []
    assert done.unsettled == {}
    assert all(times == 1 for times in done.books.settled.values())
    assert done.backlog.held == done.backlog.in_flight == 0
    assert list(done.backlog.waiting()) == []
    assert done.hubspot.orders.state() == done.reference.state()


@pytest.mark.parametrize("block", range(6))
def test_the_books_balance_whatever_hubspot_does(block):
    for seed in range(block * SEEDS // 6, (block + 1) * SEEDS // 6):
        try:
            _balanced(Simulation(seed).run())
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("block", range(2))
def test_the_books_balance_when_channels_die(block):
    for seed in range(block * SEEDS // 4, (block + 1) * SEEDS // 4):
        try:
            _balanced(Simulation(seed, Traffic(deaths=0.02)).run())
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def _hundred(faults, poison):
    """A batch of 100 upserts, some of them bad, all at once; returns (calls, rejected keys)."""
    world = Simulation(1, Traffic(events=0), faults, BatchPolicy(size=100))
    for number in range(100):
        value = "bad1" if number in poison else "1"
        world.backlog.add(contribution(key=f"A-{number}", event_id=f"e{number}", a=value), 0.0)
    for slot in world.backlog.waiting():
        for event in slot.contributions:
            world.unsettled[event.delivery.epoch, event.delivery.tag] = event.delivery
    world.run()
    rejected = {o["subject"] for o in world.books.outcomes if o["data"]["status"] == "rejected"}
    assert rejected == {f"A-{number}" for number in poison}
    _balanced(world)
    return len(world.hubspot.calls)


@pytest.mark.parametrize("number", [0, 37, 99])
def test_a_refused_batch_of_100_costs_two_calls_when_the_culprit_is_named(number):
    by_id = Faults(whole=1.0, anonymous=0.0, named=1.0)
    by_value = Faults(whole=1.0, anonymous=0.0, named=0.0)

    assert _hundred(by_id, {number}) == 2
    assert _hundred(by_value, {number}) == 2


@pytest.mark.parametrize("poison", [{0}, {63}, {99}, {7, 8}, {0, 50, 99}])
def test_and_at_most_15_a_poison_when_nobody_is(poison):
    calls = _hundred(Faults(whole=1.0, anonymous=1.0), poison)

    print(f"{len(poison)} anonymous in 100 records: {calls} calls")
    assert calls <= 15 * len(poison)


def test_one_poison_in_a_hundred_events_costs_a_bounded_number_of_calls():
    """Every bad record refuses its whole batch without a name: the worst that HubSpot does."""
    traffic = Traffic(events=3000, orders=3000, poison=0.01, malformed=0.0, repeats=0.0, rate=1e6)
    faults = Faults(whole=1.0, anonymous=1.0)

    done = Simulation(7, traffic, faults, BatchPolicy(size=100)).run()

    _balanced(done)
    statuses = [s for said in done.books.statuses.values() for s in said]
    bad = statuses.count(Status.REJECTED)
    calls = len(done.hubspot.calls)
    print(f"{len(statuses)} events, {bad} rejected: {calls} calls")
    assert calls <= 2 * len(statuses) / 100 + 20 + 15 * bad
