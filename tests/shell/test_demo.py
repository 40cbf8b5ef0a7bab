"""The demo on a broker that is somebody's: what is there is left alone."""

import asyncio

import aiormq
import httpx
import pytest

from service.demo.demo import IN_USE, TOKEN, twin_options
from service.twin.pytest_plugin import running_twin


async def _send(url: str, queue: str) -> None:
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    await channel.basic_publish(b"{}", routing_key=queue)
    await connection.close()


async def _waiting(url: str, queue: str) -> int | None:
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    found = await channel.queue_declare(queue, passive=True)
    await connection.close()
    return found.message_count


def test_the_demo_does_not_carry_the_events_of_others_to_the_twin(command, amqp_url):
    command("topology", "apply", RABBITMQ__URL=amqp_url)
    asyncio.run(_send(amqp_url, "orders.events"))

    ended = command("demo")

    assert ended.code == 1
    assert IN_USE in ended.err
    assert asyncio.run(_waiting(amqp_url, "orders.events")) == 1


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 200), ("pat-wrong", 401)])
def test_the_demo_s_hubspot_refuses_a_wrong_token(token: str, status: int):
    with running_twin(twin_options()) as hubspot:
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{hubspot.url}/crm/v3/objects/orders", headers=headers)

    assert answer.status_code == status
