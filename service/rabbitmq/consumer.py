"""RabbitMQ -> Delivery, and back: ack. One connection that only consumes, one channel a queue.

Laws. A delivery belongs to its epoch, the channel that it came on: when that ends, its deliveries are the
broker's again and nothing is acked for it, anywhere. Callbacks only hand over. A single-active-consumer
queue is never left by basic.cancel (the next consumer would start while ours still holds messages):
leaving is closing. An ack names a tag that is unacked, or the broker closes the channel (406).

Channels are aiormq's: aio-pika's message objects cost more than all else that is done with a message.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count, groupby
from typing import Any, Final

import aiormq
import structlog
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from pamqp.commands import Basic
from pamqp.frame import marshal

from service.core.events.deliveries import Delivery
from service.rabbitmq.connection import LOST, connect
from service.rabbitmq.inbox import Inbox
from service.rabbitmq.lease import Lease
from service.rabbitmq.wire import Wire

log = structlog.get_logger(__name__)

RECONNECT: Final = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds between tries; the last one from then on
OPENING: Final = (
    15.0  # seconds to connect and consume; a peer that swallows everything answers never
)
CLOSING: Final = 2.0  # seconds for a farewell; what is unacked goes back without one, too


class _Epoch:
    """One channel's life: what it delivered and what of it was acked."""

    def __init__(self, number: int, queue: str, channel: AbstractChannel, wire: Wire) -> None:
        self.number, self.queue, self.channel, self._wire = number, queue, channel, wire
        self._low = 0  # every tag up to this one is acked
        self._above: set[int] = set()  # acked tags above a gap

    def ack(self, tags: Sequence[int]) -> None:
        """Ack exactly `tags` (ascending, unacked): computed and written in one step."""
        frames = self.acks(tags)
        self._wire.write(b"".join(marshal(frame, self.channel.number) for frame in frames))

    def acks(self, tags: Sequence[int]) -> list[Basic.Ack]:
        """The fewest frames that ack exactly `tags` (ascending, unacked)."""
        reached = 0  # the highest of `tags` with no gap below it
        waiting = self._above.union(tags)
        low = self._low
        while low + 1 in waiting:
            low += 1
            waiting.discard(low)
        self._low, self._above = low, waiting
        if within := [tag for tag in tags if tag <= low]:
            reached = within[-1]
        frames = [Basic.Ack(delivery_tag=tag) for tag in tags if tag > reached]
        return [Basic.Ack(delivery_tag=reached, multiple=True), *frames] if reached else frames


class Consumer:
    """Consumes while it is open; hands over deliveries, and says which epochs have ended."""

    def __init__(
        self,
        url: str,
        queues: Sequence[str],
        *,
        prefetch: int,
        lease: float,
        arrived: Callable[[Delivery], None],
        lost: Callable[[frozenset[int]], None],
    ) -> None:
        self._url = url
        self._queues, self._prefetch = queues, prefetch
        self._lease = Lease(lease)
        self._arrived, self._lost = arrived, lost
        self._numbers = count(1)
        self._epochs: dict[int, _Epoch] = {}
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
            epoch = self._epochs.get(number)
            if epoch is not None and not epoch.channel.is_closed:
                epoch.ack(sorted(delivery.tag for delivery in group))

    async def _consume(self) -> None:
        self._consumed = False
        if self._wanted.is_set():
            self._unwanted.clear()  # which ended the connection before this one
        async with asyncio.timeout(OPENING):
            over = asyncio.Event()
            wire = Wire(inbox := Inbox(over.set))
            connection = await connect(self._url, "ordersync", wire)
        inbox.learn(connection.server_properties)
        proving: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(OPENING):
                epochs = [await self._open_epoch(connection, wire, inbox, q) for q in self._queues]
            self._consumed = True
            log.info("intake_opened", queues=list(self._queues))
            proving = asyncio.create_task(self._lease.prove(epochs[0].channel, self._prefetch))
            closings = [connection.closing, *(epoch.channel.closing for epoch in epochs)]
            await self._until_over(over, closings)
        finally:
            if proving is not None:
                proving.cancel()
            self._end()
            with suppress(*LOST):
                async with asyncio.timeout(CLOSING):
                    await connection.close()

    async def _until_over(
        self, over: asyncio.Event, closings: Sequence[asyncio.Future[Any]]
    ) -> None:
        """Return when closed by us; raise what ended the connection or one of its channels.

        `over` is set when the end is read: aiormq tells of it only when it has cleared up, and that is
        half a minute later where the peer is gone without a word.
        """
        unwanted = asyncio.create_task(self._unwanted.wait())
        ended = asyncio.create_task(over.wait())
        try:
            waiting: list[asyncio.Future[Any]] = [unwanted, ended, *closings]
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
            unwanted.cancel()
            ended.cancel()

    async def _open_epoch(
        self, connection: AbstractConnection, wire: Wire, inbox: Inbox, queue: str
    ) -> _Epoch:
        channel = await connection.channel(publisher_confirms=False)
        epoch = _Epoch(next(self._numbers), queue, channel, wire)
        channel.on_consumer_cancel_callbacks.add(lambda _: self._cancelled(queue))
        await channel.basic_qos(prefetch_count=self._prefetch)
        self._epochs[epoch.number] = epoch

        inbox.read(channel.number, epoch.number, queue, self._hand_over)
        await channel.basic_consume(queue, _never_called)
        return epoch

    def _hand_over(self, delivery: Delivery) -> None:
        if delivery.epoch in self._epochs:
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
        ended, self._epochs = frozenset(self._epochs), {}
        if ended:
            self._lost(ended)


async def _never_called(message: DeliveredMessage) -> None:
    """The callback that aiormq asks for: the inbox is before it."""
    raise AssertionError(message)
