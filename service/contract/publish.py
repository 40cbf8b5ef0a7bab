"""Messages out of files -> the broker: confirmed, mandatory, at a steady pace.

Nothing is reported as published that the broker did not confirm, and a message that nobody is
bound to take is an error, not a success. The first refusal ends it, and says up to where all is
well.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Final

from service.contract.filed import Filed
from service.rabbitmq.confirmed import NotTakenError, Post, Posting, posting_on

# Messages in flight: 7 to 10k/s, more is no faster.
WINDOW: Final = 200


class NotPublishedError(Exception):
    """The broker refused a message. The message says which, why, and what is confirmed."""

    def __init__(self, message: str, confirmed: int) -> None:
        super().__init__(message)
        self.confirmed = confirmed


@dataclass(frozen=True, slots=True)
class Destination:
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
    target: Destination,
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
    async with posting_on(url, "ordersync publish") as post:
        await _find(post, target)
        for window in _windows(messages, rate):
            await _until(started + confirmed / rate if rate else 0.0)
            await _publish_window(post, window, target, confirmed)
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
    post: Post, window: list[Filed], target: Destination, before: int
) -> None:
    try:
        await post.send([_posting(filed, target) for filed in window])
    except NotTakenError as error:
        filed, first = window[error.number], window[0]
        raise NotPublishedError(
            f"{filed.where} was not published to {target.name}: {error}; "
            f"all before {first.where} are confirmed" + _resume(first),
            before,
        ) from error


def _posting(filed: Filed, target: Destination) -> Posting:
    exchange, routing_key = target.address(filed)
    return Posting(
        exchange=exchange,
        routing_key=routing_key,
        body=filed.body,
        content_type=filed.content_type,
        headers=filed.headers,
        app_id="ordersync publish",
    )


def _resume(first: Filed) -> str:
    """What is sent twice meanwhile is recognised by source and id."""
    return f"; go on with --from-line {first.line}" if first.line else ""


async def _find(post: Post, target: Destination) -> None:
    """Ask for the exchange first: to publish to one that is not there ends the channel.

    A queue needs no asking: what no queue takes is returned.
    """
    if target.queue is None and not await post.finds(target.exchange):
        message = f"there is no exchange {target.exchange}; run `ordersync topology apply`"
        raise NotPublishedError(message, 0)
