"""The order of looking: RabbitMQ, then HubSpot. Findings come as they are made."""

from collections.abc import AsyncIterator

import httpx

from service.config import Settings
from service.doctor import hubspot, rabbitmq
from service.doctor.findings import Finding

TIMEOUT = 10.0  # seconds, for each request


async def examine(settings: Settings, management: str | None = None) -> AsyncIterator[Finding]:
    """All findings. `management`: the URL of RabbitMQ's management API where it is not the usual one."""
    async for finding in rabbitmq.examine(settings.rabbitmq, management):
        yield finding
    async with httpx.AsyncClient(base_url=settings.hubspot.base_url, timeout=TIMEOUT) as client:
        async for finding in hubspot.examine(client, settings.hubspot):
            yield finding
