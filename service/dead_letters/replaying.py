"""The story of a replay: plan, set aside, send in growing steps, hear what became of them, stop when it does not help.

    dead letters --- plan, agreed to ---> <queue>.replaying --- a window at a time ---> input queue
         ^                                      |                                          |
         '----- what is not sent, or failed ----+------------------------------------------'

Laws. A replay is run as it was seen: the plan knows its letters by their keys, and no other goes. Every
move is published, confirmed, and then taken off where it was. Killed between the two, a letter stands in
two places. Among letters the next replay meets both and drops one; an event that was sent is sent again
with the same number, and its outcome has the same id. What an interrupted replay had set aside goes back
to the dead letters before the next one plans. No letter is held while anybody waits.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from service.clock import stamp
from service.core.letters.replays import Replay, Report, address, replay, steps
from service.core.outgoing import iso
from service.dead_letters.looker import FoundLetter, Looker
from service.dead_letters.moving import Answers, moved
from service.dead_letters.planning import Plan, Wishes
from service.dead_letters.receipts import Receipts
from service.dead_letters.sender import WINDOW, NotSentError, Sender
from service.dead_letters.staging import Staging

FETCHED: Final = (
    # Letters that are given back together; each is fetched by a question of its own.
    50
)
# Letters back to which a copy is known: a killed move leaves a window.
COPIES: Final = 2 * WINDOW


async def put_back(staging: Staging, sender: Sender, letters_queue: str) -> int:
    """What is set aside goes to the back of the dead letters; how many."""
    number = 0
    await staging.give_back()
    while window := await staging.some(FETCHED):
        await sender.send(moved(window, letters_queue))
        for found in window:
            await staging.take(found)
        number += len(window)
    return number


async def set_aside(
    looker: Looker, sender: Sender, staging: Staging, planned: Plan, answers: Answers
) -> None:
    """Move the planned letters out of the dead letters; copies of them, that a killed move left, go away.

    `answers`: outcomes that are due first.
    """
    aside: set[int] = set()

    async def away(window: Sequence[FoundLetter]) -> None:
        first = [found for found in window if not _seen(found.key, aside)]
        await sender.send([*answers(first), *moved(first, staging.queue)])
        for found in window:
            await looker.take(found)

    async def to_the_back(window: Sequence[FoundLetter]) -> None:
        await sender.send([*answers(window), *moved(window, looker.queue)])

    if not planned.swept:
        window = list[FoundLetter]()
        async for found in looker.read():
            if found.key in planned.keys:
                window.append(found)
            if len(window) == WINDOW:
                await away(window)
                window = []
        await away(window)
        await looker.give_back()
    if planned.swept or looker.cut_short:
        async for some in looker.sweep(to_the_back):
            await away([found for found in some if found.key in planned.keys])


def _seen(key: int, before: set[int]) -> bool:
    seen = key in before
    before.add(key)
    return seen


@dataclass(frozen=True, slots=True)
class Sending:
    """What is set aside, on its way. Without `receipts` nobody hears what becomes of it."""

    staging: Staging
    sender: Sender
    receipts: Receipts | None
    wishes: Wishes
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=COPIES))

    async def all(
        self, total: int, *, stop: asyncio.Event, progress: Callable[[int], None]
    ) -> Report:
        """Send all of it. `stop` ends it after the events that are under way.

        Raises:
            NotSentError: the broker took one not; what was sent is taken off, the rest stays.
        """
        report = Report()
        for size in steps(total):
            fates: dict[str, str] = {}
            async for window in self._windows(size):
                names = await self._send(window)
                fates |= dict.fromkeys(names, "sent")
                report.sent += len(names)
                progress(len(names))
                if stop.is_set():
                    break
            if not fates:
                break
            if self.receipts is not None:
                fates = await self.receipts.fates(fates, self.wishes.wait)
            if not report.step(fates, self.wishes.max_failures):
                break
            if stop.is_set():
                report.stopped = "interrupted; run it again to go on"
                break
        return report

    async def _windows(self, size: int) -> AsyncIterator[list[FoundLetter]]:
        """One step in windows of a fifth of a second, no faster than the rate."""
        loop, rate = asyncio.get_running_loop(), self.wishes.rate
        largest = max(1, min(WINDOW, int(rate / 5)))
        left = size
        while left > 0:
            due = loop.time()
            window = await self.staging.some(min(largest, left))
            if not window:
                return
            yield window
            left -= len(window)
            await asyncio.sleep(max(0.0, due + len(window) / rate - loop.time()))

    async def _send(self, window: Sequence[FoundLetter]) -> list[str]:
        """Publish each, confirmed; then take it off where it was set aside. Copies only go away."""
        going = [found for found in window if found.key not in self.recent]
        for found in window:
            if found.key in self.recent:
                await self.staging.take(found)
        self.recent.extend(found.key for found in going)
        names = [uuid4().hex for _ in going]
        if self.receipts is not None:
            self.receipts.expect(names)
        await self.sender.send(
            [_replay(found, name, self.wishes) for name, found in zip(names, going, strict=True)],
            then=lambda number: self.staging.take(going[number]),
        )
        return names


def _replay(found: FoundLetter, name: str, wishes: Wishes) -> Replay:
    to = address(found.letter, wishes.to)
    # The plan leaves such letters out.
    if isinstance(to, str):
        raise NotSentError(to)
    return replay(
        found.delivery,
        found.letter,
        wishes.mend,
        name=name,
        by=wishes.by,
        at=iso(stamp()),
        force=wishes.force,
        to=to,
    )
