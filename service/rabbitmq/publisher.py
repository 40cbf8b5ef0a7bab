"""Outgoing -> RabbitMQ, and back when the broker has it. One connection that only publishes.

Laws. `publish` returns when every message is confirmed, and not before: nothing is acked for a message
that the broker did not take. Nothing is published anew while the broker may still take it: an alarm's
time does not count, and what is confirmed stays so, whatever becomes of what was sent with it. Every
message is persistent, mandatory and has a message id of its own. Nobody waits for a connection that is
gone. A confirm that does not come ends the connection for new publishes: on it, later ones may never be
enqueued (rabbitmq-server#14589).

A hundred messages are one socket write: awaiting each publish is 1.1k/s, one write and its confirms 30k/s.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Final, cast

import structlog
from aiormq.abc import AbstractConnection
from aiormq.channel import Channel

from service.core.outgoing import Outgoing
from service.rabbitmq.confirms import Confirms, Parcel
from service.rabbitmq.connection import LOST, connect
from service.rabbitmq.frames import published
from service.rabbitmq.wire import Wire

log = structlog.get_logger(__name__)

WINDOW: Final = 200  # messages in one write
# Bytes in one write, so that a copy of all dead letters of a bad batch is never made at once.
WINDOW_BYTES: Final = 1024 * 1024
CONFIRM_TIMEOUT: Final = 10.0  # seconds
# Tries after which a new connection is worth it: 3.10.8 goes on to refuse on a channel that met a full
# queue, though it has room again (its limit was lifted by a policy; measured: a minute later, still).
STUBBORN: Final = 4
BLOCKED: Final = "the broker blocks whoever publishes: it is short of memory or disk"
BACKOFF: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries


class _Outlet:
    """One connection that publishes. Given up, it is closed when the last word that it may bring has come."""

    def __init__(
        self,
        connection: AbstractConnection,
        channel: Channel,
        wire: Wire,
        confirms: Confirms,
    ) -> None:
        self._connection, self._channel = connection, channel
        self._wire, self.confirms = wire, confirms
        self._using = 0  # publishes under way
        self._given_up = False
        # The channel alone may end: an exchange is not there, a permission is gone.
        channel.closing.add_done_callback(lambda _: confirms.ended())

    async def send(self, messages: Sequence[Outgoing], exchanges: Mapping[str, str]) -> Parcel:
        """Write them at once; returns when the broker has answered for all, or never will."""
        names = self.confirms.message_ids(len(messages))
        channel = self._channel
        most = channel.max_content_size
        frames = b"".join(
            part
            for message, name in zip(messages, names, strict=True)
            for part in published(message, exchanges[message.exchange], name, channel.number, most)
        )
        parcel = self.confirms.expect(messages)
        self._wire.write(frames)
        self._using += 1
        try:
            await self._answered(parcel)
        finally:
            self._using -= 1
            if self._given_up:
                await self.give_up()
        return parcel

    async def _answered(self, parcel: Parcel) -> None:
        """Return when all is answered, the connection has ended, or a confirm is CONFIRM_TIMEOUT late.

        An alarm's time does not count: what is published anew meanwhile only comes on top of what lies
        in the socket already, and all of it is published when the alarm is over.
        """
        alarms = -1
        while not parcel.answered.is_set() and alarms != self.confirms.alarms:
            await self.confirms.unblocked.wait()
            alarms = self.confirms.alarms
            with suppress(asyncio.TimeoutError):
                async with asyncio.timeout(CONFIRM_TIMEOUT):
                    await parcel.answered.wait()

    async def give_up(self) -> None:
        """Nothing new is sent on it; it is closed once nobody waits for its confirms."""
        self._given_up = True
        if not self._using:
            with suppress(*LOST):
                async with asyncio.timeout(CONFIRM_TIMEOUT):
                    await self._connection.close()


class Publisher:
    """`name` is unique to this process: it starts every message id. `backoff`: seconds between tries."""

    def __init__(
        self,
        url: str,
        exchanges: Mapping[str, str],
        *,
        name: str,
        backoff: Sequence[float] = BACKOFF,
    ) -> None:
        self._url, self._exchanges, self._name = url, exchanges, name
        self._backoff = backoff
        self._connections, self._publishes = count(1), count(1)
        self._outlet: _Outlet | None = None
        self._opening = asyncio.Lock()
        self._trouble: str | None = None
        # Publishes under way -> when they began, in order.
        self._since: dict[int, float] = {}

    @property
    def trouble(self) -> str | None:
        """Why nothing can be published at the moment."""
        outlet = self._outlet
        blocked = outlet is not None and not outlet.confirms.unblocked.is_set()
        return BLOCKED if blocked else self._trouble

    @property
    def waiting_since(self) -> float | None:
        """When the oldest publish under way began, by the loop's clock; None = none is."""
        return next(iter(self._since.values()), None)

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish all and wait until the broker has them, however long that takes."""
        number = next(self._publishes)
        self._since[number] = asyncio.get_running_loop().time()
        try:
            await self._publish(messages)
        finally:
            del self._since[number]

    async def close(self) -> None:
        """Close the connection; the next publish opens another."""
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            await outlet.give_up()

    async def _publish(self, messages: Sequence[Outgoing]) -> None:
        left, tries = list(messages), 0
        while left := await self._publish_once(left):
            if tries and tries % STUBBORN == 0:
                await self.close()
            await asyncio.sleep(self._backoff[min(tries, len(self._backoff) - 1)])
            tries += 1

    async def _publish_once(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """One try at all of them; returns the ones that the broker does not have for certain."""
        left: list[Outgoing] = []
        windows = list(_windows(messages))
        for number, window in enumerate(windows):
            try:
                outlet = await self._ready()
                parcel = await outlet.send(window, self._exchanges)
            except LOST as error:
                self._failed(f"{type(error).__name__}: {error}", len(messages))
                return left + [message for later in windows[number:] for message in later]
            left += parcel.left
            if parcel.unanswered:
                await self._part_with(outlet)
                self._failed(_unanswered(outlet), len(messages))
                return left + [message for later in windows[number + 1 :] for message in later]
            self._refused(parcel)
        return left

    async def _part_with(self, outlet: _Outlet) -> None:
        # Else another publish has opened a new one meanwhile.
        if self._outlet is outlet:
            self._outlet = None
        await outlet.give_up()

    def _failed(self, trouble: str, pending: int) -> None:
        self._trouble = trouble
        log.warning("publish_failed", error=trouble, pending=pending)

    def _refused(self, parcel: Parcel) -> None:
        """Say it when it begins, not for every message of every try."""
        trouble = None
        if (message := parcel.unroutable) is not None:
            exchange, key = self._exchanges[message.exchange], message.routing_key
            trouble = (
                f"nothing is bound to {exchange} for {key}"
                if exchange
                else f"there is no queue {key}"
            )
        elif parcel.left:
            key = parcel.left[0].routing_key
            trouble = f"the broker refuses messages for {key}: the queue is full"
        if trouble is not None and trouble != self._trouble:
            log.warning("publish_refused", error=trouble)
        self._trouble = trouble

    async def _ready(self) -> _Outlet:
        async with self._opening:
            if self._outlet is None or self._outlet.confirms.over:
                await self.close()
                async with asyncio.timeout(CONFIRM_TIMEOUT):
                    self._outlet = await self._open()
            return self._outlet

    async def _open(self) -> _Outlet:
        confirms = Confirms(f"{self._name}-{next(self._connections)}")
        wire = Wire(confirms)
        connection = await connect(self._url, "ordersync", wire)
        channel = cast("Channel", await connection.channel())
        return _Outlet(connection, channel, wire, confirms)


def _windows(messages: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """In their order, WINDOW messages or WINDOW_BYTES at most; a larger one goes alone."""
    window: list[Outgoing] = []
    size = 0
    for message in messages:
        if window and (len(window) == WINDOW or size + len(message.body) > WINDOW_BYTES):
            yield window
            window, size = [], 0
        window.append(message)
        size += len(message.body)
    if window:
        yield window


def _unanswered(outlet: _Outlet) -> str:
    if outlet.confirms.over:
        return "the connection ended before the confirm"
    return f"no confirm within {CONFIRM_TIMEOUT:g} s"
