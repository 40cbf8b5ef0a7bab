"""What ordersync tells people at once -> a chat that takes webhooks as `{"text": …}`.

AMQP_URL=amqp://… CHAT_WEBHOOK=https://… python to_chat.py     needs: pip install aio-pika httpx
"""

import asyncio
import json
import os

import aio_pika
import httpx

SEEN: set[str] = set()


async def main() -> None:
    """Until it is stopped."""
    connection = await aio_pika.connect_robust(os.environ["AMQP_URL"])
    channel = await connection.channel()
    queue = await channel.declare_queue("orders.operations.chat", durable=True)
    # All of it; `dead_letters` alone for what needs a person.
    await queue.bind("orders.operations", "#")
    async with httpx.AsyncClient() as http, queue.iterator() as messages:
        print("listening", flush=True)
        async for message in messages:
            event = json.loads(message.body)
            # What two processes say of one cause has one id.
            if event["id"] not in SEEN:
                answer = await http.post(
                    os.environ["CHAT_WEBHOOK"], json={"text": event["data"]["sentence"]}
                )
                answer.raise_for_status()
                SEEN.add(event["id"])
            await message.ack()


asyncio.run(main())
