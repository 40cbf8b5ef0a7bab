"""The measure of speed: a bare aio-pika loop on uvloop. Consume, publish one confirmed persistent message, ack.

python -m tests.bench.bare URL EVENTS    prints events per second
"""

import asyncio
import sys
import time

import aio_pika
import uvloop


async def bare(url: str, number: int) -> float:
    consuming, publishing = await aio_pika.connect(url), await aio_pika.connect(url)
    channel, out = await consuming.channel(), await publishing.channel()
    await channel.set_qos(prefetch_count=2000)
    queue = await channel.get_queue("orders.events")
    outcomes = await out.get_exchange("orders.outcomes")
    done, seen = asyncio.Event(), 0

    async def carry(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        nonlocal seen
        copy = aio_pika.Message(message.body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await outcomes.publish(copy, "outcome.applied")
        await message.ack()
        seen += 1
        if seen == number:
            done.set()

    started = time.perf_counter()
    await queue.consume(carry)
    await done.wait()
    seconds = time.perf_counter() - started
    await consuming.close()
    await publishing.close()
    return number / seconds


if __name__ == "__main__":
    print(uvloop.run(bare(sys.argv[1], int(sys.argv[2]))))
