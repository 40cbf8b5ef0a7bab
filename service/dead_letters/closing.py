"""Dead letters that time has settled: HubSpot holds their every value, or newer ones. Closed with that as proof.

Law: a letter is closed for what HubSpot says of each of its values, and for nothing else. Its outcome,
`superseded`, is published before it is taken off: what a replay would have come to, without the replay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from service.core.events.deliveries import OwnProperties
from service.core.events.events import Contribution
from service.core.events.order_event import ORDERS
from service.core.hubspot import calls, staleness
from service.core.hubspot.lookups import Missing
from service.core.hubspot.staleness import Holding
from service.core.letters import letters
from service.core.letters.replays import Replay
from service.core.letters.sieve import Sieve
from service.core.outgoing import iso
from service.core.settlement.outcomes import conclude_moot
from service.core.waiting.backlog import HISTORIES
from service.dead_letters.looker import FoundLetter, Looker
from service.dead_letters.planning import Send, why_not
from service.dead_letters.sender import WINDOW, Sender

# Letters that one closing looks at.
MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Moot:
    """One letter of which nothing is left to be written."""

    id: str
    event: Contribution
    # None: there is no such order, and its archive is all that was asked.
    held: Holding | None

    def row(self) -> dict[str, Any]:
        """The proof: what HubSpot holds for each value, and since when."""
        newest: Mapping[str, tuple[datetime, str]] = (self.held and self.held.newest) or {}
        return {
            "id": self.id,
            "order": self.event.order.key,
            "record_id": self.held and self.held.record_id,
            "holds": {
                name: {"since": iso(at), "value": value}
                for name, (at, value) in sorted(newest.items())
                if name in self.event.values
            },
        }


@dataclass(slots=True)
class Settled:
    """What was found: the letters that are moot, by their keys."""

    moot: dict[int, Moot] = field(default_factory=dict)
    looked_up: int = 0
    # Why HubSpot did not say what it holds.
    unanswered: str | None = None


async def settled(looker: Looker, wanted: Sieve, ask: Send, id_property: str) -> Settled:
    """The letters that are meant and moot, of the first 10,000 that are meant. All is given back."""
    meant: list[tuple[int, str, Contribution]] = []
    async for found in looker.read():
        if len(meant) < MOST and wanted.takes(found.letter, found.delivery.body):
            event = letters.contribution(found.delivery, id_property)
            if event is not None:
                meant.append((found.key, found.letter.id, event))
    await looker.give_back()
    made = Settled()
    by_property: dict[str, list[tuple[int, str, Contribution]]] = {}
    for one in meant:
        by_property.setdefault(one[2].order.id_property, []).append(one)
    for name, group in by_property.items():
        for some in calls.portions(group, HISTORIES):
            await _judge(made, some, ask, name)
    return made


async def _judge(
    made: Settled,
    asked: Sequence[tuple[int, str, Contribution]],
    ask: Send,
    id_property: str,
) -> None:
    keys = list(dict.fromkeys(event.order.key for _, _, event in asked))
    names = sorted({name for _, _, event in asked for name in event.values})
    call = calls.find(ORDERS, keys, id_property, histories=names)
    known = dict(zip(keys, staleness.holdings(call, await ask(call)), strict=True))
    for key, name, event in asked:
        match known[event.order.key]:
            case Holding() | Missing() as held:
                made.looked_up += 1
                if staleness.moot(event, held):
                    there = held if isinstance(held, Holding) else None
                    made.moot[key] = Moot(name, event, there)
            case failed:
                made.unanswered = why_not(failed)


async def close(
    looker: Looker, sender: Sender, exchange: str, found_moot: Settled, stamp: datetime
) -> int:
    """Publish the outcome of each, then take it off; how many.

    Raises:
        NotSentError: the broker took one not; its letter is where it was.
    """
    number, window = 0, list[FoundLetter]()
    async for found in looker.read():
        if found.key in found_moot.moot:
            window.append(found)
        if len(window) == WINDOW:
            number += await _closed(looker, sender, exchange, found_moot, window, stamp)
            window = []
    return number + await _closed(looker, sender, exchange, found_moot, window, stamp)


async def _closed(
    looker: Looker,
    sender: Sender,
    exchange: str,
    found_moot: Settled,
    window: Sequence[FoundLetter],
    stamp: datetime,
) -> int:
    await sender.send(
        [_outcome(found, exchange, found_moot.moot[found.key], stamp) for found in window]
    )
    for found in window:
        await looker.take(found)
    return len(window)


def _outcome(found: FoundLetter, exchange: str, moot: Moot, stamp: datetime) -> Replay:
    record = moot.held.record_id if moot.held is not None else None
    told = conclude_moot(moot.event, found.letter.replays, record, stamp)
    like = OwnProperties(content_type=told.content_type, correlation_id=told.correlation_id)
    return Replay(
        exchange=exchange, routing_key=told.routing_key, body=told.body, headers={}, like=like
    )
