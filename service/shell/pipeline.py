"""The shell's one story: take in, send out, settle. It asks the core what to do, and does it.

It knows neither AMQP nor HTTP: what it needs of them are the callables in `Shell`. One TaskGroup owns
every task; waiting is for an event or a deadline, never a poll.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Final

import structlog

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.core.events.malformed import Malformed
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.budget import FOREVER, BudgetPolicy
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.flows import flow_for
from service.core.hubspot.throttles import Spell
from service.core.intake.crashes import accused
from service.core.intake.handover import Handover
from service.core.intake.repeats import Fresh, Held, Repeats
from service.core.intake.sequences import Sequences
from service.core.outgoing import Outgoing
from service.core.reasons import Reason
from service.core.settlement.outcome import Status
from service.core.settlement.outcomes import Settlement, conclude, conclude_malformed
from service.core.settlement.retries import Exhausted, Finish, PutBack, RetryPolicy, decide
from service.core.waiting.backlog import Backlog, Batch, BatchPolicy
from service.core.waiting.slots import Slot, slot_of, without_epochs
from service.shell.caution import Caution
from service.shell.intermission import Intermission
from service.shell.line import Line
from service.shell.wake import Wake
from service.watch.metrics import Metrics
from service.watch.tally import Tally

log = structlog.get_logger(__name__)

OUTCOMES: Final = 5_000  # remembered for repeats; about 3 KB each
REMEMBERED: Final = 10_000  # orders' sequences; deliveries, for takeovers


@dataclass(frozen=True, slots=True)
class Policies:
    """What the set-up decides; the core's own types."""

    id_property: str
    batch: BatchPolicy
    retry: RetryPolicy
    budget: BudgetPolicy
    concurrency: int | None  # calls in flight; None = as many as it takes to use the quota
    grace: float  # seconds from the first signal to the end
    overlap: float = 0.0  # seconds for which a former owner of the queue may still write


async def _at_once() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Shell:
    """The world, as the pipeline needs it."""

    send: Callable[[BatchCall], Awaitable[BatchReply | NoReply]]
    renew: Callable[[], Awaitable[bool]]
    publish: Callable[[Sequence[Outgoing]], Awaitable[None]]  # returns when all are confirmed
    ack: Callable[[Iterable[Delivery]], Awaitable[None]]
    open_intake: Callable[[], None]
    close_intake: Callable[[], None]
    now: Callable[[], float]  # monotonic seconds
    stamp: Callable[[], datetime]
    jitter: Callable[[], float]
    name: str  # unique to this process: it starts every trace id
    leased: Callable[[], Awaitable[None]] = (
        _at_once  # returns while the broker knows us as the owner
    )
    traced: Callable[[Batch, Awaitable[None]], Coroutine[Any, Any, None]] | None = None


class Pipeline:
    """Deliveries come in by `arrived`, epochs end by `lost`; `run` carries what is held to its settlement."""

    def __init__(self, policies: Policies, shell: Shell, metrics: Metrics) -> None:
        self._policies, self._shell, self._tally = policies, shell, Tally(metrics)
        self._backlog = Backlog(policies.batch)
        self._repeats = Repeats(OUTCOMES)
        self._sequences = Sequences(REMEMBERED)
        self._handover = Handover(policies.overlap, REMEMBERED)
        self._caution = Caution(self._read)
        self._wake = Wake()
        self._line = Line(
            shell.send,
            shell.renew,
            policy=policies.budget,
            concurrency=policies.concurrency,
            now=shell.now,
            wake=self._wake,
            metrics=metrics,
        )
        self._intermission = Intermission(
            self._line.call,
            policies.id_property,
            close_intake=shell.close_intake,
            open_intake=shell.open_intake,
            now=shell.now,
            metrics=metrics,
        )
        self._alive: set[int] = set()
        metrics.held_events.set_function(lambda: self._backlog.held)
        metrics.in_flight_records.set_function(lambda: self._backlog.in_flight)
        self._malformed: list[Settlement] = []  # settled without a call
        self._repeated: list[tuple[Delivery, Sequence[Outgoing]]] = []
        self._answering = asyncio.Event()
        self._calls_out, self._settling = 0, 0
        self._attempts, self._companies = count(1), count(1)
        self._deaf = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def paused(self) -> Reason | None:
        """Why intake is closed; None = it is open."""
        return self._intermission.reason

    @property
    def throttle(self) -> Spell | None:
        """The limit of HubSpot's that holds calls up now."""
        return self._line.throttle()

    # --- take in --------------------------------------------------------------------------------------

    def arrived(self, delivery: Delivery) -> None:
        """One delivery. Never waits, never fails: what is wrong with it is its own outcome."""
        if self._deaf:
            return  # stopping: it goes back to the queue with its channel
        self._alive.add(delivery.epoch)
        self._caution.arrived(delivery)

    def _read(self, delivery: Delivery, condemned: bool) -> None:  # noqa: FBT001  (the door's word)
        event = parse(delivery, self._policies.id_property)
        self._tally.received(event)
        if isinstance(event, Malformed):
            self._answer(conclude_malformed(event, self._shell.stamp()))
        elif condemned:
            self._condemn(event)
        else:
            self._handover.arrived(event, self._shell.now())
            self._take_in(self._sequences.arrive(event))

    def _condemn(self, event: Contribution) -> None:
        """It killed its process too often: it is dead-lettered without another try."""
        suspect = slot_of(event, self._shell.now())
        (settlement,) = conclude(Finish(suspect, Exhausted(accused(event))), 1, self._shell.stamp())
        self._answer(settlement)

    def lost(self, epochs: frozenset[int]) -> None:
        """These channels have ended: what waits from them is the broker's again."""
        self._alive -= epochs
        self._tally.lost(epochs)
        self._backlog.forget(epochs)
        self._handover.forget(epochs)
        self._caution.lost(epochs)
        self._try_anew(self._repeats.forget(epochs))
        self._wake.up()

    def _take_in(self, contribution: Contribution) -> None:
        match self._repeats.arrive(contribution):
            case Fresh():
                now = self._shell.now()
                self._backlog.add(contribution, now, self._handover.not_before(contribution, now))
                self._wake.up()
            case Held():
                pass
            case Outgoing() as outcome:
                self._repeat(contribution.delivery, outcome)

    def _try_anew(self, repeats: Iterable[Contribution]) -> None:
        """Repeats of an event that failed, or whose delivery died, take its place."""
        for contribution in repeats:
            if contribution.delivery.epoch in self._alive:
                self._take_in(contribution)

    # --- run --------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Carry what arrives until `stop` is set and what is held is settled, or the grace is over."""
        async with asyncio.TaskGroup() as tasks:
            self._spawn(tasks, self._answer_all())
            stopping = tasks.create_task(self._stop(stop))
            await self._send_out(tasks, stopping)
            await self._until_answered(stopping.result())
            for task in tuple(self._tasks):  # past the grace: what they held goes back to the queue
                task.cancel()

    def _spawn(self, tasks: asyncio.TaskGroup, story: Coroutine[Any, Any, None]) -> None:
        task = tasks.create_task(story)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_out(self, tasks: asyncio.TaskGroup, stopping: asyncio.Task[float]) -> None:
        while not self._done(stopping):
            self._wake.hush()
            wait = self._wait(self._shell.now(), stopping)
            if wait > 0.0:
                await self._wake.within(wait)
                continue
            batch = self._backlog.take(self._shell.now())
            if batch is not None:
                self._calls_out += 1
                story = self._carry(batch, tasks)
                traced = self._shell.traced
                self._spawn(tasks, traced(batch, story) if traced else story)
                # It runs up to its call and spends the budget that let it in.
                await asyncio.sleep(0)

    def _wait(self, now: float, stopping: asyncio.Task[float]) -> float:
        """Seconds until a batch may leave; FOREVER = until something happens."""
        waits = [stopping.result() - now] if stopping.done() else []
        due = self._backlog.next_due()
        if due is not None and self.paused is None:
            waits.append(max(due - now, self._line.wait(now)))
        return min(waits, default=FOREVER)

    async def _stop(self, stop: asyncio.Event) -> float:
        """Wait for the signal, then stop lingering; returns the moment at which the grace is over."""
        await stop.wait()
        log.info("drain_started", held=self._backlog.held, grace=self._policies.grace)
        self._deaf = True
        self._caution.close()
        self._intermission.end()
        self._backlog.drain()
        self._wake.up()
        return self._shell.now() + self._policies.grace

    def _done(self, stopping: asyncio.Task[float]) -> bool:
        """Stopping, and nothing is left that could be settled before the grace is over."""
        if not stopping.done():
            return False
        deadline = stopping.result()
        if self._shell.now() >= deadline:
            return True
        due = self._backlog.next_due()
        nothing_due = due is None or due > deadline or self.paused is not None
        return nothing_due and not self._calls_out and not self._settling

    # --- send out ---------------------------------------------------------------------------------------

    async def _carry(self, batch: Batch, tasks: asyncio.TaskGroup) -> None:
        """One batch, from its first call to the settlement of what it settled."""
        name = f"{self._shell.name}-{next(self._attempts)}"
        overtaken = self._sequences.overtaken(batch.slots)
        flow = flow_for(batch, name, self._policies.id_property, overtaken)
        try:
            verdicts = await self._line.converse(
                flow, batch.trigger, batch.company, lambda: self._permitted(batch)
            )
        finally:
            self._calls_out -= 1
            self._wake.up()
        if verdicts is None:
            self._give_up(batch)
            return
        trouble = self._intermission.note([slot.order for slot in batch.slots], verdicts)
        if trouble is not None:
            self._spawn(tasks, trouble)
        now, jitter = self._shell.now(), self._shell.jitter
        steps = decide(
            batch, verdicts, self._policies.retry, now, jitter, lambda: next(self._companies)
        )
        self._tally.judged(batch, verdicts, steps)
        for step in steps:
            if isinstance(step, PutBack):
                self._backlog.put_back(step.slot, *self._still_ours(step.slots))
        self._wake.up()
        await self._settle(batch, [step for step in steps if isinstance(step, Finish)])

    async def _permitted(self, batch: Batch) -> bool:
        """Whether a call may start: the broker still knows us, and nothing of the batch went back to it."""
        await self._shell.leased()
        return all(c.delivery.epoch in self._alive for s in batch.slots for c in s.contributions)

    def _give_up(self, batch: Batch) -> None:
        """A batch whose channel ended before its call: what of it is still ours waits again."""
        for slot in batch.slots:
            self._backlog.put_back(slot, *self._still_ours([slot]))
        self._wake.up()

    def _still_ours(self, slots: Iterable[Slot]) -> list[Slot]:
        """The slots without what came on channels that have ended meanwhile."""
        dead = (
            frozenset(c.delivery.epoch for slot in slots for c in slot.contributions) - self._alive
        )
        left = (without_epochs(slot, dead) for slot in slots) if dead else slots
        return [slot for slot in left if slot is not None]

    # --- settle -----------------------------------------------------------------------------------------

    async def _settle(self, batch: Batch, finished: Sequence[Finish]) -> None:
        """Outcomes and dead letters confirmed, then the acks, then the lanes go on."""
        if not finished:
            return
        stamp = self._shell.stamp()
        settled = [(finish, conclude(finish, len(batch.slots), stamp)) for finish in finished]
        ours = [s for _, group in settled for s in group if s.delivery.epoch in self._alive]
        await self._publish([(s.delivery, _messages(s)) for s in ours])
        self._tally.settled(ours, finished, self._shell.stamp())
        for finish, group in settled:
            again = [slot for settlement in group for slot in self._remember(settlement)]
            if again:  # in the lane's place: newer events wait behind them
                self._backlog.put_back(finish.slot, *again)
            else:
                self._backlog.finish(finish.slot)

    async def _publish(self, answers: Sequence[tuple[Delivery, Sequence[Outgoing]]]) -> None:
        """Publish, confirmed; then ack."""
        self._settling += 1
        try:
            await self._shell.publish([message for _, messages in answers for message in messages])
            await self._shell.ack([delivery for delivery, _ in answers])
            self._caution.settled(delivery for delivery, _ in answers)
        finally:
            self._settling -= 1
            self._wake.up()

    def _remember(self, settlement: Settlement) -> list[Slot]:
        """Answer the repeats of what was applied; those of what failed are returned, to be tried anew."""
        contribution = settlement.contribution
        if contribution is None:
            return []
        if settlement.status is Status.APPLIED:
            self._sequences.applied(contribution)
        if contribution.delivery.epoch not in self._alive:
            # Its redelivery may be in the lane again, and that of a newer event not yet: were the
            # newer one answered from memory, the older would be written over it.
            return []
        if settlement.status in {Status.APPLIED, Status.SUPERSEDED}:
            for repeat in self._repeats.applied(contribution, settlement.outcome):
                self._repeat(repeat.delivery, settlement.outcome)
            return []
        living = (c for c in self._repeats.failed(contribution) if c.delivery.epoch in self._alive)
        now = self._shell.now()
        return [slot_of(c, now) for c in living if isinstance(self._repeats.arrive(c), Fresh)]

    def _answer(self, settlement: Settlement) -> None:
        """Settle without a call, beside the calls and never in their way."""
        self._malformed.append(settlement)
        self._answering.set()

    def _repeat(self, delivery: Delivery, outcome: Outgoing) -> None:
        """The event was applied before: the same outcome again, no second write."""
        self._repeated.append((delivery, (outcome,)))
        self._answering.set()

    async def _answer_all(self) -> None:
        while True:
            await self._answering.wait()
            self._answering.clear()
            malformed = [s for s in self._malformed if s.delivery.epoch in self._alive]
            repeated = [(d, outcome) for d, outcome in self._repeated if d.epoch in self._alive]
            self._malformed, self._repeated = [], []
            await self._publish([*((s.delivery, _messages(s)) for s in malformed), *repeated])
            if malformed:
                self._tally.settled(malformed, (), self._shell.stamp())

    async def _until_answered(self, deadline: float) -> None:
        while self._malformed or self._repeated or self._settling:
            left = deadline - self._shell.now()
            if left <= 0.0:
                return
            self._wake.hush()
            await self._wake.within(left)


def _messages(settlement: Settlement) -> tuple[Outgoing, ...]:
    letter = settlement.dead_letter
    return (settlement.outcome,) if letter is None else (settlement.outcome, letter)
