"""The story of a replay after its plan: send in growing steps, hear what became of them, stop when it does not help.

Law: publish, confirmed; then the dead letter is taken off. Killed between the two, the event is both sent
and still a dead letter: replayed again it carries the same number, and its outcome the same id. What
fails again comes to the back of the queue and is not met again in the same run.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import uuid4

from service.clock import stamp
from service.core.letters.replays import Replay, Report, address, replay, steps
from service.core.outgoing import iso
from service.dead_letters import planning
from service.dead_letters.looker import Found, Looker
from service.dead_letters.planning import Plan, Wishes
from service.dead_letters.receipts import Receipts
from service.dead_letters.sender import WINDOW, NotSentError, Sender


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
        meant = wishes.sieve.takes(found.letter, found.delivery.body)
        if meant and not isinstance(planning.event(found, wishes), str):
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
    to = address(found.letter, wishes.to)
    if isinstance(to, str):  # the plan leaves such letters out
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
