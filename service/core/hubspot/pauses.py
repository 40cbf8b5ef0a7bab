"""When calls stop, and when to try again.

Law: an outage, a full day's limit, a bad token, a wrong set-up is nobody's dead letter. Calls stop, what is
held waits (intake.gate), and a probe that writes nothing finds out when to go on. Resuming is cautious: as
long as no write succeeded since, the next pause is twice as long.

Nothing that one order may meet alone stops everybody. What calls say of HubSpot as a whole, they only suspect
(`Doubt`); a probe, which no order is in, decides. Where the probe is answered and the orders' calls are not,
they are tried alone: when ALONE of them have met it one after the other, it is everybody's
(service/core/hubspot/suspicion.py).

A throttle passes by itself; one that outlasts LONG_THROTTLE is a doubt like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from service.core.hubspot.suspicion import ALONE, Suspicion, about_no_order, throttled, where_of
from service.core.hubspot.verdicts import (
    Applied,
    Halted,
    Refused,
    Rejected,
    Retryable,
    Verdict,
    Where,
)
from service.core.reasons import Code, Reason
from service.core.waiting.batch import Batch

OUTAGE_CALLS: Final = (
    # Failed calls in a row after which a probe is asked, and so many more, the next.
    4
)
# Seconds in which every call is throttled.
LONG_THROTTLE: Final = 300.0
# Seconds before the first probe.
FIRST: Final = 1.0
LONGEST: Final = 300.0  # that HubSpot may ask for
# Where the probe is answered and writes are not: the longest that anybody waits after the cause was mended.
LONGEST_IN_VAIN: Final = 1800.0
# Between two probes that fail, at the most.
SELDOM: Final = 60.0
# Enough for both; 2**1024 is no float, and a night has more probes.
_DOUBLINGS: Final = 11


@dataclass(frozen=True, slots=True)
class Doubt:
    """It may be everybody's: ask HubSpot, by a probe there, before anybody is blamed or paused."""

    reason: Reason
    where: Where
    # Seconds that HubSpot asked for.
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop intake for `seconds`, then probe there."""

    reason: Reason
    seconds: float
    where: Where


class Pulse:
    """What the answers say about HubSpot as a whole."""

    def __init__(self) -> None:
        self._suspicion = Suspicion()
        # In a row, with no write between.
        self._pauses = 0
        # The first and the last in a row.
        self._throttles: tuple[float, float] | None = None

    def note(self, batch: Batch, verdicts: Sequence[Verdict], now: float) -> Pause | Doubt | None:
        """Take in one call's verdicts; says where they may not be about these orders, or are not."""
        self._suspicion.note(batch, verdicts, now)
        if any(isinstance(verdict, Applied | Rejected | Refused) for verdict in verdicts):
            self._pauses = 0
        if throttle := self._throttle(batch, verdicts, now):
            return throttle
        if not all(about_no_order(verdict) for verdict in verdicts):
            return None
        return self._suspect(batch, verdicts, now)

    def weigh(self, batch: Batch, verdicts: Sequence[Verdict], now: float) -> tuple[Verdict, ...]:
        """The verdicts, noted before, as what is proven makes them: a Halted may be one order's refusal."""
        return self._suspicion.weigh(batch, verdicts, now)

    def confirmed(self, doubt: Doubt) -> Pause:
        """The probe failed too: it is everybody's."""
        return self._pause(doubt.reason, doubt.after, doubt.where)

    def passed(self, doubt: Doubt, now: float) -> None:
        """The probe was answered: requests of this kind get through, these orders' do not."""
        self._suspicion.passed(doubt.where, now)

    def probe_failed(self, probes: int) -> float:
        """Seconds until the next probe, after `probes` failed in this pause."""
        return float(min(SELDOM, FIRST * 2 ** min(probes, _DOUBLINGS)))

    def _suspect(
        self, batch: Batch, verdicts: Sequence[Verdict], now: float
    ) -> Pause | Doubt | None:
        streak, where = self._suspicion.streak(batch), where_of(batch, verdicts)
        reason, after = _trouble(verdicts)
        if len(streak.alone) >= ALONE:
            return self._pause(reason, after, where)
        halted = any(isinstance(verdict, Halted) for verdict in verdicts)
        if streak.calls % OUTAGE_CALLS == 0 or (
            halted and self._suspicion.quiet(batch, where, now)
        ):
            return Doubt(reason, where, after)
        return None

    def _throttle(self, batch: Batch, verdicts: Sequence[Verdict], now: float) -> Doubt | None:
        """A doubt where nothing but throttles was heard for too long."""
        last = verdicts[-1]
        if not (isinstance(last, Retryable) and all(throttled(each) for each in verdicts)):
            self._throttles = None
            return None
        first, before = self._throttles or (now, now)
        first = now if now - before > LONG_THROTTLE else first  # long ago: a new one
        self._throttles = (first, now)
        if now - first < LONG_THROTTLE:
            return None
        self._throttles = None
        return Doubt(last.reason, where_of(batch, verdicts), last.after)

    def _pause(self, reason: Reason, after: float | None, where: Where) -> Pause:
        self._suspicion.drop()
        seconds = min(LONGEST_IN_VAIN, FIRST * 2 ** min(self._pauses, _DOUBLINGS))
        self._pauses += 1
        return Pause(reason, max(seconds, min(after or 0.0, LONGEST)), where)


def _trouble(verdicts: Sequence[Verdict]) -> tuple[Reason, float | None]:
    """Of a call that says nothing about its orders: what it says instead, and how long to wait."""
    for verdict in verdicts:
        if isinstance(verdict, Halted):
            return verdict.reason, verdict.after
    last = next(v.reason for v in reversed(verdicts) if isinstance(v, Retryable))
    return replace(
        last, code=Code.OUTAGE, message=f"HubSpot fails every call: {last.message}"
    ), None
