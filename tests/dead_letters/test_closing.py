"""Letters that time has settled are closed with HubSpot's word as proof; no other letter is."""

import orjson
import pytest

from tests.dead_letters.commands import dlq
from tests.dead_letters.stand import bury, drained, event, ids, letter, prepared, waiting
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


pytestmark = pytest.mark.timeout(180)
