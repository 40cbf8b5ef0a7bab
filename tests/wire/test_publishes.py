"""Publishes are confirmed once each: through alarms, ends of connections, and a broker that refuses a part."""

import asyncio
from collections import Counter

import pytest

from service.core.outgoing import Outgoing
from service.rabbitmq.publisher import BLOCKED, CONFIRM_TIMEOUT, Publisher
from tests.wire.broker import Broker
from tests.wire.loop import run

URL = "amqp://guest:guest@wire/?heartbeat=10"
EXCHANGES = {"outcomes": "orders.outcomes", "dead_letters": "orders.dead-letters"}


def _publisher() -> Publisher:
    return Publisher(URL, EXCHANGES, name="test")


def _outcome(number: object, size: int = 0) -> Outgoing:
    return Outgoing(
        "outcomes", "outcome.applied", b"%s" % str(number).encode() + b" " * size, None, None
    )


def _letter(number: object) -> Outgoing:
    return Outgoing("dead_letters", "invalid", str(number).encode(), None, None, {"why": "test"})


def _counted(broker: Broker) -> Counter[bytes]:
    return Counter(each.body for each in broker.arrivals)


async def until(condition, seconds: float = 300.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("seconds", [3.0, 10.0, 11.0, 21.5, 30.0, 32.0, 300.0])
@pytest.mark.parametrize("slowest", [0.01, 0.5])
def test_what_waits_under_an_alarm_is_published_once(seconds: float, slowest: float) -> None:
    """700 outcomes and 61 dead letters, from many settlements, some before and most under the alarm."""

    async def story(broker: Broker) -> None:
        broker.slowest = broker.confirms_within = slowest
        publisher = _publisher()
        await publisher.publish([_outcome("first")])
        broker.arrivals.clear()
        messages = [*map(_outcome, range(700)), *map(_letter, range(700, 761))]
        broker.chance.shuffle(messages)
        groups = [messages[n::40] for n in range(40)]

        async def settle(group: list[Outgoing], after: float) -> None:
            await asyncio.sleep(after)
            await publisher.publish(group)

        settling = [
            asyncio.ensure_future(settle(each, broker.chance.random() * 4.0)) for each in groups
        ]
        await asyncio.sleep(1.0)
        broker.alarm(on=True)
        await asyncio.sleep(seconds)
        broker.alarm(on=False)
        done, pending = await asyncio.wait(settling, timeout=120.0)
        assert not pending
        assert all(each.exception() is None for each in done)
        assert _counted(broker) == Counter(message.body for message in messages)
        await publisher.close()

    run(story)


@pytest.mark.parametrize("how", ["cut", "silence", "finish"])
def test_a_publish_returns_though_its_connection_ends_under_it(how: str) -> None:
    """Many wait at the moment of the end, and all are published on another connection."""

    async def story(broker: Broker) -> None:
        publisher = _publisher()
        await publisher.publish([_outcome("first")])
        broker.confirms_within = 1.0
        publishing = [
            asyncio.ensure_future(publisher.publish([_outcome(f"{n}-{m}") for m in range(30)]))
            for n in range(40)
        ]
        await asyncio.sleep(0.001)
        getattr(broker, how)(broker.publishing())
        _, pending = await asyncio.wait(publishing, timeout=120.0)
        assert not pending
        assert len(_counted(broker)) == 1201
        assert publisher.waiting_since is None
        await publisher.close()

    run(story)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("how", ["cut", "finish"])
def test_an_end_at_any_moment_of_opening_is_tried_again(how: str, seed: int) -> None:
    """A FIN while the channel was being opened once ended the process, by an Exception without a name."""

    async def story(broker: Broker) -> None:
        for moment in range(40):
            publisher = _publisher()
            publishing = asyncio.ensure_future(publisher.publish([_outcome(moment)]))
            await asyncio.sleep(moment * 0.002)
            getattr(broker, how)(list(broker.sessions.values()))
            await publishing
            await publisher.close()
        assert len(_counted(broker)) == 40

    run(story, seed)


def test_an_end_under_an_alarm_is_the_end_of_what_waits() -> None:
    """The broker restarts while it is short of memory: what it has not read is published anew, once."""

    async def story(broker: Broker) -> None:
        publisher = _publisher()
        await publisher.publish([_outcome("first")])
        broker.alarm(on=True)
        publishing = [asyncio.ensure_future(publisher.publish([_outcome(n)])) for n in range(50)]
        await asyncio.sleep(25.0)
        assert publisher.trouble == BLOCKED
        assert publisher.waiting_since is not None
        broker.alarmed = False
        broker.cut(broker.publishing())
        _, pending = await asyncio.wait(publishing, timeout=60.0)
        assert not pending
        assert max(_counted(broker).values()) <= 2  # the one that was read when the alarm began
        assert sum(_counted(broker).values()) <= 52
        assert publisher.trouble != BLOCKED
        await publisher.close()

    run(story)


def test_what_is_confirmed_is_not_published_again_with_what_is_not() -> None:
    """Of 600 messages in three writes, the last two hundred never get their confirms."""

    async def story(broker: Broker) -> None:
        publisher = _publisher()
        await publisher.publish([_outcome("first")])
        (first,) = broker.publishing()
        broker.silent = lambda session: session is first and len(broker.arrivals) > 450
        await publisher.publish([_outcome(n) for n in range(600)])
        assert len(_counted(broker)) == 601
        repeated = [int(body) for body, times in _counted(broker).items() if times > 1]
        assert set(repeated) <= set(range(449, 600))
        await publisher.close()

    run(story)


@pytest.mark.parametrize("refusal", ["unbound", "full"])
def test_only_what_is_refused_is_published_again(refusal: str) -> None:
    """Nobody takes dead letters for a while; outcomes of the same settlements go through once."""

    async def story(broker: Broker) -> None:
        publisher = _publisher()
        getattr(broker, refusal).add("orders.dead-letters")
        both = [message for n in range(20) for message in (_outcome(n), _letter(n))]
        publishing = asyncio.ensure_future(publisher.publish(both))
        await asyncio.sleep(60.0)
        assert not publishing.done()
        assert "orders.dead-letters" in (publisher.trouble or "") or "full" in (
            publisher.trouble or ""
        )
        getattr(broker, refusal).clear()
        await publishing
        taken = Counter((each.exchange, each.body) for each in broker.arrivals if each.taken)
        assert set(taken.values()) == {1}
        assert len(taken) == 40
        ids = Counter(each.properties.message_id for each in broker.arrivals)
        assert set(ids.values()) == {1}
        await publisher.close()

    run(story)


def test_refusals_end_no_connection_on_which_others_wait() -> None:
    """A queue that is full is tried on a new connection; what waits for its confirm on the old one gets it."""

    async def story(broker: Broker) -> None:
        publisher = _publisher()
        broker.full.add("orders.dead-letters")
        refused = asyncio.ensure_future(publisher.publish([_letter(1)]))
        await asyncio.sleep(1.0)
        broker.confirms_within = CONFIRM_TIMEOUT - 1.0
        others = [asyncio.ensure_future(publisher.publish([_outcome(n)])) for n in range(100)]
        await asyncio.sleep(60.0)
        broker.full.clear()
        await asyncio.wait([refused, *others])
        outcomes = Counter(
            each.body for each in broker.arrivals if each.exchange == "orders.outcomes"
        )
        assert set(outcomes.values()) == {1}
        await publisher.close()

    run(story)
