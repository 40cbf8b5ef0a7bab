"""The real consumer, pipeline and publisher over a wire that stalls, ends, alarms and reorders, by seeds.

Every event has exactly one outcome id, and is acked once; nothing is held in the end; HubSpot holds what
the events would have left one by one. Where no connection was lost, no outcome is published twice.

WIRE_SEEDS=2000 runs that many; a failing seed is a run that can be repeated.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Sequence
from random import Random

import httpx
import orjson
import pytest

from service.app import Service
from service.core.events.order_event import STRUCTURED
from service.hubspot.client import HubSpot
from service.hubspot.token import StaticToken
from service.rabbitmq.publisher import Publisher
from service.settings.config import Settings
from service.twin import Twin, TwinOptions, app
from service.watch.metrics import Metrics
from tests.faults.trace import ID_PROPERTY, PROPERTIES, Event, Fate, trace
from tests.one_by_one import one_by_one, shown
from tests.wire.broker import Broker, Published
from tests.wire.chaos import OUTCOMES, Chaos
from tests.wire.loop import run

SEEDS = int(os.environ.get("WIRE_SEEDS", "30"))
FIRST = int(os.environ.get("WIRE_FIRST", "0"))
EVENTS = 60
QUEUE = "orders.events"
URL = "amqp://guest:guest@wire/?heartbeat=10"
EXCHANGES = {"outcomes": OUTCOMES, "dead_letters": "orders.dead-letters"}
DONE = ("applied", "superseded")


def _settings(chance: Random) -> Settings:
    return Settings(
        rabbitmq={"url": URL, "prefetch": chance.choice((7, 40, 2000)), "memory": 4},
        hubspot={"token": "t", "id_property": ID_PROPERTY, "calls": 190, "timeout": 5},
        batch={"size": chance.choice((1, 5, 100)), "linger": chance.choice((0, 0.05, 0.25))},
        retry={"attempts": 100, "patience": 1700},
    )


def _options(*, latency: float) -> TwinOptions:
    return TwinOptions(
        unique=(ID_PROPERTY,),
        properties=PROPERTIES,
        calls=0,
        daily=0,
        latency=latency,
        journal="off",
    )


async def _publish(broker: Broker, events: Sequence[Event], chance: Random) -> None:
    """Some at once, others while all kinds of things happen."""
    left = list(events)
    while left:
        count = chance.choice((1, 5, 30))
        broker.put(QUEUE, [event.body for event in left[:count]], STRUCTURED)
        del left[:count]
        await asyncio.sleep(chance.random())


async def _carry(broker: Broker, seed: int) -> None:
    chance = Random(seed)
    random.seed(seed)  # the pipeline's jitter
    events = trace(seed, EVENTS, whole=False)
    settings, twin = _settings(chance), Twin(_options(latency=chance.choice((0.02, 0.3, 2.0))))
    transport = httpx.ASGITransport(app(twin), raise_app_exceptions=False)
    async with HubSpot(
        "http://twin", "v3", StaticToken("t"), timeout=settings.hubspot.timeout, transport=transport
    ) as hubspot:
        publisher = Publisher(URL, EXCHANGES, name="seed")
        service = Service(settings, publisher, hubspot, Metrics(), URL, "seed")
        chaos, stop = Chaos(broker, twin, chance), asyncio.Event()
        consuming = asyncio.ensure_future(service.consumer.run())
        carrying = asyncio.ensure_future(service.pipeline.run(stop))
        async with asyncio.timeout(1200.0):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_publish(broker, events, chance))
                tasks.create_task(chaos.reign())
            while broker.held(QUEUE) or service.pipeline.desk.held:
                assert not carrying.done(), carrying.exception()
                await asyncio.sleep(0.5)
            assert service.pipeline.desk.in_flight == 0
            stop.set()
            await carrying
        assert publisher.waiting_since is None
        consuming.cancel()
        await asyncio.wait([consuming])
        await publisher.close()
    await _balanced(broker, chaos, twin, events)


async def _balanced(broker: Broker, chaos: Chaos, twin: Twin, events: Sequence[Event]) -> None:
    assert broker.unknown_tags == 0
    assert Counter(m.body for m in broker.acked) == Counter(event.body for event in events)
    outcomes = [
        _Outcome(each) for each in broker.arrivals if each.exchange == OUTCOMES and each.taken
    ]
    ids: dict[str, set[str]] = {}
    for outcome in outcomes:
        ids.setdefault(outcome.event, set()).add(outcome.id)
    assert set(ids) == {event.id for event in events}
    assert all(len(found) == 1 for found in ids.values())
    if not chaos.losing:
        assert max(Counter(outcome.event for outcome in outcomes).values()) == 1
    first = {outcome.event: outcome.status for outcome in reversed(outcomes)}
    for event in events:
        assert (first[event.id] == "malformed") is (event.fate is Fate.MALFORMED)
        assert first[event.id] != "exhausted"
    accepted = [event.document for event in events if first[event.id] in DONE]
    expected = await one_by_one(accepted, _options(latency=0.0), ID_PROPERTY)
    assert _living(shown(twin, ID_PROPERTY)) == _living(expected)


def _living(orders: dict[str, tuple[bool, dict[str, str]]]) -> dict[str, object]:
    """An archived order's values do not count: one that was written again died twice."""
    return {key: () if archived else values for key, (archived, values) in orders.items()}


class _Outcome:
    def __init__(self, published: Published) -> None:
        document = orjson.loads(published.body)
        self.id, data = document["id"], document["data"]
        self.event, self.status = data["event"]["id"], data["status"]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_the_books_balance(seed: int) -> None:
    run(lambda broker: _carry(broker, seed), seed)
