"""The probes over real sockets."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from service.watch.metrics import Metrics
from service.watch.probes import ProbesError, listen, serve, serve_on


class Told:
    """A health that says what it is told to say."""

    def __init__(self) -> None:
        self.dead: list[str] = []
        self.busy: list[str] = []
        self.waiting: list[str] = []

    def live(self) -> list[str]:
        return self.dead

    def ready(self) -> list[str]:
        return self.busy

    def waits(self) -> list[str]:
        return self.waiting


@asynccontextmanager
async def served(health: Told, metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    serving = asyncio.create_task(serve_on(listening, health, metrics))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def test_well():
    async with served(Told(), Metrics()) as client:
        for path in ("/livez", "/readyz"):
            answer = await client.get(path)

            assert answer.status_code == 200
            assert answer.json() == {"status": "ok", "reasons": []}


async def test_the_reasons_are_in_the_body_and_live_and_ready_are_apart():
    health = Told()
    health.busy = ["paused: HubSpot does not accept the token", "not consuming"]

    async with served(health, Metrics()) as client:
        live, ready = await client.get("/livez"), await client.get("/readyz")

    assert live.status_code == 200
    assert ready.status_code == 503
    assert ready.json() == {"status": "unavailable", "reasons": health.busy}


async def test_what_hubspot_makes_us_wait_for_is_told_and_takes_no_readiness_away():
    health = Told()
    health.waiting = ["paused: HubSpot fails every call"]

    async with served(health, Metrics()) as client:
        waiting = await client.get("/readyz")
        health.busy = ["not consuming"]
        both = await client.get("/readyz")

    assert waiting.status_code == 200
    assert waiting.json() == {"status": "ok", "reasons": health.waiting}
    assert both.status_code == 503
    assert both.json()["reasons"] == ["not consuming", *health.waiting]


async def test_health_is_asked_anew_each_time():
    health = Told()

    async with served(health, Metrics()) as client:
        before = await client.get("/livez")
        health.dead = ["the pipeline ended"]
        after = await client.get("/livez")

    assert (before.status_code, after.status_code) == (200, 503)


async def test_metrics_are_exposed_as_prometheus_reads_them():
    metrics = Metrics()
    metrics.held_events.set(17)

    async with served(Told(), metrics) as client:
        answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "ordersync_held_events 17.0" in answer.text.splitlines()


async def test_anything_else_is_not_found_and_nothing_can_be_posted():
    async with served(Told(), Metrics()) as client:
        assert (await client.get("/")).status_code == 404
        assert (await client.post("/livez")).status_code == 405


async def test_signals_stay_the_apps():
    """Uvicorn would catch SIGTERM and stop by itself: the drain has to stay with the app."""
    loop, caught = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, caught.set)
    before = signal.getsignal(signal.SIGTERM)
    try:
        async with served(Told(), Metrics()) as client:
            await client.get("/livez")
            assert signal.getsignal(signal.SIGTERM) is before  # uvicorn's stands nowhere
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(caught.wait(), 5)

            assert (await client.get("/livez")).status_code == 200
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_cancelling_frees_the_port():
    first = listen("127.0.0.1", 0)
    port = first.getsockname()[1]
    serving = asyncio.create_task(serve_on(first, Told(), Metrics()))
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 200

    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving

    listen("127.0.0.1", port).close()


async def test_cancelling_before_the_first_request_is_fine():
    serving = asyncio.create_task(serve("127.0.0.1", 0, Told(), Metrics()))
    await asyncio.sleep(0)

    serving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_a_port_that_is_taken_is_told_with_what_to_change():
    taken = listen("127.0.0.1", 0)
    try:
        with pytest.raises(ProbesError, match="ORDERSYNC_HTTP__PORT"):
            await serve("127.0.0.1", taken.getsockname()[1], Told(), Metrics())
    finally:
        taken.close()


def test_ipv6_too():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as absence:
        pytest.skip(f"this machine has no IPv6, as Docker's containers have none: {absence}")

    listening = listen("::1", 0)

    assert listening.getsockname()[0] == "::1"
    listening.close()
