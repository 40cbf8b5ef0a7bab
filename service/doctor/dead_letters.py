"""What the dead letters ask of HubSpot: the properties that their events set.

They are held while they are looked at and given back in their place, as `ordersync dlq ls` does.
"""

from typing import Final

from aiormq.exceptions import AMQPError

from service.core.letters.letters import contribution
from service.dead_letters.looker import DeadLettersError, looking
from service.doctor.findings import Finding, unseen
from service.settings.sections import RabbitMQ

SUBJECT: Final = "letters"
MOST: Final = 500  # of them, from the front of the queue


async def properties_used(settings: RabbitMQ, id_property: str) -> frozenset[str] | Finding:
    """The names; or why the dead letters cannot be looked at."""
    url, queue = settings.url.get_secret_value(), settings.dead_letters_queue
    names: set[str] = set()
    try:
        async with looking(url, queue, id_property) as looker:
            async for found in looker.read(MOST):
                event = contribution(found.delivery, id_property)
                names.update((event.event.data.properties or {}) if event else ())
    except (DeadLettersError, AMQPError) as error:
        said, _, fix = str(error).partition("; ")
        return unseen(SUBJECT, said, fix or "run the doctor as the user that replays")
    return frozenset(names)
