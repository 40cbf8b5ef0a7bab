"""When the next call may leave: HubSpot's burst limit, used to the last call and never exceeded.

Law: in any window no more calls reach HubSpot than the limit. HubSpot counts a call at some moment
between its departure and its answer, so a call holds its place from departure until one window after its
answer; then two calls that share a place are a window apart on HubSpot's clock too, whatever the network
did. The price is a call's duration out of every window.

Others use the same limit: what the headers count and we did not send is theirs, and is taken off for as
long as it can still be in the window. The limit is lowered by the headers, never raised. It never sleeps;
it answers how long to wait.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.core.answers import BatchReply, NoReply

FOREVER: Final = float("inf")
RESERVE: Final = (
    2  # calls left unused while somebody else uses the limit too: their next call is on its way
)


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """The app's burst limit."""

    calls: int = 100  # HubSpot's smallest: private apps of Free and Starter accounts
    window: float = 10.0  # seconds


class Budget:
    """Permission to call, over time."""

    def __init__(self, policy: BudgetPolicy) -> None:
        self._policy = policy
        self.limit = policy.calls
        self.window = policy.window
        self.remaining: int | None = None  # as HubSpot said last
        self._out = 0  # departed, not answered
        self._answered: deque[float] = deque()  # moments of the answers still in the window
        self._others: deque[tuple[float, int]] = deque()  # (until, calls) of other clients
        self._closed_until = 0.0
        self._heard = False

    def wait(self, now: float) -> float:
        """Seconds until a call may leave; 0.0 = now; FOREVER = when an answer comes."""
        self._expire(now)
        if now < self._closed_until:
            return self._closed_until - now
        if self._used() < self._allowed():
            # Before the first answer nobody knows what a predecessor used: one call finds out.
            return 0.0 if self._heard or not self._out else FOREVER
        moments = [self._answered[0] + self.window] if self._answered else []
        if self._others:
            moments.append(self._others[0][0])
        return max(0.0, min(moments) - now) if moments else FOREVER

    def spend(self) -> None:
        """A call leaves. Only after `wait` said 0.0."""
        self._out += 1

    def learn(self, reply: BatchReply | NoReply, now: float) -> None:
        """The call was answered, or given up: its place is free one window from now."""
        self._out -= 1
        self._answered.append(now)
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
            self.remaining = remaining
        if limit and remaining is not None:
            self._notice(limit - remaining, now)

    def refused(self, after: float | None, now: float) -> None:
        """A 429: the window is full, whoever filled it. Closed for `after` seconds, or until a place is free."""
        full = max(0, self._allowed() - self._used())
        if after is None and full:
            self._others.append((now + self.window, full))
        self._closed_until = max(self._closed_until, now + (1.0 if after is None else after))

    @property
    def used(self) -> int:
        """Our calls in the window, the ones on their way among them."""
        return self._used()

    def _used(self) -> int:
        return self._out + len(self._answered)

    def _allowed(self) -> int:
        others = sum(calls for _, calls in self._others)
        return self.limit - others - (RESERVE if others else 0)

    def _notice(self, counted: int, now: float) -> None:
        """`counted` calls are in HubSpot's window: those that are not ours are new, or known already."""
        known = sum(calls for _, calls in self._others)
        unknown = counted - self._used() - known
        if unknown > 0:
            self._others.append((now + self.window, unknown))

    def _expire(self, now: float) -> None:
        while self._answered and self._answered[0] + self.window <= now:
            self._answered.popleft()
        while self._others and self._others[0][0] <= now:
            self._others.popleft()


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "")
    return int(value) if value.isascii() and value.isdigit() else None
