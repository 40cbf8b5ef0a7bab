"""What RabbitMQ itself takes past the service has its outcome, too: when somebody looks at the dead letters."""

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
    prepared,
    soon_waiting,
    waiting,
)


async def expired(url: str, *bodies: bytes) -> None:
    """Events whose producer has set an `expiration`, which ran out."""
    async with channel(url) as publishing:
        for body in bodies:
            await publishing.basic_publish(
                body,
                exchange="orders.events",
                routing_key="ordersync.order.upsert.v1",
                properties=Basic.Properties(content_type=STRUCTURED, expiration="1"),
            )
    await soon_waiting(url, QUEUE, len(bodies))


@pytest.mark.parametrize("look", [("stats",), ("ls",), ("ls", "-o", "ndjson")])
async def test_an_expired_event_gets_its_outcome_once_and_stays_a_dead_letter(
    version_url, version_environment, look
):
    await prepared(version_url)
    await expired(version_url, event(1, "A-1", hs_order_name="x"), b"no event")

    first = await dlq(version_environment, *look)
    said = [orjson.loads(body) for body, _ in await drained(version_url, "orders.results")]
    again = await dlq(version_environment, *look)

    assert (first.returncode, again.returncode) == (0, 0), first.stderr.decode()
    assert await waiting(version_url, "orders.results") == 0, "each gets it once"
    told = {(one["data"]["status"], one["data"]["reason"]["code"]) for one in said}
    assert told == {("exhausted", "expired")}
    (known,) = (one for one in said if "correlationid" in one)
    assert (known["correlationid"], known["subject"]) == ("1", "A-1")
    assert known["data"]["operation"] == "upsert"
    listed = orjson.loads((await dlq(version_environment, "ls", "-o", "json")).stdout)
    assert {(row["made_by"], row["reason"]) for row in listed} == {("broker", "expired")}
    done = await dlq(version_environment, "replay", "--wait", "0")
    assert done.returncode == 0, done.stderr.decode()
    assert ids(await drained(version_url, "orders.events")) == ["1"]


pytestmark = pytest.mark.timeout(180)
