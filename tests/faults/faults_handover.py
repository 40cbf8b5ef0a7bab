"""Faults of the handover: somebody else is the owner while the old owner's call is still in flight."""

import asyncio
import signal

from service.core.intake.crashes import CONDEMNED
from tests.faults.amqp import Frame
from tests.faults.proxy import Direction, Link
from tests.faults.run import Fault
from tests.faults.stand import Stand

SLOW = 3.0  # seconds that a call takes meanwhile, longer than a standby takes to start


async def _cut_mid_call(on: Stand) -> None:
    """The owner's connection dies while its calls are slow: the standby takes over at once."""
    owner = on.replicas[0]
    on.arm(f"slow seconds={SLOW}")
    await asyncio.sleep(0.5)
    owner.amqp.refusing = True
    owner.amqp.reset()
    lost, before = on.now(), len(owner.calls)
    on.healed()
    await asyncio.sleep(SLOW + 2.0)
    on.arm()
    _none_begun(on, before, lost + 0.1)
    owner.amqp.heal()


async def _severed_mid_call(on: Stand) -> None:
    """The broker hears that the owner is gone, the owner hears nothing: it stops by the fence."""
    owner = on.replicas[0]
    on.arm(f"slow seconds={SLOW}")
    await asyncio.sleep(0.5)
    owner.amqp.refusing = True
    for link in tuple(owner.amqp.links.values()):
        link.close_server_side()
    severed, before = on.now(), len(owner.calls)
    on.healed()
    await asyncio.sleep(16.0)
    on.arm()
    _none_begun(on, before, severed + 10.5)
    on.losses.append(severed)
    owner.amqp.heal()
    owner.amqp.reset()


async def _killed_mid_call(on: Stand) -> None:
    """The owner dies with slow calls at HubSpot, which writes them all the same, later."""
    on.arm(f"slow seconds={SLOW}")
    await asyncio.sleep(0.5)
    on.replicas[0].kill()
    on.healed()
    await asyncio.sleep(SLOW + 1.0)
    on.arm()


def _none_begun(on: Stand, before: int, since: float) -> None:
    stale = [call for call in on.replicas[0].calls[before:] if call > since]
    if stale:
        on.complaints.append(
            f"calls begun at {stale}, by an owner that had lost its queue at {since}"
        )


async def _poisoned(on: Stand) -> None:
    """One message kills whoever sends it to HubSpot; nobody else may be dead-lettered for it."""
    each = on.replicas[0]
    settled = {receipt.event for receipt in on.receipts}
    last: dict[str, str] = {}
    for event in on.published:
        last[event.key] = event.id
    # Its order's only event: never merged under another's name, never held back at a takeover.
    killer = next(
        e for e in on.published[len(on.published) // 2 :]
        if not e.index and e.id not in settled and last[e.key] == e.id
    )  # fmt: skip
    on.doomed.add(killer.id)
    mark = f'"{killer.id}"'.encode()
    died = asyncio.Event()

    def watch(link: Link, way: Direction, frame: Frame) -> bool:
        each.called(link, way, frame)
        if way == "up" and mark in frame.octets and each.running:
            each.kill()
            died.set()
            return False
        return not (way == "up" and mark in frame.octets)

    each.http.watch = watch
    for _ in range(2 * CONDEMNED):
        try:
            async with asyncio.timeout(30.0):
                await died.wait()
        except TimeoutError:
            break
        died.clear()
        on.healed()
        each.start()
        await each.opened()
    each.http.watch = each.called
    if not each.running:
        each.start()
        await each.opened()
    fates = {receipt.status for receipt in on.receipts if receipt.event == killer.id}
    if fates != {"exhausted"}:
        on.complaints.append(f"the message that kills ended as {fates or 'nothing'}")


async def _frozen_mid_call(on: Stand) -> None:
    """Both: frozen with slow calls out, thawed after somebody else took over."""
    owner = on.replicas[0]
    on.arm(f"slow seconds={SLOW}")
    await asyncio.sleep(0.5)
    owner.signal(signal.SIGSTOP)
    on.healed()
    await asyncio.sleep(SLOW + 1.0)
    on.arm()
    await asyncio.sleep(34.0)
    thawed, before = on.now(), len(owner.calls)
    owner.signal(signal.SIGCONT)
    await asyncio.sleep(1.5)
    _none_begun(on, before, thawed)


FAULTS = [
    Fault("handover-cut", _cut_mid_call, "handover", replicas=2),
    Fault("handover-severed", _severed_mid_call, "handover", replicas=2),
    Fault("handover-killed", _killed_mid_call, "handover", replicas=2),
    Fault("handover-frozen", _frozen_mid_call, "handover", replicas=2, recovers_within=35.0),
    Fault(
        "killer-message",
        _poisoned,
        "handover",
        beforehand=1.0,
        settings={
            "ORDERSYNC_RABBITMQ__PREFETCH": "100",
            "ORDERSYNC_RABBITMQ__HEARTBEAT": "3",
            "ORDERSYNC_HUBSPOT__TIMEOUT": "2",
        },
    ),
]
