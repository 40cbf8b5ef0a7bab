"""The core as a whole: seeds of random traffic through every room, against a HubSpot that misbehaves.

CORE_SEEDS=3000 python -m pytest tests/core/test_whole_core.py    runs as many as you like.
"""

import os

import pytest

from tests.core.simulation import Simulation, Traffic

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
