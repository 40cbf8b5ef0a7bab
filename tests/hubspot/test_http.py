"""http: whatever answers in HubSpot's place, an answer is read up to a limit and connections never run out."""

import asyncio
import gzip
import random
import resource
from contextlib import suppress
from time import monotonic

import orjson
import pytest

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import find
from service.doctor.findings import Trouble
from service.doctor.hubspot import examine
from service.hubspot.client import HubSpot
from service.hubspot.http import Http
from service.hubspot.token import RefreshedToken, StaticToken
from service.settings.config import Settings
from tests.hubspot.servers import bomb, serving, whole

CALL = find("orders", ["A-1"], "shop_order_id")
BOMB = bomb(1024)


def _peak() -> int:
    """The most memory that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


async def _asked(answer: bytes, calls: int = 1) -> list[BatchReply | NoReply]:
    """What so many calls at once are answered by a server that always says the same."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with (
        serving(say) as url,
        HubSpot(url, "v3", StaticToken("t"), timeout=20.0) as hubspot,
        asyncio.TaskGroup() as tasks,
    ):
        asked = [tasks.create_task(hubspot.send(CALL)) for _ in range(calls)]
    return [each.result() for each in asked]


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "503 Service Unavailable"])
async def test_a_gzip_bomb_is_no_answer_and_costs_no_memory(status: str) -> None:
    """1 MB on the wire that unpacks to 1 GB: eight at once leave a process of 256 MiB alone."""
    answer = whole(BOMB, "content-encoding: gzip", "content-type: application/json", status=status)
    before, started = _peak(), monotonic()

    replies = await _asked(answer, calls=8)

    print(f"{_peak() - before} MiB more, {monotonic() - started:.2f} s")
    assert all(isinstance(each, NoReply) and each.sent for each in replies)
    assert "no answer of HubSpot's" in _message(replies[0])
    assert _peak() - before < 100


async def test_while_bombs_come_in_the_loop_turns() -> None:
    """A probe that is not answered for seconds restarts the pod."""
    longest, over = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not over.is_set():
            started = monotonic()
            await asyncio.sleep(0)
            longest = max(longest, monotonic() - started)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        await _asked(whole(BOMB, "content-encoding: gzip"), calls=8)
        over.set()

    print(f"the loop stood still for {longest:.2f} s at the most")
    assert longest < 0.5


async def test_an_answer_without_end_is_given_up() -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
            await writer.drain()

    async with (
        serving(say) as url,
        HubSpot(url, "v3", StaticToken("t"), timeout=20.0) as hubspot,
    ):
        reply = await hubspot.send(CALL)

    assert _message(reply) == "an answer of more than 32 MiB: no answer of HubSpot's"


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (gzip.compress(b"{}" * 999, mtime=0)[:-12], "gzip", "cut short"),
        (gzip.compress(b"{}", mtime=0) + bytes(1 << 20), "gzip", "behind its end"),
        (b"{}", "gzip", "does not unpack"),
        (b"{}", "br", "packed as 'br'"),
        (b"{}", "gzip, gzip", "packed as 'gzip, gzip'"),
    ],
)
async def test_what_does_not_unpack_is_no_answer(body: bytes, encoding: str, said: str) -> None:
    (reply,) = await _asked(whole(body, f"content-encoding: {encoding}"))

    assert said in _message(reply)


@pytest.mark.parametrize("records", [0, 1, 100_000])
async def test_a_packed_answer_is_read_whole(records: int) -> None:
    body = orjson.dumps([{"id": str(n)} for n in range(records)])

    (reply,) = await _asked(whole(gzip.compress(body), "content-encoding: gzip", "X-A: b"))

    assert isinstance(reply, BatchReply)
    assert reply.body == body
    assert reply.headers["x-a"] == "b"


async def test_an_answer_without_a_body_may_say_that_it_is_packed() -> None:
    (reply,) = await _asked(b"HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n")

    assert isinstance(reply, BatchReply)
    assert (reply.status, reply.body) == (204, b"")


async def test_a_bomb_from_the_token_endpoint_is_no_token() -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(whole(BOMB, "content-encoding: gzip"))

    token = RefreshedToken("id", "secret", "refresh", "v3")
    async with serving(say) as url, HubSpot(url, "v3", token, timeout=20.0) as hubspot:
        reply = await hubspot.send(CALL)

    assert "the token endpoint did not answer: an answer of more than 32 MiB" in _message(reply)
    assert isinstance(reply, NoReply)
    assert not reply.sent


async def test_doctor_reads_no_bomb() -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(whole(BOMB, "content-encoding: gzip"))

    async with serving(say) as url, Http(url, timeout=20.0) as http:
        given = Settings(
            rabbitmq={"url": "amqp://nowhere"},
            hubspot={"base_url": url, "token": "t", "id_property": "shop_order_id"},
        )
        findings = [each async for each in examine(http, given.hubspot, frozenset())]

    assert [finding.trouble for finding in findings] == [Trouble.UNREACHABLE]
    assert "no answer of HubSpot's" in findings[0].found


async def test_a_storm_of_cancelled_calls_costs_no_connection() -> None:
    """encode/httpcore#1093: 20 calls on a pool of 10, cancelled, left none that works."""

    async def say(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.002)
        writer.write(whole(b"{}"))

    chance = random.Random(1)
    async with (
        serving(say) as url,
        HubSpot(url, "v3", StaticToken("t"), timeout=5.0) as hubspot,
    ):

        async def cancelled() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(chance.random() * 0.01):
                    await hubspot.send(CALL)

        for _ in range(8):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(100):
                    tasks.create_task(cancelled())
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(hubspot.send(CALL)) for _ in range(100)]
        pool = hubspot._http._client._transport._pool  # type: ignore[attr-defined]
        stuck = [each for each in pool.connections if not each.is_idle()]

    assert {type(each.result()) for each in asked} == {BatchReply}
    assert stuck == []


def _message(reply: BatchReply | NoReply) -> str:
    assert isinstance(reply, NoReply), reply
    return reply.message
