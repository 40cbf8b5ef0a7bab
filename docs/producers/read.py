"""Read outcomes. pip install aio-pika; AMQP_URL=amqp://… [QUEUE=orders.results] python read.py"""

import asyncio
import json
import os
from typing import Any

import aio_pika

REMEMBERED = 10_000  # outcomes: a crash repeats the latest


def handle(outcome: dict[str, Any]) -> None:
    """Yours: a record of the order, a task for somebody, a message to the shop."""
    data, reason = outcome["data"], outcome["data"]["reason"]
    why = f"{reason['code']}: {reason['message']}" if reason else "-"
    # Of a malformed event nobody may know the order or the id.
    print(data["status"], outcome.get("subject"), outcome.get("correlationid"), why, flush=True)


async def main() -> None:
    connection = await aio_pika.connect_robust(os.environ["AMQP_URL"])
    seen: dict[str, None] = {}
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        queue = await channel.get_queue(os.environ.get("QUEUE", "orders.results"), ensure=False)
        async with queue.iterator() as messages:
            async for message in messages:
                outcome = json.loads(message.body)
                if outcome["id"] not in seen:  # the same id: the same outcome once more
                    handle(outcome)
                    seen[outcome["id"]] = None
                    if len(seen) > REMEMBERED:
                        del seen[next(iter(seen))]
                await message.ack()  # once it is handled: before that, it comes again


asyncio.run(main())
