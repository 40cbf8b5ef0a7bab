"""The order of looking: RabbitMQ, then HubSpot. Findings come as they are made."""

from collections.abc import AsyncIterator

from service.doctor import hubspot, rabbitmq
from service.doctor.dead_letters import Told, letters_told, undelivered
from service.doctor.findings import Finding
from service.hubspot.http import Http
from service.settings.config import Settings

TIMEOUT = 10.0  # seconds, for each request


async def examine(settings: Settings, management: str | None = None) -> AsyncIterator[Finding]:
    """All findings. `management`: the URL of RabbitMQ's management API where it is not the usual one."""
    reached = False
    async for finding in rabbitmq.examine(settings.rabbitmq, settings.journal, management):
        reached = reached or (finding.subject == "topology" and finding.mark == "ok")
        yield finding
    used: frozenset[str] | Finding = frozenset()
    if reached:
        told = await letters_told(settings.rabbitmq, settings.hubspot.id_property)
        used = told.properties if isinstance(told, Told) else told
        if isinstance(told, Told) and (taken := undelivered(told)) is not None:
            yield taken
    async with Http(settings.hubspot.base_url, timeout=TIMEOUT) as http:
        async for finding in hubspot.examine(http, settings.hubspot, used):
            yield finding
