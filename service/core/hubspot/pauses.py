"""When calls stop, and when to try again.

Law: an outage, a full day's limit, a bad token, a wrong set-up is nobody's dead letter. Calls stop, what is
held waits (intake.gate), and a probe that writes nothing finds out when to go on. Resuming is cautious: as
long as no write succeeded since, the next pause is twice as long.

A throttle passes by itself; one that outlasts LONG_THROTTLE is a pause like an outage.

An outage is evidenced by calls that fail as a whole, one after the other, for more than one order, while
none succeeds. Where only one order fails and no other is there to tell, a probe is asked before the order
is blamed (`Doubt`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.core.events.order_event import Order
from service.core.hubspot.verdicts import (
    Applied,
    Cause,
    Halted,
    Refused,
    Rejected,
    Retryable,
    Verdict,
)
from service.core.reasons import Code, Reason

OUTAGE_CALLS: Final = 4  # failed calls in a row
OUTAGE_ORDERS: Final = 2  # distinct orders among them
LONG_THROTTLE: Final = 300.0  # seconds in which every call is throttled
FIRST: Final = 1.0  # seconds before the first probe
LONGEST: Final = 300.0  # that HubSpot may ask for
# Where the probe is answered and writes are not: the longest that anybody waits after the cause was mended.
LONGEST_IN_VAIN: Final = 1800.0
SELDOM: Final = 60.0  # between two probes that fail, at the most
_DOUBLINGS: Final = 11  # enough for both; 2**1024 is no float, and a night has more probes


@dataclass(frozen=True, slots=True)
class Doubt:
    """One order's calls keep failing and no other order tells: ask HubSpot before blaming the order."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop intake for `seconds`, then probe."""

    reason: Reason
    seconds: float


class Pulse:
    """What the answers say about HubSpot as a whole."""

    def __init__(self) -> None:
        self._failed_calls = 0
        self._failed_orders: set[Order] = set()
        self._pauses = 0  # in a row, with no write between
        self._throttles: tuple[float, float] | None = None  # the first and the last in a row

    def note(
        self, orders: Sequence[Order], verdicts: Sequence[Verdict], now: float
    ) -> Pause | Doubt | None:
        """Take in one call's verdicts; a Pause where they say that it is not about these orders."""
        for verdict in verdicts:
            if isinstance(verdict, Halted):
                return self._pause(verdict.reason, verdict.after)
        if throttle := self._throttle(verdicts, now):
            return throttle
        failures = [v for v in verdicts if isinstance(v, Retryable) and v.cause is Cause.SERVER]
        if len(failures) < len(verdicts):
            self._alive(verdicts)
            return None
        self._failed_calls += 1
        self._failed_orders.update(orders)
        if self._failed_calls < OUTAGE_CALLS:
            return None
        last = failures[-1].reason
        message = f"HubSpot fails every call: {last.message}"
        outage = Reason(Code.OUTAGE, message, last.http_status, last.category, last.correlation_id)
        return (
            self._pause(outage, None)
            if len(self._failed_orders) >= OUTAGE_ORDERS
            else Doubt(outage)
        )

    def confirmed(self, doubt: Doubt) -> Pause:
        """The probe failed too: it is HubSpot."""
        return self._pause(doubt.reason, None)

    def probe_failed(self, probes: int) -> float:
        """Seconds until the next probe, after `probes` failed in this pause."""
        return float(min(SELDOM, FIRST * 2 ** min(probes, _DOUBLINGS)))

    def _throttle(self, verdicts: Sequence[Verdict], now: float) -> Pause | None:
        """A Pause where nothing but throttles was heard for too long."""
        last = verdicts[-1]
        if not (isinstance(last, Retryable) and all(_throttled(each) for each in verdicts)):
            self._throttles = None
            return None
        first, before = self._throttles or (now, now)
        first = now if now - before > LONG_THROTTLE else first  # long ago: a new one
        self._throttles = (first, now)
        if now - first < LONG_THROTTLE:
            return None
        self._throttles = None
        return self._pause(last.reason, last.after)

    def _alive(self, verdicts: Sequence[Verdict]) -> None:
        self._failed_calls = 0
        self._failed_orders.clear()
        if any(isinstance(verdict, Applied | Rejected | Refused) for verdict in verdicts):
            self._pauses = 0

    def _pause(self, reason: Reason, after: float | None) -> Pause:
        self._failed_calls = 0
        self._failed_orders.clear()
        seconds = min(LONGEST_IN_VAIN, FIRST * 2 ** min(self._pauses, _DOUBLINGS))
        self._pauses += 1
        return Pause(reason, max(seconds, min(after or 0.0, LONGEST)))


def _throttled(verdict: Verdict) -> bool:
    return isinstance(verdict, Retryable) and verdict.cause is Cause.THROTTLE
