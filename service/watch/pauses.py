"""Pauses of the intake as metrics: which reason holds now, and for how long in all, counted while it lasts.

Law: at any moment the reason that holds is 1 and every other is 0; the seconds of a pause show at the next
scrape, not when it is over.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

Families = GaugeMetricFamily | CounterMetricFamily


class PauseMetrics(Collector):
    """`ordersync_paused` and `ordersync_paused_seconds_total`, by reason."""

    def __init__(self, prefix: str, reasons: Iterable[str]) -> None:
        self._prefix = prefix
        self._seconds = dict.fromkeys(reasons, 0.0)
        self._reason: str | None = None
        self._since = 0.0
        self._now: Callable[[], float] = float

    def begin(self, reason: str, now: Callable[[], float]) -> None:
        """Intake closes, or what keeps it closed is another reason by now. `now`: monotonic seconds.

        A probe that got no answer names no reason of a pause's own: the one that holds stays.
        """
        if self._reason is not None and reason not in self._seconds:
            return
        self.end()
        self._seconds.setdefault(reason, 0.0)
        self._reason, self._now, self._since = reason, now, now()

    def end(self) -> None:
        """Intake opens."""
        if self._reason is not None:
            self._seconds[self._reason] += self._now() - self._since
        self._reason = None

    def collect(self) -> Iterator[Families]:
        """Both families, as of now."""
        paused = GaugeMetricFamily(
            f"{self._prefix}_paused",
            "1 while the intake is paused, and for which reason.",
            labels=["reason"],
        )
        seconds = CounterMetricFamily(
            f"{self._prefix}_paused_seconds",
            "Time with the intake paused, counted while it lasts.",
            labels=["reason"],
        )
        now = self._now()
        for reason, before in self._seconds.items():
            holds = reason == self._reason
            paused.add_metric([reason], float(holds))
            seconds.add_metric([reason], before + (now - self._since if holds else 0.0))
        yield paused
        yield seconds
