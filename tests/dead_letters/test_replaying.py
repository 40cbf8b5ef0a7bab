"""Replays on a real broker: with the service and the twin, killed, and against newer events."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import orjson
import pytest

from service import app
from service.contract.event_files import from_ndjson
from service.contract.publish import Destination, publish
from service.core.letters.letters import READABLE, read
from service.core.outgoing import Outgoing
from service.core.reasons import Code
from service.settings.config import Settings
from service.twin import Twin, TwinOptions, serving
from tests.dead_letters.commands import dlq
from tests.dead_letters.stand import (
    ID_PROPERTY,
    QUEUE,
    bury,
    delivery,
    drained,
    event,
    ids,
    killed_by_the_limit,
    letter,
    prepared,
    waiting,
)

MANY = int(os.environ.get("REPLAYS", "300"))
LOCKED = b"somebody else"
NOW = datetime.now(UTC)  # noqa: TID251  (the twin's calendar is today's)
OLD = (NOW - timedelta(hours=1)).isoformat()
LATER = (NOW + timedelta(hours=1)).isoformat()


@asynccontextmanager
async def running(url: str, environment: dict[str, str]) -> AsyncIterator[Twin]:
    """The real service on this broker, a twin behind it; commands are told of both."""
    twin = Twin(TwinOptions(latency=0.01, calls=500, unique=(ID_PROPERTY,)))
    async with serving(twin) as address:
        hubspot: Any = {
            "base_url": address,
            "token": "t",
            "id_property": ID_PROPERTY,
            "calls": 500,
        }
        environment |= {
            "ORDERSYNC_HUBSPOT__BASE_URL": address,
            "ORDERSYNC_HUBSPOT__TOKEN": "t",
        }
        settings = Settings(
            rabbitmq={"url": url}, hubspot=hubspot, http={"host": "127.0.0.1", "port": 0}
        )
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(app.serve(settings, stop))
            yield twin
            stop.set()


def names(twin: Twin) -> dict[str, dict[str, str]]:
    return {
        key: {n: v for n, v in order["properties"].items() if n in {"hs_order_name", "hs_tax"}}
        for key, order in twin.state(by=ID_PROPERTY).items()
    }


async def send(url: str, *bodies: bytes) -> None:
    lines = b"\n".join(bodies)
    await publish(url, from_ndjson(BytesIO(lines)), Destination("orders.events"))


async def killed(environment: dict[str, str], after: float, *arguments: str) -> bool:
    """Kill a command after so many seconds; whether there was anything to kill.

    One that is killed holds the lock until the broker has noticed: the next may be sent away by itself.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "dlq", *arguments),
        env=environment,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    said = asyncio.ensure_future(process.communicate())
    await asyncio.wait([said], timeout=after)
    if process.returncode is None:
        process.kill()
    _, stderr = await said
    assert process.returncode == -signal.SIGKILL or LOCKED in stderr, stderr.decode()
    return process.returncode == -signal.SIGKILL


async def buried(url: str, number: int) -> None:
    """Wait until so many letters are there: an outcome is published before its dead letter is."""
    async with asyncio.timeout(60):
        while await waiting(url) != number:
            await asyncio.sleep(0.05)


async def outcomes(url: str, number: int) -> Counter[str]:
    seen: list[Any] = []
    async with asyncio.timeout(60):
        while len(seen) < number:
            seen += await drained(url, "orders.results")
            await asyncio.sleep(0.05)
    return Counter(orjson.loads(body)["data"]["status"] for body, _ in seen)


async def test_find_mend_replay_and_hear_what_became_of_it(amqp_url, command_environment):
    await prepared(amqp_url)
    async with running(amqp_url, command_environment) as twin:
        await send(amqp_url, event(1, "A-1", OLD, hs_order_name="x", hs_tax="soon"))
        assert await outcomes(amqp_url, 1) == {"rejected": 1}
        await buried(amqp_url, 1)

        found = await dlq(command_environment, "stats", "-o", "json")
        again = await dlq(command_environment, "replay", "--id", "1")
        await buried(amqp_url, 1)
        mended = await dlq(
            command_environment, "replay", "--id", "1", "--set", "properties.hs_tax=4"
        )

        assert [g["count"] for g in orjson.loads(found.stdout)] == [1]
        assert again.returncode == 1, "it fails again, and that is told"
        assert b"rejected" in again.stdout
        assert mended.returncode == 0, mended.stderr.decode()
        assert b"applied" in mended.stdout
        assert names(twin)["A-1"] == {"hs_order_name": "x", "hs_tax": "4"}
    assert await drained(amqp_url) == []


async def test_show_tells_the_history_the_runbook_and_what_hubspot_holds(
    amqp_url, command_environment
):
    await prepared(amqp_url)
    async with running(amqp_url, command_environment):
        await send(
            amqp_url, event(0, "A-1", OLD, hs_tax="3"), event(1, "A-1", LATER, hs_tax="soon")
        )
        await outcomes(amqp_url, 2)
        await buried(amqp_url, 1)
        replayed = await dlq(command_environment, "replay", "--id", "1")
        assert replayed.returncode == 1, "it fails again"
        await buried(amqp_url, 1)

        shown = await dlq(command_environment, "show", "1", "-o", "json")
        assert shown.returncode == 0, shown.stderr.decode()
        (document,) = orjson.loads(shown.stdout)

        assert document["hubspot"]["properties"]["hs_tax"]["value"] == "3"
        assert document["event"]["id"] == "1"
        assert "replay 1 at" in document["letter"]["history"][0]
        assert document["letter"]["replays"] == 1
        assert "HubSpot refused a value" in document["runbook"]["means"]
        missing = await dlq(command_environment, "show", "nobody")
        assert missing.returncode == 1


async def test_of_many_replays_half_are_stale_beside_live_traffic(amqp_url, command_environment):
    """The end state is as if the fresh half had been replayed alone, and live events go on.

    `REPLAYS=1000` for the whole promise.
    """
    await prepared(amqp_url)
    await bury(
        amqp_url,
        (letter(event(n, f"A-{n}", OLD, hs_order_name="old", hs_tax="1")) for n in range(MANY)),
    )
    now = datetime.now(UTC).isoformat()  # noqa: TID251
    async with running(amqp_url, command_environment) as twin:
        newer = [event(f"n-{n}", f"A-{n}", now, hs_order_name="new") for n in range(MANY // 2)]
        whole = [event(f"w-{n}", f"A-{n}", now, hs_tax="2") for n in range(MANY // 4)]
        await send(amqp_url, *newer, *whole)
        await outcomes(amqp_url, MANY * 3 // 4)
        over = asyncio.Event()

        async def live() -> int:
            sent = 0
            while not over.is_set():
                await send(
                    amqp_url,
                    *(
                        event(f"l-{sent + n}", f"L-{n}", now, hs_order_name=str(sent))
                        for n in range(20)
                    ),
                )
                sent += 20
            return sent

        traffic = asyncio.create_task(live())
        done = await dlq(
            command_environment, "replay", "--reason", "property_invalid", "--rate", "400", "-o", "json"
        )  # fmt: skip
        over.set()
        sent = await traffic
        print(done.stderr.decode(), done.stdout.decode(), f"{sent} live events meanwhile")
        assert done.returncode == 0, done.stderr.decode()
        fates = {row["outcome"]: row["events"] for row in orjson.loads(done.stdout)}
        assert fates == {"applied": MANY * 3 // 4, "superseded": MANY // 4}
        await outcomes(amqp_url, MANY + sent)

    held = names(twin)
    for n in range(MANY):
        assert held[f"A-{n}"] == {
            "hs_order_name": "new" if n < MANY // 2 else "old",
            "hs_tax": "2" if n < MANY // 4 else "1",
        }
    assert await drained(amqp_url) == []


async def test_the_plan_is_of_the_events_as_they_will_be_sent(amqp_url, command_environment):
    """Stale is what the mended event would write; what would be malformed again does not go."""
    await prepared(amqp_url)
    async with running(amqp_url, command_environment):
        await send(amqp_url, event("n", "A-1", NOW.isoformat(), hs_order_name="new"))
        await outcomes(amqp_url, 1)
        await bury(
            amqp_url,
            [
                letter(event(1, "A-1", OLD, hs_order_name="old", hs_tax="soon")),
                letter(event(2, ""), Code.INVALID_EVENT),
                letter(event(3, "A-2", OLD, hs_tax="soon")),
                letter(event(4, "A-3", OLD, hs_tax="soon").replace(b"upsert", b"update")),
            ],
        )
        await buried(amqp_url, 4)
        plan = ("replay", "--dry-run", "-o", "json", "--set", "properties.hs_tax=4")
        partly = await dlq(command_environment, *plan)
        wholly = await dlq(command_environment, *plan, "--unset", "properties.hs_order_name")
        absent = await dlq(command_environment, "replay", "--dry-run", "--unset", "properties.no")

    ((row,), (clean,)) = orjson.loads(partly.stdout), orjson.loads(wholly.stdout)
    assert (row["count"], row["looked_up"], row["superseded"], row["in_part"]) == (3, 3, 0, 1)
    assert (clean["count"], clean["in_part"], clean["no_order"]) == (3, 0, 1)
    assert b"1 update orders that it does not have" in wholly.stderr
    assert b"1 not replayed: mended, it is still no order event: subject" in partly.stderr
    assert b"(changes 0 of them)" in absent.stderr
    assert absent.stdout.split()[:2] == [b"count", b"reason"]


async def test_killed_at_any_moment_nothing_is_lost_and_a_repeat_is_known(
    amqp_url, command_environment
):
    """What was sent twice carries the same number of replays: the same outcome id, once more."""
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(n, f"A-{n}", total="1")) for n in range(300)])
    chance = random.Random(5)
    arguments = ("replay", "--wait", "0", "--rate", "60")

    kills = 0
    while kills < 3:
        kills += await killed(command_environment, 1.2 + chance.random(), *arguments)
    last = await dlq(command_environment, "replay", "--wait", "0", "--rate", "1000")
    while LOCKED in last.stderr:
        last = await dlq(command_environment, "replay", "--wait", "0", "--rate", "1000")

    sent = await drained(amqp_url, "orders.events")
    repeats = {i: n for i, n in Counter(ids(sent)).items() if n > 1}
    print(f"{len(sent)} sent of 300, {len(repeats)} of them more than once")
    assert set(ids(sent)) == {str(n) for n in range(300)}
    assert {headers["ordersync-replays"] for _, headers in sent} == {1}
    assert await drained(amqp_url) == []


async def test_ctrl_c_ends_it_in_order_and_the_next_run_goes_on(amqp_url, command_environment):
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(n, f"A-{n}", total="1")) for n in range(60)])
    command = [sys.executable, "-m", "service", "dlq", "replay", "--wait", "0", "--rate", "20"]

    first = await asyncio.create_subprocess_exec(
        *command, env=command_environment, stdout=DEVNULL, stderr=PIPE
    )
    async with asyncio.timeout(30):
        while not await waiting(amqp_url, "orders.events"):
            await asyncio.sleep(0.05)
    first.send_signal(signal.SIGINT)
    _, said = await first.communicate()
    done = await dlq(command_environment, "replay", "--wait", "0", "--rate", "1000")

    assert b"interrupted" in said
    assert done.returncode == 0, done.stderr.decode()
    assert sorted(ids(await drained(amqp_url, "orders.events")), key=int) == [
        str(n) for n in range(60)
    ]


async def test_unroutable_is_said_and_the_letter_stays(amqp_url, command_environment):
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(1, "A-1"))])

    done = await dlq(command_environment, "replay", "--to-queue", "nowhere", "--wait", "0")

    assert done.returncode == 1
    assert b"no queue is bound there" in done.stderr
    assert ids(await drained(amqp_url)) == ["1"]


async def test_what_was_replayed_often_is_left_alone(amqp_url, command_environment):
    await prepared(amqp_url)
    await bury(
        amqp_url, [letter(event(1, "A-1"), Code.PROPERTY_INVALID, **{"ordersync-replays": 5})]
    )

    done = await dlq(command_environment, "replay", "--wait", "0")

    assert b"replayed 5 times already" in done.stderr
    assert ids(await drained(amqp_url)) == ["1"]


async def test_the_brokers_own_letter_is_understood_and_replayed(amqp_url, command_environment):
    """Delivered more often than the queue allows: dead-lettered by the broker, without headers of ours."""
    await prepared(amqp_url)
    await send(amqp_url, event(1, "A-1", OLD, hs_order_name="x"))
    await killed_by_the_limit(amqp_url)

    listed = await dlq(command_environment, "ls", "-o", "json")
    (found,) = orjson.loads(listed.stdout)
    done = await dlq(command_environment, "replay", "--reason", "delivery_limit", "--wait", "0")

    assert (found["made_by"], found["queue"], found["id"]) == ("broker", "orders.events", "1")
    assert done.returncode == 0, done.stderr.decode()
    ((_, headers),) = await drained(amqp_url, "orders.events")
    assert headers["ordersync-replays"] == 1
    assert not any(name.startswith("x-death") for name in headers)


async def test_an_export_is_byte_for_byte_and_is_published_back(
    amqp_url, command_environment, tmp_path
):
    await prepared(amqp_url)
    odd: list[Outgoing] = [
        replace(letter(event(1, "A-1", note="ü\n"), tenant="eu"), app_id="shop"),
        letter(b"\xff{", Code.INVALID_JSON),
    ]
    await bury(amqp_url, odd)
    file = tmp_path / "letters.ndjson"

    refused = await dlq(command_environment, "export", "--remove", "--to", str(file))
    done = await dlq(command_environment, "export", "--remove", "--yes", "--to", str(file))

    assert refused.returncode == 2
    assert done.returncode == 0, done.stderr.decode()
    assert await drained(amqp_url) == []
    first, _ = (orjson.loads(line) for line in file.read_bytes().splitlines())
    assert first["properties"]["app_id"] == "shop"
    with file.open("rb") as stream:
        filed = list(from_ndjson(stream))
    assert [one.body for one in filed] == [one.body for one in odd]
    assert filed[0].headers["tenant"] == "eu"
    assert await publish(amqp_url, filed, Destination("orders.events")) == 2
    back = await drained(amqp_url, "orders.events")
    assert all(delivery(body, headers).came_back for body, headers in back)


async def test_an_export_overwrites_nothing(amqp_url, command_environment, tmp_path):
    await prepared(amqp_url)
    (tmp_path / "there").write_text("kept")

    done = await dlq(command_environment, "export", "--to", str(tmp_path / "there"))
    lost = await dlq(command_environment, "export", "--to", str(tmp_path / "no" / "folder"))

    assert (done.returncode, lost.returncode) == (2, 2)
    assert b"is there already" in done.stderr
    assert b"cannot be written" in lost.stderr
    assert (tmp_path / "there").read_text() == "kept"


async def test_parked_letters_are_out_of_the_way_and_kept(amqp_url, command_environment):
    await prepared(amqp_url)
    await bury(
        amqp_url, [replace(letter(event(n, f"A-{n}")), app_id=f"shop-{n}") for n in range(3)]
    )

    unsaid = await dlq(command_environment, "park")
    done = await dlq(command_environment, "park", "--id", "1")

    assert unsaid.returncode == 2
    assert done.returncode == 0, done.stderr.decode()
    assert ids(await drained(amqp_url)) == ["0", "2"]
    shown = await dlq(command_environment, "show", "1", "--queue", f"{QUEUE}.parked")
    assert b"shop-1" in shown.stdout, "who sent it, as the runbook asks"
    ((body, headers),) = await drained(amqp_url, f"{QUEUE}.parked")
    kept = read(delivery(body, headers), ID_PROPERTY)
    assert (kept.id, kept.reason, kept.queue) == ("1", "property_invalid", "orders.events")
    again = await dlq(command_environment, "replay", "--queue", f"{QUEUE}.nowhere")
    assert again.returncode == 1
    assert b"check its name" in again.stderr


async def test_a_letter_too_large_to_be_read_is_told_and_stays(
    amqp_url, command_environment, tmp_path
):
    """No command holds it, and none takes it off: replay, park and export leave it where it is."""
    await prepared(amqp_url)
    giant = replace(letter(event(1, "A-1", total="soon")), body=b"x" * (READABLE + 1))
    try:
        await bury(amqp_url, [giant])
    except BaseExceptionGroup as refused:
        if "larger than configured max size" not in repr(refused.exceptions):
            raise
        pytest.skip("this RabbitMQ takes no such letter in the first place")

    listed = await dlq(command_environment, "ls", "-o", "json")
    replayed = await dlq(command_environment, "replay", "--wait", "0", "--dry-run")
    exported = await dlq(
        command_environment, "export", "--to", str(tmp_path / "letters"), "--remove", "--yes"
    )
    parked = await dlq(command_environment, "park", "--since", "2020-01-01")

    assert READABLE + 1 in [row["size"] for row in orjson.loads(listed.stdout)]
    assert b"too large" in replayed.stdout + replayed.stderr
    for done in (parked, exported):
        assert b"letter_too_large" in done.stderr, done.stderr.decode()
    ((body, _),) = await drained(amqp_url)
    assert body == giant.body


pytestmark = pytest.mark.timeout(180)
