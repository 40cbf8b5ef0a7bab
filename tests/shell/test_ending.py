"""The end comes, whatever the clients make of a cancellation."""

import asyncio
import sys

import pytest

from service.shell import ending


async def test_a_task_that_forgets_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`asyncio.wait_for` before Python 3.12, cancelled in the moment in which its answer comes."""
    monkeypatch.setattr(ending, "AGAIN", 0.05)
    answer = asyncio.Event()
    rounds = 0

    async def client() -> None:
        nonlocal rounds
        while True:
            await asyncio.wait_for(answer.wait(), 60.0)
            answer.clear()
            rounds += 1

    task = asyncio.create_task(client())
    await asyncio.sleep(0.01)
    answer.set()
    await asyncio.sleep(0)  # what it waits for is done, and nobody has been told yet

    async with asyncio.timeout(5.0):
        await ending.ended([task])

    assert task.cancelled()
    if sys.version_info < (3, 12):
        assert rounds == 1, "the first cancellation was forgotten"


async def test_who_takes_a_moment_to_clear_up_is_left_that_moment() -> None:
    closed = False

    async def tidy() -> None:
        nonlocal closed
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            closed = True

    task = asyncio.create_task(tidy())
    await asyncio.sleep(0)
    await ending.ended([task])

    assert closed
