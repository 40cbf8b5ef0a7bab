"""A plan can be written down, agreed to by somebody else, and is run as it was seen; a look locks nobody out."""

import asyncio
import os
import pty
import subprocess
import sys
from asyncio.subprocess import PIPE

import orjson
import pytest

from service.core.headers import HISTORY
from tests.dead_letters.commands import dlq
from tests.dead_letters.stand import QUEUE, bury, drained, event, ids, letter, prepared, waiting

QUICKLY = ("--wait", "0", "--rate", "1000")


async def test_a_written_plan_is_run_as_it_was_seen(amqp_url, command_environment, tmp_path):
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(n, f"A-{n}", total="soon")) for n in range(3)])
    file = str(tmp_path / "plan.json")

    written = await dlq(
        command_environment, "replay", "--set", "properties.total=4", *QUICKLY, "--write-plan", file
    )
    again = await dlq(command_environment, "replay", "--write-plan", file)
    await bury(amqp_url, [letter(event(9, "A-9", total="soon"))])  # not in the plan
    more = await dlq(command_environment, "replay", "--plan", file, "--limit", "1")
    done = await dlq(command_environment, "replay", "--plan", file, "--yes")

    assert written.returncode == 0, written.stderr.decode()
    assert b"3 of 3 dead letters to replay" in written.stderr
    assert (again.returncode, b"overwrites nothing" in again.stderr) == (1, True)
    assert more.returncode == 2
    assert done.returncode == 0, done.stderr.decode()
    sent = await drained(amqp_url, "orders.events")
    assert sorted(ids(sent)) == ["0", "1", "2"]
    assert all(orjson.loads(body)["data"]["properties"] == {"total": 4} for body, _ in sent)
    identity = orjson.loads((tmp_path / "plan.json").read_bytes())["id"]
    assert all(f"plan {identity} of " in headers[HISTORY] for _, headers in sent)
    assert ids(await drained(amqp_url)) == ["9"]


@pytest.mark.parametrize("change", [{"queue": "orders.results"}, {"letters": []}, {"form": "x"}])
async def test_a_plan_that_was_changed_is_refused(amqp_url, command_environment, tmp_path, change):
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(1, "A-1"))])
    file = tmp_path / "plan.json"
    await dlq(command_environment, "replay", "--write-plan", str(file))
    file.write_bytes(orjson.dumps(orjson.loads(file.read_bytes()) | change))

    done = await dlq(command_environment, "replay", "--plan", str(file))
    none = await dlq(command_environment, "replay", "--plan", str(tmp_path / "none"))

    assert (done.returncode, none.returncode) == (1, 1)
    assert b"was changed since it was written" in done.stderr
    assert b"cannot be read" in none.stderr
    assert await waiting(amqp_url) == 1


@pytest.mark.parametrize(("answer", "sent"), [(b"y\n", 1), (b"\n", 0)])
async def test_on_a_terminal_the_plan_is_asked_about(amqp_url, command_environment, answer, sent):
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(1, "A-1"))])
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "dlq", "replay", "--wait", "0"),
        env=command_environment, stdin=theirs, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert process.stderr is not None

    said = await process.stderr.readuntil(b"[y/N] ")
    os.write(ours, answer)
    await process.communicate()
    os.close(ours)
    os.close(theirs)

    assert b"replay 1 dead letter?" in said
    assert process.returncode == 0
    assert await waiting(amqp_url, "orders.events") == sent
    assert await waiting(amqp_url) == 1 - sent


async def test_a_letter_that_is_read_by_somebody_locks_no_colleague_out(
    amqp_url, command_environment
):
    """`dlq ls | less`: what is shown was given back before the first line appears."""
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(n, f"A-{n}")) for n in range(1000)])
    reader = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "service", "dlq", "ls", "-o", "ndjson"],
        env=command_environment, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert reader.stdout is not None
    try:
        assert await asyncio.to_thread(reader.stdout.readline)

        looked = await dlq(command_environment, "stats", "-o", "json")

        assert reader.poll() is None, "it still waits for its reader"
        assert [row["count"] for row in orjson.loads(looked.stdout)] == [1000]
    finally:
        reader.kill()
        reader.communicate()


async def test_what_an_interrupted_replay_set_aside_is_told_and_given_back(
    amqp_url, command_environment
):
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(n, f"A-{n}")) for n in range(40)])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "dlq", "replay", "--wait", "0", "--rate", "1"),
        env=command_environment,
    )
    async with asyncio.timeout(30):
        while not await waiting(amqp_url, "orders.events"):
            await asyncio.sleep(0.05)
    process.kill()
    await process.wait()
    async with asyncio.timeout(30):
        told = await dlq(command_environment, "stats")
        back = await dlq(command_environment, "replay", "--put-back")
        while b"somebody else" in back.stderr:
            back = await dlq(command_environment, "replay", "--put-back")

    assert b"set aside by a replay" in told.stderr
    assert b"back among the dead letters" in back.stderr
    sent = len(await drained(amqp_url, "orders.events"))
    assert 39 <= sent + len(await drained(amqp_url)) <= 41
    assert await waiting(amqp_url, f"{QUEUE}.replaying") == 0


pytestmark = pytest.mark.timeout(180)
