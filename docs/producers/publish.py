"""Publish order events. pip install aio-pika; AMQP_URL=amqp://… python publish.py"""

import asyncio
import json
import os
import uuid
from datetime import UTC, datetime

import aio_pika


def upserted(order: str, properties: dict, lines: list[dict]) -> aio_pika.Message:
    """One event about one order with all of its lines, in the structured mode."""
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),  # with `source` the event's name: the same when you send it again
        "source": "/shops/eu-1",
        "type": "ordersync.order.upsert.v1",
        "subject": order,
        "time": datetime.now(UTC).isoformat(),
        "data": {"properties": properties, "line_items": {"mode": "replace", "items": lines}},
    }
    return aio_pika.Message(
        json.dumps(event).encode(),
        content_type="application/cloudevents+json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=event["id"],
        timestamp=datetime.now(UTC),
    )


async def main() -> None:
    connection = await aio_pika.connect(os.environ["AMQP_URL"])
    async with connection:
        # Confirms are on by default; on_return_raises: an event that no queue takes is an error, not a loss.
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange("orders.events", ensure=False)
        for number in range(3):
            tent = {"name": "Tent", "hs_sku": "T-1", "quantity": 1, "price": "129.90"}
            properties = {"hs_order_name": "Tent", "hs_total_price": "129.90"}
            # The line's key within its order: its number, never its product.
            message = upserted(f"A-{number}", properties, [{"key": "1", "properties": tent}])
            await exchange.publish(message, routing_key="order", mandatory=True)


asyncio.run(main())
