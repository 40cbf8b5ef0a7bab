"""HubSpot's burst limit in virtual time: one rolling window, our client, and clients that we know nothing of.

The server counts a call when it gets there: some time after it left, some time before its answer is back.
A call that finds the window full is answered 429 and does not count. Headers are HubSpot's.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count, pairwise
from random import Random

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.budget import FOREVER, Budget, BudgetPolicy

Delay = Callable[[Random], tuple[float, float]]  # seconds there and back
Competitor = Callable[[Random, int, float], Iterator[float]]  # moments of its calls


def quick(chance: Random) -> tuple[float, float]:
    """At most 200 ms there and back."""
    return chance.uniform(0.01, 0.1), chance.uniform(0.01, 0.1)


def wild(chance: Random) -> tuple[float, float]:
    """Mostly quick, now and then seconds either way."""
    slow = chance.random() < 0.1
    return (chance.uniform(0, 3.0), chance.uniform(0, 3.0)) if slow else quick(chance)


def steady(chance: Random, calls: int, window: float) -> Iterator[float]:
    """Every so often, evenly."""
    moment = chance.uniform(0, window)
    while True:
        yield moment
        moment += window / calls


def random(chance: Random, calls: int, window: float) -> Iterator[float]:
    """At any moment, so many a window on average."""
    moment = 0.0
    while True:
        moment += chance.expovariate(calls / window)
        yield moment


def bursts(chance: Random, calls: int, window: float) -> Iterator[float]:
    """All of a window's calls within half a second."""
    start = chance.uniform(0, window)
    while True:
        yield from sorted(start + chance.uniform(0, 0.5) for _ in range(calls))
        start += window * 1.05


@dataclass
class Run:
    """What happened: moments on the server's clock."""

    ours: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)  # of ours
    seconds: float = 0.0


class Server:
    """A rolling window of `limit` calls in `window` seconds."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.counted: deque[float] = deque()

    def take(self, now: float) -> bool:
        """Whether a call that gets there now is served."""
        while self.counted and self.counted[0] + self.window <= now:
            self.counted.popleft()
        if len(self.counted) >= self.limit:
            return False
        self.counted.append(now)
        return True

    def headers(self) -> dict[str, str]:
        """What HubSpot says of the window."""
        return {
            "x-hubspot-ratelimit-max": str(self.limit),
            "x-hubspot-ratelimit-remaining": str(self.limit - len(self.counted)),
            "x-hubspot-ratelimit-interval-milliseconds": str(int(self.window * 1000)),
        }


class World:
    """Our client, which always has work, the others and the server, on one clock."""

    def __init__(self, seed: int, policy: BudgetPolicy, delay: Delay, silent: float) -> None:
        self.chance, self.now, self.out = Random(seed), 0.0, 0
        self.delay, self.silent = delay, silent
        self.server, self.budget = Server(policy.calls, policy.window), Budget(policy)
        self.run = Run()
        self._numbers = count()
        self._moments: list[tuple[float, int, Callable[[], None]]] = []

    def go_on(self, until: float, concurrency: int) -> Run:
        """Until that moment, with at most so many calls in flight."""
        self.run.seconds = until
        while self.now < until:
            wait = self.budget.wait(self.now) if self.out < concurrency else FOREVER
            if wait == 0.0:
                self._leave()
            elif self._moments and self._moments[0][0] <= self.now + wait:
                self.now, _, action = heappop(self._moments)
                action()
            else:
                self.now += wait
        return self.run

    def elsewhere(self, calls: Iterator[float]) -> None:
        """Calls of somebody we know nothing of."""
        self._at(next(calls), lambda: self._theirs(calls))

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        heappush(self._moments, (moment, next(self._numbers), action))

    def _leave(self) -> None:
        left = self.now
        self.budget.spend(left)
        self.out += 1
        there, back = self.delay(self.chance)
        self._at(left + there, lambda: self._arrive(left, back))

    def _arrive(self, left: float, back: float) -> None:
        served = self.server.take(self.now)
        (self.run.ours if served else self.run.refused).append(self.now)
        status = 200 if served else 429
        answer: BatchReply | NoReply = BatchReply(status, self.server.headers(), b"")
        if self.chance.random() < self.silent:
            answer = NoReply("timed out", sent=True)
        self._at(self.now + back, lambda: self._learn(answer, left))

    def _learn(self, answer: BatchReply | NoReply, left: float) -> None:
        self.out -= 1
        self.budget.learn(answer, left, self.now)
        if isinstance(answer, BatchReply) and answer.status == 429:
            self.budget.refused(None, self.now)

    def _theirs(self, calls: Iterator[float]) -> None:
        if self.server.take(self.now):
            self.run.others.append(self.now)
        self.elsewhere(calls)


def drive(
    seed: int,
    policy: BudgetPolicy,
    *,
    seconds: float = 120.0,
    concurrency: int = 8,
    delay: Delay = quick,
    competitor: Competitor | None = None,
    taking: int = 0,
    silent: float = 0.0,
    used_before: int = 0,
) -> Run:
    """Run a client that always has work, for a while.

    `silent`: the share of calls that get no answer; `used_before`: what a predecessor has just used.
    """
    world = World(seed, policy, delay, silent)
    world.server.counted.extend([-0.001] * used_before)
    if competitor is not None:
        world.elsewhere(competitor(world.chance, taking, policy.window))
    return world.go_on(seconds, concurrency)


def most_in_a_window(moments: list[float], window: float) -> int:
    """The most moments within any half-open window."""
    most, inside = 0, deque[float]()
    for moment in sorted(moments):
        inside.append(moment)
        while inside[0] + window <= moment:
            inside.popleft()
        most = max(most, len(inside))
    return most


def use(run: Run, limit: int, window: float, since: float = 20.0) -> float:
    """Our calls as a share of what the others left, after the start."""
    ours = sum(since <= m < run.seconds for m in run.ours)
    others = sum(since <= m < run.seconds for m in run.others)
    return ours / (limit * (run.seconds - since) / window - others)


def longest_gap(run: Run) -> float:
    """Seconds without a call of ours."""
    return max((b - a for a, b in pairwise(sorted(run.ours))), default=run.seconds)
