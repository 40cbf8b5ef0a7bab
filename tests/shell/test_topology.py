"""The topology on a real broker: declared twice, checked passively, differences named."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiormq
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import AMQPConnectionError, DeliveryError
from pamqp.commands import Basic
from pydantic import ValidationError

from service.core.settlement.journal import JOURNAL
from service.rabbitmq.topology import (
    Binding,
    Exchange,
    NotPermittedError,
    Queue,
    Topology,
    TopologyError,
    check,
    declare,
    survey,
)
from service.settings.rabbitmq import JournalSettings, RabbitMQ


def names(url: str, **given: object) -> RabbitMQ:
    return RabbitMQ.model_validate({"url": url} | given)


@asynccontextmanager
async def channel_of(url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aiormq.connect(url)
    yield await connection.channel()
    await connection.close()


def test_the_default_names_are_the_promised_ones():
    wanted = Topology.of(names("amqp://h/"), JournalSettings())

    assert {exchange.name for exchange in wanted.exchanges} == {
        "orders.events",
        "orders.outcomes",
        "orders.dead-letters",
        "orders.operations",
    }
    assert [queue.name for queue in wanted.queues] == [
        "orders.dead-letters",
        "orders.results",
        "orders.events",
        "orders.journal",
    ]
    assert wanted.bindings == (
        Binding("orders.dead-letters", "orders.dead-letters", "#"),
        Binding("orders.outcomes", "orders.results", "outcome.#"),
        Binding("orders.events", "orders.events", "#"),
    )


def test_nothing_on_the_broker_may_lose_a_message():
    """Quorum everywhere, every delivery limit said aloud, dead-lettering at least once.

    The journal alone lets its oldest go: it is a copy of what `orders.results` has.
    """
    wanted = Topology.of(names("amqp://h/", queues=("a", "b")), JournalSettings())
    assert wanted.queues[-1].name == JOURNAL

    for queue in wanted.queues[:-1]:
        assert queue.arguments["x-queue-type"] == "quorum"
        assert isinstance(queue.arguments["x-delivery-limit"], int)
        assert queue.arguments["x-delivery-limit"] > 0  # on 3.10, -1 deletes at the first requeue
        assert not {"x-message-ttl", "x-max-length", "x-max-priority"} & set(queue.arguments)
    for queue in wanted.queues[2:-1]:
        assert queue.arguments["x-single-active-consumer"] is True
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"  # else the strategy is ignored


def test_the_journal_is_a_stream_bounded_by_age_and_bytes():
    bounds = JournalSettings(max_age="12h", max_bytes="500MB")
    *_, queue = Topology.of(names("amqp://h/"), bounds).queues

    assert queue.arguments == {
        "x-queue-type": "stream",
        "x-max-age": "12h",
        "x-max-length-bytes": 500_000_000,
        "x-stream-max-segment-size-bytes": 5_000_000,
    }


def test_an_outcome_that_no_result_queue_takes_does_not_look_routed():
    """Whatever is bound to the outcomes exchange with outcome.# takes it, and `mandatory` says nothing any more."""
    wanted = Topology.of(names("amqp://h/"), JournalSettings())

    assert {b.queue for b in wanted.bindings if b.exchange == "orders.outcomes"} == {
        "orders.results"
    }


@pytest.mark.parametrize(
    ("written", "number"),
    [("2GB", 2 * 10**9), ("1TB", 10**12), ("100MB", 10**8), ("20000000", 20_000_000)],
)
def test_bytes_are_written_as_rabbitmq_writes_them(written, number):
    assert JournalSettings(max_bytes=written).most_bytes == number


@pytest.mark.parametrize(
    "given", [{"max_age": "7 days"}, {"max_age": "0D"}, {"max_bytes": "2GiB"}, {"max_bytes": "0"}]
)
def test_a_bound_that_rabbitmq_would_not_understand_is_refused(given):
    with pytest.raises(ValidationError):
        JournalSettings(**given)


def test_without_the_journal_there_is_no_stream():
    wanted = Topology.of(names("amqp://h/"), JournalSettings(enabled=False))

    assert JOURNAL not in {queue.name for queue in wanted.queues}


async def test_a_journal_that_is_missing_is_named_where_nothing_may_be_declared(amqp_url):
    await declare(amqp_url, Topology.of(names(amqp_url), JournalSettings(enabled=False)))

    with pytest.raises(TopologyError, match=r"missing on the broker: queue orders\.journal; run"):
        await check(amqp_url, Topology.of(names(amqp_url), JournalSettings()))


def test_further_queues_are_declared_and_left_unbound():
    wanted = Topology.of(names("amqp://h/", queues=("a", "b")))

    assert {"a", "b"} < {queue.name for queue in wanted.queues}
    assert [binding.queue for binding in wanted.bindings if binding.queue in "ab"] == ["a"]


async def test_declaring_twice_changes_nothing(amqp_url):
    wanted = Topology.of(names(amqp_url, queues=("orders.events", "more")))

    await declare(amqp_url, wanted)
    await declare(amqp_url, wanted)

    await check(amqp_url, wanted)


async def test_what_is_published_arrives_where_it_should(amqp_url):
    await declare(amqp_url, Topology.of(names(amqp_url)))

    async with channel_of(amqp_url) as channel:
        for exchange, key in (
            ("orders.events", "anything.at.all"),
            ("orders.outcomes", "outcome.applied"),
            ("orders.dead-letters", "invalid_event"),
            ("orders.dead-letters", ""),
        ):
            confirm = await channel.basic_publish(
                b"x", exchange=exchange, routing_key=key, mandatory=True
            )
            assert isinstance(confirm, Basic.Ack)
        with pytest.raises(DeliveryError):
            await channel.basic_publish(
                b"x", exchange="orders.outcomes", routing_key="else", mandatory=True
            )


async def test_a_message_that_is_returned_too_often_becomes_a_dead_letter(amqp_url):
    """The broker's own dead letters come to the same queue, with the routing key they had."""
    await declare(amqp_url, Topology.of(names(amqp_url)))

    async with channel_of(amqp_url) as channel:
        await channel.basic_qos(prefetch_count=1)
        await channel.basic_publish(b"x", exchange="orders.events", routing_key="poison")

        async def refuse(message: DeliveredMessage) -> None:
            await channel.basic_reject(message.delivery_tag or 0)

        await channel.basic_consume("orders.events", refuse)
        letter = None
        while letter is None or isinstance(letter.delivery, Basic.GetEmpty):
            letter = await channel.basic_get("orders.dead-letters", no_ack=True)

    assert letter.body == b"x"
    assert letter.header.properties.headers is not None
    assert letter.header.properties.headers["x-first-death-reason"] == "delivery_limit"


async def test_a_check_names_everything_that_is_missing_and_what_to_run(amqp_url):
    wanted = Topology.of(names(amqp_url))
    await declare(amqp_url, Topology((Exchange("orders.events"),), (), ()))

    with pytest.raises(TopologyError) as caught:
        await check(amqp_url, wanted)

    said = str(caught.value)
    assert "exchange orders.events" not in said
    assert "exchange orders.outcomes" in said
    assert "queue orders.events, " not in said.replace("queue orders.events;", "")
    assert "queue orders.results" in said
    assert "run `ordersync topology apply`" in said


async def test_a_check_changes_nothing(amqp_url):
    wanted = Topology.of(names(amqp_url))

    with pytest.raises(TopologyError):
        await check(amqp_url, wanted)

    assert not any((await survey(amqp_url, wanted)).values())


async def test_a_survey_says_what_is_there(amqp_url):
    wanted = Topology.of(names(amqp_url))
    await declare(amqp_url, Topology(wanted.exchanges, wanted.queues[:1], ()))

    found = await survey(amqp_url, wanted)

    assert [part.name for part, there in found.items() if there and isinstance(part, Queue)] == [
        "orders.dead-letters"
    ]


async def test_differences_are_all_named_with_what_was_found_and_what_is_needed(amqp_url):
    async with channel_of(amqp_url) as channel:
        await channel.exchange_declare("orders.outcomes", exchange_type="fanout", durable=True)
    async with channel_of(amqp_url) as channel:
        await channel.queue_declare(
            "orders.results",
            durable=True,
            arguments={"x-queue-type": "quorum", "x-delivery-limit": 20},
        )

    with pytest.raises(TopologyError) as caught:
        await declare(amqp_url, Topology.of(names(amqp_url)))

    said = str(caught.value)
    assert "exchange orders.outcomes differs: its type is fanout, ordersync needs topic" in said
    assert "queue orders.results differs: its x-delivery-limit is 20" in said
    assert "ordersync needs 1000000" in said
    assert "empty and delete it" in said


async def test_what_does_not_differ_is_declared_all_the_same(amqp_url):
    async with channel_of(amqp_url) as channel:
        await channel.queue_declare("orders.results", durable=True)
    wanted = Topology.of(names(amqp_url))

    with pytest.raises(TopologyError):
        await declare(amqp_url, wanted)

    assert all((await survey(amqp_url, wanted)).values())


async def test_a_virtual_host_that_is_none_is_told_as_such(amqp_url):
    with pytest.raises(AMQPConnectionError, match=r"virtual host 'no-such-vhost'"):
        await check(amqp_url.rpartition("/")[0] + "/no-such-vhost", Topology.of(names(amqp_url)))


async def test_nobody_there():
    with pytest.raises(AMQPConnectionError):
        await check("amqp://127.0.0.1:1/", Topology.of(names("amqp://127.0.0.1:1/")))


async def test_a_user_who_may_not_configure_is_told_what_to_do(broker, amqp_url):
    """Least privilege: such a user can check, and cannot declare."""
    if broker.ctl is None:
        pytest.skip("a user can only be made on a broker whose rabbitmqctl we have")
    user, vhost = "restricted", amqp_url.rpartition("/")[2]
    broker.ctl("add_user", user, "secret")
    broker.ctl("set_permissions", "-p", vhost, user, "^$", ".*", ".*")
    wanted = Topology.of(names(amqp_url))
    url = amqp_url.replace(amqp_url.split("@")[0], f"amqp://{user}:secret")
    try:
        with pytest.raises(NotPermittedError, match="ORDERSYNC_RABBITMQ__DECLARE=false"):
            await declare(url, wanted)

        await declare(amqp_url, wanted)
        await check(url, wanted)
    finally:
        broker.ctl("delete_user", user)


async def test_who_only_checks_starts_without_the_exchange_that_nothing_is_lost_without(amqp_url):
    """An upgrade finds the broker as the version before declared it."""
    wanted = Topology.of(names(amqp_url))
    await declare(amqp_url, wanted)
    async with channel_of(amqp_url) as channel:
        await channel.exchange_delete("orders.operations")
    await check(amqp_url, wanted)

    async with channel_of(amqp_url) as channel:
        await channel.exchange_delete("orders.outcomes")
    with pytest.raises(TopologyError, match=r"missing on the broker: exchange orders\.outcomes;"):
        await check(amqp_url, wanted)
