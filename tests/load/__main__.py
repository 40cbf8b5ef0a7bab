"""`python -m tests.load`: a row an interval, then what grew, then the books; 1 where either is bad.

LOAD_SECONDS (600) after a warm-up of an interval, LOAD_EVERY (30) seconds an interval, LOAD_IN_FLIGHT (4000)
events between publish and outcome, LOAD_BROKER (installed, or an image's tag) the RabbitMQ.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from time import perf_counter

import httpx
import uvloop
from pamqp.commands import Queue

from service.core.events.order_event import STRUCTURED
from tests.bench.ground import EXCHANGE, Ground, twin
from tests.faults import ending
from tests.faults.brokers import node_of, why_not
from tests.load.flow import Flow
from tests.load.samples import HEAD, Sample, Service, growth, line, service
from tests.load.traffic import Traffic
from tests.load.wire import Publishing, Wire, receipts, wire

PROPERTIES = ("estimated_delivery:date", "buyer_ref:string", "delivered_at:datetime")
LATENCY = "20"  # milliseconds
EMPTIED_AFTER = 500_000  # events: what the twin would keep of ten minutes does not fit a laptop
ENDED_WITHIN = 60.0  # seconds from the last publish to its outcome
RESULTS, DEAD = "orders.results", "orders.dead-letters"


def main() -> int:
    """Run it as the environment says."""
    ending.in_order()
    seconds = float(os.environ.get("LOAD_SECONDS", "600"))
    every = min(float(os.environ.get("LOAD_EVERY", "30")), seconds / 5)
    in_flight = int(os.environ.get("LOAD_IN_FLIGHT", "4000"))
    version = os.environ.get("LOAD_BROKER", "installed")
    if reason := why_not(version):
        print(f"RabbitMQ {version}: {reason}")
        return 2
    options = [f"--property={each}" for each in PROPERTIES]
    with (
        node_of(version) as node,
        twin(
            "--latency", LATENCY, "--limit", "0/10", "--daily", "0", "--journal", "off", *options
        ) as at,
    ):
        ground = Ground(node.url, at)
        ground.run("topology", "apply")
        with service(ground.environment | {"ORDERSYNC_HTTP__PORT": "0"}) as running:
            traffic = Traffic()
            print(
                f"{traffic.name}, {len(traffic)} events a round, each round with fresh keys and ids; RabbitMQ "
                f"{node.version}; the twin answers in {LATENCY} ms without quota; {in_flight} events in flight"
            )
            return uvloop.run(_load(ground, running, traffic, seconds, every, in_flight))


async def _load(
    ground: Ground, running: Service, traffic: Traffic, seconds: float, every: float, in_flight: int
) -> int:
    async with (
        wire(ground.broker) as out,
        wire(ground.broker) as back,
        wire(ground.broker) as spare,
    ):
        publishing = Publishing(out, EXCHANGE, STRUCTURED)
        await publishing.begin()
        flow, stop = Flow(publishing, in_flight), asyncio.Event()

        async def emptied() -> None:
            async with httpx.AsyncClient() as client:
                (await client.post(f"{ground.twin}/_twin/reset")).raise_for_status()

        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(publishing.listen()),
                tasks.create_task(flow.note(receipts(back, RESULTS))),
            ]
            pushing = tasks.create_task(flow.keep_up(traffic, stop, EMPTIED_AFTER, emptied))
            samples = await _watched(running, flow, seconds, every)
            stop.set()
            await flow.settled(ENDED_WITHIN)
            pushing.cancel()
            for task in beside:
                task.cancel()
        letters = await _dead_letters(spare)
        return max(_grown(samples), _books(flow, publishing, letters))


async def _watched(running: Service, flow: Flow, seconds: float, every: float) -> list[Sample]:
    """A sample an interval, the first one after a warm-up of an interval that is not looked at."""
    await asyncio.sleep(every)
    flow.looked()
    samples: list[Sample] = []
    began = last = perf_counter()
    print(HEAD, flush=True)
    while last - began < seconds - every / 2:
        await asyncio.sleep(began + (len(samples) + 1) * every - perf_counter())
        samples.append(_sample(running, flow, began, last))
        last = perf_counter()
        print(line(samples[-1]), flush=True)
    return samples


def _sample(running: Service, flow: Flow, began: float, last: float) -> Sample:
    waits, now = flow.looked(), perf_counter()
    if not waits:
        raise AssertionError(f"no outcome in {now - last:.0f} s, {flow.missing} events in flight")
    return Sample(
        now - began,
        len(waits) / (now - last),
        running.megabytes(),
        running.tasks(),
        running.descriptors(),
        running.threads(),
        waits[len(waits) // 2],
        waits[int(len(waits) * 0.99)],
    )


def _grown(samples: Sequence[Sample]) -> int:
    """1 where something did."""
    bad = 0
    print("from the second fifth to the last:")
    for name, before, after, grew in growth(samples):
        print(
            f"    {name:12} {before:9.3f} -> {after:9.3f}  {after - before:+9.3f}{'  GREW' if grew else ''}"
        )
        bad |= grew
    return int(bad)


def _books(flow: Flow, publishing: Publishing, letters: int) -> int:
    """1 where they do not balance."""
    failed = flow.outcomes.total() - sum(
        flow.outcomes[f"outcome.{status}"] for status in ("applied", "superseded")
    )
    told = ", ".join(
        f"{key.removeprefix('outcome.')} {n}" for key, n in sorted(flow.outcomes.items())
    )
    print(
        f"published {flow.published}, confirmed {publishing.confirmed}; outcomes {flow.outcomes.total()} ({told}); "
        f"lost {flow.missing}, twice {len(flow.unexpected)}; dead letters {letters} of {failed} failures"
    )
    good = (
        publishing.confirmed == flow.published == flow.outcomes.total()
        and not flow.unexpected
        and letters == failed
    )
    return 0 if good else 1


async def _dead_letters(on: Wire) -> int:
    """As the broker counts them."""
    told = await on.ask(Queue.Declare(queue=DEAD, passive=True))
    return int(told.message_count)


if __name__ == "__main__":
    sys.exit(main())
