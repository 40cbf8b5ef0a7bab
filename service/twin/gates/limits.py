"""Rate limits: an app's rolling window, the account's day, the searches of a second, and associations.

Association calls have a window and a day of their own (documented), and count towards the app's, too,
unless a switch says otherwise. A call at `t` is let through if fewer than `calls` were let through in
the `window` seconds that end at `t`. Another client of the same app can be made to take its part. Nothing here waits.
"""

from collections import deque
from dataclasses import dataclass, field

from service.twin.operations.answers import Refusal, refusal
from service.twin.options import TwinOptions

_DAY = 86_400.0
# Burst limit of an app, and of its association calls, by tier; beyond: with the add-on.
_TIERS = ((0, 0), (100, 100), (190, 150))
_BEST_TIER = 200


@dataclass(slots=True)
class Window:
    """Calls in a rolling window: those let through, and the most of all that ever fell into one."""

    seconds: float
    passed: deque[float] = field(default_factory=deque)
    arrived: deque[float] = field(default_factory=deque)
    busiest: int = 0

    def used(self, now: float) -> int:
        """How many were let through in the window that ends now."""
        _forget(self.passed, now - self.seconds)
        return len(self.passed)

    def arrive(self, now: float) -> None:
        """Count a call of our client, refused or not."""
        _forget(self.arrived, now - self.seconds)
        self.arrived.append(now)
        self.busiest = max(self.busiest, len(self.arrived))


def _forget(times: deque[float], until: float) -> None:
    while times and times[0] <= until:
        times.popleft()


class Limits:
    """The limits of one account; a window for each app."""

    def __init__(self, options: TwinOptions) -> None:
        self._options = options
        self.rival_rate = options.rival_rate
        self.clear()

    def clear(self) -> None:
        """Forget what was used."""
        self.windows: dict[str, Window] = {}
        self.association_windows: dict[str, Window] = {}
        self.searches = Window(1.0)
        self.used_today = 0
        self.associations_today = 0
        self.refused: dict[str, int] = {}
        self._day_began: float | None = None
        self._rival_at: float | None = None

    def admit(self, app: str, now: float, *, search: bool, links: bool = False) -> None:
        """Count a call, or raise the 429 that refuses it; `links` is a call about associations."""
        window = self.windows.setdefault(app, Window(self._options.window))
        window.arrive(now)
        self._let_the_rival(window, now)
        self._new_day(now)
        options = self._options
        if links:
            self._admit_links(app, now)
            if options.associations_apart:
                return
        if options.daily and self.used_today >= options.daily:
            raise self._refuse("DAILY", now)
        if search:
            if options.search_calls and self.searches.used(now) >= options.search_calls:
                raise self._refuse("SEARCH", now)
            self.searches.passed.append(now)
        else:
            self._pass(window, options.calls, now)
        self.used_today += 1

    def _admit_links(self, app: str, now: float) -> None:
        options = self._options
        if options.daily and self.associations_today >= options.association_daily > 0:
            raise self._refuse("DAILY", now)
        most = options.association_calls
        if most is None:
            most = next((most for calls, most in _TIERS if options.calls <= calls), _BEST_TIER)
        window = self.association_windows.setdefault(app, Window(options.window))
        self._pass(window, most, now)
        self.associations_today += 1

    def _pass(self, window: Window, most: int, now: float) -> None:
        if most and window.used(now) >= most:
            if self._options.refused_count:
                window.passed.append(now)
            raise self._refuse("TEN_SECONDLY_ROLLING", now)
        window.passed.append(now)

    def headers(self, app: str, now: float, *, search: bool, oauth: bool) -> dict[str, str]:
        """Rate headers: no burst ones on a search, no daily ones for OAuth apps."""
        options = self._options
        headers = {}
        if not search and options.calls:
            window = self.windows.setdefault(app, Window(options.window))
            headers["X-HubSpot-RateLimit-Max"] = str(options.calls)
            headers["X-HubSpot-RateLimit-Remaining"] = str(max(0, options.calls - window.used(now)))
            headers["X-HubSpot-RateLimit-Interval-Milliseconds"] = str(int(options.window * 1000))
        if not oauth and options.daily:
            left = max(0, options.daily - self.used_today)
            headers["X-HubSpot-RateLimit-Daily"] = str(options.daily)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(left)
        return headers

    def busiest(self) -> int:
        """The most calls of one app that arrived in any rolling window."""
        return max((window.busiest for window in self.windows.values()), default=0)

    def _refuse(self, policy: str, now: float) -> Refusal:
        self.refused[policy] = self.refused.get(policy, 0) + 1
        wait = self._options.window if policy == "TEN_SECONDLY_ROLLING" else 1.0
        if policy == "DAILY":
            wait = _DAY - (now - (self._day_began or now))
        after = int(wait) + 1 if self._options.retry_after else None
        return throttled(policy, after)

    def _new_day(self, now: float) -> None:
        if self._day_began is None:
            self._day_began = now
        if now - self._day_began >= _DAY:
            self._day_began += _DAY * ((now - self._day_began) // _DAY)
            self.used_today = self.associations_today = 0

    def _let_the_rival(self, window: Window, now: float) -> None:
        """Enter the calls another client made since the last look: it always gets its part."""
        if self._rival_at is None or not self.rival_rate:
            self._rival_at = now
            return
        step = 1.0 / self.rival_rate
        while self._rival_at + step <= now:
            self._rival_at += step
            window.passed.append(self._rival_at)
            self.used_today += 1


_TEXT = {
    "DAILY": "You have reached your daily limit.",
    "TEN_SECONDLY_ROLLING": "You have reached your ten_secondly_rolling limit.",
    "SEARCH": "You have reached your secondly limit.",
    "BARE": "You have reached your secondly limit.",
}


def throttled(policy: str, retry_after: int | None = None) -> Refusal:
    """A 429 in one of its three shapes: with policyName, with category, with errorType alone."""
    shape: dict[str, str] = {}
    if policy.upper() in ("DAILY", "TEN_SECONDLY_ROLLING"):
        shape = {"errorType": "RATE_LIMIT", "policyName": policy}
    elif policy == "BARE":
        shape = {"errorType": "RATE_LIMIT"}
    made = refusal(
        429, _TEXT[policy.upper()], "RATE_LIMITS" if policy == "SEARCH" else None, **shape
    )
    if retry_after is not None:
        made.headers["Retry-After"] = str(retry_after)
    return made
