"""HubSpot's burst limit in virtual time: one rolling window, our client, and clients that we know nothing of.

The server counts a call when it gets there: some time after it left, some time before its answer is back.
A call that finds the window full is answered 429 and does not count. Headers are HubSpot's.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count, pairwise
from random import Random

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.budget import Budget, BudgetPolicy
from service.core.hubspot.places import FOREVER

Delay = Callable[[Random], tuple[float, float]]  # seconds there and back
Competitor = Callable[[Random, int, float], Iterator[float]]  # moments of its calls


def quick(chance: Random) -> tuple[float, float]:
    """At most 200 ms there and back."""
    return chance.uniform(0.01, 0.1), chance.uniform(0.01, 0.1)


def wild(chance: Random) -> tuple[float, float]:
    """Mostly quick, now and then seconds either way."""
    slow = chance.random() < 0.1
    return (chance.uniform(0, 3.0), chance.uniform(0, 3.0)) if slow else quick(chance)


def taking_always(seconds: float) -> Delay:
    """Every call takes so long: HubSpot counts it at its door and works then."""
    return lambda _: (0.02, seconds - 0.02)


def taking(least: float, most: float) -> Delay:
    """Calls take anything between, counted at the door."""
    return lambda chance: (0.02, chance.uniform(least, most) - 0.02)


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


class Client:
    """One client of ours, which always has work while it runs; its budget knows nothing of the others'."""

    def __init__(self, world: "World", delay: Delay, concurrency: int, silent: float = 0.0) -> None:
        self.world, self.delay, self.silent = world, delay, silent
        self.budget, self.concurrency = Budget(world.policy), concurrency
        self.out, self.running = 0, True
        self.run = Run()

    def next(self, now: float) -> float:
        """Seconds until its next call leaves, if nothing happens before."""
        free = self.running and self.out < self.concurrency
        return self.budget.wait(now) if free else FOREVER

    def leave(self) -> None:
        left = self.world.now
        self.budget.spend(left)
        self.out += 1
        there, back = self.delay(self.world.chance)
        self.world.at(left + there, lambda: self._arrive(left, back))

    def stop(self) -> None:
        """No further call leaves; the process and its books are gone."""
        self.running = False

    def _arrive(self, left: float, back: float) -> None:
        world = self.world
        served = world.server.take(world.now)
        (self.run.ours if served else self.run.refused).append(world.now)
        status = 200 if served else 429
        answer: BatchReply | NoReply = BatchReply(status, world.server.headers(), b"")
        if world.chance.random() < self.silent:
            answer = NoReply("timed out", sent=True)
        world.at(world.now + back, lambda: self._learn(answer, left))

    def _learn(self, answer: BatchReply | NoReply, left: float) -> None:
        self.out -= 1
        self.budget.learn(answer, left, self.world.now)
        if isinstance(answer, BatchReply) and answer.status == 429:
            self.budget.refused(None, self.world.now)


class World:
    """Clients of ours, the others and the server, on one clock."""

    def __init__(self, seed: int, policy: BudgetPolicy) -> None:
        self.chance, self.now, self.policy = Random(seed), 0.0, policy
        self.server = Server(policy.calls, policy.window)
        self.clients: list[Client] = []
        self.others: list[float] = []
        self._numbers = count()
        self._moments: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do this then."""
        heappush(self._moments, (moment, next(self._numbers), action))

    def go_on(self, until: float) -> None:
        """Until that moment."""
        while self.now < until:
            waits = [(client.next(self.now), n) for n, client in enumerate(self.clients)]
            wait, number = min(waits, default=(FOREVER, 0))
            if wait <= 0.0:
                self.clients[number].leave()
            elif self._moments and self._moments[0][0] <= self.now + wait:
                self.now, _, action = heappop(self._moments)
                action()
            else:
                self.now = min(until, self.now + wait)

    def elsewhere(self, calls: Iterator[float]) -> None:
        """Calls of somebody we know nothing of."""
        self.at(next(calls), lambda: self._theirs(calls))

    def _theirs(self, calls: Iterator[float]) -> None:
        if self.server.take(self.now):
            self.others.append(self.now)
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
    world = World(seed, policy)
    client = Client(world, delay, concurrency, silent)
    world.clients.append(client)
    world.server.counted.extend([-0.001] * used_before)
    if competitor is not None:
        world.elsewhere(competitor(world.chance, taking, policy.window))
    world.go_on(seconds)
    client.run.others, client.run.seconds = world.others, seconds
    return client.run


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


@dataclass
class Joint:
    """What several clients of ours did together."""

    served: list[float]
    refused: list[float]
    each: list[int]  # calls served, by client
    seconds: float

    def use(self, limit: int, window: float, since: float = 20.0) -> float:
        """The share of the limit that they used together, after the start."""
        served = sum(since <= moment < self.seconds for moment in self.served)
        return served / (limit * (self.seconds - since) / window)


def together(
    seed: int,
    policy: BudgetPolicy,
    lives: Iterable[tuple[float, float]],
    *,
    seconds: float = 300.0,
    concurrency: int = 64,
    delay: Delay = quick,
) -> Joint:
    """Clients of ours on one token, each from its start to its end, each with a budget of its own."""
    world = World(seed, policy)

    def born(end: float) -> None:
        client = Client(world, delay, concurrency)
        world.clients.append(client)
        world.at(end, client.stop)

    for start, end in lives:
        world.at(start, partial(born, end))
    world.go_on(seconds)
    return Joint(
        sorted(moment for client in world.clients for moment in client.run.ours),
        sorted(moment for client in world.clients for moment in client.run.refused),
        [len(client.run.ours) for client in world.clients],
        seconds,
    )


def at_will(seed: int, seconds: float) -> list[tuple[float, float]]:
    """One that stays, and two places whose clients are stopped and started again, at any moment."""
    chance, lives = Random(seed), [(0.0, seconds)]
    for _ in range(2):
        now = chance.uniform(0, 40)
        while now < seconds:
            end = now + chance.expovariate(1 / 60)
            lives.append((now, end))
            now = end + chance.expovariate(1 / 20)
    return lives
