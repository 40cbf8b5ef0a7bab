"""When the next call may leave: HubSpot's burst limit, used to the last call and never exceeded.

Theory of operation
===================

HubSpot counts a call at some moment between its departure and its answer, and serves no more than
`limit` calls in any `window` seconds. It never says when it counted. We know our own moments only:

      left        counted?         back                       free
       |-------------?--------------|                           |
       |<------- in flight -------->|<-- held, maybe in the --->|
       |                            |    window               one window after
       |<--------- the place is taken ------------------------->|  the latest count

A call takes a place when it leaves. The place is free one window after the latest moment at which
the call can have been counted. Then two calls that share a place are a window apart on HubSpot's
clock as well. While we are alone, that is a law: no window holds more calls than the limit.

The latest moment of the count is the answer, if nothing else is known. That costs the duration of a
call per window: 3 s of 13. Two observations bring it forward (`arrivals`): the quickest call lately,
and headers that count calls which are still in flight.

Every answer says what remains of the window. If HubSpot counts more calls than ours, others use the
limit. There are three regimes:

      alone  --- a header counts others, or we just started --->  neighbours
        ^                                                            |
        |  6 windows without a sign of others                        |  a 429
        |                                                            v
        +------------- 30 windows without a 429 -----------------  strangers

Alone, a call may leave if a place is free. One or two places stay free all the same: whoever starts
needs one to find out that we are here.

Among neighbours we assume that they do as we do (`neighbours`). Other processes of ours are such.
A place of ours that comes free is ours to take again. A place beyond is claimed only if headers show
it free for a while. A part of our places is given up now and then. So nobody's calls meet a full
window, and shares even out: three processes use 98 % of the limit together.

Among strangers nothing is ours (`strangers`). A call leaves if the latest header leaves a place above
a margin. The margin is wide after a 429 and narrows.

A call alone finds out at the start, and wherever the news is old. It never waits for an answer that
nobody owes: a call that hangs holds up no others.

Two more rules. Above half of the limit our calls leave spaced, so that others show before the window
is full. And HubSpot's headers lower the limit and never raise it: its interval is believed in both
directions, its count of calls only downwards, within bounds (`limits`).

The budget never sleeps. It says how long to wait. Everything is measured in tests/core/quota.py.
"""

from dataclasses import dataclass
from typing import Final

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.arrivals import PROMPT, Arrivals
from service.core.hubspot.limits import Limits, News
from service.core.hubspot.neighbours import Neighbours
from service.core.hubspot.places import FOREVER, Answered, Places
from service.core.hubspot.strangers import OLD, Strangers

# Seconds that a 429 may close the budget; who asks for more gets a pause.
LONGEST: Final = 60.0
# The part of the limit above which our calls leave spaced, and by which part of the even distance.
CROWDED: Final = 0.5
PACE: Final = 0.5
# The rest are parts of a window. Older news is good for one call, which brings newer.
FRESH: Final = 0.1
# The same where others were never seen, and the window is crowded.
UNAWARE: Final = 0.3
# Between two lone calls that ask for news: where places are free, and where hardly any is.
PROBE: Final = 0.05
BLIND: Final = 0.2


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """The app's burst limit."""

    # HubSpot's smallest: private apps of Free and Starter accounts.
    calls: int = 100
    window: float = 10.0  # seconds
    # Our part of the day's limit; None = what HubSpot's headers say.
    daily: int | None = None


class Budget:
    """Permission to call, over time."""

    def __init__(self, policy: BudgetPolicy) -> None:
        self._policy = policy
        self.limit = policy.calls
        self.window = policy.window
        self.remaining: int | None = None  # as HubSpot said last
        self._places = Places()
        self._arrivals = Arrivals()
        self._neighbours = Neighbours()
        self._strangers = Strangers()
        self._answered = False  # any call, ever
        self._news: News | None = None
        self._room = 0  # free places in the most hopeful reading of the news
        self._heard_at = -FOREVER
        self._closed_until = 0.0
        self._refused_at = -FOREVER

    @property
    def used(self) -> int:
        """Our calls in the window, the ones on their way among them."""
        return self._places.taken

    def taken(self, now: float) -> int:
        """Places of the window that are taken, by anybody, as far as the latest news tell."""
        self._expire(now)
        heard = self._news is not None and now <= self._heard_at + self.window
        return max(self.used, self.limit - max(0, self._room)) if heard else self.used

    def wait(self, now: float) -> float:
        """Seconds until a call may leave; 0.0 = now; FOREVER = when an answer comes."""
        self._expire(now)
        if now < self._closed_until:
            return self._closed_until - now
        if self._places.in_flight and not self._answered:
            return FOREVER  # nobody knows what a predecessor used: one call finds out
        if self.used < self.limit and self._has_place(now):
            return max(0.0, self._spaced(now) - now)
        return self._until_news(now)

    def spend(self, now: float) -> None:
        """A call leaves. Only after `wait` said 0.0."""
        self._places.leave(now)
        self._neighbours.leave(now)
        self._strangers.leave()
        self._room -= 1

    def learn(self, reply: BatchReply | NoReply, left: float, now: float) -> None:
        """The call that left at `left` was answered, or given up."""
        self._expire(now)
        served = isinstance(reply, BatchReply) and reply.status != 429
        if served:
            self._arrivals.served(now - left)
        beside = self._neighbours.seen(now)
        by = self._arrivals.counted_by(left, now, beside_others=beside)
        self._places.answer(Answered(by, left, now, served))
        if isinstance(reply, NoReply):
            return
        if not self._answered:
            self._answered = True
            self._neighbours.suspect(now, self.window)
        said = reply.limits
        self._adopt(said)
        if said.remaining is not None:
            self._look_around(said, said.remaining, left, now)
            self._note(said.remaining, left, now)

    def refused(self, after: float | None, now: float) -> None:
        """A 429: the window is full, whoever filled it. Closed for `after` where it says so."""
        self._news = self._news or News(now, now, 0, 0)
        self._room = min(self._room, 0)
        self._refused_at = now
        self._arrivals.doubt()
        self._neighbours.refuse(now, self.window)
        self._strangers.refuse(now, self.limit, self.window)
        if after is not None:
            self._closed_until = max(self._closed_until, now + min(after, LONGEST))

    # --- whether ----------------------------------------------------------------------------------------

    def _has_place(self, now: float) -> bool:
        if self._news is None:
            return True
        if self._strangers.there(now):
            return self._among_strangers(self._news, now)
        if self._neighbours.reckoned_with(now):
            leaves = self._among_neighbours(self._news, now)
        else:
            leaves = self._by_ourselves(now)
        return leaves or (self._alone(self._news, now) and now >= self._probe_at(self._news))

    def _by_ourselves(self, now: float) -> bool:
        informed = now <= self._heard_at + UNAWARE * self.window or not self._places.in_flight
        if self._crowded and not informed:
            return False
        margin = self._neighbours.margin(self.limit)
        return self.used < self.limit - margin and self._room > max(0, margin - 1)

    def _among_neighbours(self, news: News, now: float) -> bool:
        others, fresh = self._neighbours, self._fresh(now)
        return (others.claim and fresh) or (others.retake and (fresh or self._alone(news, now)))

    def _among_strangers(self, news: News, now: float) -> bool:
        alone = self._alone(news, now)
        if self._strangers.room(now, alone=alone, fresh=now <= news.back + OLD * self.window):
            return True
        return alone and now >= self._stale_at(news)

    def _probe_at(self, news: News) -> float:
        """When a lone call may ask for news, whatever the latest say."""
        free, others = news.remaining - news.uncounted, self._neighbours
        if free <= others.margin(self.limit):
            return self._stale_at(news)
        part = PROBE if free >= others.kept(self.limit, self.used) else BLIND
        return max(self._places.latest, self._refused_at) + part * self.window

    def _stale_at(self, news: News) -> float:
        """When the news is too old to forbid a lone call."""
        return max(news.back, self._refused_at) + self.window

    def _alone(self, news: News, now: float) -> bool:
        """Whether nothing is on its way, or for so long that it holds up no others."""
        return not self._places.in_flight or now >= self._hangs_at(news)

    def _hangs_at(self, news: News) -> float:
        return self._places.latest + max(OLD * self.window, 2 * (news.back - news.left))

    def _fresh(self, now: float) -> bool:
        return now <= self._heard_at + FRESH * self.window

    @property
    def _crowded(self) -> bool:
        return self.used >= CROWDED * self.limit

    # --- when -------------------------------------------------------------------------------------------

    def _spaced(self, now: float) -> float:
        """When the next may leave that has a place."""
        apart = self._places.latest + PACE * self.window / self.limit
        if self._strangers.there(now):
            return apart
        if self._neighbours.reckoned_with(now):
            return now if self._neighbours.retake else apart
        return apart if self._crowded else now

    def _until_news(self, now: float) -> float:
        moments = [self._places.next_free(self.window)]
        if self._news is not None and self.used < self.limit:
            moments += self._looks(self._news, now)
        return min((moment - now for moment in moments if moment > now), default=FOREVER)

    def _looks(self, news: News, now: float) -> list[float]:
        """Moments at which it is looked again whether there is a place."""
        if self._strangers.there(now):
            looks = [self._stale_at(news), self._strangers.rested_at]
        else:
            looks = [self._probe_at(news)]
        if not self._places.in_flight:
            return looks
        return [max(look, self._hangs_at(news)) for look in looks]

    # --- what answers say -------------------------------------------------------------------------------

    def _adopt(self, said: Limits) -> None:
        """HubSpot's interval is believed both ways; calls per second are never more than configured."""
        if said.window is not None:
            self.window = said.window
        at_this_rate = int(self._policy.calls * min(1.0, self.window / self._policy.window))
        self.limit = max(1, min(at_this_rate, said.calls or self.limit))

    def _look_around(self, said: Limits, remaining: int, left: float, now: float) -> None:
        """Whether our own calls explain the count."""
        if said.calls is None:
            return
        used, ours = said.calls - remaining, self._places
        if used > ours.in_flight + ours.maybe_in_window(left, self.window):
            self._neighbours.see(now, self.window)
            self._arrivals.mistrust()
        elif not self._neighbours.seen(now):
            self._arrivals.witness(used, ours, left, now, self.window)

    def _note(self, remaining: int, left: float, now: float) -> None:
        self.remaining, self._heard_at = remaining, now
        if self._news is not None and left < self._news.left:  # answers overtake each other
            return
        ours, arrivals, others = self._places, self._arrivals, self._neighbours
        since = arrivals.uncounted_since(left, now)
        uncounted = ours.left_after(since, left)
        self._news, self._room = News(left, now, remaining, uncounted), remaining
        self._strangers.hear(remaining - uncounted)
        counted_at = now if arrivals.counts_until_answered else left
        # Places that we have taken again since then were free in it.
        moved = ours.freed_of(counted_at - self.window) - ours.left_after(counted_at, left)
        unseen_since = max(since, left - PROMPT)
        others.hear(now, remaining - uncounted, remaining + moved, unseen_since)
        others.consider(now, others.kept(self.limit, self.used), self.window)

    def _expire(self, now: float) -> None:
        for call in self._places.expire(now, self.window):
            if self._news and call.left > self._news.back - self.window:  # the header counted it
                self._room += 1
                if call.served:
                    self._strangers.came_free()
            if call.served:
                share = self.used / self.limit
                self._neighbours.came_free(now, share, fresh=self._fresh(now))
        self._neighbours.age(now, self.window)
        self._strangers.age(now, self.window)
