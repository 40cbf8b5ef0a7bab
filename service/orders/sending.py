"""One event through the input exchange, its outcome awaited.

    listen to the outcomes  ->  publish, confirmed and mandatory  ->  the outcome of this source and id

Law: the listening begins before the event is published, so that no outcome comes too early to be heard.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from service.contract.filed import Filed
from service.contract.publish import NotPublishedError
from service.rabbitmq.confirmed import NotTakenError, Posting, posting_on
from service.rabbitmq.connection import session
from service.rabbitmq.errors import ChannelNotFoundEntity
from service.rabbitmq.overhearing import TIMEOUT, overhearing
from service.settings.rabbitmq import RabbitMQ

NAME = "ordersync send"


class NoOutcomeError(Exception):
    """The event is on its way, and its outcome did not come in time. The message says where to look."""


async def send(
    rabbitmq: RabbitMQ, event: Any, seconds: float, sent: Callable[[], None]
) -> dict[str, Any]:
    """The outcome of one event, a CloudEvent; `sent` is told when the broker has the event.

    Raises:
        NotPublishedError: the broker did not take it.
        NoOutcomeError: it has none within `seconds`.
        AMQPConnectionError: the broker cannot be reached.
    """
    url, found, over = rabbitmq.url.get_secret_value(), list[dict[str, Any]](), asyncio.Event()

    def hear(body: bytes) -> None:
        if event["id"].encode() in body and _answers(outcome := orjson.loads(body), event):
            found.append(outcome)
            over.set()

    async with overhearing(url, rabbitmq.outcomes_exchange, hear, name=NAME, ended=over.set):
        await _publish(url, rabbitmq.exchange, event)
        sent()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await over.wait()
        if found:
            return found[0]
        told = "the connection ended" if over.is_set() else f"there was none within {seconds:g} s"
    raise NoOutcomeError(
        f"no outcome of event {event['id']}: {told}; {await _advice(url, rabbitmq.queues[0])}"
    )


def _answers(outcome: dict[str, Any], event: dict[str, Any]) -> bool:
    told = outcome["data"]["event"]
    return bool((told["source"], told["id"]) == (event["source"], event["id"]))


async def _publish(url: str, exchange: str, event: Any) -> None:
    filed = Filed("", 0, orjson.dumps(event))
    posting = Posting(
        exchange=exchange,
        routing_key=filed.routing_key(),
        body=filed.body,
        content_type=filed.content_type,
        app_id=NAME,
    )
    async with posting_on(url, NAME) as post:
        if not await post.finds(exchange):
            message = f"there is no exchange {exchange}; run `ordersync topology apply`"
            raise NotPublishedError(message, 0)
        try:
            await post.send([posting])
        except NotTakenError as error:
            message = f"the event was not published to exchange {exchange}: {error}"
            raise NotPublishedError(message, 0) from error


async def _advice(url: str, queue: str) -> str:
    """Where to look while an outcome stays away."""
    async with session(url, NAME) as opened:
        channel = await opened.channel()
        try:
            asked = await channel.declare_queue(queue, passive=True, timeout=TIMEOUT)
        except ChannelNotFoundEntity:
            return f"there is no queue {queue}: `ordersync doctor` looks closer"
    waiting = asked.declaration_result.message_count or 0
    if not asked.declaration_result.consumer_count:
        return f"nobody reads the queue {queue}, in which {waiting} wait: does `ordersync run` run?"
    return (
        f"{queue} is read, and {waiting} wait in it: `ordersync doctor` and the log of "
        "`ordersync run` say what holds them up"
    )
