"""The stand that a run is made on: a vhost, a twin on a socket, replicas, a publisher, a reader.

All times are the twin's seconds, so that its journal, the receipts and the losses share one clock.
"""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiormq
import orjson
from aiormq.abc import AbstractConnection, DeliveredMessage
from pamqp.commands import Basic

from service.clock import stamp
from service.core.events.order_event import STRUCTURED
from service.core.outgoing import iso
from service.rabbitmq.topology import Topology, declare
from service.settings.rabbitmq import RabbitMQ
from service.twin import Twin, TwinOptions, parse_fault, serving
from tests.faults.books import Receipt, Write, outcome
from tests.faults.brokers import Node
from tests.faults.replica import Replica, replica
from tests.faults.trace import ID_PROPERTY, PROPERTIES, Event
from tests.faults.whole_orders import LABELS, UNIQUE, furnish, own_values
from tests.one_by_one import Shown, one_by_one, shown

LATENCY = 0.15  # seconds a call takes at the twin: long enough to be struck in the middle
WINDOW = 100
BROKEN = (aiormq.exceptions.AMQPError, OSError, asyncio.TimeoutError, RuntimeError)
POLICY = "limited"
INPUT, RESULTS, DEAD = "orders.events", "orders.results", "orders.dead-letters"


@dataclass(eq=False)
class Stand:
    """What a fault may break, and what the books are made from."""

    node: Node
    url: str
    others: Sequence[str]  # the same vhost on the cluster's other nodes
    vhost: str
    twin: Twin
    replicas: list[Replica]
    folder: Path
    events: Sequence[Event]
    published: list[Event] = field(default_factory=list)
    twice: set[str] = field(default_factory=set)
    doomed: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)  # orders that HubSpot was told to refuse
    receipts: list[Receipt] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # what a fault saw that must not be
    remarks: list[str] = field(default_factory=list)  # what a fault measured
    losses: list[float] = field(default_factory=list)  # beside those that the proxies see
    healed_at: float | None = None
    recovery: float | None = None  # seconds from `healed` to the next outcome
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    _healed_stamp: str = ""
    _read: set[str] = field(default_factory=set)
    _progress: asyncio.Event = field(default_factory=asyncio.Event)

    # --- time ---

    def now(self) -> float:
        """The twin's seconds."""
        return self.twin.clock.elapsed()

    def healed(self) -> None:
        """From now on events have to flow again."""
        self.healed_at, self.recovery = self.now(), None
        self._healed_stamp = iso(stamp())

    async def progress(self, share: float, seconds: float = 60.0) -> None:
        """Return when so much of the trace has an outcome."""
        await self.outcomes(int(share * len(self.events)), seconds)

    async def outcomes(self, count: int, seconds: float = 60.0) -> None:
        """Return when so many outcome messages have come."""
        async with asyncio.timeout(seconds):
            while len(self.receipts) < count:
                self._progress.clear()
                await self._progress.wait()

    async def connected(self) -> AbstractConnection:
        """A connection to the first node that answers."""
        for url in (self.url, *self.others):
            with contextlib.suppress(*BROKEN):
                async with asyncio.timeout(10.0):
                    return await aiormq.connect(url)
        raise ConnectionError("no node answers")

    # --- publish ---

    async def publish(self, events: Iterable[Event]) -> None:
        """Publish, confirmed, straight to the broker; tries again for as long as it takes."""
        left = list(events)
        while left:
            try:
                connection = await self.connected()
            except BROKEN:
                await asyncio.sleep(0.3)
                continue
            try:
                await self._publish_on(connection, left)
            except BROKEN:
                self.twice.update(event.id for event in left[:WINDOW])
                await asyncio.sleep(0.3)
            finally:
                with contextlib.suppress(*BROKEN):
                    await connection.close()

    async def _publish_on(self, connection: AbstractConnection, left: list[Event]) -> None:
        channel = await connection.channel(on_return_raises=True)
        while left:
            window = left[:WINDOW]
            async with asyncio.timeout(20.0):
                # In order, and each confirmed before the next window: an order's events stay in order.
                pending = [
                    asyncio.ensure_future(
                        channel.basic_publish(
                            event.body,
                            exchange=INPUT,
                            routing_key=f"ordersync.order.{event.operation}.v1",
                            mandatory=True,
                            properties=Basic.Properties(
                                content_type=STRUCTURED, delivery_mode=2, message_id=event.id
                            ),
                        )
                    )
                    for event in window
                ]
                done, _ = await asyncio.wait(pending)
            for task in done:
                task.result()
            self.published += window
            del left[:WINDOW]

    # --- read ---

    async def read(self) -> None:
        """Read the outcomes, as any reader of the result queue would, across everything that happens."""
        while True:
            await self.reading.wait()
            try:
                connection = await self.connected()
            except BROKEN:
                await asyncio.sleep(0.2)
                continue
            try:
                await self._read_on(connection)
            except BROKEN:
                await asyncio.sleep(0.2)
            finally:
                with contextlib.suppress(*BROKEN):
                    await connection.close()

    async def _read_on(self, connection: AbstractConnection) -> None:
        channel = await connection.channel()
        await channel.basic_qos(prefetch_count=500)

        async def note(message: DeliveredMessage) -> None:
            name = str(message.header.properties.message_id)
            if name not in self._read:  # the broker repeated it to us, the service did not
                self._read.add(name)
                self._note(message.body)
            with contextlib.suppress(*BROKEN):
                await channel.basic_ack(message.delivery_tag or 0, wait=False)

        await channel.basic_consume(RESULTS, note)
        ended = asyncio.ensure_future(asyncio.wait([connection.closing, channel.closing]))
        while self.reading.is_set() and not connection.is_closed and not channel.is_closed:
            await asyncio.wait([ended], timeout=0.2)
            if ended.done():
                break
        ended.cancel()

    def _note(self, body: bytes) -> None:
        now, document = self.now(), orjson.loads(body)
        self.receipts.append(outcome(document, now))
        fresh = (
            document["data"]["settled_at"] > self._healed_stamp
        )  # not one that only waited to be read
        if self.healed_at is not None and self.recovery is None and fresh:
            self.recovery = now - self.healed_at
        self._progress.set()

    # --- break ---

    def arm(self, *faults: str) -> None:
        """Put fault rules in force at the twin."""
        self.twin.arm([parse_fault(fault) for fault in faults])

    async def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl."""
        return await asyncio.to_thread(self.node.ctl, *arguments)

    async def in_vhost(self, command: str, *arguments: str) -> str:
        """Run a rabbitmqctl command on our vhost."""
        return await self.ctl(command, "-p", self.vhost, *arguments)

    async def limited(self, queue: str, rules: Mapping[str, Any]) -> None:
        """Put an operator's policy in force on a queue."""
        definition = json.dumps(rules)
        await self.in_vhost("set_policy", "--apply-to", "queues", POLICY, f"^{queue}$", definition)

    async def unlimited(self) -> None:
        """Take it back."""
        await self.in_vhost("clear_policy", POLICY)

    async def queues(self) -> dict[str, dict[str, int]]:
        """What the broker says of every queue: messages, ready and unacknowledged."""
        told = await self.in_vhost(
            "list_queues",
            "--formatter",
            "json",
            "name",
            "messages",
            "messages_ready",
            "messages_unacknowledged",
        )
        return {queue.pop("name"): queue for queue in json.loads(told)}

    async def ready(self, queue: str) -> int:
        """How many messages are ready, by a passive declare: exact at this moment."""
        connection = await self.connected()
        try:
            channel = await connection.channel()
            declared = await channel.queue_declare(queue, passive=True)
            return declared.message_count or 0
        finally:
            await connection.close()

    async def drained(self, queue: str) -> list[dict[str, Any]]:
        """Every message of a queue, taken out: its headers and body."""
        connection = await self.connected()
        try:
            channel = await connection.channel()
            found: list[dict[str, Any]] = []
            while (message := await channel.basic_get(queue, no_ack=True)).body or (
                message.delivery_tag
            ):
                headers = message.header.properties.headers or {}
                found.append({"headers": headers, "body": message.body})
            return found
        finally:
            await connection.close()

    # --- account ---

    def writes(self) -> list[Write]:
        """The twin's journal."""
        return [
            Write(time, operation, each.key, dict(each.properties))
            for time, _, operation, writes in self.twin.journal.writes
            for each in writes
            if each.kind == "orders" and not each.to_kind
        ]

    def all_losses(self) -> list[float]:
        """When connections ended and processes died."""
        return sorted([*self.losses, *(t for each in self.replicas for t in each.losses)])

    def all_breaks(self) -> list[float]:
        """When any connection to the broker ended, a publishing one included."""
        return sorted([*self.losses, *(t for each in self.replicas for t in each.breaks)])

    async def expected(self, events: Sequence[Event]) -> Shown:
        """What HubSpot would hold after one-by-one application."""
        options = TwinOptions(
            unique=(ID_PROPERTY,), properties=PROPERTIES, calls=0, daily=0, journal="off"
        )
        return await one_by_one(
            [own_values(event.document) for event in events], options, ID_PROPERTY
        )

    def held(self) -> Shown:
        """What the twin holds."""
        return shown(self.twin, ID_PROPERTY)


@asynccontextmanager
async def stand(
    node: Node,
    events: Sequence[Event],
    *,
    seed: int,
    replicas: int = 1,
    settings: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    memory: int = 0,
) -> AsyncIterator[Stand]:
    """A stand with its topology declared and its replicas not yet started.

    `options` are the twin's, where not the suite's own; a replica beyond `memory` bytes is killed.
    """
    url, vhost = await asyncio.to_thread(node.fresh)
    others = [f"{each.rstrip('/')}/{vhost}" for each in node.others]
    await declare(url, Topology.of(RabbitMQ(url=url)))
    usual: dict[str, Any] = {
        "unique": (ID_PROPERTY, *UNIQUE),
        "properties": PROPERTIES,
        "labels": LABELS,
        "calls": 0,
        "daily": 0,
        "latency": LATENCY,
        "seed": seed,
        "journal_size": 100_000,
    }
    twin = Twin(TwinOptions(**usual | dict(options or {})))
    await furnish(twin)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ordersync-faults-")))
        where = await stack.enter_async_context(serving(twin))
        made = [
            await stack.enter_async_context(
                replica(
                    f"replica-{n}",
                    (url, *others),
                    where,
                    folder,
                    twin.clock.elapsed,
                    settings or {},
                    memory,
                )
            )
            for n in range(replicas)
        ]
        on = Stand(node, url, others, vhost, twin, made, folder, events)
        on.reading.set()
        reader = asyncio.ensure_future(on.read())
        try:
            yield on
        finally:
            reader.cancel()
            await asyncio.wait([reader])
