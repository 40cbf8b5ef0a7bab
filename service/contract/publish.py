"""Messages out of files -> the broker: confirmed, mandatory, at a steady pace.

Nothing is reported as published that the broker did not confirm, and a message that nobody is
bound to take is an error, not a success. The first refusal ends it, and says up to where all is
well.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Final
from uuid import uuid4

import aiormq
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity, DeliveryError, PublishError
from pamqp.commands import Basic
from yarl import URL

from service.clock import stamp
from service.contract.filed import Filed

WINDOW: Final = 200  # messages in flight: 7 to 10k/s, more is no faster
TIMEOUT: Final = 30.0  # seconds for a confirm; a blocked broker (memory, disk) sends none


class NotPublishedError(Exception):
    """The broker refused a message. The message says which, why, and what is confirmed."""

    def __init__(self, message: str, confirmed: int) -> None:
        super().__init__(message)
        self.confirmed = confirmed


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: an exchange with the event's type as routing key, or straight to a queue."""

    exchange: str
    queue: str | None = None

    def address(self, filed: Filed) -> tuple[str, str]:
        """Exchange and routing key."""
        return ("", self.queue) if self.queue else (self.exchange, filed.routing_key())

    @property
    def name(self) -> str:
        """For people."""
        return f"queue {self.queue}" if self.queue else f"exchange {self.exchange}"


async def publish(
    url: str,
    messages: Iterable[Filed],
    target: Target,
    *,
    rate: float | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Publish all in their order; the number of confirmed messages.

    `rate`: messages a second at the most. `progress` is told how many more are confirmed.

    Raises:
        NotPublishedError: unroutable, refused, or the channel died.
        AMQPConnectionError: the broker cannot be reached.
    """
    confirmed, started = 0, monotonic()
    async with _channel(url, target) as channel:
        for window in _windows(messages, rate):
            await _until(started + confirmed / rate if rate else 0.0)
            await _publish_window(channel, window, target, confirmed)
            confirmed += len(window)
            progress(len(window))
    return confirmed


def _windows(messages: Iterable[Filed], rate: float | None) -> Iterator[list[Filed]]:
    """At a low rate a window is a tenth of a second's worth, so that the pace is even."""
    size = WINDOW if rate is None else max(1, min(WINDOW, int(rate / 10)))
    rest = iter(messages)
    while window := list(islice(rest, size)):
        yield window


async def _until(moment: float) -> None:
    if (seconds := moment - monotonic()) > 0:
        await asyncio.sleep(seconds)


async def _publish_window(
    channel: AbstractChannel, window: list[Filed], target: Target, before: int
) -> None:
    async def one(filed: Filed) -> None:
        exchange, key = target.address(filed)
        try:
            await channel.basic_publish(
                filed.body,
                exchange=exchange,
                routing_key=key,
                properties=_properties(filed),
                mandatory=True,
                timeout=TIMEOUT,
            )
        except (AMQPError, TimeoutError, RuntimeError) as error:
            text = _refusal(filed, window[0], target, error)
            raise NotPublishedError(text, before) from error

    told: list[NotPublishedError] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            for filed in window:
                tasks.create_task(one(filed))
    except* NotPublishedError as refused:
        told += [error for error in refused.exceptions if isinstance(error, NotPublishedError)]
    if told:  # outside: raised in there, Python 3.11.2 makes a group of it
        # What the broker said first; the others failed because the channel was gone by then.
        raise min(told, key=lambda error: isinstance(error.__cause__, RuntimeError)) from None


def _properties(filed: Filed) -> Basic.Properties:
    # The message id is ours and new: the client tells returned messages apart by it, and an event
    # may stand in a file twice.
    return Basic.Properties(
        content_type=filed.content_type,
        headers=dict(filed.headers) or None,
        delivery_mode=2,
        message_id=uuid4().hex,
        timestamp=stamp(),
        app_id="ordersync publish",
    )


def _refusal(filed: Filed, first: Filed, target: Target, error: Exception) -> str:
    match error:
        case PublishError():
            why = "nothing takes it: there is no such queue, or none bound for this routing key"
        case DeliveryError():
            why = "the broker refused it: a queue is full or in trouble"
        case TimeoutError():
            why = f"no confirm in {TIMEOUT:g} s: the broker may be out of memory or disk"
        case _:
            why = f"the channel died: {error!r}"
    return (
        f"{filed.where} was not published to {target.name}: {why}; "
        f"all before {first.where} are confirmed" + _resume(first)
    )


def _resume(first: Filed) -> str:
    """What is sent twice meanwhile is recognised by source and id."""
    return f"; go on with --from-line {first.line}" if first.line else ""


@asynccontextmanager
async def _channel(url: str, target: Target) -> AsyncIterator[AbstractChannel]:
    connection = await aiormq.connect(URL(url).update_query(name="ordersync publish"))
    try:
        await _find(await connection.channel(), target)
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)
    finally:
        await connection.close()


async def _find(channel: AbstractChannel, target: Target) -> None:
    """Ask for the exchange first: to publish to one that is not there ends the channel.

    A queue needs no asking: what no queue takes is returned.
    """
    if target.queue is None:
        try:
            await channel.exchange_declare(target.exchange, passive=True, timeout=TIMEOUT)
        except ChannelNotFoundEntity:
            message = f"there is no exchange {target.exchange}; run `ordersync topology apply`"
            raise NotPublishedError(message, 0) from None
    await channel.close()
