"""The shell's one story: take in, send out, settle. It asks the core what to do, and does it.

It knows neither AMQP nor HTTP: what it needs of them are the callables in `Shell`. One TaskGroup owns
every task; waiting is for an event or a deadline, never a poll.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Final

import structlog

from service.core import calls, replies
from service.core.answers import BatchReply, NoReply
from service.core.backlog import Backlog, Batch, BatchPolicy
from service.core.budget import FOREVER, Budget, BudgetPolicy
from service.core.calls import BatchCall
from service.core.events import Contribution, Delivery, Malformed, parse
from service.core.flows import flow_for
from service.core.outcomes import Settlement, Status, conclude, conclude_malformed
from service.core.outgoing import Outgoing
from service.core.pauses import Doubt, Pause, Pulse
from service.core.reasons import Reason
from service.core.repeats import Fresh, Held, Repeats
from service.core.retries import Finish, PutBack, RetryPolicy, Step, decide
from service.core.slots import Slot, without_epochs
from service.core.verdicts import Cause, Halted, Retryable, Verdict
from service.metrics import Metrics

log = structlog.get_logger(__name__)

REMEMBERED: Final = 10_000  # outcomes, for repeats; about 1 KB each
TICK: Final = (
    0.001  # seconds; no timer is finer, or a due moment a float's breath away spins the loop
)
PROBE_KEY: Final = "ordersync-probe"  # a key that no order has: the probe reads, it writes nothing


@dataclass(frozen=True, slots=True)
class Policies:
    """What the set-up decides; the core's own types."""

    id_property: str
    batch: BatchPolicy
    retry: RetryPolicy
    budget: BudgetPolicy
    concurrency: int
    grace: float  # seconds from the first signal to the end


@dataclass(frozen=True, slots=True)
class Shell:
    """The world, as the pipeline needs it."""

    send: Callable[[BatchCall], Awaitable[BatchReply | NoReply]]
    renew: Callable[[], Awaitable[bool]]
    publish: Callable[[Sequence[Outgoing]], Awaitable[None]]
    ack: Callable[[Iterable[Delivery]], Awaitable[None]]
    open_intake: Callable[[], None]
    close_intake: Callable[[], None]
    now: Callable[[], float]  # monotonic seconds
    stamp: Callable[[], datetime]
    jitter: Callable[[], float]
    name: str  # unique to this process: it starts every trace id


class Pipeline:
    """Deliveries come in by `arrived`, epochs end by `lost`; `run` carries what is held to its settlement."""

    def __init__(self, policies: Policies, shell: Shell, metrics: Metrics) -> None:
        self._policies, self._shell, self._metrics = policies, shell, metrics
        self._backlog = Backlog(policies.batch)
        self._budget = Budget(policies.budget)
        self._repeats = Repeats(REMEMBERED)
        self._pulse = Pulse()
        self._alive: set[int] = set()
        self._answers: list[tuple[Delivery, Sequence[Outgoing]]] = []  # settled without a call
        self._wake, self._answer = asyncio.Event(), asyncio.Event()
        self._calls_out = 0
        self._settling = 0
        self._numbers, self._companies = count(1), count(1)
        self._deaf = False
        self._running: set[asyncio.Task[None]] = set()
        self.paused: Reason | None = None

    # --- take in --------------------------------------------------------------------------------------

    def arrived(self, delivery: Delivery) -> None:
        """One delivery. Never waits, never fails: what is wrong with it is its own outcome."""
        if self._deaf:
            return  # stopping: it goes back to the queue with the channel
        self._alive.add(delivery.epoch)
        if delivery.redelivered:
            self._metrics.redeliveries.inc()
        match parse(delivery, self._policies.id_property):
            case Malformed() as malformed:
                self._metrics.events_received.labels("malformed").inc()
                self._settle_malformed(malformed)
            case Contribution() as contribution:
                self._metrics.events_received.labels(contribution.operation).inc()
                self._take_in(contribution)

    def lost(self, epochs: frozenset[int]) -> None:
        """These channels have ended: what waits from them is the broker's again."""
        self._alive -= epochs
        self._metrics.channel_losses.inc(len(epochs))
        self._backlog.forget(epochs)
        self._again(self._repeats.forget(epochs))
        self._wake.set()

    def _take_in(self, contribution: Contribution) -> None:
        match self._repeats.arrive(contribution):
            case Fresh():
                self._backlog.add(contribution, self._shell.now())
                self._wake.set()
            case Held():
                pass
            case Outgoing() as outcome:
                self._answer_with(contribution.delivery, (outcome,))

    def _again(self, repeats: Iterable[Contribution]) -> None:
        """Repeats of an event that failed, or whose delivery died, are tried in its place."""
        for contribution in repeats:
            if contribution.delivery.epoch in self._alive:
                self._take_in(contribution)

    def _settle_malformed(self, malformed: Malformed) -> None:
        settlement = conclude_malformed(malformed, self._shell.stamp())
        self._count(settlement)
        messages = [m for m in (settlement.outcome, settlement.dead_letter) if m is not None]
        self._answer_with(malformed.delivery, messages)
        log.warning(
            "event_malformed",
            reason=malformed.code,
            message=malformed.message,
            event_id=malformed.identity.id,
        )

    def _answer_with(self, delivery: Delivery, messages: Sequence[Outgoing]) -> None:
        self._answers.append((delivery, messages))
        self._answer.set()

    # --- run --------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Carry what arrives until `stop` is set and what is held is settled, or the grace is over."""
        async with asyncio.TaskGroup() as tasks:
            self._spawn = self._spawner(tasks)
            self._spawn(self._answer_all())
            stopping = tasks.create_task(self._stop(stop))
            await self._send_out(stopping)
            await self._until_answered(stopping.result())
            for task in tuple(
                self._running
            ):  # past the grace: what they held goes back to the queue
                task.cancel()

    def _spawner(self, tasks: asyncio.TaskGroup) -> Callable[[Coroutine[Any, Any, None]], None]:
        def spawn(story: Coroutine[Any, Any, None]) -> None:
            task = tasks.create_task(story)
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        return spawn

    async def _send_out(self, stopping: asyncio.Task[float]) -> None:
        while not self._done(stopping):
            self._wake.clear()
            wait = self._wait(self._shell.now(), stopping)
            if wait > 0.0:
                await self._woken(wait)
                continue
            batch = self._backlog.take(self._shell.now())
            if batch is not None:
                self._calls_out += 1
                self._spawn(self._carry(batch))
                await asyncio.sleep(
                    0
                )  # it runs up to its call and spends the budget that let it in

    def _wait(self, now: float, stopping: asyncio.Task[float]) -> float:
        """Seconds until a batch may leave; FOREVER = until something happens."""
        waits = [stopping.result() - now] if stopping.done() else []
        due = self._backlog.next_due()
        if due is not None and self._calls_out < self._policies.concurrency and self.paused is None:
            waits.append(max(due - now, self._budget.wait(now)))
        return min(waits, default=FOREVER)

    async def _woken(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None if seconds == FOREVER else max(seconds, TICK)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _stop(self, stop: asyncio.Event) -> float:
        """Wait for the signal, then stop lingering; returns the moment at which the grace is over."""
        await stop.wait()
        deadline = self._shell.now() + self._policies.grace
        log.info("drain_started", held=self._backlog.held, grace=self._policies.grace)
        self._deaf = True
        self._backlog.drain()
        self._wake.set()
        return deadline

    def _done(self, stopping: asyncio.Task[float]) -> bool:
        """Stopping, and nothing is left that could be settled before the grace is over."""
        if not stopping.done():
            return False
        if self._shell.now() >= stopping.result():
            return True
        due = self._backlog.next_due()
        nothing_due = due is None or due > stopping.result() or self.paused is not None
        return nothing_due and self._calls_out == 0 and self._settling == 0

    # --- send out ---------------------------------------------------------------------------------------

    async def _carry(self, batch: Batch) -> None:
        """One batch, from its first call to the settlement of what it settled."""
        try:
            verdicts = await self._converse(batch)
        finally:
            self._calls_out -= 1
            self._wake.set()
        self._take_pulse(batch, verdicts)
        steps = decide(
            batch,
            verdicts,
            self._policies.retry,
            self._shell.now(),
            self._shell.jitter,
            lambda: next(self._companies),
        )
        self._settling += 1
        try:
            self._put_back(steps)
            await self._settle(batch, [step for step in steps if isinstance(step, Finish)])
        finally:
            self._settling -= 1
            self._wake.set()

    async def _converse(self, batch: Batch) -> tuple[Verdict, ...]:
        flow = flow_for(
            batch, f"{self._shell.name}-{next(self._numbers)}", self._policies.id_property
        )
        call = next(flow)
        while True:
            reply = await self._call(call, batch)
            try:
                call = flow.send(reply)
            except StopIteration as end:
                verdicts: tuple[Verdict, ...] = end.value
                return verdicts

    async def _call(self, call: BatchCall, batch: Batch | None) -> BatchReply | NoReply:
        """One call within the budget; after a 401 once more, if there is another token."""
        reply = await self._call_once(call, batch)
        if isinstance(reply, BatchReply) and reply.status == 401 and await self._shell.renew():
            return await self._call_once(call, batch)
        return reply

    async def _call_once(self, call: BatchCall, batch: Batch | None) -> BatchReply | NoReply:
        while (wait := self._budget.wait(self._shell.now())) > 0.0:
            await self._woken(wait)  # a flow's second call, a renewed token's, or a probe's
        self._budget.spend()
        started = self._shell.now()
        reply: BatchReply | NoReply = NoReply("given up", sent=True)
        try:
            reply = await self._shell.send(call)
        finally:
            self._learn(call, reply, started, batch)
        return reply

    def _learn(
        self, call: BatchCall, reply: BatchReply | NoReply, started: float, batch: Batch | None
    ) -> None:
        now = self._shell.now()
        self._budget.learn(reply, now)
        status = reply.status if isinstance(reply, BatchReply) else "no_reply"
        if status == 429 and isinstance(reply, BatchReply):
            self._budget.refused(replies.retry_after(reply), now)
        self._wake.set()
        self._metrics.calls.labels(call.endpoint, str(status)).inc()
        self._metrics.call_seconds.labels(call.endpoint).observe(now - started)
        self._metrics.quota_used.set(self._budget.used)
        self._metrics.quota_limit.set(self._budget.limit)
        if self._budget.remaining is not None:
            self._metrics.quota_remaining.set(self._budget.remaining)
        if batch is not None and batch.company:
            self._metrics.isolation_calls.inc()
        log.info(
            "call_answered",
            endpoint=call.endpoint,
            records=len(call.inputs),
            status=status,
            seconds=round(now - started, 4),
            trigger=batch.trigger if batch else "probe",
            company=batch.company if batch else 0,
            error=reply.message if isinstance(reply, NoReply) else None,
            correlation_id=reply.headers.get("x-hubspot-correlation-id")
            if isinstance(reply, BatchReply)
            else None,
        )

    # --- settle -----------------------------------------------------------------------------------------

    def _put_back(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if isinstance(step, PutBack):
                self._metrics.retries.labels(
                    "isolation" if step.slots[0].company or len(step.slots) > 1 else "retry"
                ).inc()
                self._backlog.put_back(step.slot, *self._still_ours(step.slots))
        self._wake.set()

    def _still_ours(self, slots: Iterable[Slot]) -> list[Slot]:
        """The slots without what came on channels that have ended meanwhile."""
        kept = []
        for slot in slots:
            dead = frozenset(c.delivery.epoch for c in slot.contributions) - self._alive
            left = without_epochs(slot, dead) if dead else slot
            if left is not None:
                kept.append(left)
        return kept

    async def _settle(self, batch: Batch, finished: Sequence[Finish]) -> None:
        """Outcomes and dead letters confirmed, then the acks, then the lanes go on."""
        if not finished:
            return
        settlements = [
            s for f in finished for s in conclude(f, len(batch.slots), self._shell.stamp())
        ]
        await self._finish(settlements)
        for finish in finished:
            self._backlog.finish(finish.slot)
        self._remember(settlements)
        self._log_settled(batch, settlements)

    async def _finish(self, settlements: Sequence[Settlement]) -> None:
        ours = [s for s in settlements if s.delivery.epoch in self._alive]
        messages = [s.outcome for s in ours]
        messages += [s.dead_letter for s in ours if s.dead_letter is not None]
        await self._shell.publish(messages)
        await self._shell.ack([s.delivery for s in ours])
        for settlement in ours:
            self._count(settlement)

    def _remember(self, settlements: Iterable[Settlement]) -> None:
        for settlement in settlements:
            contribution = settlement.contribution
            if contribution is None:
                continue
            if settlement.status in {Status.APPLIED, Status.SUPERSEDED}:
                for repeat in self._repeats.applied(contribution, settlement.outcome):
                    self._answer_with(repeat.delivery, (settlement.outcome,))
            else:
                self._again(self._repeats.failed(contribution))

    async def _answer_all(self) -> None:
        """Publish and ack what needed no call, many at a time, beside the calls and never before them."""
        while True:
            await self._answer.wait()
            self._answer.clear()
            answers = [(d, m) for d, m in self._answers if d.epoch in self._alive]
            self._answers.clear()
            self._settling += 1
            await self._shell.publish([message for _, messages in answers for message in messages])
            await self._shell.ack([delivery for delivery, _ in answers])
            self._settling -= 1
            self._wake.set()

    async def _until_answered(self, deadline: float) -> None:
        while (self._answers or self._settling) and (left := deadline - self._shell.now()) > 0.0:
            self._wake.clear()
            await self._woken(left)

    # --- pause ------------------------------------------------------------------------------------------

    def _take_pulse(self, batch: Batch, verdicts: Sequence[Verdict]) -> None:
        match self._pulse.note([slot.order for slot in batch.slots], verdicts):
            case Pause() as pause:
                self._pause(pause)
            case Doubt() as doubt:
                self._spawn(self._ask(doubt))
            case None:
                pass

    def _pause(self, pause: Pause) -> None:
        if self.paused is not None:
            return
        self.paused = pause.reason
        log.error(
            "intake_paused",
            reason=pause.reason.code,
            message=pause.reason.message,
            seconds=pause.seconds,
        )
        self._metrics.paused.set(1)
        self._shell.close_intake()
        self._spawn(self._resume(pause))

    async def _resume(self, pause: Pause) -> None:
        """Probe until HubSpot takes calls again, then open the intake."""
        since, seconds, probes = self._shell.now(), pause.seconds, 0
        while not self._deaf:
            await asyncio.sleep(seconds)
            trouble = await self._probe()
            if trouble is None:
                break
            probes += 1
            seconds = self._pulse.probe_failed(probes)
            log.warning(
                "probe_failed", reason=trouble.code, message=trouble.message, seconds=seconds
            )
        self.paused = None
        self._metrics.paused.set(0)
        self._metrics.paused_seconds.labels(pause.reason.code).inc(self._shell.now() - since)
        log.info("intake_resumed", seconds=round(self._shell.now() - since, 1))
        if not self._deaf:
            self._shell.open_intake()
        self._wake.set()

    async def _ask(self, doubt: Doubt) -> None:
        if await self._probe() is not None:
            self._pause(self._pulse.confirmed(doubt))

    async def _probe(self) -> Reason | None:
        """Ask HubSpot something that writes nothing; None = it answers as it should."""
        call = calls.find([PROBE_KEY], self._policies.id_property)
        match replies.read_keys(call, await self._call(call, None), self._policies.id_property)[0]:
            case Halted(reason):
                return reason
            case Retryable(reason, cause) if cause in {Cause.SERVER, Cause.THROTTLE}:
                return reason
            case _:
                return None

    # --- count ------------------------------------------------------------------------------------------

    def _count(self, settlement: Settlement) -> None:
        code = settlement.reason.code if settlement.reason else ""
        self._metrics.outcomes.labels(settlement.status, code).inc()
        if settlement.dead_letter is not None:
            self._metrics.dead_letters.labels(code).inc()

    def _log_settled(self, batch: Batch, settlements: Sequence[Settlement]) -> None:
        events: dict[str, list[str]] = {}
        for settlement in settlements:
            if settlement.contribution is not None:
                events.setdefault(settlement.status, []).append(settlement.contribution.event.id)
        log.info(
            "batch_settled", operation=batch.operation, records=len(batch.slots), events=events
        )
        self._metrics.batch_records.observe(len(batch.slots))
        self._metrics.batches.labels(batch.operation, batch.trigger).inc()

    def facts(self) -> Mapping[str, float]:
        """What is held at this moment, for the gauges."""
        oldest = self._backlog.oldest()
        return {
            "held_events": self._backlog.held,
            "in_flight_records": self._backlog.in_flight,
            "oldest_held_seconds": 0.0 if oldest is None else self._shell.now() - oldest,
        }
