"""The twin on a real socket: serving, dropped connections, stopping, and no needless waiting."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from service.twin import Twin, TwinOptions, parse_fault, serve, serving
from service.twin.cli import build
from tests.twin.lab import ORDERS, UPSERT, inputs, order

TOKEN = {"Authorization": "Bearer pat-test"}
ROOT = Path(__file__).resolve().parents[2]


@contextlib.asynccontextmanager
async def on_a_socket(*rules: str, **options: object):
    faults = tuple(parse_fault(rule) for rule in rules)
    twin = Twin(TwinOptions(calls=0, faults=faults, **options))  # type: ignore[arg-type]
    async with (
        serving(twin) as url,
        httpx.AsyncClient(base_url=url, headers=TOKEN, timeout=5) as client,
    ):
        yield twin, client


async def test_serve_says_where_and_stops_when_cancelled():
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    task = asyncio.create_task(serve(TwinOptions(), "127.0.0.1", 0, ready=ready.set_result))
    url = await ready
    async with httpx.AsyncClient(base_url=url, headers=TOKEN) as client:
        answer = await client.post(UPSERT, json=inputs(order("A-1")))

    assert answer.status_code == 200
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with socket.socket() as knock:
        port = int(url.rpartition(":")[2])
        assert knock.connect_ex(("127.0.0.1", port)) != 0


async def test_answers_do_not_wait_for_the_peer_s_delayed_ack():
    """Head and body are two writes: without TCP_NODELAY each keep-alive call takes 40 ms."""
    async with on_a_socket() as (_, client):
        took = []
        for _ in range(20):
            began = time.perf_counter()
            await client.get(ORDERS)
            took.append(time.perf_counter() - began)

        assert statistics.median(took) < 0.03


async def test_a_cut_connection_gives_no_answer_and_no_write():
    async with on_a_socket("cut times=1") as (twin, client):
        with pytest.raises(httpx.TransportError):
            await client.post(UPSERT, json=inputs(order("A-1")))
        assert twin.state() == {}
        assert (await client.post(UPSERT, json=inputs(order("A-1")))).status_code == 200


async def test_a_truncated_answer_breaks_off_in_the_body():
    async with on_a_socket("truncate times=1") as (twin, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(UPSERT, json=inputs(order("A-1")))
        assert set(twin.state()) == {"A-1"}
        assert (await client.get(ORDERS)).status_code == 200


async def test_a_hanging_call_wrote_and_ends_with_its_client():
    async with on_a_socket("hang times=1 seconds=600") as (twin, client):
        with pytest.raises(httpx.ReadTimeout):
            await client.post(UPSERT, json=inputs(order("A-1")), timeout=0.1)
        assert set(twin.state()) == {"A-1"}
        assert (await client.get(ORDERS)).status_code == 200


async def test_a_write_lands_although_its_client_left_while_it_was_slow():
    async with on_a_socket(latency=0.2) as (twin, client):
        with pytest.raises(httpx.ReadTimeout):
            await client.post(UPSERT, json=inputs(order("A-1")), timeout=0.05)
        assert twin.state() == {}
        await client.get(ORDERS)
        assert set(twin.state()) == {"A-1"}


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service.twin", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def ended(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(number)
    process.communicate(timeout=20)
    return process.returncode


def test_the_command_prints_its_url_serves_and_stops_on_a_signal(tmp_path: Path):
    script = tmp_path / "faults.json"
    script.write_text(json.dumps([{"fault": 503, "nth": [2]}]))
    process = started(
        *("--unique", "erp_id", "--property", "due:date", "--limit", "50/10", "--latency", "1"),
        *("--script", str(script), "--state", str(tmp_path / "s.sqlite"), "--seed", "3"),
        *("--set", "trace_echo=true", "--set", "archived_holder=revive"),
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    with httpx.Client(base_url=url, headers=TOKEN) as client:
        body = inputs(
            {
                "id": "E-1",
                "idProperty": "erp_id",
                "properties": {"due": "2026-11-30"},
                "objectWriteTraceId": "t-1",
            }
        )
        first, second = client.post(UPSERT, json=body), client.post(UPSERT, json=body)

    assert first.json()["results"][0]["objectWriteTraceId"] == "t-1"
    assert first.headers["X-HubSpot-RateLimit-Max"] == "50"
    assert second.status_code == 503
    assert ended(process) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fault", "fire"),
        ("--set", "colour=red"),
        ("--set", "archived_holder=maybe"),
        ("--set", "trace_echo=perhaps"),
        ("--property", "due"),
        ("--limit", "many"),
        ("--script", "not-there.json"),
    ],
)
def test_a_wrong_option_ends_the_command_with_a_sentence(arguments: tuple[str, ...]):
    result = CliRunner().invoke(build(), arguments)

    assert result.exit_code == 2
    assert "Invalid value" in result.output
    assert "Traceback" not in result.output


def test_a_port_that_is_taken_is_told_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = started("--port", str(taken.getsockname()[1]))
        _, told = process.communicate(timeout=20)

    assert process.returncode == 1
    assert told.startswith("cannot listen on 127.0.0.1:")
    assert "Traceback" not in told


def test_help_explains_the_faults():
    result = CliRunner().invoke(build(), ["--help"])

    assert result.exit_code == 0
    for word in ("refuse-batch", "truncate", "vanish", "EXAMPLES", "--fault '503 rate=0.02"):
        assert word in result.output
