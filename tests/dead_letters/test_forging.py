"""Where a replay goes and who wrote a letter: a producer has no say in either."""

from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest
from pamqp.commands import Basic

from service.core.events.order_event import STRUCTURED
from tests.dead_letters.commands import dlq
from tests.dead_letters.stand import (
    QUEUE,
    channel,
    drained,
    event,
    ids,
    killed_by_the_limit,
    prepared,
    soon_waiting,
)

PROBABLY_LATER = "2027-01-01T00:00:00.000Z"
# What the service writes on a dead letter, written by a producer who wants to speak on `orders.outcomes`.
OURS = {
    "ordersync-status": "rejected",
    "ordersync-reason": "property_invalid",
    "ordersync-message": "all is well",
    "ordersync-failed-at": PROBABLY_LATER,
    "ordersync-exchange": "orders.outcomes",
    "ordersync-routing-key": "outcome.applied",
    "ordersync-queue": "orders.results",
}
# RabbitMQ before 4.0 counts a death up that it finds on a message, and believes the rest of it.
DEATH = {
    "x-death": [
        {
            "queue": "orders.events",
            "reason": "expired",
            "exchange": "orders.outcomes",
            "routing-keys": ["outcome.applied"],
            "count": 1,
            "time": datetime(2027, 1, 1, tzinfo=UTC),
        }
    ]
}


async def published(url: str, headers: dict[str, Any], **properties: Any) -> None:
    """One order event of a producer who writes whatever headers it likes."""
    async with channel(url) as publishing:
        await publishing.basic_publish(
            event(1, "A-1", hs_order_name="x"),
            exchange="orders.events",
            routing_key="ordersync.order.upsert.v1",
            properties=Basic.Properties(
                content_type=STRUCTURED, headers=cast("Any", headers), **properties
            ),
        )


@pytest.mark.parametrize("headers", [OURS, OURS | DEATH, DEATH], ids=["ours", "both", "death"])
@pytest.mark.parametrize("parked", [False, True], ids=["replayed", "parked"])
async def test_a_producer_does_not_choose_where_a_replay_goes(
    version_url, version_environment, headers, parked
):
    """With our headers and an `expiration` it once was read as our letter, and spoke as the service."""
    await prepared(version_url)
    await published(version_url, headers, expiration="1")
    await soon_waiting(version_url, QUEUE, 1)
    where: tuple[str, ...] = ()
    if parked:
        done = await dlq(version_environment, "park", "--limit", "1")
        assert done.returncode == 0, done.stderr.decode()
        where = ("--queue", f"{QUEUE}.parked")

    listed = await dlq(version_environment, "ls", "-o", "json", *where)
    done = await dlq(version_environment, "replay", "--wait", "0", *where)

    (row,) = orjson.loads(listed.stdout)
    assert (row["made_by"], row["reason"], row["queue"]) == ("broker", "expired", "orders.events")
    assert row["message"] != OURS["ordersync-message"]
    said = [orjson.loads(body) for body, _ in await drained(version_url, "orders.results")]
    assert {one["type"] for one in said} == {"ordersync.order.outcome.v1"}
    assert done.returncode == 0, done.stderr.decode()
    assert ids(await drained(version_url, "orders.events")) == ["1"]


async def test_another_target_than_an_input_queue_must_be_said(version_url, version_environment):
    """A letter with an address of its own, put on the queue by hand: nobody is sent anything by it."""
    await prepared(version_url)
    async with channel(version_url) as publishing:
        await publishing.basic_publish(
            event(1, "A-1"),
            routing_key=QUEUE,
            properties=Basic.Properties(content_type=STRUCTURED, headers=cast("Any", OURS)),
        )

    refused = await dlq(version_environment, "replay", "--wait", "0")
    said = await dlq(version_environment, "replay", "--wait", "0", "--to-queue", "orders.results")

    assert b"orders.results, which is no input queue" in refused.stderr
    assert b"--to-queue" in refused.stderr
    assert said.returncode == 0, said.stderr.decode()
    assert ids(await drained(version_url, "orders.results")) == ["1"]


async def test_a_letter_of_the_brokers_that_came_from_another_queue_names_it(
    amqp_url, command_environment
):
    await prepared(amqp_url)
    await published(amqp_url, {})
    await killed_by_the_limit(amqp_url)

    done = await dlq(
        command_environment | {"ORDERSYNC_RABBITMQ__QUEUES": "orders.other"},
        *("replay", "--wait", "0"),
    )

    assert b"orders.events, which is no input queue" in done.stderr
    assert ids(await drained(amqp_url)) == ["1"]


pytestmark = pytest.mark.timeout(180)
