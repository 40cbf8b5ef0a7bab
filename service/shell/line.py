"""The line to HubSpot: one call at a time within the budget, counted and logged. It decides nothing.

A call waits here for the budget; a batch that the pipeline lets out does not, because it is only taken
when the budget has room. A flow's second call, a renewed token's and a probe's may.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf
from typing import Final

import structlog

from service.core.graph.steps import Step
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.budget import Budget, BudgetPolicy
from service.core.hubspot.concurrency import Concurrency
from service.core.hubspot.day import Day
from service.core.hubspot.places import FOREVER
from service.core.hubspot.requests import Call, object_of
from service.core.hubspot.thrift import Thrift
from service.core.hubspot.throttles import POLICIES, Began, Over, Spell, Throttles, throttle_of
from service.core.hubspot.verdicts import Fate
from service.core.waiting.spare import Spare
from service.shell.wake import Wake
from service.watch.metrics import Metrics

log = structlog.get_logger(__name__)

UNAUTHENTICATED: Final = 401


Permit = Callable[
    [], Awaitable[bool]
]  # may wait; False = what the call is for is not ours any more


async def _always() -> bool:
    return True


class Line:
    """`send` is one request; `renew` says after a 401 whether there is another token to try."""

    def __init__(
        self,
        send: Callable[[Call], Awaitable[BatchReply | NoReply]],
        renew: Callable[[], Awaitable[bool]],
        *,
        policy: BudgetPolicy,
        concurrency: int | None,
        now: Callable[[], float],
        wake: Wake,
        metrics: Metrics,
    ) -> None:
        self._send, self._renew, self._now, self._wake = send, renew, now, wake
        self._budget, self._metrics = Budget(policy), metrics
        self._concurrency = Concurrency(concurrency)
        self._conversations = 0
        self._throttles, self._thrift = Throttles(), Thrift()
        self.day = Day(policy.daily)
        # Called where little of the day is left.
        self.low: Callable[[], None] = lambda: None
        for limit in POLICIES:
            metrics.throttled.labels(limit).set_function(partial(self._throttled_by, limit))

    def wait(self, now: float) -> float:
        """Seconds until a batch may leave; FOREVER = when one that is on its way has its verdicts."""
        per_second = self._budget.limit / self._budget.window
        if self._conversations >= self._concurrency.calls(per_second):
            return FOREVER
        return self._budget.wait(now)

    def spare(self, now: float) -> Spare:
        """What the quota leaves now."""
        budget = self._budget
        used = budget.taken(now) / budget.limit
        return Spare(
            budget.window / budget.limit, used, self._thrift.early(used), self.day.share(now)
        )

    def throttle(self) -> Spell | None:
        """The limit of HubSpot's that holds calls up now."""
        return self._throttles.spell(self._now())

    def _throttled_by(self, limit: str) -> float:
        spell = self.throttle()
        return float(spell is not None and spell.throttle.policy == limit)

    async def converse(
        self, flow: Step[tuple[Fate, ...]], why: str, company: int, permit: Permit
    ) -> tuple[Fate, ...] | None:
        """Carry a flow's calls out, step by step, to its fates; None = not permitted any more."""
        self._conversations += 1
        try:
            return await self._converse(flow, why, company, permit)
        finally:
            self._conversations -= 1
            self._wake.up()

    async def _converse(
        self, flow: Step[tuple[Fate, ...]], why: str, company: int, permit: Permit
    ) -> tuple[Fate, ...] | None:
        replies: tuple[BatchReply | NoReply, ...] | None = None
        while True:
            try:
                calls = next(flow) if replies is None else flow.send(replies)
            except StopIteration as end:
                fates: tuple[Fate, ...] = end.value
                return fates
            replies = await self._together(calls, why, company, permit)
            if replies is None:
                flow.close()
                return None

    async def _together(
        self, calls: Sequence[Call], why: str, company: int, permit: Permit
    ) -> tuple[BatchReply | NoReply, ...] | None:
        """The calls of one step at once; None where one of them was not permitted."""
        if len(calls) == 1:
            only = await self._patiently(calls[0], why, company, permit)
            return None if only is None else (only,)
        async with asyncio.TaskGroup() as tasks:
            sent = [
                tasks.create_task(self._patiently(call, why, company, permit)) for call in calls
            ]
        replies = tuple(reply for task in sent if (reply := task.result()) is not None)
        return replies if len(replies) == len(calls) else None

    async def call(self, call: Call, why: str, company: int = 0) -> BatchReply | NoReply:
        """One call that writes nothing; after a 401 once more, if there is another token."""
        reply = await self._patiently(call, why, company, _always)
        # It may have been the look whether a new day has begun.
        refusal = self.day.refusal(self._now())
        return refusal or reply or NoReply("not permitted", sent=False)

    async def _patiently(
        self, call: Call, why: str, company: int, permit: Permit
    ) -> BatchReply | NoReply | None:
        reply = await self._within_budget(call, why, company, permit)
        refused = isinstance(reply, BatchReply) and reply.status == UNAUTHENTICATED
        if refused and await self._renew():
            return await self._within_budget(call, why, company, permit)
        return reply

    async def _within_budget(
        self, call: Call, why: str, company: int, permit: Permit
    ) -> BatchReply | NoReply | None:
        """Wait for the budget and for the permit; whoever had to wait for one asks the other again."""
        if (refusal := self.day.refusal(self._now())) is not None:
            return refusal
        while True:
            while (wait := self._budget.wait(self._now())) > 0.0:
                # A bell that rings already is no waiting, and would starve the loop.
                self._wake.hush()
                await self._wake.within(wait)
            if not await permit():
                return None
            if self._budget.wait(self._now()) <= 0.0:
                break
        started = self._now()
        self._budget.spend(started)
        self.day.spend(started)
        self._thrift.spend(started, self._budget.limit, self._budget.window)
        reply: BatchReply | NoReply = NoReply("given up", sent=True)
        try:
            reply = await self._send(call)
        finally:
            self._learn(reply, started)
        self._account(call, reply, self._now() - started, why, company)
        return reply

    def _learn(self, reply: BatchReply | NoReply, started: float) -> None:
        now = self._now()
        self._concurrency.learn(now - started)
        self._budget.learn(reply, started, now)
        if isinstance(reply, BatchReply):
            self.day.hear(reply.limits, now)
            if reply.limited:
                self._budget.refused(reply.retry_after, now)
        self._thrift.hear(self.day.left(now))
        if self.day.low(now):
            self.low()
        self._tell(reply, started, now)
        self._wake.up()

    def _tell(self, reply: BatchReply | NoReply, started: float, now: float) -> None:
        """A throttle is told when it begins and when it is over: an unnoticed one looks like health."""
        budget = self._budget
        heard = throttle_of(reply, budget.window, budget.used, budget.limit)
        match self._throttles.note(reply, heard, started, now):
            case Began(spell):
                said = spell.throttle
                log.warning(
                    "throttled",
                    policy=said.policy,
                    message=said.message,
                    advice=said.advice,
                    seconds=said.seconds,
                    correlation_id=said.correlation_id,
                )
            case Over(spell, seconds):
                log.info("throttle_over", after=round(seconds, 1), answers=spell.answers)
            case None:
                pass

    def _account_day(self) -> None:
        now, day = self._now(), self.day
        if (left := day.left(now)) is not None:
            self._metrics.quota_day_remaining.set(left)
            self._metrics.quota_day_limit.set(day.limit() or 0)
        seconds = day.empty_in(now)
        self._metrics.quota_day_seconds.set(inf if seconds is None else seconds)

    def _account(
        self, call: Call, reply: BatchReply | NoReply, seconds: float, why: str, company: int
    ) -> None:
        status = reply.status if isinstance(reply, BatchReply) else 0
        self._metrics.calls.labels(object_of(call), call.name, str(status)).inc()
        self._metrics.call_seconds.labels(call.name).observe(seconds)
        self._metrics.quota_used.set(self._budget.used)
        self._metrics.quota_limit.set(self._budget.limit)
        if self._budget.remaining is not None:
            self._metrics.quota_remaining.set(self._budget.remaining)
        self._account_day()
        if company:
            self._metrics.isolation_calls.inc()
        heard = reply.correlation_id if isinstance(reply, BatchReply) else None
        log.info(
            "call_answered",
            object=object_of(call),
            endpoint=call.name,
            records=call.size,
            why=why,
            company=company,
            status=status,
            seconds=round(seconds, 4),
            correlation_id=heard,
            error=reply.message if isinstance(reply, NoReply) else None,
        )
