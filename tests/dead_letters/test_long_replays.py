"""Replays of any size, at any rate, for as long as it takes: nothing is held, nothing lost, nothing twice.

`LONG_LETTERS=200000` for the whole promise: `make test-long-replays`.
"""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import Iterator

import pytest

from service.core.headers import REPLAYS
from service.core.letters.letters import read
from service.core.letters.replays import Inputs
from service.core.letters.sieve import Sieve
from service.core.reasons import Code
from service.dead_letters import moving, planning
from service.dead_letters.looker import FoundLetter
from service.dead_letters.looking import looking
from service.dead_letters.planning import Wishes
from service.dead_letters.sender import sending
from tests.dead_letters.commands import dlq
from tests.dead_letters.stand import (
    ID_PROPERTY,
    QUEUE,
    buried_fast,
    bury,
    delivery,
    drained,
    event,
    ids,
    letter,
    prepared,
    waiting,
)
from tests.faults.brokers import Node, node_of, why_not

LETTERS = int(os.environ.get("LONG_LETTERS", "3000"))
WHOLE = LETTERS >= 20_000
MEANT = max(200, LETTERS // 50)
RATE = 50.0 if WHOLE else 5.0  # events a second: the last run outlasts TIMEOUT
TIMEOUT = 20_000  # consumer_timeout, milliseconds
WINDOW = max(1, int(RATE / 5))  # events under way at once


@pytest.fixture(params=["installed", "4.0", "4.3"] if WHOLE else ["installed"])
def hasty(request: pytest.FixtureRequest) -> Iterator[Node]:
    """A broker that takes back what is unacknowledged for TIMEOUT, and looks twice a second."""
    if (absence := why_not(request.param)) is not None:
        pytest.skip(absence)
    with node_of(request.param) as node:
        node.ctl("eval", f"application:set_env(rabbit, consumer_timeout, {TIMEOUT}).")
        node.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 500).")
        yield node


def environment_of(url: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ORDERSYNC_")}
    return clean | {
        "ORDERSYNC_RABBITMQ__URL": url,
        "ORDERSYNC_HUBSPOT__ID_PROPERTY": ID_PROPERTY,
    }


async def test_a_replay_outlasts_the_brokers_patience_and_three_kills(hasty):
    """A filtered replay that takes longer than `consumer_timeout`, ended by SIGKILL three times."""
    url = hasty.fresh()[0]
    environment = environment_of(url)
    await prepared(url)
    every = LETTERS // MEANT
    await buried_fast(
        url,
        (
            letter(event(n, f"A-{n}"), Code.PROPERTY_INVALID if n % every else Code.VALUE_TAKEN)
            for n in range(LETTERS)
        ),
    )
    meant = {str(n) for n in range(0, LETTERS, every)}
    arguments = ("replay", "--reason", "value_taken", "--wait", "0", "--rate", f"{RATE:g}", "--yes")

    chance, kills = random.Random(7), 0
    while kills < 3:
        more = chance.randint(1, MEANT // 12)
        kills += await killed_after(url, environment, more, *arguments)
    last = await dlq(environment, *arguments)
    while b"somebody else" in last.stderr:  # the broker notices a dead connection a moment later
        last = await dlq(environment, *arguments)

    assert last.returncode == 0, last.stderr.decode()
    sent = await drained(url, "orders.events")
    left = await drained(url)
    repeats = {name: number for name, number in Counter(ids(sent)).items() if number > 1}
    print(
        f"{len(left) + len(meant)} letters, {len(sent)} sent, {len(repeats)} sent again",
        last.stderr,
    )
    assert set(ids(sent)) == meant
    assert {headers[REPLAYS] for _, headers in sent} == {1}, "a repeat has the same outcome id"
    assert len(repeats) <= kills * WINDOW
    assert Counter(ids(left)) == Counter(str(n) for n in range(LETTERS) if str(n) not in meant)
    assert await drained(url, f"{QUEUE}.replaying") == []


async def test_a_replay_that_is_told_to_stop_three_times_sends_nothing_twice(hasty):
    url = hasty.fresh()[0]
    environment = environment_of(url)
    await prepared(url)
    await bury(url, [letter(event(n, f"A-{n}")) for n in range(200)])
    arguments = ("replay", "--wait", "0", "--rate", "50")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "dlq", *arguments),
            env=environment, stdout=DEVNULL, stderr=PIPE,
        )  # fmt: skip
        await asyncio.sleep(2.5)
        process.send_signal(number)
        await process.communicate()
    last = await dlq(environment, *arguments)

    assert last.returncode == 0, last.stderr.decode()
    assert Counter(ids(await drained(url, "orders.events"))) == Counter(map(str, range(200)))
    assert await drained(url) == []


async def killed_after(url: str, environment: dict[str, str], more: int, *arguments: str) -> bool:
    """Kill a command when it has sent so many events; whether there was anything to kill."""
    until = await waiting(url, "orders.events") + more
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "dlq", *arguments),
        env=environment,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    said = asyncio.ensure_future(process.communicate())
    while not said.done() and await waiting(url, "orders.events") < until:
        await asyncio.sleep(0.1)
    if process.returncode is None:
        process.kill()
    _, stderr = await said
    assert process.returncode == -signal.SIGKILL or b"somebody else" in stderr, stderr.decode()
    return process.returncode == -signal.SIGKILL


async def test_a_queue_too_long_for_a_look_is_swept_in_its_order_and_copies_go_away(version_url):
    """What a look cannot hold to the end goes by, window by window; a killed sweep leaves copies."""
    await prepared(version_url)
    letters = [letter(event(n, f"A-{n}")) for n in range(1200)]
    await bury(version_url, letters)
    first = read(delivery(letters[0].body, dict(letters[0].headers or {})), ID_PROPERTY)

    async with sending(version_url, "orders.outcomes") as sender:

        async def to_the_back(window: list[FoundLetter]) -> None:
            await sender.send(moving.moved(window, QUEUE))

        async with looking(version_url, QUEUE, ID_PROPERTY, hold=0.0) as looker:
            wishes = Wishes(Sieve(), "me", inputs=Inputs("orders.events", ("orders.events",)))
            looked = await planning.plan(looker, wishes)
            swept = await planning.plan(looker, wishes, to_the_back)
        async with looking(version_url, QUEUE, ID_PROPERTY) as looker:  # a sweep that was killed
            one = [found async for found in looker.read(500)]
            await to_the_back(one)
        async with looking(version_url, QUEUE, ID_PROPERTY, hold=0.0) as looker:
            again = await planning.plan(looker, wishes, to_the_back)

    assert first.event_id == "0"
    assert looked.cut_short
    assert len(looked.keys) < 1200
    assert (len(swept.keys), swept.groups.total, swept.swept) == (1200, 1200, True)
    assert again.keys == swept.keys
    assert sorted(ids(await drained(version_url)), key=int) == [str(n) for n in range(1200)]


async def test_a_sweep_keeps_the_order(version_url):
    await prepared(version_url)
    await bury(version_url, [letter(event(n, f"A-{n}")) for n in range(1200)])

    async with sending(version_url, "orders.outcomes") as sender:

        async def to_the_back(window: list[FoundLetter]) -> None:
            await sender.send(moving.moved(window, QUEUE))

        async with looking(version_url, QUEUE, ID_PROPERTY) as looker:
            windows = [[f.letter.id for f in some] async for some in looker.sweep(to_the_back)]

    assert [name for window in windows for name in window] == [str(n) for n in range(1200)]
    assert ids(await drained(version_url)) == [str(n) for n in range(1200)]


pytestmark = pytest.mark.timeout(3600 if WHOLE else 240)
