"""Letters that time has settled are closed with HubSpot's word as proof; no other letter is."""

import orjson
import pytest

from service.core.settlement.journal import JOURNAL, remembered
from service.rabbitmq.journal_reader import reading
from tests.dead_letters.commands import dlq
from tests.dead_letters.stand import bury, channel, drained, event, ids, letter, prepared, waiting
from tests.dead_letters.test_replaying import LATER, OLD, outcomes, running, send


async def test_what_hubspot_holds_or_holds_newer_is_closed_and_nothing_else(
    amqp_url, command_environment
):
    await prepared(amqp_url)
    async with running(amqp_url, command_environment):
        await send(
            amqp_url,
            event("n-1", "A-1", LATER, hs_tax="5", hs_order_name="tent"),
            event("n-2", "A-2", LATER, hs_tax="5"),
        )
        await outcomes(amqp_url, 2)
        await bury(
            amqp_url,
            [
                letter(event("newer", "A-1", OLD, hs_tax="4")),
                letter(event("same", "A-1", OLD, hs_order_name="tent")),
                letter(event("partly", "A-2", OLD, hs_tax="4", hs_order_name="stove")),
                letter(event("absent", "A-3", OLD, hs_tax="4")),
                letter(b"no event"),
            ],
        )

        unsaid = await dlq(command_environment, "close", "--moot")
        all_of_them = await dlq(command_environment, "close", "--yes")
        dry = await dlq(command_environment, "close", "--moot", "--dry-run", "-o", "json")
        left = await waiting(amqp_url)
        done = await dlq(command_environment, "close", "--moot", "--yes")
        said = [orjson.loads(body) for body, _ in await drained(amqp_url, "orders.results")]
        again = await dlq(command_environment, "close", "--moot", "--yes")

    assert (unsaid.returncode, all_of_them.returncode, left) == (2, 2, 5)
    proofs = {row["id"]: row["holds"] for row in orjson.loads(dry.stdout)}
    assert proofs["newer"]["hs_tax"]["value"] == "5"
    assert proofs.keys() == {"newer", "same"}
    assert done.returncode == 0, done.stderr.decode()
    assert b"closed 2 dead letters" in done.stderr
    assert {one["correlationid"]: one["data"]["status"] for one in said} == {
        "newer": "superseded", "same": "superseded",
    }  # fmt: skip
    assert {one["data"]["replay"]["number"] for one in said} == {1}
    assert b"closed 0 dead letters" in again.stderr
    kept = await drained(amqp_url)
    assert ids(kept[:2]) == ["partly", "absent"]
    assert len(kept) == 3


@pytest.mark.parametrize("journal", [True, False])
async def test_the_journal_knows_of_it_where_there_is_one(amqp_url, command_environment, journal):
    await prepared(amqp_url)
    async with running(amqp_url, command_environment):
        await send(amqp_url, event("n-1", "A-1", LATER, hs_tax="5"))
        await outcomes(amqp_url, 1)
        await bury(amqp_url, [letter(event("old", "A-1", OLD, hs_tax="4"))])
        if not journal:
            async with channel(amqp_url) as deleting:
                await deleting.queue_delete(JOURNAL)
        done = await dlq(command_environment, "close", "--moot", "--yes")
    rows = []
    if journal:
        async with reading(amqp_url) as reader:
            async for bodies in reader.bodies(None):
                rows += [row for body in bodies for row in remembered(body, "A-1")]

    assert done.returncode == 0, done.stderr.decode()
    assert b"closed 1 dead letter" in done.stderr
    assert [(row["status"], row["event_id"]) for row in rows] == (
        [("applied", "n-1"), ("superseded", "old")] if journal else []
    )


pytestmark = pytest.mark.timeout(180)
