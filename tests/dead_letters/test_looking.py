"""Looking never costs a letter, however often and however it ends."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
import tracemalloc
from typing import Any, cast

import orjson
import pytest
from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import marshal

from service.cli.exits import Exit
from service.core.events.order_event import STRUCTURED
from service.core.letters.sieve import Groups, Sieve
from service.core.reasons import Code
from service.dead_letters.looker import DeadLettersError, FoundLetter
from service.dead_letters.looking import looking
from tests.dead_letters.commands import dlq
from tests.dead_letters.stand import (
    ID_PROPERTY,
    QUEUE,
    bury,
    channel,
    drained,
    event,
    ids,
    letter,
    prepared,
    waiting,
)

LOOKED = 80
MANY = int(os.environ.get("DEAD_LETTERS", "1500"))


async def looked(
    url: str, sieve: Sieve = Sieve(), limit: int | None = None, patience: float = 1.0
) -> list[FoundLetter]:
    async with looking(url, QUEUE, ID_PROPERTY, patience=patience) as looker:
        return [
            found
            async for found in looker.read(limit)
            if sieve.takes(found.letter, found.delivery.body)
        ]


async def test_thirty_looks_lose_nothing_and_keep_the_order(version_url):
    """3.10 drops at the limit, 4.0 has a default of twenty, 4.3 counts differently."""
    await prepared(version_url)
    await bury(version_url, [letter(event(n, f"A-{n}", total="soon")) for n in range(LOOKED)])
    expected = [str(n) for n in range(LOOKED)]

    for look in range(30):
        limit = 25 if look % 3 == 0 else None  # some stop in the middle
        found = await looked(version_url, limit=limit)
        assert [one.letter.event_id for one in found] == expected[:limit]

    assert ids(await drained(version_url)) == expected


async def test_a_killed_looker_loses_nothing(amqp_url, command_environment):
    """Again and again while it holds everything. The broker shuffles what comes back in that way."""
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(n, f"A-{n}", total="soon")) for n in range(40)])
    program = (
        "import asyncio, sys\n"
        "from service.dead_letters.looking import looking\n"
        "async def hold():\n"
        f"    async with looking({amqp_url!r}, {QUEUE!r}, None) as looker:\n"
        "        held = [found async for found in looker.read()]\n"
        "        print(len(held), flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(hold())\n"
    )

    for _ in range(3):
        holder = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env=command_environment
        )
        assert holder.stdout is not None
        assert int(await holder.stdout.readline()) == 40
        holder.send_signal(signal.SIGKILL)
        await holder.wait()
        holder.stdout.feed_eof()
        found = await _as_soon_as_free(amqp_url)
        assert {one.letter.event_id for one in found} == {str(n) for n in range(40)}
        assert len(found) == 40


async def _as_soon_as_free(url: str) -> list[FoundLetter]:
    """The broker notices a dead connection by its socket, a moment later."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await looked(url)
            except DeadLettersError:
                await asyncio.sleep(0.05)


async def test_a_second_operator_is_told_and_harms_nothing(amqp_url):
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(1, "A-1", total="soon"))])

    async with looking(amqp_url, QUEUE, ID_PROPERTY) as first:
        held = [found async for found in first.read()]
        with pytest.raises(DeadLettersError, match="somebody else is working on"):
            await looked(amqp_url)

    assert len(held) == 1
    assert len(await looked(amqp_url)) == 1


async def test_a_filter_over_many_needs_no_memory_for_them(amqp_url):
    """`DEAD_LETTERS=50000` for the whole promise; what is not meant is not kept."""
    await prepared(amqp_url)
    padding = "x" * 1000
    await bury(
        amqp_url,
        (letter(event(n, f"A-{n % 100}", total="soon", note=padding)) for n in range(MANY)),
    )
    groups, sieve = Groups("order"), Sieve(orders=("A-7",))

    tracemalloc.start()
    async with looking(amqp_url, QUEUE, ID_PROPERTY) as looker:
        async for found in looker.read():
            if sieve.takes(found.letter, found.delivery.body):
                groups.add(found.letter)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    print(f"{MANY} letters, {MANY // 1000} MB of bodies: {peak / 1e6:.1f} MB at the most")
    assert groups.total == MANY // 100
    assert peak < 8e6
    async with channel(amqp_url) as asking:
        left = await asking.queue_declare(QUEUE, passive=True)
    assert left.message_count == MANY


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--reason", "value_taken"], ["3"]),
        (["--category", "NONE"], []),
        (["--order", "A-1", "--order", "A-2"], ["1", "2"]),
        (["--source", "/tests", "--id", "4"], ["4"]),
        (["--text", "VALID NUMBER", "--text", "a note"], ["1"]),
        (["--replays", "2"], ["2"]),
        (
            ["--since", "2026-11-22T10:00:05Z", "--until", "2026-11-22T10:00:06Z"],
            ["1", "2", "3", "4"],
        ),
        (["--until", "2026-11-22T10:00:05Z"], []),
        (["--limit", "2"], ["1", "2"]),
    ],
)
async def test_filters(amqp_url, command_environment, arguments, expected):
    await prepared(amqp_url)
    await bury(
        amqp_url,
        [
            letter(event(1, "A-1", note="A Note")),
            letter(event(2, "A-2"), Code.PROPERTY_INVALID, **{"ordersync-replays": 2}),
            letter(event(3, "A-3"), Code.VALUE_TAKEN),
            letter(event(4, "A-4")),
        ],
    )
    command = [sys.executable, "-m", "service", "dlq", "ls", "-o", "ndjson", *arguments]

    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, env=command_environment, check=False
    )

    assert done.returncode == 0, done.stderr.decode()
    assert [orjson.loads(line)["event_id"] for line in done.stdout.splitlines()] == expected


async def test_a_failure_of_one_order_that_repeats_is_one_row_and_every_letter_in_json(
    amqp_url, command_environment
):
    """An order whose event comes every minute with the same fault hides the other orders of a night."""
    await prepared(amqp_url)
    again = [letter(event(f"again-{n}", "A-1", total="soon")) for n in range(7)]
    other = letter(event("other", "A-2", total="soon"))
    another_cause = letter(event("cause", "A-1"), Code.ORDER_EXISTS)
    nobodys = [letter(f"{n}".encode()) for n in range(2)]
    await bury(amqp_url, [again[0], other, another_cause, *again[1:], *nobodys])

    table = (await dlq(command_environment, "ls")).stdout.decode().splitlines()
    every = orjson.loads((await dlq(command_environment, "ls", "-o", "json")).stdout)

    names, *shown = [line.split() for line in table]
    times = names.index("times")
    assert [(line[0], line[times]) for line in shown[:3]] == [
        ("again-6", "7"),
        ("other", "1"),
        ("cause", "1"),
    ]
    assert len(shown) == 5
    assert len(every) == 11


async def test_a_filter_that_no_letter_passes_is_refused_or_told(amqp_url, command_environment):
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(1, "A-1"))])

    misspelt = await dlq(command_environment, "ls", "--reason", "property_unkown")
    absent = await dlq(command_environment, "ls", "--reason", "value_taken")
    near = await dlq(command_environment, "stats", "--category", "VALIDATION_EROR")
    planned = await dlq(command_environment, "replay", "--dry-run", "--source", "/test")

    assert misspelt.returncode == Exit.USAGE
    assert (
        "'property_unkown' is no reason code of this version; did you mean property_unknown?"
        in (" ".join(misspelt.stderr.decode().split()))
    )
    assert (absent.returncode, absent.stderr) == (0, b"0 dead letters\n")
    told = b"no dead letter has --category VALIDATION_EROR; did you mean VALIDATION_ERROR?"
    assert (near.returncode, near.stderr) == (0, told + b"\n0 dead letters\n")
    assert b"no dead letter has --source /test; did you mean /tests?" in planned.stderr


async def test_a_mend_that_changes_nothing_is_refused_and_nothing_goes(
    amqp_url, command_environment
):
    await prepared(amqp_url)
    await bury(
        amqp_url, [letter(event(1, "A-1", total="soon")), letter(event(2, "A-2", total="x"))]
    )

    nowhere = await dlq(command_environment, "replay", "--set", "total=5")
    idle = await dlq(command_environment, "replay", "--unset", "properties.totl")
    dry = await dlq(command_environment, "replay", "--unset", "properties.totl", "--dry-run")

    assert nowhere.returncode == Exit.USAGE
    assert "did you mean properties.total?" in " ".join(nowhere.stderr.decode().split())
    assert idle.returncode == dry.returncode == Exit.FAILED
    assert b"none of them has it; did you mean data.properties.total?" in idle.stderr
    assert idle.stderr.endswith(
        b"nothing was replayed: leave out what changes nothing, or mend the mend\n"
    )
    assert await waiting(amqp_url) == 2
    assert await waiting(amqp_url, "orders.events") == 0


HOSTILE = (
    {},
    {"ordersync-reason": 5, "ordersync-replays": "many", "ordersync-history": [1]},
    {"ordersync-reason": "\x1b[31mred\nx", "ordersync-failed-at": "0001-01-01T00:00:00+23:00"},
    {
        "ordersync-reason": "refused",
        "ordersync-replays": 2**40,
        "deep": [{"a": bytearray(b"\xff")}],
    },
    {"x-death": "no list"},
    {"x-death": [{"reason": {"a": 1}, "queue": [1], "routing-keys": [3], "time": "x"}]},
)


async def test_letters_that_somebody_put_there_break_no_command(amqp_url, command_environment):
    """Without headers, with hostile ones: listed, counted, shown, exported, and not replayed into nowhere."""
    await prepared(amqp_url)
    async with channel(amqp_url) as publishing:
        for number, headers in enumerate(HOSTILE):
            await publishing.basic_publish(
                event(number, f"A-{number}"),
                routing_key=QUEUE,
                properties=Basic.Properties(content_type=STRUCTURED, headers=cast("Any", headers)),
            )
    every = {str(number) for number in range(len(HOSTILE))}

    listed = await dlq(command_environment, "ls", "-o", "json")
    table = await dlq(command_environment, "ls")
    recent = await dlq(command_environment, "stats", "--since", "1d", "-o", "json")
    shown = [await dlq(command_environment, "show", "2", "-o", form) for form in ("json", "table")]
    exported = await dlq(command_environment, "export")
    planned = await dlq(command_environment, "replay", "--dry-run", "-o", "json")

    assert {row["id"] for row in orjson.loads(listed.stdout)} == every
    assert {row["made_by"] for row in orjson.loads(listed.stdout)} == {
        "ordersync", "broker", "unknown",
    }  # fmt: skip
    assert len(table.stdout.splitlines()) == 1 + len(every)
    assert b"\x1b" not in table.stdout + shown[1].stdout
    assert b"\\x1b[31mred\\nx" in table.stdout
    assert orjson.loads(recent.stdout) == []
    assert orjson.loads(shown[0].stdout)[0]["headers"]["ordersync-failed-at"].startswith("0001")
    assert len(exported.stdout.splitlines()) == len(every)
    assert orjson.loads(planned.stdout) == []
    assert b"nothing says where it came from (--to-queue)" in planned.stderr


async def bury_raw(url: str, body: bytes, properties: bytes) -> None:
    """One more letter, its properties (flags and values) as they are on the wire."""
    header = struct.pack(">HHQ", 60, 0, len(body)) + properties
    async with channel(url) as publishing:
        before = (await publishing.queue_declare(QUEUE, passive=True)).message_count or 0
        payload = b"".join(
            [
                marshal(Basic.Publish(routing_key=QUEUE), publishing.number),
                struct.pack(">BHI", 2, publishing.number, len(header)) + header + b"\xce",
                marshal(ContentBody(body), publishing.number),
            ]
        )
        await publishing.connection.write_queue.put(ChannelFrame(payload, should_close=False))
        async with asyncio.timeout(30):
            while (await publishing.queue_declare(QUEUE, passive=True)).message_count == before:
                await asyncio.sleep(0.05)


async def test_headers_that_only_another_client_can_write_are_moved_as_near_as_may_be(
    amqp_url, command_environment
):
    """Doubles and long strings that are no text: pamqp reads them and writes neither."""
    await prepared(amqp_url)
    table = (
        b"\x05ratiod" + struct.pack(">d", 1e300) + b"\x03rawS" + struct.pack(">I", 2) + b"\xff\xfe"
    )
    content_type = STRUCTURED.encode()
    properties = (
        struct.pack(">HB", 0xA000, len(content_type))
        + content_type
        + struct.pack(">I", len(table))
        + table
    )
    await bury_raw(amqp_url, event(1, "A-1"), properties)

    parked = await dlq(command_environment, "park", "--limit", "1")
    replayed = await dlq(
        command_environment, "replay", "--queue", f"{QUEUE}.parked", "--wait", "0",
        "--to-queue", "orders.events",
    )  # fmt: skip

    assert parked.returncode == 0, parked.stderr.decode()
    assert replayed.returncode == 0, replayed.stderr.decode()
    ((_, headers),) = await drained(amqp_url, "orders.events")
    assert (headers["ratio"], headers["raw"]) == ("1e+300", b"\xff\xfe")


async def test_properties_that_nobody_can_decode_are_one_letters_fault(
    amqp_url, command_environment
):
    """A date outside the calendar ended the connection, and so every look at the queue."""
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(1, "A-1"))])
    await bury_raw(amqp_url, event(2, "A-2"), struct.pack(">HQ", 0x0040, 2**63))

    listed = await dlq(command_environment, "ls", "-o", "json")
    planned = await dlq(command_environment, "replay", "--dry-run", "-o", "json")

    assert listed.returncode == 0, listed.stderr.decode()
    assert [row["made_by"] for row in orjson.loads(listed.stdout)] == ["ordersync", "unknown"]
    assert [row["sample"] for row in orjson.loads(planned.stdout)] == ["1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_command_that_is_told_to_stop_keeps_the_order(
    amqp_url, command_environment, number
):
    """Given back by the connection's end, the broker would shuffle them."""
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(n, f"A-{n}")) for n in range(3000)])
    listing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "dlq", "ls", "-o", "ndjson"),
        env=command_environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert listing.stdout is not None

    await listing.stdout.readline()
    listing.send_signal(number)
    _, said = await listing.communicate()

    assert listing.returncode == 128 + number, said.decode()
    assert b"back on their queue" in said
    assert ids(await drained(amqp_url)) == [str(n) for n in range(3000)]


async def test_a_queue_with_a_low_limit_is_warned_of(amqp_url, command_environment):
    async with channel(amqp_url) as declaring:
        await declaring.queue_declare(
            QUEUE, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 3}
        )
    command = [sys.executable, "-m", "service", "dlq", "stats"]

    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, env=command_environment, check=False
    )

    assert b"declared by somebody else" in done.stderr


@pytest.mark.parametrize("given", ["99999999999d", "5y", "yesterday", "0001-01-01T00:00+23:00"])
async def test_a_time_that_is_none_is_told(command_environment, given):
    command = [sys.executable, "-m", "service", "dlq", "stats", "--since", given]

    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, env=command_environment, check=False
    )

    assert done.returncode == 2
    assert b"nor a time" in done.stderr
    assert b"Traceback" not in done.stderr
