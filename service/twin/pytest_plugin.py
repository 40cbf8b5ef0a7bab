"""A pytest fixture for projects that talk to HubSpot: a twin on a socket, for sync and async tests.

pytest_plugins = ["service.twin.pytest_plugin"]

def test_orders(hubspot_twin):
hubspot = hubspot_twin(unique=("shop_order_id",), faults=(parse_fault("503 nth=1"),))
...  # point the client at hubspot.url, then look into hubspot.twin
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from service.twin.http.sockets import serving
from service.twin.options import TwinOptions
from service.twin.twin import Twin


@dataclass(frozen=True, slots=True)
class RunningTwin:
    """A twin that is being served: where, and what is inside."""

    url: str
    twin: Twin


@contextlib.contextmanager
def running_twin(options: TwinOptions) -> Iterator[RunningTwin]:
    """Serve a twin from a thread of its own for the length of a block."""
    twin = Twin(options)
    started = threading.Event()
    # Filled by the thread before `started` is set.
    served: list[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        async with serving(twin) as url:
            served.append((url, asyncio.get_running_loop(), stop))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="hubspot-twin")
    thread.start()
    try:
        if not started.wait(30):
            raise RuntimeError("the twin did not start within 30 s")
        url, loop, stop = served[0]
        try:
            yield RunningTwin(url, twin)
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()


@pytest.fixture
def hubspot_twin() -> Iterator[Callable[..., RunningTwin]]:
    """A function that starts a twin with the given `TwinOptions`; all stop with the test."""
    with contextlib.ExitStack() as twins:

        def start(**options: Any) -> RunningTwin:
            return twins.enter_context(running_twin(TwinOptions(**options)))

        yield start
