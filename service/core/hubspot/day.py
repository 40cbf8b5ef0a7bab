"""The calls of the day: how many are left for us, and until when they last at this pace.

HubSpot counts from midnight to midnight in the account's time zone, which no answer tells. Two counts bound us:

    HubSpot's headers   what remains for all apps of the account, less our calls since (not for OAuth apps)
    DAILY_CALLS         our part, less our calls of this day

A header that shows clearly more than the one before it tells that a new day has begun. Without headers our day is the
last 24 hours, which no calendar day exceeds.

Laws. Our part is never exceeded in a day that we saw begin, nor in any 24 hours without headers. A call beyond it is
answered here as HubSpot would answer it (`refusal`), so that one way of pausing serves both. The last calls of our part
leave one by one, SELDOM apart, to see the new day begin. News older than STALE says nothing any more.
"""

from collections import deque
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

import orjson

from service.core.hubspot.answers import BatchReply
from service.core.hubspot.limits import Limits

OURS: Final = "ORDERSYNC_DAILY_CALLS"  # `policyName` of the answer that we give ourselves
DAY: Final = 86_400.0  # seconds
MINUTE: Final = 60.0
# Seconds over which the pace is measured.
PACE: Final = 600.0
# Seconds after which a header is too old to count.
STALE: Final = 900.0
# Parts of the day: a rise by more is a new day, answers that overtake each other are less; the part that is told of.
RISE: Final = 0.02
OVERTAKEN: Final = 128  # calls in flight at the most
LOW: Final = 0.2
# Calls kept of our part, and seconds between them.
LOOKS: Final = 96
SELDOM: Final = 900.0


class Day:
    """`ours`: our part of the day's limit; None = all that HubSpot's headers say."""

    def __init__(self, ours: int | None = None) -> None:
        self._ours = ours
        self._minutes: deque[tuple[float, int]] = deque()  # since when, and our calls in it
        self._used = 0
        self._last = -DAY
        self._limit: int | None = None  # as the latest header says
        self._remaining = 0
        self._heard_at = -DAY
        # When, and what remained: once per minute, for as long as the pace is measured.
        self._heard: deque[tuple[float, int]] = deque()
        self._told = False

    def spend(self, now: float) -> None:
        """A call leaves."""
        self._expire(now)
        if self._minutes and now < self._minutes[-1][0] + MINUTE:
            since, calls = self._minutes.pop()
            self._minutes.append((since, calls + 1))
        else:
            self._minutes.append((now, 1))
        self._used += 1
        self._remaining = max(0, self._remaining - 1)
        self._last = now

    def hear(self, said: Limits, now: float) -> None:
        """What an answer's headers say."""
        if said.daily is None or said.daily_remaining is None:
            return
        if self._limit is not None and said.daily_remaining - self._remaining > max(
            RISE * said.daily, OVERTAKEN
        ):
            self._minutes.clear()
            self._heard.clear()
            self._used, self._told = 0, False
        self._limit, self._remaining, self._heard_at = said.daily, said.daily_remaining, now
        self._remember(now)

    def _remember(self, now: float) -> None:
        while self._heard and self._heard[0][0] <= now - PACE:
            self._heard.popleft()
        if not self._heard or now >= self._heard[-1][0] + MINUTE:
            self._heard.append((now, self._remaining))

    def limit(self) -> int | None:
        """Calls in a day that may be ours; None where nobody has said."""
        return min((each for each in (self._ours, self._limit) if each is not None), default=None)

    def left(self, now: float) -> int | None:
        """Calls that are left of it."""
        self._expire(now)
        left = [] if self._ours is None else [max(0, self._ours - self._used)]
        if self._limit is not None and now <= self._heard_at + STALE:
            left.append(self._remaining)
        return min(left, default=None)

    def share(self, now: float) -> float:
        """The part of the day that is left; 1.0 where it is not known, or nobody has asked for SELDOM."""
        left, limit = self.left(now), self.limit()
        if left is None or not limit or now >= self._last + SELDOM:
            return 1.0
        return min(1.0, left / limit)

    def empty_in(self, now: float) -> float | None:
        """Seconds until none is left, at the pace of the last minutes; None where nobody knows, or not within a day."""
        self._expire(now)
        pace, ends = self._pace(now), [DAY + 1.0]
        if self._ours is not None and pace:
            ends.append(max(0, self._ours - self._used) / pace)
        everybodys = max(pace, self._everybodys_pace(now))
        if self._limit is not None and now <= self._heard_at + STALE and everybodys:
            ends.append(self._remaining / everybodys)
        seconds = min(ends)
        return seconds if seconds <= DAY else None

    def _pace(self, now: float) -> float:
        """Our calls per second."""
        recent = takewhile(lambda minute: minute[0] > now - PACE, reversed(self._minutes))
        return sum(calls for _, calls in recent) / PACE

    def _everybodys_pace(self, now: float) -> float:
        """Calls per second of all who share the day, by what remained; 0.0 before a minute is over."""
        if not self._heard or now < self._heard[0][0] + MINUTE:
            return 0.0
        since, remained = self._heard[0]
        return max(0, remained - self._remaining) / (now - since)

    def sentence(self, now: float, stamp: datetime) -> str | None:
        """What a person needs to know where little is left; None where much is, or nobody knows."""
        left, limit, seconds = self.left(now), self.limit(), self.empty_in(now)
        if left is None or limit is None or self.share(now) > LOW:
            return None
        said = f"{left} of the day's {limit} calls are left"
        if seconds is None:
            return said
        return f"{said}; at this pace none after {stamp + timedelta(seconds=seconds):%H:%M} UTC"

    def low(self, now: float) -> bool:
        """Whether most of the day is used: true once a day."""
        share = self.share(now)
        self._told = self._told and share < 2 * LOW
        if self._told or share > LOW:
            return False
        self._told = True
        return True

    def refusal(self, now: float) -> BatchReply | None:
        """The answer to a call that our part has no room for; None = it may leave."""
        if self._ours is None:
            return None
        self._expire(now)
        kept = min(LOOKS, self._ours // 100) if self._limit is not None else 0
        if self._used < self._ours - kept:
            return None
        if self._used < self._ours and now >= self._last + SELDOM:
            return None
        until = "when HubSpot's headers show a new day" if kept else "as the calls are a day old"
        problem = {
            "status": "error",
            "message": f"all {self._ours} calls of ORDERSYNC_HUBSPOT__DAILY_CALLS are used; it goes on {until}",
            "errorType": "RATE_LIMIT",
            "policyName": OURS,
        }
        return BatchReply(429, {}, orjson.dumps(problem))

    def _expire(self, now: float) -> None:
        while self._minutes and self._minutes[0][0] <= now - DAY - MINUTE:
            _, calls = self._minutes.popleft()
            self._used -= calls
