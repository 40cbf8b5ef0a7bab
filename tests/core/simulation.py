"""The whole core in virtual time: the desk itself, a queue, and a HubSpot that misbehaves.

`Process` is to `Desk` what the shell is: it waits, calls, publishes and acks, by a heap of moments instead
of asyncio and sockets, and decides nothing. Processes come and go: channels die, another replica takes the
queue over while calls of the former owner are still out, a message kills whoever sends it, a process is
stopped. The laws are checked while it runs (`Simulation.wrong`) and at its end (tests/core/test_whole_core).
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

import orjson

from service.core.departure import Departure
from service.core.desk import Desk
from service.core.events.deliveries import Delivery
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.budget import Budget, BudgetPolicy
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.places import FOREVER
from service.core.hubspot.probe import probe
from service.core.hubspot.requests import Call
from service.core.hubspot.thrift import Thrift
from service.core.intake.gate import Close, Open, Wait
from service.core.policies import Policies
from service.core.settlement.closing import Closing
from service.core.settlement.retries import RetryPolicy
from service.core.waiting.batch import BatchPolicy
from service.core.waiting.spare import Spare
from tests.core.books import Books, places
from tests.core.broker import Broker, Channel
from tests.core.hubspot import ROUGH, Faults, HubSpot
from tests.core.model import BAD, UNKNOWN, Orders, refusable
from tests.strategies import ID_PROPERTY, STAMP, document

PATIENT = RetryPolicy(attempts=10_000, patience=1e9)
LONGEST = 1740.0  # seconds that a delivery may be held
TIMEOUT = 0.5  # seconds that a call may take
CONCURRENCY = 4
GRACE = 25.0  # seconds from the signal to the end
TICK = 0.001  # seconds; no timer is finer
LEASE = 0.3  # seconds for which a former owner may still begin calls


@dataclass
class Traffic:
    """What comes in, how bad it is, and what happens to those who carry it: chances per event."""

    events: int = 120
    orders: int = 20
    poison: float = 0.05
    malformed: float = 0.01
    repeats: float = 0.02
    sequences: float = 0.0  # of events that carry a sequence
    late: float = 0.0  # of those that carry an older one than the event before them
    rate: float = 400.0  # events per second
    deaths: float = 0.0  # channels that end
    takeovers: float = 0.0  # another replica is made the owner
    stops: float = 0.0  # a process is told to stop, another one starts
    killers: int = 0  # messages that kill every process that sends them
    confirm: float = 0.0  # seconds that a publish takes at most
    outage: tuple[float, float] = (0.0, 0.0)  # from, until: HubSpot answers nobody
    reads_too: bool = True  # whether an outage is one of reads, or of writes alone
    bodies: Sequence[bytes] = ()  # what comes in, in place of all that is above


@dataclass(eq=False)
class _Flight:
    """A call on its way that writes."""

    owner: "Process"
    places: dict[str, set[int]]  # order -> where its events stand in the queue


class Simulation:
    """One run; `run()` returns when nothing is left to do."""

    def __init__(
        self,
        seed: int,
        traffic: Traffic | None = None,
        faults: Faults = ROUGH,
        policy: BatchPolicy | None = None,
        retry: RetryPolicy = PATIENT,
        budget: BudgetPolicy = BudgetPolicy(calls=1_000_000),
        prefetch: int | None = None,
    ) -> None:
        self.chance = Random(seed)
        self.traffic = traffic or Traffic()
        self.hubspot = HubSpot(
            self.chance, faults, echo=self.chance.random() < 0.5, fold=self.chance.random() < 0.3
        )
        self.policies = Policies(
            id_property=ID_PROPERTY,
            batch=policy or BatchPolicy(size=self.chance.choice([1, 2, 5, 10, 100])),
            retry=retry,
            budget=budget,
            concurrency=CONCURRENCY,
            grace=GRACE,
            longest=LONGEST,
            overlap=LEASE + TIMEOUT,
        )
        self.broker = Broker(prefetch or self.chance.choice([5, 50, 1000]))
        t = self.traffic
        once = not (t.takeovers or t.stops or t.killers or t.sequences or (t.deaths and t.confirm))
        self.books = Books(Orders() if once else None)
        self.now = 0.0
        self.numbers = count(1)
        self.flights: list[_Flight] = []
        self.counted: deque[float] = deque()  # moments at which HubSpot counted a call
        self.busiest = 0
        self.processes: list[Process] = []
        self.saved: set[str] = set()  # orders with a write in which a bad value was overwritten
        self._settled_at = 0.0  # when a takeover is over
        self._moments: list[tuple[float, int, Callable[[], None]]] = []

    @property
    def owner(self) -> "Process":
        """Who consumes."""
        return self.processes[-1]

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something then."""
        heappush(self._moments, (moment, next(self.numbers), action))

    def run(self) -> "Simulation":
        """Until every moment has passed."""
        self.start()
        moment = 0.0
        for body, headers in _bodies(self.chance, self.traffic):
            moment += self.chance.expovariate(self.traffic.rate)
            self.at(moment, partial(self._publish, body, headers))
            for likelihood, happens in self._fates():
                if self.chance.random() < likelihood:
                    self.at(moment, happens)
        for _ in range(2_000_000):
            if not self._moments:
                return self
            self.now, _, action = heappop(self._moments)
            action()
        raise AssertionError("the simulation does not end")

    def start(self) -> None:
        """A process begins to consume."""
        self.processes.append(Process(self))
        self.owner.consume()

    def leave(self, process: "Process") -> None:
        """It has come to its end; another one takes the queue."""
        process.dead = True
        if process is self.owner:
            self.broker.end(process.channel, self.now)
            self.start()

    def kill(self, process: "Process") -> None:
        """It is killed, its calls are still out; a while later another one starts."""
        process.dead = True
        if process is self.owner:
            self.broker.end(process.channel, self.now)
            self.at(self.now + self.policies.overlap, self.start)

    def _fates(self) -> Sequence[tuple[float, Callable[[], None]]]:
        t = self.traffic
        return (
            (t.deaths, lambda: self.owner.cut()),
            (t.takeovers, lambda: self._take_over()),
            (t.stops, lambda: self._stop()),
        )

    def _publish(self, body: bytes, headers: dict[str, Any]) -> None:
        self.broker.publish(body, headers, self.now)
        self.owner.carry()

    def _take_over(self) -> None:
        """The broker gives the queue to another replica; the former owner learns of it later."""
        former = self.owner
        if former.dead or self.now < self._settled_at:
            return  # what a second takeover within the overlap may do is in docs/reliability.md
        self._settled_at = self.now + 2 * self.policies.overlap
        self.broker.end(former.channel, self.now)
        self.start()
        self.at(self.now + self.chance.uniform(0.0, LEASE), former.learn_of_the_end)

    def _stop(self) -> None:
        if not self.owner.dead and self.now >= self._settled_at:
            self.owner.stop()

    # --- HubSpot --------------------------------------------------------------------------------------

    def call(
        self,
        process: "Process",
        call: BatchCall,
        departure: Departure | None,
        then: Callable[[BatchReply | NoReply], None],
    ) -> None:
        """A call leaves: HubSpot does it at some moment, and its answer comes at another."""
        left = self.now
        flight = self._fly(process, call, departure)
        arrives = left + self.chance.uniform(0.0, TIMEOUT)
        answered = arrives + self.chance.uniform(0.0, left + TIMEOUT - arrives)

        def arrive() -> None:
            self._count()
            since, until = self.traffic.outage
            lost = since <= self.now < until
            lost = lost and (self.traffic.reads_too or call.endpoint != "read")
            reply = BatchReply(503, {}, b"") if lost else self.hubspot.answer(call)
            self.at(answered, partial(answer, reply))

        def answer(reply: BatchReply | NoReply) -> None:
            if flight is not None:
                self.flights.remove(flight)
            if not process.dead:
                process.learn(reply, left)
                then(reply)

        self.at(arrives, arrive)

    def _count(self) -> None:
        self.counted.append(self.now)
        while self.counted[0] <= self.now - self.policies.budget.window:
            self.counted.popleft()
        self.busiest = max(self.busiest, len(self.counted))

    def _fly(
        self, process: "Process", call: BatchCall, departure: Departure | None
    ) -> _Flight | None:
        """The law of one write in flight per order, and its one exception: after a takeover."""
        if departure is None or call.endpoint == "read":
            return None
        events = [c for slot in departure.batch.slots for c in slot.contributions]
        if gone := process.lost.intersection(event.delivery.epoch for event in events):
            self.books.wrong.append(f"a call for what went back with channel {gone}")
        sent = {each.key for each in call.inputs}
        for slot in departure.batch.slots:
            if len(slot.contributions) > 1 and any(refusable(c.values) for c in slot.contributions):
                self.saved.add(slot.order.key)
        flight = _Flight(
            process,
            {
                slot.order.key: places(slot.contributions, self.messages)
                for slot in departure.batch.slots
                if slot.order.key in sent
            },
        )
        for other in self.flights:
            owners = (self.processes.index(flight.owner), self.processes.index(other.owner))
            former, newer = (flight, other) if owners[0] < owners[1] else (other, flight)
            for key in flight.places.keys() & other.places.keys():
                # Beside what a former owner is writing, its oldest event may be written once more.
                beside = max(newer.places[key]) <= min(former.places[key])
                if owners[0] == owners[1] or not beside:
                    said = f"{former.places[key]} and {newer.places[key]}"
                    self.books.wrong.append(f"{key} in flight twice: {said}")
        self.flights.append(flight)
        return flight

    @property
    def messages(self) -> Any:
        """Every delivery's message."""
        return self.broker.delivered


class Process:
    """One replica: a desk, its channel, its budget."""

    def __init__(self, world: Simulation) -> None:
        self._world = world
        self.desk = Desk(world.policies, f"t{next(world.numbers)}")
        self._budget, self._thrift = Budget(world.policies.budget), Thrift()
        self.channel: Channel
        self.lost: set[int] = set()  # channels of which it knows that they have ended
        self.dead = self.leaving = False
        self._asking = self._closed = False
        self._calls = 0
        self._woken_at = FOREVER

    # --- the channel ----------------------------------------------------------------------------------

    def consume(self) -> None:
        """Its channel is the active one."""
        self.channel = self._world.broker.consume(self._deliver)
        self._world.broker.pump(self._world.now)
        self.carry()

    def cut(self) -> None:
        """The channel ends, and a new one is opened."""
        if not self.dead and not self.leaving:
            self._end()
            self.consume()

    def learn_of_the_end(self) -> None:
        """Its channel has ended some time ago. It stands by, and what is on its way comes to its end."""
        if not self.dead:
            self._lose()
            self.carry()

    def stop(self) -> None:
        """SIGTERM: settle what is held, then leave the queue to the next one."""
        if not self.dead and not self.leaving:
            self.leaving = True
            self.desk.drain(self._world.now)
            self.carry()

    def _deliver(self, delivery: Delivery) -> None:
        self.desk.arrive(delivery, self._world.now)

    def _end(self) -> None:
        self._world.broker.end(self.channel, self._world.now)
        self._lose()

    def _lose(self) -> None:
        self.lost.add(self.channel.epoch)
        self.desk.lose(frozenset({self.channel.epoch}), self._world.now)

    # --- what the shell does --------------------------------------------------------------------------

    def carry(self) -> None:
        """Do all that can be done now, and come back when there is more."""
        world, desk = self._world, self.desk
        if self.dead:
            return
        while (closing := desk.answers(world.now, STAMP)) is not None:
            self._settle(closing)
        later = min(self._channels(), self._probes())
        while (wait := desk.wait(world.now, self._room, self._spare)) is not None and wait <= 0.0:
            departure = desk.depart(world.now, self._spare)
            if departure is not None:
                self._calls += 1
                self._converse(departure, None)
            if self._died():
                return
        if wait is None:
            world.leave(self)
        else:
            self._come_back(min(wait, later))

    def _died(self) -> bool:
        return self.dead

    def _room(self, now: float) -> float:
        """Seconds until there is room for a call."""
        return FOREVER if self._calls >= CONCURRENCY else self._budget.wait(now)

    def _spare(self, now: float) -> Spare:
        budget = self._budget
        used = budget.taken(now) / budget.limit
        return Spare(budget.window / budget.limit, used, self._thrift.early(used))

    def _come_back(self, seconds: float) -> None:
        moment = self._world.now + max(seconds, TICK)
        if self._woken_at <= self._world.now or moment < self._woken_at:
            self._woken_at = moment
            if moment < FOREVER:
                self._world.at(moment, self.carry)

    def _channels(self) -> float:
        """Close and open as the gate says; returns the seconds until it has more to say."""
        world, desk = self._world, self.desk
        while not isinstance(move := desk.move(world.now), Wait):
            match move:
                case Close():
                    self._closed = True
                    self._end()
                case Open():
                    self._closed = False
                    self.channel = world.broker.consume(self._deliver)
                    world.broker.pump(world.now)
        return move.seconds if self._closed or desk.age(world.now) else FOREVER

    def _probes(self) -> float:
        """Ask HubSpot when the gate says so; returns the seconds until then."""
        world, desk = self._world, self.desk
        question = FOREVER if self._asking else desk.gate.question(world.now)
        if isinstance(question, float):
            return question
        self._asking = True
        asking = probe(question.where)

        def ask(call: Call) -> None:
            self._spend()
            assert isinstance(call, BatchCall)
            world.call(self, call, None, heard)

        def heard(reply: BatchReply | NoReply) -> None:
            try:
                following = asking.send(reply)
            except StopIteration as end:
                self._asking = False
                desk.answered(question, end.value, world.now)
                self.carry()
            else:
                self._when_in_budget(partial(ask, following))

        ask(next(asking))
        return FOREVER

    def _spend(self) -> None:
        self._budget.spend(self._world.now)
        self._thrift.spend(self._world.now, self._budget.limit, self._budget.window)

    def learn(self, reply: BatchReply | NoReply, left: float) -> None:
        """An answer's headers."""
        self._budget.learn(reply, left, self._world.now)

    def _converse(
        self, departure: Departure, heard: tuple[BatchReply | NoReply, ...] | None
    ) -> None:
        world, flow = self._world, departure.flow
        try:
            calls = next(flow) if heard is None else flow.send(heard)
        except StopIteration as end:
            self._calls -= 1
            self._judged(departure, end.value)
            return
        if not self.desk.permits(departure):
            flow.close()
            self._calls -= 1
            self.desk.withdraw(departure)
            self.carry()
            return
        if any(KILLER in c.delivery.body for s in departure.batch.slots for c in s.contributions):
            world.kill(self)
            return
        self._send_next(departure, calls, ())

    def _when_in_budget(self, action: Callable[[], None]) -> None:
        """At once, or when the budget has room: a flow's second call may have to wait."""
        wait = self._budget.wait(self._world.now)
        if wait <= 0.0:
            action()
        else:
            later = 0.01 if wait == FOREVER else max(wait, TICK)
            self._world.at(self._world.now + later, partial(self._when_in_budget, action))

    def _send_next(
        self,
        departure: Departure,
        calls: tuple[Call, ...],
        heard: tuple[BatchReply | NoReply, ...],
    ) -> None:
        """The calls of a step, one after the other: that they may leave together changes no law."""
        if len(heard) == len(calls):
            self._converse(departure, heard)
        else:
            self._when_in_budget(partial(self._send, departure, calls, heard))

    def _send(
        self,
        departure: Departure,
        calls: tuple[Call, ...],
        heard: tuple[BatchReply | NoReply, ...],
    ) -> None:
        if self.dead:
            return
        self._spend()
        call = calls[len(heard)]
        assert isinstance(call, BatchCall)
        self._world.call(
            self, call, departure, lambda reply: self._send_next(departure, calls, (*heard, reply))
        )

    def _judged(self, departure: Departure, verdicts: Sequence[Any]) -> None:
        world = self._world
        judgement = self.desk.judged(departure, verdicts, world.now, STAMP, world.chance.random)
        assert [s.slot.order for s in judgement.steps] == [s.order for s in departure.batch.slots]
        world.books.written(judgement.steps, by=self)
        if judgement.closing is not None:
            self._settle(judgement.closing)
        world.at(world.now, self.carry)

    def _settle(self, closing: Closing) -> None:
        """Publish, confirmed; then ack; then go on."""
        world = self._world

        def confirmed() -> None:
            if self.dead:
                return
            world.books.close(closing, world.messages)
            for delivery in closing.deliveries:
                world.broker.ack(delivery, world.now)
            self.desk.settled(closing, world.now)
            world.broker.pump(world.now)
            world.at(world.now, self.carry)

        if world.traffic.confirm:
            world.at(world.now + world.chance.uniform(0.0, world.traffic.confirm), confirmed)
        else:
            confirmed()


KILLER = b'"killer"'


def _bodies(chance: Random, traffic: Traffic) -> list[tuple[bytes, dict[str, Any]]]:
    """Message bodies: mostly upserts and updates, some archives, poison, nonsense and repeats."""
    made: list[tuple[bytes, dict[str, Any]]] = [(body, {}) for body in traffic.bodies]
    newest: dict[str, int] = {}
    killers = set(chance.sample(range(traffic.events), traffic.killers))
    for number in range(0 if traffic.bodies else traffic.events):
        if made and chance.random() < traffic.repeats:
            made.append(chance.choice(made))
            continue
        if chance.random() < traffic.malformed:
            made.append((b'{"specversion": "1.0", "id": %d' % number, {}))
            continue
        operation = chance.choices(["upsert", "update", "archive"], [5, 4, 1])[0]
        names = chance.sample(["a", "b", "c", "d"], chance.randint(0, 4))
        values = {name: chance.choice(["1", "2", "3", None]) for name in names}
        if chance.random() < traffic.poison:
            values[chance.choice(["a", UNKNOWN])] = f"{BAD}{chance.randrange(3)}"
        key = f"A-{chance.randrange(traffic.orders)}"
        event = document(operation, key, f"e{number}", **values)
        if number in killers:
            event["killer"] = True
        if chance.random() < traffic.sequences:
            newest[key] = newest.get(key, 10) + 1
            late = chance.random() < traffic.late
            event["sequence"] = f"{newest[key] - 3 * late:06}"
        made.append((orjson.dumps(event), {}))
    return made
