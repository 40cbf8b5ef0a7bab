"""The story of a replay: plan, send in growing steps, hear what became of them, stop when it does not help.

Law: publish, confirmed; then the dead letter is taken off. Killed between the two, the event is both sent
and still a dead letter: replayed again it carries the same number, and its outcome the same id. What
fails again comes to the back of the queue and is not met again in the same run.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from service.clock import stamp
from service.core import calls, letters, staleness
from service.core.answers import BatchReply, NoReply
from service.core.backlog import HISTORIES
from service.core.calls import BatchCall
from service.core.events import Contribution
from service.core.order_event import Operation
from service.core.outgoing import iso
from service.core.replays import Mend, MendError, Replay, Report, obstacle, replay, steps
from service.core.sieve import Groups, Sieve
from service.core.staleness import Holding
from service.dead_letters.looker import Found, Looker
from service.dead_letters.receipts import Receipts
from service.dead_letters.sender import WINDOW, Sender

Send = Callable[[BatchCall], Awaitable[BatchReply | NoReply]]
LOOKED_UP: Final = 500  # letters of a plan that HubSpot is asked about: ten calls


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator asked for."""

    sieve: Sieve
    by: str  # who, for the history
    limit: int | None = None  # events; None = all
    max_failures: int = 0  # of one step
    max_replays: int = 5
    rate: float = 20.0  # events a second; the service takes about 30 beside live traffic
    wait: float = 60.0  # seconds for a step's outcomes; 0 = send and do not wait
    mend: Mend = field(default_factory=Mend)
    force: bool = False
    to_queue: str | None = None
    id_property: str | None = None


@dataclass(slots=True)
class Plan:
    """What would go, before anything goes."""

    groups: Groups = field(default_factory=Groups)
    read: int = 0  # letters on the queue
    left: dict[str, int] = field(default_factory=dict)  # why not -> how many
    looked_up: int = 0
    stale: int = 0  # of those: nothing of them would be written
    partly: int = 0  # of those: some values would be left out


async def plan(looker: Looker, wishes: Wishes, send: Send | None) -> Plan:
    """Read everything once, and give it back. `send` asks HubSpot; without it staleness stays unknown."""
    made, events = Plan(), list[Contribution]()
    async for found in looker.read():
        made.read += 1
        if not wishes.sieve.takes(found.letter, found.delivery.body):
            continue
        hindrance = _obstacle(found, wishes)
        if hindrance is not None:
            made.left[hindrance] = made.left.get(hindrance, 0) + 1
        elif wishes.limit is None or made.groups.total < wishes.limit:
            made.groups.add(found.letter)
            if send is not None and len(events) < LOOKED_UP:
                events += _event(found, wishes)
    await looker.give_back()
    if send is not None:
        await _look_up(made, events, send, wishes.id_property or "")
    return made


def _obstacle(found: Found, wishes: Wishes) -> str | None:
    hindrance = obstacle(found.letter, wishes.max_replays, addressed=wishes.to_queue is not None)
    if hindrance is None and wishes.mend:
        try:
            _replay(found, "", wishes)
        except MendError as error:
            return str(error)
    return hindrance


def _event(found: Found, wishes: Wishes) -> list[Contribution]:
    event = letters.contribution(found.delivery, wishes.id_property)
    return [] if event is None else [event]


async def _look_up(made: Plan, events: Sequence[Contribution], send: Send, configured: str) -> None:
    by_property: dict[str, list[Contribution]] = {}
    for event in events:
        by_property.setdefault(event.order.id_property, []).append(event)
    for id_property, group in by_property.items():
        for start in range(0, len(group), HISTORIES):
            await _look_up_some(
                made, group[start : start + HISTORIES], send, id_property, configured
            )


async def _look_up_some(
    made: Plan, events: Sequence[Contribution], send: Send, id_property: str, configured: str
) -> None:
    keys = list(dict.fromkeys(event.order.key for event in events))
    names = sorted({name for event in events for name in event.values})
    call = calls.find(keys, id_property, histories=names)
    known = dict(zip(keys, staleness.holdings(call, await send(call), configured), strict=True))
    for event in events:
        held = known[event.order.key]
        if not isinstance(held, Holding):
            continue
        made.looked_up += 1
        if event.operation is Operation.ARCHIVE:
            made.stale += staleness.written_since(event, held)
            continue
        older = staleness.left_out(event, held)
        made.stale += bool(older) and len(older) == len(event.values)
        made.partly += 0 < len(older) < len(event.values)


async def run(
    looker: Looker,
    sender: Sender,
    receipts: Receipts | None,
    wishes: Wishes,
    planned: Plan,
    *,
    stop: asyncio.Event,
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Replay what was planned. `stop` ends it after the events that are under way.

    Raises:
        NotSentError: the broker took one not; what was sent is taken off, the rest stays.
    """
    report, meant = Report(), _meant(looker, wishes, planned)
    for size in steps(planned.groups.total):
        fates: dict[str, str] = {}
        async for window in _windows(meant, size, wishes.rate):
            names = await _send(window, looker, sender, receipts, wishes)
            fates |= dict.fromkeys(names, "sent")
            report.sent += len(names)
            progress(len(names))
            if stop.is_set():
                break
        if not fates:
            break
        if receipts is not None:
            fates = await receipts.fates(fates, wishes.wait)
        if not report.step(fates, wishes.max_failures):
            break
        if stop.is_set():
            report.stopped = "interrupted; run it again to go on"
            break
    return report


async def _meant(looker: Looker, wishes: Wishes, planned: Plan) -> AsyncIterator[Found]:
    """The letters to replay, none that came to the queue since the plan."""
    async for found in looker.read(planned.read):
        if wishes.sieve.takes(found.letter, found.delivery.body) and not _obstacle(found, wishes):
            yield found


async def _windows(
    meant: AsyncIterator[Found], size: int, rate: float
) -> AsyncIterator[list[Found]]:
    """One step in windows of a fifth of a second, no faster than the rate."""
    loop = asyncio.get_running_loop()
    largest = max(1, min(WINDOW, int(rate / 5)))
    left = size
    while left > 0:
        window: list[Found] = []
        due = loop.time()
        while len(window) < min(largest, left):
            found = await anext(meant, None)
            if found is None:
                break
            window.append(found)
        if not window:
            return
        yield window
        left -= len(window)
        await asyncio.sleep(max(0.0, due + len(window) / rate - loop.time()))


async def _send(
    window: Sequence[Found],
    looker: Looker,
    sender: Sender,
    receipts: Receipts | None,
    wishes: Wishes,
) -> list[str]:
    """Publish, confirmed; then take the dead letters off."""
    replays = {uuid4().hex: found for found in window}
    messages = [_replay(found, name, wishes) for name, found in replays.items()]
    if receipts is not None:
        receipts.expect(replays)
    await sender.send(messages)
    for found in window:
        await looker.take(found)
    return list(replays)


def _replay(found: Found, name: str, wishes: Wishes) -> Replay:
    return replay(
        found.delivery,
        found.letter,
        wishes.mend,
        name=name,
        by=wishes.by,
        at=iso(stamp()),
        force=wishes.force,
        queue=wishes.to_queue,
    )


async def held_now(found: Found, send: Send, id_property: str) -> Holding | str:
    """What HubSpot holds for a letter's order; a sentence where it cannot be told."""
    event = letters.contribution(found.delivery, id_property)
    if event is None:
        return "it holds no order event"
    call = calls.find([event.order.key], event.order.id_property, histories=sorted(event.values))
    (held,) = staleness.holdings(call, await send(call), id_property)
    match held:
        case Holding():
            return held
        case _ if (reason := getattr(held, "reason", None)) is not None:
            return str(reason.message)
        case _:
            return "HubSpot has no such order, or has archived it"
