"""RabbitMQ -> Delivery, and back: ack. One connection that only consumes, one channel a queue.

Laws. A delivery belongs to its epoch, the channel that it came on: when that ends, its deliveries are the
broker's again and nothing is acked for it, anywhere. Callbacks only hand over. A single-active-consumer
queue is never left by basic.cancel (the next consumer would start while ours still holds messages):
leaving is closing. The bodies that are held are bounded in bytes, whatever the prefetch (core/intake/load).

Channels are aiormq's: aio-pika's message objects cost more than all else that is done with a message.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count, groupby
from typing import Any, Final

import aiormq
import structlog
from aiormq.abc import AbstractConnection, DeliveredMessage

from service.core.events.deliveries import Delivery
from service.core.intake.load import Load
from service.rabbitmq.connection import LOST, connect
from service.rabbitmq.epoch import Epoch
from service.rabbitmq.inbox import Inbox
from service.rabbitmq.lease import Lease
from service.rabbitmq.wire import Wire

log = structlog.get_logger(__name__)

# Seconds between tries; the last one from then on.
RECONNECT: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
OPENING: Final = (
    # Seconds to connect and consume; a peer that swallows everything answers never.
    15.0
)
# Seconds for a farewell; what is unacked goes back without one, too.
CLOSING: Final = 2.0


class Consumer:
    """Consumes while it is open; hands over deliveries, and says which epochs have ended.

    `queues`: each with the messages of it that are held at most; `lease` in seconds, `memory` in bytes of bodies.
    """

    def __init__(
        self,
        url: str,
        queues: Mapping[str, int],
        *,
        lease: float,
        memory: int,
        arrived: Callable[[Delivery], None],
        lost: Callable[[frozenset[int]], None],
    ) -> None:
        self._url = url
        self._queues = queues
        self._lease, self._pause = Lease(lease), lease / 2
        self._load, self._freed, self._spent = Load(memory), asyncio.Event(), asyncio.Event()
        self._arrived, self._lost = arrived, lost
        self._numbers = count(1)
        self._epochs: dict[int, Epoch] = {}
        self._consumed = False
        self._wanted = asyncio.Event()
        self._unwanted = asyncio.Event()
        self.open()

    @property
    def consuming(self) -> bool:
        """Whether every queue is being consumed, or stood by for."""
        return len(self._epochs) == len(self._queues)

    def open(self) -> None:
        """Consume from now on."""
        self._unwanted.clear()
        self._wanted.set()

    def close(self) -> None:
        """Stop: the connection is closed, what is unacked goes back to its place in the queue."""
        self._wanted.clear()
        self._unwanted.set()

    async def leased(self) -> None:
        """Return while the broker is known to take us for the owner, or when nothing is ours any more."""
        await self._lease.held()

    async def run(self) -> None:
        """Consume whenever open, reconnecting for as long as it takes. Ends by cancellation only."""
        failures = 0
        while True:
            await self._wanted.wait()
            try:
                await self._consume()
                failures = 0
            except LOST as error:
                failures = 0 if self._consumed else failures
                log.warning("intake_lost", error=str(error) or repr(error))
                await asyncio.sleep(RECONNECT[min(failures, len(RECONNECT) - 1)])
                failures += 1
            finally:
                self._end()

    async def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Ack what was settled; what came on a channel that ended is left out. Never waits.

        Acks leave in the order in which they were computed: a multiple one that is overtaken by another
        names a tag that is acked already, and the broker closes the channel (406).
        """
        for number, group in groupby(deliveries, key=lambda delivery: delivery.epoch):
            epoch, settled = self._epochs.get(number), list(group)
            if epoch is not None and not epoch.channel.is_closed:
                epoch.settle(settled)
                self._load.settled(settled)
        self._freed.set()
        if self._load.spent:
            self._spent.set()

    async def _consume(self) -> None:
        self._consumed = False
        if self._wanted.is_set():
            # Which ended the connection before this one.
            self._unwanted.clear()
        async with asyncio.timeout(OPENING):
            over = asyncio.Event()
            wire = Wire(inbox := Inbox(over.set), self._room)
            connection = await connect(self._url, "ordersync", wire)
        inbox.learn(connection.server_properties)
        proving: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(OPENING):
                epochs = [await self._open_epoch(connection, wire, inbox, q) for q in self._queues]
            self._consumed = True
            log.info("intake_opened", queues=list(self._queues))
            first = epochs[0]
            proving = asyncio.create_task(
                self._lease.prove(first.channel, self._queues[first.queue])
            )
            closings = [connection.closing, *(epoch.channel.closing for epoch in epochs)]
            await self._until_over(over, closings)
        finally:
            if proving is not None:
                proving.cancel()
            self._end()
            with suppress(*LOST):
                async with asyncio.timeout(CLOSING):
                    await connection.close()

    async def _room(self) -> None:
        """Return when more may be read: there is memory for it, or it will not be kept.

        Not reading is for a moment only. The broker's word on the lease comes behind what it has sent,
        and without it no call starts that would make room.
        """
        if not self._load.full or self._load.overflowing:
            return
        try:
            async with asyncio.timeout(self._pause):
                while self._load.full:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            log.warning("memory_full", held=self._load.held)
            self._load.overflow()

    async def _until_over(
        self, over: asyncio.Event, closings: Sequence[asyncio.Future[Any]]
    ) -> None:
        """Return when we are to close it; raise what ended the connection or one of its channels.

        `over` is set when the end is read: aiormq tells of it only when it has cleared up, and that is
        half a minute later where the peer is gone without a word.
        """
        unwanted = asyncio.create_task(self._unwanted.wait())
        spent = asyncio.create_task(self._spent.wait())
        ended = asyncio.create_task(over.wait())
        try:
            waiting: list[asyncio.Future[Any]] = [unwanted, spent, ended, *closings]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for closing in closings:
                if closing.done():
                    closing.result()
                    raise aiormq.exceptions.ChannelClosed(None, "closed by the broker")
            if ended.done():
                raise aiormq.exceptions.ConnectionClosed(320, "the connection ended")
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            raise aiormq.exceptions.ConnectionClosed(320, "the connection is gone") from error
        finally:
            for waiter in (unwanted, spent, ended):
                waiter.cancel()

    async def _open_epoch(
        self, connection: AbstractConnection, wire: Wire, inbox: Inbox, queue: str
    ) -> Epoch:
        channel = await connection.channel(publisher_confirms=False)
        epoch = Epoch(next(self._numbers), queue, channel, wire)
        channel.on_consumer_cancel_callbacks.add(lambda _: self._cancelled(queue))
        await channel.basic_qos(prefetch_count=self._queues[queue])
        self._epochs[epoch.number] = epoch

        inbox.read(channel.number, epoch.number, queue, self._hand_over)
        await channel.basic_consume(queue, _never_called)
        return epoch

    def _hand_over(self, delivery: Delivery) -> None:
        if delivery.epoch in self._epochs and self._load.takes(delivery):
            self._arrived(delivery)

    def _cancelled(self, queue: str) -> None:
        """The broker cancelled us: the queue was deleted, or (4.3) the ack timeout was hit. Begin anew."""
        log.warning("consumer_cancelled_by_broker", queue=queue)
        for epoch in self._epochs.values():
            if epoch.queue == queue:
                closing = epoch.channel.connection.close()
                epoch.channel.connection.create_task(closing)

    def _end(self) -> None:
        self._lease.end()
        self._spent.clear()
        ended, self._epochs = frozenset(self._epochs), {}
        if ended:
            self._load.lost()
            self._freed.set()
            self._lost(ended)


async def _never_called(message: DeliveredMessage) -> None:
    """The callback that aiormq asks for: the inbox is before it."""
    raise AssertionError(message)
