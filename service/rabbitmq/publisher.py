"""Outgoing -> RabbitMQ, and back when the broker has it. One connection that only publishes.

Laws. `publish` returns when every message is confirmed, and not before: nothing is acked for a message
that the broker did not take. Every message is persistent, mandatory and has a message_id of its own:
aiormq matches a returned message to its publish by message_id alone, so that two in flight with the same
one would swap their fates. A confirm that does not come closes the connection: on it, later publishes may
never be enqueued (rabbitmq-server#14589).

A hundred messages are one socket write: awaiting each publish is 1.1k/s, one write and its confirms 30k/s.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Final, cast

import aiormq
import structlog
from aiormq.abc import AbstractConnection, ChannelFrame
from aiormq.channel import Channel
from yarl import URL

from service.core.outgoing import Outgoing
from service.rabbitmq.frames import published

log = structlog.get_logger(__name__)

WINDOW: Final = (
    200  # messages in one write; aiormq scans all outstanding confirms for every multiple one
)
CONFIRM_TIMEOUT: Final = 10.0  # seconds
# Tries after which a new connection is worth it: 3.10.8 goes on to refuse on a channel that met a full
# queue, though it has room again (its limit was lifted by a policy; measured: a minute later, still).
STUBBORN: Final = 4
BLOCKED: Final = "the broker blocks whoever publishes: it is short of memory or disk"
BACKOFF: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries
# A peer that hangs up during the handshake ends aiormq's frame reader: StopAsyncIteration comes through.
GONE = (
    aiormq.exceptions.AMQPError,
    OSError,
    EOFError,
    asyncio.TimeoutError,
    RuntimeError,
    StopAsyncIteration,
)


class Publisher:
    """`name` is unique to this process: it starts every message id."""

    def __init__(self, url: str, exchanges: Mapping[str, str], *, name: str) -> None:
        self._url, self._exchanges, self._name = URL(url), exchanges, name
        self._numbers = count(1)
        self._connection: AbstractConnection | None = None
        self._channel: Channel | None = None
        self._opening = asyncio.Lock()
        self.trouble: str | None = None  # why nothing can be published at the moment

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish all and wait until the broker has them, however long that takes."""
        pending = list(messages)
        tries = 0
        while pending:
            try:
                pending = await self._publish_once(pending)
                self.trouble = self.trouble if pending else None
            except GONE as error:
                self.trouble = f"{type(error).__name__}: {error}"
                log.warning("publish_failed", error=self.trouble, pending=len(pending))
            if pending:
                if tries and tries % STUBBORN == 0:
                    await self.close()
                await asyncio.sleep(BACKOFF[min(tries, len(BACKOFF) - 1)])
                tries += 1

    async def close(self) -> None:
        """Close the connection; the next publish opens another."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(*GONE):
                await asyncio.wait_for(connection.close(), CONFIRM_TIMEOUT)

    async def _publish_once(self, messages: list[Outgoing]) -> list[Outgoing]:
        """One try at all of them; returns the ones that the broker refused or could not route."""
        refused: list[Outgoing] = []
        for start in range(0, len(messages), WINDOW):
            refused += await self._press(messages[start : start + WINDOW])
        return refused

    async def _press(self, messages: list[Outgoing]) -> list[Outgoing]:
        channel = await self._ready()
        try:
            return await self._pressed(channel, messages)
        except GONE:
            if self._channel is channel:  # else another one has opened a new connection meanwhile
                await self.close()
            raise

    async def _pressed(self, channel: Channel, messages: list[Outgoing]) -> list[Outgoing]:
        names = [f"{self._name}-{next(self._numbers)}" for _ in messages]
        most = channel.max_content_size
        payload = b"".join(
            part
            for message, name in zip(messages, names, strict=True)
            for part in published(
                message, self._exchanges[message.exchange], name, channel.number, most
            )
        )
        async with channel.lock:
            sent = [self._entered(channel, name) for name in names]
            await channel.write_queue.put(ChannelFrame(payload, should_close=False))
        closing = channel.closing
        closing.add_done_callback(lambda _: _give_up(sent))
        try:
            await self._answered(sent, channel)
            return [
                message
                for message, confirm in zip(messages, sent, strict=True)
                if not self._taken(message, confirm)
            ]
        finally:
            closing.cancel()  # our observer alone
            for name in names:
                channel.message_id_delivery_tag.pop(name, None)

    async def _answered(self, confirms: Sequence[asyncio.Future[Any]], channel: Channel) -> None:
        """Return when the broker has answered for all.

        An alarm's time does not count: what is published anew meanwhile only comes on top of what lies
        in the buffers already, and all of it is published when the alarm is over.

        Raises:
            TimeoutError: no answer within CONFIRM_TIMEOUT, though we are not blocked.
        """
        for confirm in confirms:  # they come in order, many at once: most are there when asked for
            while not confirm.done():
                await asyncio.wait([confirm], timeout=CONFIRM_TIMEOUT)
                if not confirm.done() and not await _blocked(channel):
                    raise TimeoutError(f"no confirm within {CONFIRM_TIMEOUT:g} s")
                self.trouble = self.trouble if confirm.done() else BLOCKED

    @staticmethod
    def _entered(channel: Channel, name: str) -> asyncio.Future[Any]:
        """Put one publish into aiormq's own books, as its basic_publish does, to get its confirm.

        The future is the loop's own: one of aiormq's future store costs four times as much.
        """
        channel.delivery_tag += 1
        confirm = channel.loop.create_future()
        channel.confirmations[channel.delivery_tag] = confirm
        channel.message_id_delivery_tag[name] = channel.delivery_tag
        return confirm

    def _taken(self, message: Outgoing, confirm: asyncio.Future[Any]) -> bool:
        try:
            confirm.result()
        except aiormq.exceptions.PublishError:
            self._refused(
                f"nothing is bound to {self._exchanges[message.exchange]} for {message.routing_key}"
            )
            return False
        except aiormq.exceptions.DeliveryError:
            self._refused(
                f"the broker refuses messages for {message.routing_key}: the queue is full"
            )
            return False
        return True

    def _refused(self, trouble: str) -> None:
        """Say it when it begins, not for every message of every try."""
        if trouble != self.trouble:
            log.warning("publish_refused", error=trouble)
        self.trouble = trouble

    async def _ready(self) -> Channel:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                await self.close()
                async with asyncio.timeout(CONFIRM_TIMEOUT):
                    self._connection = await aiormq.connect(self._url)
                    self._channel = cast(
                        "Channel", await self._connection.channel(on_return_raises=True)
                    )
            return self._channel


async def _blocked(channel: Channel) -> bool:
    """Whether the broker has said that it takes nothing at the moment (connection.blocked)."""
    try:
        async with asyncio.timeout(0):
            await channel.connection.ready()
    except TimeoutError:
        return True
    return False


def _give_up(confirms: Iterable[asyncio.Future[Any]]) -> None:
    """The channel is gone: what is not confirmed by now will not be."""
    for confirm in confirms:
        if not confirm.done():
            confirm.set_exception(
                aiormq.exceptions.ChannelInvalidStateError("closed before the confirm")
            )
            confirm.exception()  # seen: the first one to be awaited tells
