"""When the next call may leave: HubSpot's burst limit, used to the last call and never exceeded.

Law: in any window no more calls of ours reach HubSpot than the limit. HubSpot counts a call at
some moment between its departure and its answer, so a call holds its place from departure until
one window after its answer; then two calls that share a place are a window apart on HubSpot's
clock too, whatever the network did. The price is a call's duration out of every window.

Others may use the same limit. HubSpot's headers count them; a count that our own calls cannot
explain is evidence of them, and so is a 429. While there is evidence, a call also needs a free
place by the latest header: what was remaining then, less our calls that it may not have
counted, plus our places that have become free since. What others take in between shows with the
next header only, hence a margin, wider after every 429 and narrower with every window, and one
call at a time where places are few or the news is old. Without evidence a header binds only in
its most hopeful reading, and the last calls of a window leave spaced, so that others show
before the window is full.

The limit is lowered by the headers, never raised. The budget never sleeps: it says how long to
wait.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, NamedTuple

from service.core.hubspot.answers import BatchReply, NoReply

FOREVER: Final = float("inf")
# Seconds that a 429 may close the budget; who asks for more gets a pause.
LONGEST: Final = 60.0
# Tuned beside clients that call steadily, at random and in bursts: tests/core/quota.py.
# Places left free while others use the limit: their next call is on its way.
MARGIN: Final = 2
MARGIN_MAX: Final = 16
# Places above the margin from which calls leave one at a time.
NEAR: Final = 4
# Of a window: older news is good for one call, which brings newer.
FRESH: Final = 0.05
# Windows that others are remembered for.
SHARED: Final = 3
# The last tenth of a window's calls leaves spaced ….
TAIL: Final = 10
# … by half of what would spread them evenly.
PACE: Final = 0.5
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """The app's burst limit."""

    # HubSpot's smallest: private apps of Free and Starter accounts.
    calls: int = 100
    window: float = 10.0  # seconds


class _Call(NamedTuple):
    # When it departed; never, where HubSpot may not have counted it.
    left: float
    back: float  # when it was answered


class Budget:
    """Permission to call, over time."""

    def __init__(self, policy: BudgetPolicy) -> None:
        self._policy = policy
        self.limit = policy.calls
        self.window = policy.window
        self.remaining: int | None = None  # as HubSpot said last
        self._out = 0  # departed, not answered
        self._left = -FOREVER  # when the latest departed
        # Answered within the window, the oldest first.
        self._held: deque[_Call] = deque()
        self._freed: deque[_Call] = deque()  # the window before that
        self._heard = False
        self._closed_until = 0.0
        # The call that brought the latest count of what remains.
        self._told: _Call | None = None
        # Places that it leaves us if it had counted none of those on their way.
        self._free = 0
        self._uncounted = 0  # how many those were
        # Somebody else uses the limit too, as far as we know.
        self._shared_until = 0.0
        self._margin = MARGIN
        self._refused_at = self._eased_at = -FOREVER

    def wait(self, now: float) -> float:
        """Seconds until a call may leave; 0.0 = now; FOREVER = when an answer comes."""
        self._expire(now)
        if now < self._closed_until:
            return self._closed_until - now
        if self._out and not self._heard:
            # Nobody knows what a predecessor used: one call finds out.
            return FOREVER
        if self.used < self.limit and self._has_place(now):
            return max(0.0, self._spaced(now) - now)
        return self._until_news(now)

    def spend(self, now: float) -> None:
        """A call leaves. Only after `wait` said 0.0."""
        self._left = now
        self._out += 1
        self._free -= 1

    def learn(self, reply: BatchReply | NoReply, left: float, now: float) -> None:
        """The call that left at `left` was answered, or given up: its place is free in a window."""
        self._expire(now)
        self._out -= 1
        uncounted = self._out + _since(left, self._held)
        counted = isinstance(reply, BatchReply) and reply.status != 429
        self._held.append(_Call(left if counted else -FOREVER, now))
        if isinstance(reply, NoReply):
            return
        self._heard = True
        limit = _number(reply.headers, "x-hubspot-ratelimit-max")
        interval = _number(reply.headers, "x-hubspot-ratelimit-interval-milliseconds")
        remaining = _number(reply.headers, "x-hubspot-ratelimit-remaining")
        if interval:
            self.window = max(self._policy.window, interval / 1000)
        if limit:
            self.limit = min(self._policy.calls, limit)
        if remaining is not None:
            self._note(remaining, uncounted, _Call(left, now))
            if limit and limit - remaining > self._at_most_ours(left):
                self._shared_until = now + SHARED * self.window

    def refused(self, after: float | None, now: float) -> None:
        """A 429: the window is full, whoever filled it. Closed for `after` where it says so."""
        self._told = self._told or _Call(now, now)
        self._free = min(self._free, 0)
        self._shared_until = now + SHARED * self.window
        self._margin = min(MARGIN_MAX, max(2 * self._margin, self.limit // MARGIN_MAX))
        self._refused_at = self._eased_at = now
        if after is not None:
            self._closed_until = max(self._closed_until, now + min(after, LONGEST))

    @property
    def used(self) -> int:
        """Our calls in the window, the ones on their way among them."""
        return self._out + len(self._held)

    def _has_place(self, now: float) -> bool:
        """Whether what HubSpot said last leaves a place for one more."""
        if self._told is None:
            return True
        if now >= self._shared_until and self._free > -self._uncounted:
            return True
        if now < self._shared_until and self._free > self._margin:
            fresh = now <= self._told.back + FRESH * self.window
            return self._alone(now) or (fresh and self._free > self._margin + NEAR)
        return self._alone(now) and now >= self._stale_at(self._told)

    def _alone(self, now: float) -> bool:
        """Nothing is on its way, or not lately: a call that hangs does not hold up the others."""
        return not self._out or now >= self._left + FRESH * self.window

    def _spaced(self, now: float) -> float:
        """When the next may leave: at once, unless the window is nearly full or others use it."""
        if now >= self._shared_until and TAIL * (self.limit - self.used) > self.limit:
            return now
        return self._left + PACE * self.window / self.limit

    def _until_news(self, now: float) -> float:
        moments = [self._held[0].back + self.window] if self._held else []
        if self._told and self.used < self.limit:
            moments.append(self._stale_at(self._told))
            if self._out:
                moments.append(self._left + FRESH * self.window)
        return min((m - now for m in moments if m > now), default=FOREVER)

    def _stale_at(self, told: _Call) -> float:
        """When the news is too old to forbid a lone call."""
        return max(told.back, self._refused_at) + self.window

    def _note(self, remaining: int, uncounted: int, call: _Call) -> None:
        self.remaining = remaining
        # Answers overtake each other.
        if self._told is None or call.left >= self._told.left:
            self._told, self._free, self._uncounted = call, remaining - uncounted, uncounted

    def _at_most_ours(self, left: float) -> int:
        """How many of ours HubSpot can have had in its window when it answered a call."""
        return self.used + _since(left - self.window, self._freed)

    def _expire(self, now: float) -> None:
        while self._held and self._held[0].back + self.window <= now:
            call = self._held.popleft()
            self._freed.append(call)
            if self._told and call.left > self._told.back - self.window:
                # It was in the window that the header counted.
                self._free += 1
        while self._freed and self._freed[0].back + 2 * self.window <= now:
            self._freed.popleft()
        if self._margin > MARGIN and now >= self._eased_at + self.window:
            self._margin -= 1
            self._eased_at = now


def _since(moment: float, answered: deque[_Call]) -> int:
    return sum(1 for _ in takewhile(lambda call: call.back > moment, reversed(answered)))


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= _DIGITS else None
