"""Faults of the process: killed at every step, frozen, told to stop, replaced."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from tests.faults.amqp import Frame
from tests.faults.proxy import Direction, Link
from tests.faults.replica import CALL, PROBE, Replica
from tests.faults.run import Fault
from tests.faults.stand import Stand

Step = Callable[[Link, Direction, Frame], bool]


async def _killed_when(on: Stand, step: Callable[[Replica, asyncio.Event], None]) -> None:
    """Kill the process at a step, seen from outside; then start it again."""
    each = on.replicas[0]
    done = asyncio.Event()
    step(each, done)
    async with asyncio.timeout(30.0):
        await done.wait()
    each.amqp.heal()
    each.http.watch = each.called
    on.healed()
    each.start()
    await each.opened()


def _at_frame(
    direction: Direction, method: str, role: str, *, passing: int = 0, withhold: bool
) -> Callable[[Replica, asyncio.Event], None]:
    """Kill at the frame after `passing` of its kind; `withhold`: the frame itself does not pass."""

    def step(each: Replica, done: asyncio.Event) -> None:
        left = passing

        def watch(link: Link, way: Direction, frame: Frame) -> bool:
            nonlocal left
            if done.is_set():
                return False
            if way != direction or frame.method != method or link.role != role:
                return True
            if left:
                left -= 1
                return True
            each.kill()
            done.set()
            return not withhold

        each.amqp.watch = watch
        if method == "basic.deliver":
            each.amqp.reset()  # a short trace is delivered already: let it come again

    return step


def _mid_call(each: Replica, done: asyncio.Event) -> None:
    def watch(link: Link, way: Direction, frame: Frame) -> bool:
        each.called(link, way, frame)
        head = frame.octets[:60]
        if way == "up" and head.startswith(CALL) and PROBE not in head and not done.is_set():
            asyncio.get_running_loop().call_later(0.05, kill)  # HubSpot has it, and answers nobody
        return True

    def kill() -> None:
        if not done.is_set():
            each.kill()
            done.set()

    each.http.watch = watch


STEPS: dict[str, Callable[[Replica, asyncio.Event], None]] = {
    "after-delivery": _at_frame("down", "basic.deliver", "consumer", passing=20, withhold=False),
    "mid-call": _mid_call,
    "after-answer": _at_frame("up", "basic.publish", "publisher", withhold=True),
    "before-confirm": _at_frame("down", "basic.ack", "publisher", withhold=True),
    "before-ack": _at_frame("up", "basic.ack", "consumer", withhold=True),
    "amid-acks": _at_frame("up", "basic.ack", "consumer", passing=5, withhold=True),
}


def _killed(step: Callable[[Replica, asyncio.Event], None]) -> Callable[[Stand], Awaitable[None]]:
    async def strike(on: Stand) -> None:
        await _killed_when(on, step)

    return strike


def _frozen(seconds: float) -> Callable[[Stand], Awaitable[None]]:
    async def strike(on: Stand) -> None:
        """The owner is frozen, thaws, and may not start a call that is no longer its own."""
        owner = on.replicas[0]
        owner.signal(signal.SIGSTOP)
        on.healed()  # the standby is to take over from here on
        await asyncio.sleep(seconds)
        before = len(owner.calls)
        thawed = on.now()
        owner.signal(signal.SIGCONT)
        await asyncio.sleep(1.5)
        if on.recovery is not None and on.recovery < seconds:  # somebody else has taken over
            stale = [call for call in owner.calls[before:] if call > thawed]
            if stale:
                on.complaints.append(f"thawed at {thawed}, the old owner began calls at {stale}")

    return strike


async def _told_to_stop(on: Stand) -> None:
    each = on.replicas[0]
    each.signal(signal.SIGTERM)
    assert await each.ended() == 0
    on.losses.append(on.now())
    on.healed()
    each.start()
    await each.opened()


async def _told_twice(on: Stand) -> None:
    each = on.replicas[0]
    on.arm("slow seconds=3")
    await asyncio.sleep(0.5)
    each.signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    each.signal(signal.SIGTERM)
    assert await each.ended(5.0) == 0
    on.losses.append(on.now())
    on.arm()
    on.healed()
    each.start()
    await each.opened()


async def _replaced(on: Stand) -> None:
    """A rolling restart: one after the other, each back before the next goes."""
    for each in on.replicas:
        each.signal(signal.SIGTERM)
        assert await each.ended() == 0
        on.losses.append(on.now())
        on.healed()
        each.start()
        await each.opened()


FAULTS = [
    Fault("none", lambda _: asyncio.sleep(0), "process"),
    *(Fault(f"killed-{name}", _killed(step), "process") for name, step in STEPS.items()),
    Fault("frozen-5s", _frozen(5.0), "process", replicas=2),
    Fault("frozen-40s", _frozen(40.0), "process", replicas=2, recovers_within=35.0),
    Fault("sigterm", _told_to_stop, "process"),
    Fault("sigterm-twice", _told_twice, "process"),
    Fault("rolling-restart", _replaced, "process", replicas=2),
]
