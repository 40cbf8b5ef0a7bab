"""The intermission: intake is closed, a probe that writes nothing finds out when to open it again.

When to pause and how long is core.pauses' decision; this carries it out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

import structlog

from service.core.events.order_event import Order
from service.core.hubspot import calls, replies
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.pauses import Doubt, Pause, Pulse
from service.core.hubspot.verdicts import Cause, Halted, Retryable, Verdict
from service.core.reasons import Reason
from service.watch.metrics import Metrics

log = structlog.get_logger(__name__)

PROBE_KEY: Final = "ordersync-probe"  # a key that no order has


class Intermission:
    """`reason` says why intake is closed; None = it is open."""

    def __init__(
        self,
        call: Callable[[BatchCall, str], Awaitable[BatchReply | NoReply]],
        id_property: str,
        *,
        close_intake: Callable[[], None],
        open_intake: Callable[[], None],
        now: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._call, self._id_property, self._now, self._metrics = call, id_property, now, metrics
        self._close_intake, self._open_intake = close_intake, open_intake
        self._pulse = Pulse()
        self._over = False
        self.reason: Reason | None = None

    def note(
        self, orders: Sequence[Order], verdicts: Sequence[Verdict]
    ) -> Coroutine[Any, Any, None] | None:
        """Take in one call's verdicts; returns what is to be done about them, to be run as a task."""
        match self._pulse.note(orders, verdicts, self._now()):
            case Pause() as pause if self.reason is None:
                self._begin(pause)
                return self._until_answered(pause)
            case Doubt() as doubt:
                return self._ask(doubt)
            case _:
                return None

    def end(self) -> None:
        """The service stops: intake stays as it is."""
        self._over = True

    def _begin(self, pause: Pause) -> None:
        self.reason = pause.reason
        self._metrics.pauses.begin(pause.reason.code, self._now)
        self._close_intake()
        code, message = pause.reason.code, pause.reason.message
        log.error("intake_paused", reason=code, message=message, seconds=pause.seconds)

    async def _until_answered(self, pause: Pause) -> None:
        since, seconds, probes = self._now(), pause.seconds, 0
        while True:
            await asyncio.sleep(seconds)
            trouble = await self._probe()
            if trouble is None or self._over:
                break
            probes += 1
            seconds = self._pulse.probe_failed(probes)
            self._metrics.pauses.begin(trouble.code, self._now)
            self.reason = trouble
            log.warning(
                "probe_failed", reason=trouble.code, message=trouble.message, seconds=seconds
            )
        self._resume(self._now() - since)

    def _resume(self, seconds: float) -> None:
        self.reason = None
        self._metrics.pauses.end()
        log.info("intake_resumed", after=round(seconds, 1))
        if not self._over:
            self._open_intake()

    async def _ask(self, doubt: Doubt) -> None:
        """One order's calls fail: a probe tells whether it is the order or HubSpot."""
        if await self._probe() is not None and self.reason is None:
            pause = self._pulse.confirmed(doubt)
            self._begin(pause)
            await self._until_answered(pause)

    async def _probe(self) -> Reason | None:
        """Ask something that writes nothing; None = HubSpot answers as it should."""
        call = calls.find([PROBE_KEY], self._id_property)
        reply = await self._call(call, "probe")
        match replies.read_keys(call, reply, self._id_property)[0]:
            case Halted(reason):
                return reason
            case Retryable(reason, cause) if cause in {Cause.SERVER, Cause.THROTTLE}:
                return reason
            case _:
                return None
