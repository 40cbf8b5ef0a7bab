"""The dead letter office: what the `dlq` commands do, for whoever asks, the command line or a page.

Law: nothing is printed here and nobody is asked; what people are to be told goes to `say`, a sentence each.
A look is over before anybody reads what it found: what may be long is kept in a file meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from io import FileIO
from typing import Any, Final, Self

from service.clock import stamp
from service.core.events.deliveries import OwnProperties
from service.core.letters.letters import unanswered
from service.core.letters.replays import Inputs, Replay, Report
from service.core.letters.sieve import Groups, Sieve, Unmatched
from service.core.settlement.outcomes import conclude_undelivered
from service.dead_letters import moving, planning
from service.dead_letters.closing import Settled, close, settled
from service.dead_letters.describing import described
from service.dead_letters.looker import HOLD, FoundLetter, Looker
from service.dead_letters.looking import looking
from service.dead_letters.planning import Plan, Send, Wishes
from service.dead_letters.receipts import hearing
from service.dead_letters.replaying import Sending, put_back, set_aside
from service.dead_letters.rows import Rows
from service.dead_letters.sender import NotSentError, Sender, sending
from service.dead_letters.staging import Staging, left_aside, staging
from service.dead_letters.unanswered import Unanswered
from service.settings.rabbitmq import RabbitMQ

Say = Callable[[str], None]
# Seconds that a replay holds letters before it sweeps the queue instead: a broker's consumer_timeout is
# 30 minutes unless somebody lowered it, and half of the shortest that anybody should set is more than this.
BRIEF: Final = 8.0


@dataclass(frozen=True, slots=True)
class Office:
    """One queue of dead letters, and what belongs to it."""

    url: str
    queue: str
    id_property: str | None
    inputs: Inputs
    outcomes_exchange: str
    # Seconds that a look may hold letters.
    hold: float = HOLD

    @classmethod
    def of(cls, settings: RabbitMQ, id_property: str | None, queue: str | None = None) -> Self:
        """As the settings have it; `queue`: another one than the dead letters'."""
        return cls(
            url=settings.url.get_secret_value(),
            queue=queue or settings.dead_letters_queue,
            id_property=id_property,
            inputs=Inputs(settings.exchange, (*settings.queues, *settings.backfill_queues)),
            outcomes_exchange=settings.outcomes_exchange,
        )

    async def count(self, wanted: Sieve, groups: Groups, say: Say) -> None:
        """Count the letters that are meant into groups."""
        async with self._looking() as looker:
            waiting = Unanswered()
            async for found in self._matching(looker, wanted, waiting, say):
                groups.add(found.letter)
            await self._answer(waiting, looker, say)

    async def list_into(self, rows: Rows, wanted: Sieve, most: int | None, say: Say) -> None:
        """The letters that are meant, each a row."""
        async with self._looking() as looker:
            waiting = Unanswered()
            async for found in self._matching(looker, wanted, waiting, say):
                rows.add(found.letter.row())
                if rows.number == most:
                    break
            await self._answer(waiting, looker, say)

    async def describe(self, name: str, ask: Send | str, say: Say) -> list[dict[str, Any]]:
        """All about the letters of one event, or message, and what HubSpot holds now."""
        wanted = Sieve(ids=(name,))
        async with self._looking() as looker:
            letters = [
                found
                async for found in looker.read()
                if wanted.takes(found.letter, found.delivery.body)
            ]
        self._say_cut(looker, say)
        return [await described(found, ask, self.id_property or "") for found in letters]

    async def export(
        self, wanted: Sieve, to: FileIO, say: Say, *, limit: int | None = None, remove: bool = False
    ) -> int:
        """Write letters to a file; how many.

        Raises:
            ExportError: it cannot be written to its end.
        """
        async with self._looking() as looker:
            number = await moving.export(looker, wanted, to, limit=limit, remove=remove)
        self._say_cut(looker, say)
        return number

    async def park(self, wanted: Sieve, say: Say, *, limit: int | None = None) -> int:
        """Move letters out of the way, kept; how many.

        Raises:
            NotSentError: the broker took one not; it is where it was.
        """
        async with self._looking() as looker, sending(self.url, self.outcomes_exchange) as sender:
            number = await moving.park(looker, sender, wanted, self._answers, limit=limit)
        self._say_cut(looker, say)
        return number

    async def close_moot(
        self,
        wanted: Sieve,
        ask: Send,
        agreed: Callable[[Settled], Awaitable[bool]],
    ) -> int:
        """Close the letters of which nothing is left to be written, where that is agreed to; how many.

        Raises:
            NotSentError: the broker took an outcome not; the letter is where it was.
        """
        async with self._looking() as looker:
            found = await settled(looker, wanted, ask, self.id_property or "")
        if not await agreed(found) or not found.moot:
            return 0
        async with self._looking() as looker, sending(self.url, self.outcomes_exchange) as sender:
            return await close(looker, sender, self.outcomes_exchange, found, stamp())

    async def put_back(self) -> int:
        """Give back what an interrupted replay had set aside; how many.

        Raises:
            DeadLettersError: a replay is under way.
        """
        async with self._staging() as aside, sending(self.url, self.outcomes_exchange) as sender:
            return await put_back(aside, sender, self.queue)

    async def plan(self, wishes: Wishes, ask: Send | None, say: Say) -> Plan:
        """What a replay would do. Moves nothing."""
        await self._say_aside(say)
        wishes = self._wished(wishes)
        async with self._looking() as looker:
            planned = await planning.plan(looker, wishes)
        self._say_cut(looker, say)
        return await self._looked_up(planned, ask)

    async def replay(
        self,
        wishes: Wishes,
        ask: Send | None,
        *,
        agreed: Callable[[Plan], Awaitable[bool]],
        stop: asyncio.Event,
        progress: Callable[[int], None],
        say: Say,
    ) -> Report | None:
        """Plan, and replay what was agreed to; None where it was not.

        Raises:
            NotSentError: the broker took one not; what was not sent is among the dead letters.
            DeadLettersError: somebody else replays, or looks for long.
        """
        wishes = self._wished(wishes)
        async with self._staging() as aside, sending(self.url, self.outcomes_exchange) as sender:
            if back := await put_back(aside, sender, self.queue):
                say(f"{back} letters of a replay that was interrupted are dead letters again")
            planned = await self._planned(wishes, sender)
            planned = await self._looked_up(planned, ask)
            if not await agreed(planned):
                return None
            if not planned.keys:
                return Report()
            async with self._looking(BRIEF) as looker:
                await set_aside(looker, sender, aside, planned, self._answers)
            try:
                return await self._sent(aside, sender, wishes, planned, stop, progress)
            finally:
                if (task := asyncio.current_task()) is not None and not task.cancelling():
                    await put_back(aside, sender, self.queue)

    async def _planned(self, wishes: Wishes, sender: Sender) -> Plan:
        async def to_the_back(window: list[FoundLetter]) -> None:
            await sender.send([*self._answers(window), *moving.moved(window, self.queue)])

        async with self._looking(BRIEF) as looker:
            return await planning.plan(looker, wishes, to_the_back)

    async def _sent(
        self,
        aside: Staging,
        sender: Sender,
        wishes: Wishes,
        planned: Plan,
        stop: asyncio.Event,
        progress: Callable[[int], None],
    ) -> Report:
        async with AsyncExitStack() as stack:
            receipts = None
            if wishes.wait:
                receipts = await stack.enter_async_context(
                    hearing(self.url, self.outcomes_exchange)
                )
            story = Sending(aside, sender, receipts, wishes)
            return await story.all(len(planned.keys), stop=stop, progress=progress)

    async def _looked_up(self, planned: Plan, ask: Send | None) -> Plan:
        if ask is not None:
            await planning.look_up(planned, ask)
        return planned

    def _wished(self, wishes: Wishes) -> Wishes:
        return replace(wishes, id_property=self.id_property, inputs=self.inputs)

    async def _answer(self, waiting: Unanswered, looker: Looker, say: Say) -> None:
        """Tell the producers of what the broker took past us, once.

        Each gets its outcome, and its letter the headers of ours that say what happened: from then on it
        is known as answered.
        """
        if not waiting.letters:
            return
        try:
            async with sending(self.url, self.outcomes_exchange) as sender:
                letters = waiting.letters
                await sender.send([*self._answers(letters), *moving.moved(letters, self.queue)])
                for found in waiting.letters:
                    await looker.take(found)
        except NotSentError as error:
            say(
                f"{len(waiting.letters)} of them were taken past ordersync by RabbitMQ, and have no "
                f"outcome: {error}"
            )

    def _answers(self, window: Sequence[FoundLetter]) -> list[Replay]:
        """The outcomes of those that the broker took past us: moved, nobody would know them for such."""
        due = [found for found in window if unanswered(found.delivery, found.letter)]
        return [self._outcome(found) for found in due]

    def _outcome(self, found: FoundLetter) -> Replay:
        told = conclude_undelivered(found.delivery, found.letter, self.id_property or "", stamp())
        like = OwnProperties(content_type=told.content_type, correlation_id=told.correlation_id)
        return Replay(
            exchange=self.outcomes_exchange,
            routing_key=told.routing_key,
            body=told.body,
            headers={},
            like=like,
        )

    async def _matching(
        self, looker: Looker, wanted: Sieve, waiting: Unanswered, say: Say
    ) -> AsyncIterator[FoundLetter]:
        """The letters that are meant; at the end, which words of the filters none of them has."""
        unmatched = Unmatched(wanted)
        async for found in looker.read():
            unmatched.note(found.letter)
            waiting.note(found)
            if wanted.takes(found.letter, found.delivery.body):
                yield found
        for sentence in unmatched.told():
            say(sentence)
        self._say_cut(looker, say)
        await self._say_aside(say)

    async def _say_aside(self, say: Say) -> None:
        if number := await left_aside(self.url, self.queue):
            say(
                f"{number} more are set aside by a replay that is under way, or was interrupted: "
                "the next replay gives them back, or `dlq replay --put-back`"
            )

    def _say_cut(self, looker: Looker, say: Say) -> None:
        if looker.cut_short:
            say(
                f"not all of {self.queue} was looked at: letters are held for {self.hold:g} s at the "
                "most, half of RabbitMQ's usual consumer_timeout"
            )

    @asynccontextmanager
    async def _looking(self, hold: float | None = None) -> AsyncIterator[Looker]:
        most = self.hold if hold is None else min(hold, self.hold)
        async with looking(self.url, self.queue, self.id_property, hold=most) as looker:
            yield looker

    @asynccontextmanager
    async def _staging(self) -> AsyncIterator[Staging]:
        async with staging(self.url, self.queue, self.id_property) as aside:
            yield aside
