"""Letters -> the broker, confirmed and mandatory: what goes out of the dead letters is somewhere else first."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Final

from service.core.letters.dead_letters import sendable, writable
from service.core.letters.replays import Replay
from service.core.settlement.journal import JOURNAL
from service.rabbitmq.confirmed import NotTakenError, Post, Posting, posting_on
from service.rabbitmq.connection import LOST

WINDOW: Final = 100  # messages in flight


class NotSentError(Exception):
    """The broker did not take a message; its dead letter is where it was. The message says why."""


async def _nothing(number: int) -> None:
    """What follows on a confirm where nothing has to."""
    del number


class Sender:
    """Publishes; use `sending`."""

    def __init__(self, post: Post, url: str, outcomes_exchange: str) -> None:
        self._post, self._url, self._outcomes = post, url, outcomes_exchange
        self.keep_queue = post.keep_queue

    async def send(
        self, messages: Sequence[Replay], then: Callable[[int], Awaitable[None]] = _nothing
    ) -> None:
        """Publish in order; returns when all are confirmed. `then` follows on each one's confirm.

        Raises:
            NotSentError: the broker took not all of them.
        """
        try:
            await self._post.send([_posting(message) for message in messages], then)
        except NotTakenError as error:
            message = messages[error.number]
            where = f"exchange {message.exchange!r} with routing key {message.routing_key!r}"
            advice = "; give `--to-queue`" if error.unrouted else ""
            raise NotSentError(f"nothing more was sent: {where}: {error}{advice}") from error
        if outcomes := [each for each in messages if each.exchange == self._outcomes]:
            await self._remember(outcomes)

    async def _remember(self, outcomes: Sequence[Replay]) -> None:
        """A copy for the journal, whole: it holds no values, as no part of an order was tried.

        On a connection of its own: where there is no journal, or none for this user, nothing else fails.
        """
        copies = [replace(_posting(each), exchange="", routing_key=JOURNAL) for each in outcomes]
        with suppress(NotTakenError, *LOST):
            async with posting_on(self._url, "ordersync dlq journal") as post:
                await post.send(copies)


def _posting(message: Replay) -> Posting:
    like = message.like
    return Posting(
        exchange=message.exchange,
        routing_key=message.routing_key,
        body=message.body,
        # A letter of the broker's has whatever headers its producer's client could write.
        headers=writable(message.headers),
        content_type=like.content_type,
        content_encoding=like.content_encoding,
        correlation_id=like.correlation_id,
        reply_to=sendable(like.reply_to),
        message_type=like.message_type,
        timestamp=like.timestamp,
        app_id=like.app_id or "ordersync dlq",
    )


@asynccontextmanager
async def sending(url: str, outcomes_exchange: str) -> AsyncIterator[Sender]:
    """A connection that only publishes; what goes to the exchange of outcomes is noted in the journal, too."""
    async with posting_on(url, "ordersync dlq sender") as post:
        yield Sender(post, url, outcomes_exchange)
