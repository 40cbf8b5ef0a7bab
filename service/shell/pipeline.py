"""The shell's one story: take in, send out, settle. It asks the desk what to do, does it, and says what came of it.

It decides nothing, and knows neither AMQP nor HTTP: what it needs of them are the callables in `Shell`.
One TaskGroup owns every task; waiting is for an event or a deadline, never a poll.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog

from service.core.departure import Departure
from service.core.desk import Desk, Read
from service.core.events.deliveries import Delivery
from service.core.hubspot.places import FOREVER
from service.core.hubspot.throttles import Spell
from service.core.policies import Policies
from service.core.settlement.closing import Closing
from service.shell.gate import Gatekeeper
from service.shell.line import Line
from service.shell.ports import Shell
from service.shell.wake import Wake
from service.watch.metrics import Metrics
from service.watch.tally import Tally

log = structlog.get_logger(__name__)


class Pipeline:
    """Deliveries come in by `arrive`, channels end by `lose`; `run` carries what is held to its settlement."""

    def __init__(self, policies: Policies, shell: Shell, metrics: Metrics) -> None:
        self.desk = Desk(policies, shell.name)
        self._policies, self._shell = policies, shell
        self._tally = Tally(metrics, shell.name, shell.announce)
        self._wake, self._answering = Wake(), Wake()
        self._line = Line(
            shell.send,
            shell.renew,
            policy=policies.budget,
            concurrency=policies.concurrency,
            now=shell.now,
            wake=self._wake,
            metrics=metrics,
        )
        self._line.low = self._low
        self._gate = Gatekeeper(self.desk, self._line, shell, self._tally, self._wake.up)
        metrics.held_events.set_function(lambda: self.desk.held)
        metrics.in_flight_records.set_function(lambda: self.desk.in_flight)
        metrics.oldest_held_seconds.set_function(lambda: self.desk.age(shell.now()))
        self._tasks: set[asyncio.Task[None]] = set()

    def _low(self) -> None:
        if (sentence := self.day) is not None:
            self._tally.low(sentence, self._shell.stamp())

    @property
    def day(self) -> str | None:
        """What is left of the day's calls, where it is little."""
        return self._line.day.sentence(self._shell.now(), self._shell.stamp())

    @property
    def throttle(self) -> Spell | None:
        """The limit of HubSpot's that holds calls up now."""
        return self._line.throttle()

    def arrive(self, delivery: Delivery) -> None:
        """One delivery. Never waits, never fails."""
        self._heard(self.desk.arrive(delivery, self._shell.now()))

    def lose(self, epochs: frozenset[int]) -> None:
        """These channels have ended."""
        self._tally.lost(epochs)
        self._heard(self.desk.lose(epochs, self._shell.now()))
        self._gate.up()

    async def run(self, stop: asyncio.Event) -> None:
        """Carry what arrives until `stop` is set and what is held is settled, or the grace is over."""
        async with asyncio.TaskGroup() as tasks:
            for story in (
                self._answer(),
                self._stop(stop),
                self._gate.channels(),
                self._gate.probes(),
            ):
                self._spawn(tasks, story)
            await self._send_out(tasks)
            # What they hold goes back to the queue.
            for task in tuple(self._tasks):
                task.cancel()

    async def _send_out(self, tasks: asyncio.TaskGroup) -> None:
        line = self._line
        while (wait := self.desk.wait(now := self._shell.now(), line.wait, line.spare)) is not None:
            if wait > 0.0:
                await self._wake.within(wait)
                continue
            departure = self.desk.depart(now, line.spare)
            if departure is not None:
                story, traced = self._carry(departure), self._shell.traced
                self._spawn(tasks, traced(departure.batch, story) if traced else story)
                # It runs up to its call and spends the budget that let it in.
                await asyncio.sleep(0)

    async def _carry(self, departure: Departure) -> None:
        """One batch, from its first call to the settlement of what it settled."""
        batch = departure.batch
        fates = await self._line.converse(
            departure.flow, batch.trigger, batch.company, lambda: self._permitted(departure)
        )
        if fates is None:
            self.desk.withdraw(departure)
            self._wake.up()
            return
        now, stamp = self._shell.now(), self._shell.stamp()
        judgement = self.desk.judged(departure, fates, now, stamp, self._shell.jitter)
        self._tally.judged(batch, judgement.verdicts, judgement.steps)
        if judgement.trouble is not None:
            self._gate.told(judgement.trouble)
        self._wake.up()
        if judgement.closing is not None:
            await self._settle(judgement.closing)

    async def _permitted(self, departure: Departure) -> bool:
        """Whether a call may start: the broker still knows us, and nothing of the batch went back to it."""
        await self._shell.leased()
        return self.desk.permits(departure)

    async def _answer(self) -> None:
        """Settle what needs no call, beside the calls and never in their way."""
        while True:
            closing = self.desk.answers(self._shell.now(), self._shell.stamp())
            if closing is None:
                await self._answering.within(FOREVER)
            else:
                await self._settle(closing)

    async def _settle(self, closing: Closing) -> None:
        """Outcomes and dead letters confirmed, a note in the journal, then the acks, then the lanes go on."""
        await self._shell.publish(closing.messages)
        self._shell.journal(closing.settlements)
        await self._shell.ack(closing.deliveries)
        self._tally.settled(closing, self._shell.stamp())
        self._heard(self.desk.settled(closing, self._shell.now()))
        if self.desk.gate.closed is not None:
            self._gate.up()

    async def _stop(self, stop: asyncio.Event) -> None:
        await stop.wait()
        log.info("drain_started", held=self.desk.held, grace=self._policies.grace)
        self.desk.drain(self._shell.now())
        self._wake.up()

    def _heard(self, read: Sequence[Read]) -> None:
        for each in read:
            self._tally.read(each)
        if self.desk.answerable:
            self._answering.up()
        self._wake.up()

    def _spawn(self, tasks: asyncio.TaskGroup, story: Coroutine[Any, Any, None]) -> None:
        task = tasks.create_task(story)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
