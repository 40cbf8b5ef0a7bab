"""The core as a whole: seeds of random traffic through the desk, against a HubSpot that misbehaves.

CORE_SEEDS=2000 python -m pytest tests/core/test_whole_core.py    runs as many as you like.
"""

import os
from dataclasses import replace
from random import Random

import orjson
import pytest

from service.core.hubspot.budget import BudgetPolicy
from service.core.settlement.outcome import Status
from service.core.settlement.retries import RetryPolicy
from service.core.waiting.batch import BatchPolicy
from tests.core.hubspot import CALM, ROUGH, Faults
from tests.core.simulation import LONGEST, TICK, Simulation, Traffic
from tests.strategies import document

SEEDS = int(os.environ.get("CORE_SEEDS", "200"))
BLOCKS = 8

SLOWLY = Traffic(rate=40.0, confirm=0.05)
SITUATIONS = {
    "hubspot misbehaves": Traffic(),
    "channels end": Traffic(deaths=0.02),
    "channels end between confirm and ack": Traffic(deaths=0.02, confirm=0.05),
    "replicas take over": replace(SLOWLY, takeovers=0.03),
    "processes are stopped": replace(SLOWLY, stops=0.03),
    "sequences": Traffic(sequences=0.5, late=0.3),
    "a killer": replace(SLOWLY, killers=1),
    "an outage": Traffic(outage=(0.1, 7200.0)),
    "everything": replace(
        SLOWLY,
        deaths=0.02,
        takeovers=0.02,
        stops=0.01,
        sequences=0.3,
        late=0.3,
        killers=1,
        outage=(1.0, 3600.0),
    ),
}


def _balanced(done: Simulation) -> None:
    """Every law that holds whatever happens."""
    assert done.books.wrong == []
    for message in done.broker.messages:
        assert message.acked, f"lost: {message.body!r}"
        answered = done.books.published[message.place]
        assert answered == 1 or (answered and message.returned), f"{answered} outcomes"
    assert done.broker.empty
    assert done.broker.dead == []
    assert done.broker.longest <= LONGEST + TICK
    assert all(len(ids) == 1 for ids in done.books.ids.values())
    for process in done.processes:
        desk = process.desk
        if not process.dead:
            assert desk.held == desk.in_flight == desk.age(done.now) == 0
            assert not (desk._out)
            assert not (desk._closing)
            assert not (desk.answerable)
            assert not (desk._repeats._held)
    _as_one_by_one(done)


def _as_one_by_one(done: Simulation) -> None:
    held, wanted = done.hubspot.orders.state(), done.books.replayed()
    if done.books.strict is not None:
        assert held == done.books.strict.state() == wanted
    for key in (held.keys() | wanted.keys()) - done.saved:
        # A bad value that a later event overwrites is saved. Comes it again alone, it is refused: of
        # such an order nobody can say what it should hold.
        assert held.get(key) == wanted.get(key), key


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_books_balance(situation, block):
    for seed in range(block, SEEDS // len(SITUATIONS) + 1, BLOCKS):
        try:
            _balanced(Simulation(seed, SITUATIONS[situation]).run())
        except (AssertionError, LookupError) as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error


@pytest.mark.parametrize("block", range(2))
def test_no_window_has_more_calls_than_the_budget_allows(block):
    for seed in range(block, SEEDS // 8, 2):
        policy = BudgetPolicy(calls=Random(seed).choice([2, 5, 10]), window=1.0)
        done = Simulation(seed, Traffic(), CALM, budget=policy).run()
        _balanced(done)
        assert done.busiest <= policy.calls, f"seed {seed}"


@pytest.mark.parametrize("hours", [0.1, 1, 12, 240])
@pytest.mark.parametrize("everything", [True, False])
def test_pauses_spend_next_to_nothing_of_the_brokers_delivery_limit(hours, everything):
    """Of everything, or of the writes alone: then every probe is answered, and every pause is in vain."""
    traffic = Traffic(poison=0.0, malformed=0.0, outage=(0.0, hours * 3600), reads_too=everything)

    done = Simulation(3, traffic, CALM).run()

    _balanced(done)
    most = max(message.returns for message in done.broker.messages)
    print(f"{hours} hours: {most} returns")
    assert most <= (1 if everything else 1 + hours * 3600 / LONGEST)
    assert most <= 20, "far from 50, however long it lasts"


@pytest.mark.parametrize("reads_too", [True, False])
def test_an_outage_is_nobodys_dead_letter(reads_too):
    """With the policy that is set by default: eight failures, five minutes."""
    traffic = Traffic(
        poison=0.0, malformed=0.0, rate=1.0, outage=(10.0, 9000.0), reads_too=reads_too
    )

    for seed in range(5):
        done = Simulation(seed, traffic, CALM, retry=RetryPolicy()).run()
        _balanced(done)


def test_a_killer_is_set_aside_alone():
    done = Simulation(5, replace(SLOWLY, killers=1), CALM).run()

    _balanced(done)
    codes = [o["data"]["reason"]["code"] for o in done.books.outcomes if o["data"]["reason"]]
    assert codes.count("crash_suspect") == 1
    assert len(done.processes) > 15


def _hundred(faults, poison):
    """A batch of 100 upserts, some of them bad, all at once; returns the number of calls."""
    bodies = [
        orjson.dumps(document(key=f"A-{n}", event_id=f"e{n}", a="bad1" if n in poison else "1"))
        for n in range(100)
    ]
    traffic = Traffic(bodies=bodies, rate=1e9)
    done = Simulation(1, traffic, faults, BatchPolicy(size=100), prefetch=1000).run()
    rejected = {o["subject"] for o in done.books.outcomes if o["data"]["status"] == "rejected"}
    assert rejected == {f"A-{number}" for number in poison}
    _balanced(done)
    return len(done.hubspot.calls)


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

    done = Simulation(7, traffic, faults, BatchPolicy(size=100), prefetch=5000).run()

    _balanced(done)
    statuses = [s for said in done.books.statuses.values() for s in said]
    bad = statuses.count(Status.REJECTED)
    calls = len(done.hubspot.calls)
    print(f"{len(statuses)} events, {bad} rejected: {calls} calls")
    assert calls <= 2 * len(statuses) / 100 + 20 + 15 * bad


def test_roughly_every_fault_of_hubspots_happens():
    done = Simulation(11, Traffic(events=2000), ROUGH).run()

    assert done.hubspot.faulty > 20
