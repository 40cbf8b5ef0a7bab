"""The composition root: the only place that knows everything. Build, wire, signals, the order of the end."""

import asyncio
import gc
import os
import random
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from service.clock import stamp
from service.core.departure import UnderWay
from service.core.events.deliveries import Delivery
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.core.policies import Policies
from service.core.reasons import Kind
from service.core.settlement.journal import groups
from service.hubspot.addresses import address_of
from service.hubspot.client import HubSpot
from service.hubspot.token import token_of
from service.rabbitmq import topology
from service.rabbitmq.announcer import Announcer
from service.rabbitmq.consumer import Consumer
from service.rabbitmq.journal import JournalWriter
from service.rabbitmq.publisher import Publisher
from service.settings.config import HELD_AT_MOST, Settings, traces_wanted
from service.settings.hubspot import HubSpotSettings
from service.settings.rabbitmq import RabbitMQ
from service.shell.ending import ended
from service.shell.pipeline import Pipeline
from service.shell.ports import Shell
from service.watch import probes
from service.watch.metrics import Metrics

if TYPE_CHECKING:
    from service.watch.traces import Traces

log = structlog.get_logger(__name__)

Ask = Callable[[BatchCall], Awaitable[BatchReply | NoReply]]
# Messages held of a queue of bulk: a few batches, since they wait for their turn.
BULK: Final = 200
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run(settings: Settings) -> int:
    """Run the service until it is told to stop; returns the exit code."""
    import uvloop  # noqa: PLC0415  (the other commands do not need it)

    # What an event leaves behind is freed by reference; the collector would walk all that is held for nothing.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_signalled(settings))


async def _until_signalled(settings: Settings) -> int:
    """First signal: drain. Second: what is held goes back to the queue at once. Both end with 0."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, signalled)
    serving = asyncio.ensure_future(serve(settings, stop))
    hurrying = asyncio.ensure_future(hurry.wait())
    await asyncio.wait([serving, hurrying], return_when=asyncio.FIRST_COMPLETED)
    hurrying.cancel()
    if not serving.done():
        log.warning("drain_abandoned")
        serving.cancel()
        await asyncio.wait([serving])
        return 0
    await serving
    return 0


async def serve(settings: Settings, stop: asyncio.Event, metrics: Metrics | None = None) -> None:
    """Everything, from the first connection to the last ack. Ends when `stop` is set and what is held is settled."""
    url = broker_url(settings)
    shape = topology.Topology.of(settings.rabbitmq)
    await (topology.declare if settings.rabbitmq.declare else topology.check)(url, shape)
    name = f"{os.uname().nodename[:40]}-{secrets.token_hex(4)}"
    publisher = Publisher(url, _exchanges(settings), name=name)
    metrics = metrics or Metrics()
    journal = await JournalWriter.of(
        settings.journal, url, name, metrics.journal_dropped.inc, declare=settings.rabbitmq.declare
    )
    async with AsyncExitStack() as stack:
        hubspot = await stack.enter_async_context(
            HubSpot(
                settings.hubspot.base_url,
                settings.hubspot.api_version,
                token_of(settings.hubspot),
                timeout=settings.hubspot.timeout,
            )
        )
        stack.push_async_callback(publisher.close)
        if (traces := _traces()) is not None:
            stack.push_async_callback(asyncio.to_thread, traces.close)
        service = Service(settings, publisher, hubspot, metrics, url, name, traces, journal)
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(service.consumer.run()),
                tasks.create_task(service.announcer.run()),
                tasks.create_task(
                    probes.serve(settings.http.host, settings.http.port, service, metrics)
                ),
            ]
            if journal is not None:
                beside.append(tasks.create_task(journal.run()))
            await service.pipeline.run(stop)
            if journal is not None:
                await journal.close()
            await ended(beside)
    log.info("service_stopped")


class Service:
    """The parts that run, and what they say of their health."""

    def __init__(  # noqa: PLR0913, PLR0917  (all that there is comes together here)
        self,
        settings: Settings,
        publisher: Publisher,
        hubspot: HubSpot,
        metrics: Metrics,
        url: str,
        name: str,
        traces: "Traces | None" = None,
        journal: JournalWriter | None = None,
    ) -> None:
        self.publisher, self.metrics = publisher, metrics
        self.consumer = Consumer(
            url,
            _prefetches(settings.rabbitmq),
            lease=settings.rabbitmq.heartbeat,
            memory=settings.rabbitmq.memory << 20,
            arrived=self._arrive,
            lost=self._lose,
        )
        self.announcer = Announcer(url, settings.rabbitmq.operations_exchange)
        shell = self._shell(publisher, hubspot, name)
        if journal is not None:
            shell = replace(shell, journal=lambda settled: journal.write(groups(settled)))
            now = asyncio.get_running_loop().time
            metrics.journal_waiting_seconds.set_function(lambda: journal.age(now()))
        if traces is not None:
            shell = _traced(shell, traces, settings)
        self.pipeline = Pipeline(_policies(settings), shell, metrics)

    def _arrive(self, delivery: Delivery) -> None:
        self.pipeline.arrive(delivery)

    def _lose(self, epochs: frozenset[int]) -> None:
        self.pipeline.lose(epochs)

    def _shell(self, publisher: Publisher, hubspot: HubSpot, name: str) -> Shell:
        return Shell(
            send=hubspot.send,
            renew=hubspot.renew,
            publish=publisher.publish,
            ack=self.consumer.ack,
            open_intake=self.consumer.open,
            close_intake=self.consumer.close,
            now=asyncio.get_running_loop().time,
            stamp=stamp,
            jitter=random.random,
            name=name,
            announce=self.announcer.tell,
            leased=self.consumer.leased,
        )

    def live(self) -> list[str]:
        """What will not end by itself: a call or a settlement that has been under way for too long.

        That this is answered at all says that the loop turns. A publish that RabbitMQ keeps waiting is no
        reason to restart, as long as it is known why.
        """
        known = self.publisher.waiting_since is not None and self.publisher.trouble is not None
        return [
            f"{stuck.what} under way for {stuck.seconds:.0f} s: nobody wakes who waits for it"
            for stuck in self.pipeline.desk.stuck(asyncio.get_running_loop().time())
            if not (known and stuck.what is UnderWay.SETTLEMENT)
        ]

    def ready(self) -> list[str]:
        """Why this replica neither consumes nor stands by; empty = it does.

        While HubSpot is out, or the day's quota is, a paused replica stands by: no roll-out can mend that.
        """
        reasons, gate = [], self.pipeline.desk.gate
        if gate.reason is not None and gate.reason.code.kind is Kind.SET_UP:
            reasons.append(f"paused: {gate.reason.message}")
        elif gate.reason is None and gate.closed is not None:
            reasons.append(f"not consuming: {gate.closed}")
        elif gate.reason is None and not self.consumer.consuming:
            reasons.append("not consuming: no channel to RabbitMQ")
        if self.publisher.trouble is not None:
            reasons.append(f"cannot publish: {self.publisher.trouble}")
        return reasons

    def waits(self) -> list[str]:
        """What HubSpot makes us wait for: an outage, the day's quota, a throttle from its first 429 on."""
        waits = []
        paused, throttle = self.pipeline.desk.gate.reason, self.pipeline.throttle
        if paused is not None and paused.code.kind is not Kind.SET_UP:
            waits.append(f"paused: {paused.message}")
        if (day := self.pipeline.day) is not None:
            waits.append(day)
        if throttle is not None:
            told = throttle.throttle
            waits.append(
                f"throttled (429s so far: {throttle.answers}): {told.message}; {told.advice}"
            )
        return waits


@asynccontextmanager
async def asking(settings: HubSpotSettings) -> AsyncIterator[Ask]:
    """HubSpot for a command that only asks: one call at a time, outside the service's budget."""
    async with HubSpot(
        settings.base_url, settings.api_version, token_of(settings), timeout=settings.timeout
    ) as hubspot:
        yield hubspot.send


def broker_url(settings: Settings) -> str:
    """The broker's URL with our heartbeat: aiormq's default of 60 s sees a dead broker after 183 s."""
    from yarl import URL  # noqa: PLC0415

    url = URL(settings.rabbitmq.url.get_secret_value())
    return str(url.update_query(heartbeat=settings.rabbitmq.heartbeat, name="ordersync"))


def _traces() -> "Traces | None":
    """What makes spans; None, and nothing imported, unless `OTEL_*` says where they go."""
    if not traces_wanted():
        return None
    try:
        from service.watch.traces import Traces  # noqa: PLC0415
    except ImportError:
        log.warning("traces_unavailable", fix="install the extra: ordersync[otel]")
        return None
    return Traces.exporting()


def _traced(shell: Shell, traces: "Traces", settings: Settings) -> Shell:
    return replace(
        shell,
        send=traces.calls(
            shell.send,
            settings.hubspot.base_url,
            partial(address_of, api_version=settings.hubspot.api_version),
        ),
        publish=traces.publishes(shell.publish, settings.rabbitmq.outcomes_exchange),
        traced=traces.carrying,
    )


def _prefetches(settings: RabbitMQ) -> dict[str, int]:
    """Messages of each queue that are held at most; bulk is not to fill the memory that live events need."""
    live = dict.fromkeys(settings.queues, settings.prefetch)
    return live | dict.fromkeys(settings.backfill_queues, min(settings.prefetch, BULK))


def _exchanges(settings: Settings) -> dict[str, str]:
    return {
        "outcomes": settings.rabbitmq.outcomes_exchange,
        "dead_letters": settings.rabbitmq.dead_letters_exchange,
    }


def _policies(settings: Settings) -> Policies:
    return Policies(
        id_property=settings.hubspot.id_property,
        line_id_property=settings.hubspot.line_id_property,
        batch=settings.batch_policy(),
        retry=settings.retry_policy(),
        budget=settings.budget_policy(),
        concurrency=settings.concurrency(),
        grace=settings.drain.grace,
        longest=HELD_AT_MOST,
        backfill=frozenset(settings.rabbitmq.backfill_queues),
        # What the former owner began within its last lease, and how long that may take.
        overlap=settings.rabbitmq.heartbeat + settings.hubspot.timeout,
    )
