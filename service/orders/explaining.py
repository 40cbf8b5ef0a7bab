"""What happened to one order: told by the journal, the dead letters and HubSpot, asked at the same time.

    journal       outcomes, from `since` on; where nothing is, from its beginning on
    dead letters  a look that takes nothing away
    HubSpot       every value that its properties had; what it holds now

Law: one that cannot be asked leaves the others to say what they know, and why it is silent is said.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from service.core.account.held import HeldOrder
from service.core.letters.sieve import Sieve
from service.core.settlement.journal import remembered
from service.dead_letters.looker import DeadLettersError
from service.dead_letters.looking import looking
from service.hubspot.enquirer import HubSpotError
from service.rabbitmq.errors import ChannelClosed
from service.rabbitmq.journal_reader import JournalUnreadError, reading
from service.settings.config import BrokerSettings

# Seconds between two words on how far it is.
PROGRESS: Final = 2.0
# Seconds that a look at the dead letters may hold them, and that the end of another look is waited for.
HOLD: Final = 60.0
PATIENCE: Final = 5.0

Say = Callable[[str], None]
Ask = Callable[[], Awaitable[HeldOrder | None]]


@dataclass(slots=True)
class OrderStory:
    """All that is known of one order. `silent`: who could not be asked, and why."""

    key: str
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)
    held: HeldOrder | None = None
    silent: dict[str, str] = field(default_factory=dict)

    @property
    def heard_of(self) -> bool:
        """Whether anybody knows the order."""
        return bool(self.outcomes or self.letters or self.held)

    def timeline(self) -> list[dict[str, Any]]:
        """Everything with its time, the oldest first; `what` says whose word it is."""
        told = [
            *({"at": each["settled_at"], "what": "outcome", **each} for each in self.outcomes),
            *({"at": each["failed_at"], "what": "dead letter", **each} for each in self.letters),
        ]
        if self.held is not None:
            told += [{"what": "hubspot", **asdict(change)} for change in self.held.changes]
        return sorted(told, key=lambda each: each["at"] or "")

    def document(self) -> dict[str, Any]:
        """For programs."""
        held = None if self.held is None else asdict(self.held)
        if held is not None:
            del held["changes"]
        return {
            "order": self.key,
            "timeline": self.timeline(),
            "hubspot": held,
            "not_asked": self.silent,
        }


async def explain(
    settings: BrokerSettings,
    key: str,
    since: datetime,
    ask: Ask | str,
    say: Say,
    *,
    further: bool,
) -> OrderStory:
    """All about one order. `ask`: HubSpot, or why it cannot be asked; `further`: back to the journal's beginning.

    Raises:
        AMQPConnectionError: RabbitMQ cannot be reached.
    """
    story = OrderStory(key)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_journal(story, settings, since, say, further=further))
        tasks.create_task(_letters(story, settings))
        tasks.create_task(_hubspot(story, ask))
    return story


async def _journal(
    story: OrderStory, settings: BrokerSettings, since: datetime, say: Say, *, further: bool
) -> None:
    if not settings.journal.enabled:
        story.silent["journal"] = "the journal is switched off (ORDERSYNC_JOURNAL__ENABLED)"
        return
    url = settings.rabbitmq.url.get_secret_value()
    try:
        found = await _remembered(url, story.key, since, say)
        if not found and further:
            found = await _remembered(url, story.key, None, say)
    except JournalUnreadError as error:
        story.silent["journal"] = str(error)
        return
    story.outcomes = found


async def _remembered(url: str, key: str, since: datetime | None, say: Say) -> list[dict[str, Any]]:
    """The outcomes of an order, each once: a redelivery writes one again."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    loop = asyncio.get_running_loop()
    due, number = loop.time() + PROGRESS, 0
    async with reading(url) as journal:
        async for bodies in journal.bodies(since):
            number += len(bodies)
            for row in (row for body in bodies for row in remembered(body, key)):
                name = (row["event_source"], row["event_id"], row["replay"], row["status"])
                found.setdefault(name, row)
            if loop.time() >= due:
                due = loop.time() + PROGRESS
                say(
                    f"{number} messages of the journal are read, {journal.end - journal.offset} to go"
                )
    return list(found.values())


async def _letters(story: OrderStory, settings: BrokerSettings) -> None:
    rabbitmq, wanted = settings.rabbitmq, Sieve(orders=(story.key,))
    url, queue = rabbitmq.url.get_secret_value(), rabbitmq.dead_letters_queue
    try:
        async with looking(
            url, queue, settings.hubspot.id_property, hold=HOLD, patience=PATIENCE
        ) as looker:
            story.letters = [
                found.letter.row()
                async for found in looker.read()
                if wanted.takes(found.letter, found.delivery.body)
            ]
            if looker.cut_short:
                story.silent["dead letters"] = f"not all of {queue} was looked at: it is long"
    except (DeadLettersError, ChannelClosed) as error:
        story.silent["dead letters"] = str(error)


async def _hubspot(story: OrderStory, ask: Ask | str) -> None:
    if isinstance(ask, str):
        story.silent["hubspot"] = ask
        return
    try:
        story.held = await ask()
    except HubSpotError as error:
        story.silent["hubspot"] = str(error)
