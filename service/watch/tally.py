"""What is said of what was done: metrics, one canonical log line a settlement, and what people are told at once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, assert_never

import structlog

from service.core.desk import Read
from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution
from service.core.events.malformed import Malformed
from service.core.hubspot.pauses import Pause
from service.core.hubspot.verdicts import Refused, Rejected, Retryable, Verdict
from service.core.intake.crashes import Suspected
from service.core.intake.gate import ProbeFailed
from service.core.outgoing import Outgoing
from service.core.reasons import Code, Reason
from service.core.settlement.announcements import Announcements
from service.core.settlement.closing import Closing
from service.core.settlement.outcome import Status
from service.core.settlement.outcomes import Settlement
from service.core.settlement.retries import PutBack, Step
from service.core.waiting.batch import Batch
from service.watch.metrics import MALFORMED, NO_REASON, Metrics

log = structlog.get_logger(__name__)

# Events of one failure; all of them are in `events_settled`.
NAMED: Final = 20
_FAILED: Final = frozenset({Status.REJECTED, Status.EXHAUSTED})
# `cause` of a put-back that no failure of the record's own explains.
ISOLATION: Final = "isolation"


class Tally:
    """Counts in batches: a label look-up costs a tenth of what an event may."""

    def __init__(self, metrics: Metrics, name: str, announce: Callable[[Outgoing], None]) -> None:
        self._metrics, self._announce = metrics, announce
        self._announcements = Announcements(name)
        self._received: Counter[str] = Counter()

    def read(self, read: Read) -> None:
        """One delivery was read. Counted at the next settlement."""
        delivery = read.delivery
        match read:
            case Contribution(operation=operation):
                self._received[operation] += 1
            case Malformed():
                self._received[MALFORMED] += 1
                log.warning(
                    "event_malformed",
                    reason=read.code,
                    message=read.message,
                    event_id=read.identity.id,
                    queue=delivery.queue,
                )
            case Suspected():
                log.warning("crash_suspected", queue=delivery.queue, returns=delivery.returns)
                return
            case _:
                assert_never(read)
        if delivery.redelivered:
            self._metrics.redeliveries.inc()
        if (isinstance(read, Malformed) or read.came_back) and delivery.replays:
            self._metrics.replays.inc()

    def lost(self, epochs: frozenset[int]) -> None:
        """Channels ended."""
        self._metrics.channel_losses.inc(len(epochs))

    def judged(self, batch: Batch, verdicts: Sequence[Verdict], steps: Sequence[Step]) -> None:
        """A batch was answered."""
        self._metrics.batches.labels(batch.operation, batch.trigger).inc()
        self._metrics.batch_records.observe(len(batch.slots))
        for verdict, step in zip(verdicts, steps, strict=True):
            if isinstance(step, PutBack):
                self._metrics.retries.labels(_cause(verdict)).inc()

    def paused(self, pause: Pause, now: Callable[[], float], stamp: datetime) -> None:
        """Calls stop. `now` tells for how long."""
        reason = pause.reason
        self._metrics.pauses.begin(reason.code, now)
        log.error(
            "intake_paused", reason=reason.code, message=reason.message, seconds=pause.seconds
        )
        self._tell(self._announcements.paused(reason, stamp))

    def probe_failed(self, found: ProbeFailed, now: Callable[[], float], stamp: datetime) -> None:
        """Calls stay stopped, perhaps for another reason."""
        reason = found.reason
        self._metrics.pauses.begin(reason.code, now)
        log.warning(
            "probe_failed", reason=reason.code, message=reason.message, seconds=found.seconds
        )
        self._tell(self._announcements.paused(reason, stamp))

    def resumed(self, seconds: float, stamp: datetime) -> None:
        """Calls go on."""
        self._metrics.pauses.end()
        log.info("intake_resumed", after=round(seconds, 1))
        self._tell(self._announcements.resumed(seconds, stamp))

    def low(self, sentence: str, stamp: datetime) -> None:
        """Little of the day's calls is left."""
        log.warning("day_low", message=sentence)
        self._tell(self._announcements.low(Reason(Code.DAILY_LIMIT, sentence), stamp))

    def settled(self, closing: Closing, stamp: datetime) -> None:
        """Outcomes and dead letters are confirmed."""
        events: dict[str, list[str | None]] = {}
        counted: Counter[tuple[str, str]] = Counter()
        for settlement in closing.settlements:
            reason = settlement.reason.code if settlement.reason else NO_REASON
            counted[settlement.status, reason] += 1
            self._metrics.publish_to_outcome_seconds.observe(_age(settlement.delivery, stamp))
            if settlement.dead_letter is not None:
                self._metrics.dead_letters.labels(reason).inc()
            known = settlement.contribution
            events.setdefault(settlement.status, []).append(known.event.id if known else None)
        for labels, count in counted.items():
            self._metrics.outcomes.labels(*labels).inc(count)
        for finish in closing.finished:
            self._metrics.events_per_write.observe(len(finish.slot.contributions))
        self._count_received()
        log.info("events_settled", records=len(closing.finished), **events)
        for failure in _failures(closing.settlements):
            log.warning("events_failed", **failure)
        self._tell(*self._announcements.failed(closing.settlements, stamp))

    def _tell(self, *announcements: Outgoing | None) -> None:
        for each in announcements:
            if each is not None:
                self._announce(each)

    def _count_received(self) -> None:
        for operation, count in self._received.items():
            self._metrics.events_received.labels(operation).inc(count)
        self._received.clear()


def _failures(settlements: Iterable[Settlement]) -> Iterator[dict[str, Any]]:
    """A line for each reason that events were rejected or given up for, with no value in it.

    What is malformed has a line of its own, as soon as it is read.
    """
    failed: dict[tuple[str, str], list[Settlement]] = {}
    for settlement in settlements:
        if settlement.status in _FAILED and settlement.reason is not None:
            failed.setdefault((settlement.status, settlement.reason.code), []).append(settlement)
    for (status, code), group in failed.items():
        reasons = [settlement.reason for settlement in group if settlement.reason]
        events = [s.contribution.event.id for s in group if s.contribution]
        yield {
            "status": status,
            "reason": code,
            "count": len(group),
            "properties": dict(Counter(r.property for r in reasons if r.property)),
            "event_ids": events[:NAMED],
            "correlation_id": reasons[0].correlation_id,
        }


def _cause(verdict: Verdict) -> str:
    match verdict:
        case Retryable(cause=cause):
            return cause
        case Refused() | Rejected():
            return ISOLATION
        case _:
            return "halted"


def _age(delivery: Delivery, stamp: datetime) -> float:
    """Seconds since the producer published it, where it says and that is a second or more before it arrived.

    Else since it arrived: AMQP's timestamps are whole seconds. A replay's is that of its first life.
    """
    sent, since = delivery.properties.timestamp, delivery.received_at
    if sent is not None and not delivery.replays and (since - sent).total_seconds() >= 1.0:
        since = sent
    return max(0.0, (stamp - since).total_seconds())
