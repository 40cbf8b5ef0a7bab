"""What the dead letters tell: the properties that their events set, and what RabbitMQ took past ordersync.

They are held while they are looked at and given back in their place, as `ordersync dlq ls` does.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from service.core.letters.letters import contribution
from service.dead_letters.looker import DeadLettersError
from service.dead_letters.looking import looking
from service.doctor.findings import Finding, unseen
from service.rabbitmq.errors import AMQPError
from service.settings.rabbitmq import RabbitMQ

SUBJECT: Final = "letters"
# Of them, from the front of the queue.
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Told:
    """What the first of them say."""

    properties: frozenset[str]
    # Reasons of the letters that RabbitMQ made.
    by_the_broker: Counter[str]


async def letters_told(settings: RabbitMQ, id_property: str) -> Told | Finding:
    """What they say; or why the dead letters cannot be looked at."""
    url, queue = settings.url.get_secret_value(), settings.dead_letters_queue
    names: set[str] = set()
    brokers: Counter[str] = Counter()
    try:
        async with looking(url, queue, id_property) as looker:
            async for found in looker.read(MOST):
                event = contribution(found.delivery, id_property)
                names.update((event.event.data.properties or {}) if event else ())
                if found.letter.made_by == "broker":
                    brokers[found.letter.reason] += 1
    except (DeadLettersError, AMQPError) as error:
        said, _, fix = str(error).partition("; ")
        return unseen(SUBJECT, said, fix or "run the doctor as the user that replays")
    return Told(frozenset(names), brokers)


def undelivered(told: Told) -> Finding | None:
    """What RabbitMQ itself took past ordersync, and why; nothing that is wrong now."""
    if not told.by_the_broker:
        return None
    reasons = ", ".join(f"{count} {reason}" for reason, count in told.by_the_broker.most_common())
    found = f"RabbitMQ took events past ordersync: {reasons}"
    fix = (
        "`ordersync dlq stats` tells you and their producers; what is `expired` had an `expiration` of its "
        "producer's, or met a `message-ttl`: do without, since ordersync reports only what it gets to read"
    )
    return Finding("undelivered", found, None, fix)
