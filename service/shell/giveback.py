"""What is kept too long goes back: it stands between the consumer and the pipeline, and sees all come and go.

When is core.custody's decision. Intake that is closed because publishing hangs stays closed until the
publishes that hang are through, so that this costs each message one of its deliveries, however long it
lasts. The pipeline's own pauses are a second reason to keep it closed: it opens when both are gone.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from service.core.events.deliveries import Delivery
from service.core.intake.custody import Custody, Overdue
from service.core.outgoing import Outgoing

if TYPE_CHECKING:
    from service.shell.pipeline import Shell

log = structlog.get_logger(__name__)


class Giveback:
    """`arrived` and `lost` are the consumer's, the shell that `between` returns is the pipeline's."""

    def __init__(self, custody: Custody, shell: "Shell") -> None:
        self._custody, self._shell = custody, shell
        self._through = asyncio.Event()  # set when no publish is under way
        self._wanted = True  # whether the pipeline wants the intake open
        self._blocked = False  # whether we keep it closed

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest delivery came that is neither acked nor given back; 0.0 = none is."""
        return self._custody.age(self._shell.now())

    def arrived(self, delivery: Delivery) -> None:
        """One delivery."""
        self._custody.arrived(delivery, self._shell.now())

    def lost(self, epochs: frozenset[int]) -> None:
        """These channels have ended."""
        self._custody.lost(epochs)

    def between(self) -> "Shell":
        """The pipeline's shell: publishes are timed, acks noted, the intake is ours, too."""
        return replace(
            self._shell,
            publish=self._publish,
            ack=self._ack,
            open_intake=self._open,
            close_intake=self._close,
        )

    async def run(self) -> None:
        """Give back what is overdue. Ends by cancellation only."""
        while True:
            await asyncio.sleep(self._custody.ask_within(self._shell.now()))
            overdue = self._custody.overdue(self._shell.now())
            if overdue is not None:
                log.warning("given_back", seconds=round(self.oldest_age, 1), why=overdue)
                self._shell.close_intake()
                self._custody.gave_back()
                if overdue is Overdue.UNPUBLISHED:
                    await self._until_published()
                self._reopen()

    async def _until_published(self) -> None:
        self._blocked = True
        self._through.clear()
        await self._through.wait()
        self._blocked = False

    def _reopen(self) -> None:
        if self._wanted and not self._blocked:
            self._shell.open_intake()

    def _open(self) -> None:
        self._wanted = True
        self._reopen()

    def _close(self) -> None:
        self._wanted = False
        self._shell.close_intake()

    async def _publish(self, messages: Sequence[Outgoing]) -> None:
        number = self._custody.publishing(self._shell.now())
        try:
            await self._shell.publish(messages)
        finally:
            self._custody.published(number)
            if self._custody.published_all:
                self._through.set()

    async def _ack(self, deliveries: Iterable[Delivery]) -> None:
        acked = list(deliveries)
        await self._shell.ack(acked)
        self._custody.acked(acked)
