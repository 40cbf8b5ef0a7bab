"""What is counted, and nothing else. `Metrics` has a registry of its own: two of them never mix.

Labels are bounded: operations, statuses, reason codes, endpoints, HTTP statuses. An order, an
event or a queue's name is never a label. Series whose `increase()` is asked for exist from the start at
0, because `increase()` does not see the first step of a series that was not there before.
"""

from math import inf, nan
from platform import python_version
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

from service.core.events.order_event import Operation
from service.core.hubspot.throttles import POLICIES
from service.core.hubspot.verdicts import Cause
from service.core.reasons import Code
from service.core.settlement.outcome import Status
from service.watch.pauses import PauseMetrics
from service.watch.version import installed

PREFIX: Final = "ordersync"
# To Prometheus an empty label is no label.
NO_REASON: Final = ""
# `operation` of an event that could not be read.
MALFORMED: Final = "malformed"
_WAIT: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1800)  # seconds
_CALL: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)  # seconds
_RECORDS: Final = (1, 5, 10, 25, 50, 75, 90, 100)
_EVENTS: Final = (1, 2, 3, 5, 10, 25, 50, 100)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a timestamp a series: noise


class Metrics:
    """One attribute a metric; the label names are in the constructor."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events()
        self._batches()
        self._calls()
        self._troubles()
        ProcessCollector(registry=self.registry)
        Info("build", "What runs.", namespace=PREFIX, registry=self.registry).info(
            {"version": installed(), "python": python_version()}
        )

    def render(self) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _events(self) -> None:
        self.events_received = self._counter(
            "events_received", "Order events taken in, redelivered ones too.", "operation"
        )
        self.outcomes = self._counter(
            "outcomes", "Events settled: outcome confirmed.", "status", "reason"
        )
        self.publish_to_outcome_seconds = self._histogram(
            "publish_to_outcome_seconds",
            "From the producer's publish (AMQP timestamp, else arrival) to the confirmed outcome.",
            _WAIT,
        )
        self.oldest_held_seconds = self._gauge(
            "oldest_held_seconds", "Age of the oldest event that is held, since its arrival."
        )
        self.journal_dropped = self._counter(
            "journal_dropped", "Outcomes that the journal could not take, and has not."
        )
        self.journal_waiting_seconds = self._gauge(
            "journal_waiting_seconds",
            "Age of the oldest write to the journal that is not confirmed.",
        )
        self.held_events = self._gauge("held_events", "Events held: waiting or in flight.")
        self.in_flight_records = self._gauge(
            "in_flight_records", "Records sent to HubSpot and not answered."
        )
        for operation in (*Operation, MALFORMED):
            self.events_received.labels(operation)
        for status in (Status.APPLIED, Status.SUPERSEDED):
            self.outcomes.labels(status, NO_REASON)

    def _batches(self) -> None:
        self.batches = self._counter(
            "batches", "Batches sent, by what completed them.", "operation", "trigger"
        )
        self.batch_records = self._histogram("batch_records", "Records in a batch.", _RECORDS)
        self.events_per_write = self._histogram(
            "events_per_write", "Events merged into one record's write.", _EVENTS
        )
        self.retries = self._counter("retries", "Records put back for another try.", "cause")
        self.isolation_calls = self._counter(
            "isolation_calls", "Calls spent on finding out which record a refusal is about."
        )
        for cause in Cause:
            self.retries.labels(cause)

    def _calls(self) -> None:
        self.calls = self._counter(
            "calls", "Calls to HubSpot; status 0 = no answer.", "object", "endpoint", "status"
        )
        self.call_seconds = self._histogram(
            "call_seconds", "From the departure of a call to its answer.", _CALL, "endpoint"
        )
        self.quota_used = self._gauge("quota_used", "Our calls in the burst limit's window.")
        self.quota_limit = self._gauge("quota_limit", "The burst limit as it is kept to now.")
        self.quota_remaining = self._gauge("quota_remaining", "What HubSpot says is left of it.")
        self.quota_day_limit = self._gauge("quota_day_limit", "The day's calls that may be ours.")
        self.quota_day_remaining = self._gauge("quota_day_remaining", "What is left of them.")
        self.quota_day_seconds = self._gauge(
            "quota_day_seconds",
            "Until none is left at the pace of the last ten minutes; +Inf = not today.",
        )
        self.quota_day_limit.set(nan)
        self.quota_day_remaining.set(nan)
        self.quota_day_seconds.set(inf)

    def _troubles(self) -> None:
        self.pauses = PauseMetrics(PREFIX, (code for code in Code if code.kind.pauses))
        self.registry.register(self.pauses)
        self.throttled = self._gauge(
            "throttled",
            "1 from HubSpot's first 429 until a call gets through, of the limit told last.",
            "policy",
        )
        for policy in POLICIES:
            self.throttled.labels(policy)
        self.redeliveries = self._counter(
            "redeliveries", "Events that the broker delivered once more."
        )
        self.channel_losses = self._counter(
            "channel_losses", "Channels that died with events unacknowledged on them."
        )
        self.dead_letters = self._counter("dead_letters", "Dead letters published.", "reason")
        self.replays = self._counter("replays", "Events that came back out of the dead letters.")
        for code in Code:
            self.dead_letters.labels(code)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            name, text, labels, namespace=PREFIX, buckets=buckets, registry=self.registry
        )
