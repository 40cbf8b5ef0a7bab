"""How long deliveries are held: never so long that the broker takes them back by closing the channel on us.

What HubSpot does not answer well for long ends by itself: a record is given up, an outage or a throttle
pauses the intake (core.retries, core.pauses). Two things do not. A result queue that takes nothing holds what
is settled but not published: after `patience` all goes back to the queue, and nothing is taken in until the
publishes that hang are through, so that this costs each message one of its deliveries, however long it lasts.
And the rare rest, an order whose events fail one after the other, a search for culprits on a tiny quota:
whatever is held for `longest` goes back, a moment before the broker (consumer_timeout) would fetch it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import structlog

from service.core.deliveries import Delivery
from service.core.outgoing import Outgoing

if TYPE_CHECKING:
    from service.pipeline import Shell

log = structlog.get_logger(__name__)


class Holding:
    """Stands between the consumer and the pipeline, and sees every delivery come and go."""

    def __init__(self, *, patience: float, longest: float, now: Callable[[], float]) -> None:
        self._patience, self._longest, self._now = patience, longest, now
        self._since: dict[int, dict[int, float]] = {}  # epoch -> tag -> when it came, in that order
        self._numbers = count(1)
        self._publishing: dict[int, float] = {}  # publishes under way -> when they began
        self._through = asyncio.Event()  # set when none is under way
        self._through.set()
        self._wanted = True  # whether the pipeline wants the intake open
        self._blocked = False  # whether we keep it closed

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest delivery came that is neither acked nor given back; 0.0 = none is."""
        oldest = self._oldest()
        return 0.0 if oldest is None else self._now() - oldest

    def arrived(self, delivery: Delivery) -> None:
        """One delivery."""
        self._since.setdefault(delivery.epoch, {})[delivery.tag] = self._now()

    def lost(self, epochs: frozenset[int]) -> None:
        """These channels have ended: what they brought is the broker's again."""
        for epoch in epochs:
            self._since.pop(epoch, None)

    def between(self, shell: "Shell") -> "Shell":
        """The pipeline's shell, seen through: publishes are timed, acks noted, the intake is ours, too."""
        self._open, self._close = shell.open_intake, shell.close_intake
        return replace(
            shell,
            publish=self._timed(shell.publish),
            ack=self._noted(shell.ack),
            open_intake=self._want_open,
            close_intake=self._want_closed,
        )

    async def run(self) -> None:
        """Give back what is held too long. Ends by cancellation only."""
        while True:
            await asyncio.sleep(max(0.0, self._due() - self._now()))
            if self._stuck():
                await self._block()
            elif self.oldest_age >= self._longest:
                self._give_back("the broker would take it back soon")
                self._reopen()

    # --- what is due ------------------------------------------------------------------------------------

    def _due(self) -> float:
        """When something may be held too long; what begins from now on is not before."""
        due = self._now() + min(self._patience, self._longest)
        if self._publishing:
            due = min(due, next(iter(self._publishing.values())) + self._patience)
        oldest = self._oldest()
        return due if oldest is None else min(due, oldest + self._longest)

    def _oldest(self) -> float | None:
        return min(
            (next(iter(tags.values())) for tags in self._since.values() if tags), default=None
        )

    def _stuck(self) -> bool:
        began = next(iter(self._publishing.values()), None)
        return began is not None and self._now() - began >= self._patience

    # --- what is done -----------------------------------------------------------------------------------

    async def _block(self) -> None:
        self._blocked = True
        self._give_back("outcomes cannot be published")
        await self._through.wait()
        self._blocked = False
        self._reopen()

    def _give_back(self, why: str) -> None:
        log.warning("held_too_long", seconds=round(self.oldest_age, 1), why=why)
        self._close()

    def _reopen(self) -> None:
        if self._wanted and not self._blocked:
            self._open()

    def _want_open(self) -> None:
        self._wanted = True
        self._reopen()

    def _want_closed(self) -> None:
        self._wanted = False
        self._close()

    def _timed(
        self, publish: Callable[[Sequence[Outgoing]], Awaitable[None]]
    ) -> Callable[[Sequence[Outgoing]], Awaitable[None]]:
        async def timed(messages: Sequence[Outgoing]) -> None:
            number = next(self._numbers)
            self._publishing[number] = self._now()
            self._through.clear()
            try:
                await publish(messages)
            finally:
                del self._publishing[number]
                if not self._publishing:
                    self._through.set()

        return timed

    def _noted(
        self, ack: Callable[[Iterable[Delivery]], Awaitable[None]]
    ) -> Callable[[Iterable[Delivery]], Awaitable[None]]:
        async def noted(deliveries: Iterable[Delivery]) -> None:
            done = list(deliveries)
            await ack(done)
            for each in done:
                self._since.get(each.epoch, {}).pop(each.tag, None)

        return noted
