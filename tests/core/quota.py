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

from service.core.answers import BatchReply, NoReply
from service.core.budget import FOREVER, Budget, BudgetPolicy

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
    others_refused: int = 0
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


def drive(
    seed: int,
    policy: BudgetPolicy,
    *,
    limit: int | None = None,
    seconds: float = 120.0,
    concurrency: int = 8,
    delay: Delay = quick,
    competitor: Competitor | None = None,
    taking: int = 0,
    silent: float = 0.0,
    used_before: int = 0,
) -> Run:
    """Run a client that always has work, for a while; `silent` = how many calls get no answer."""
    chance, run, numbers = Random(seed), Run(seconds=seconds), count()
    server = Server(limit or policy.calls, policy.window)
    server.counted.extend([-0.001] * used_before)
    budget = Budget(policy)
    moments: list[tuple[float, int, Callable[[], None]]] = []
    out = 0
    now = 0.0

    def at(moment: float, action: Callable[[], None]) -> None:
        heappush(moments, (moment, next(numbers), action))

    def arrive(back: float, left: float) -> None:
        served = server.take(now)
        (run.ours if served else run.refused).append(now)
        answer: BatchReply | NoReply = BatchReply(200 if served else 429, server.headers(), b"")
        if chance.random() < silent:
            answer = NoReply("timed out", sent=True)
        at(now + back, lambda: learn(answer, left))

    def learn(answer: BatchReply | NoReply, left: float) -> None:
        nonlocal out
        out -= 1
        budget.learn(answer, left, now)
        if isinstance(answer, BatchReply) and answer.status == 429:
            budget.refused(None, now)

    def elsewhere(calls: Iterator[float]) -> None:
        if server.take(now):
            run.others.append(now)
        else:
            run.others_refused += 1
        at(next(calls), lambda: elsewhere(calls))

    if competitor is not None:
        calls = competitor(chance, taking, policy.window)
        at(next(calls), lambda: elsewhere(calls))
    while now < seconds:
        wait = budget.wait(now) if out < concurrency else FOREVER
        if wait == 0.0:
            budget.spend(now)
            out += 1
            there, back = delay(chance)
            at(now + there, lambda back=back, left=now: arrive(back, left))
        elif moments and moments[0][0] <= now + wait:
            now, _, action = heappop(moments)
            action()
        else:
            now += wait
    return run


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
