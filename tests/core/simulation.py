"""The whole core in one virtual process: parse, backlog, flow, judge, decide, conclude, and a HubSpot.

What the shell does with asyncio and sockets is done here by a heap of moments. The books are kept while it
runs: a reference takes every event at the moment that it is settled (an order's events settle in order),
so that a wrong verdict is seen where it happens.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

import orjson

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.core.events.malformed import Malformed
from service.core.events.order_event import Operation
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.flows import Flow, flow_for
from service.core.hubspot.verdicts import Applied, Rejected
from service.core.intake.repeats import Fresh, Held, Repeats
from service.core.outgoing import Outgoing
from service.core.settlement.outcome import Status
from service.core.settlement.outcomes import Settlement, conclude, conclude_malformed
from service.core.settlement.retries import Exhausted, Finish, PutBack, RetryPolicy, decide
from service.core.waiting.backlog import Backlog, Batch, BatchPolicy
from service.core.waiting.slots import Slot, slot_of, without_epochs
from tests.core.hubspot import ROUGH, Faults, HubSpot
from tests.core.model import BAD, UNKNOWN, Orders, refusable
from tests.strategies import ID_PROPERTY, STAMP, delivery, document

PATIENT = RetryPolicy(attempts=10_000, patience=1e9)
CONCURRENCY = 4


@dataclass
class Traffic:
    """What comes in: how much, of how many orders, how bad."""

    events: int = 120
    orders: int = 20
    poison: float = 0.05
    malformed: float = 0.01
    repeats: float = 0.02
    rate: float = 400.0  # events per second
    deaths: float = 0.0  # channels that die, per event


@dataclass
class Books:
    """What became of every delivery."""

    settled: Counter[tuple[int, int]] = field(default_factory=Counter)
    statuses: dict[tuple[str, str], list[Status]] = field(default_factory=dict)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Simulation:
    """One run; `run()` returns when nothing is left to do."""

    def __init__(
        self,
        seed: int,
        traffic: Traffic | None = None,
        faults: Faults = ROUGH,
        policy: BatchPolicy | None = None,
        retry: RetryPolicy = PATIENT,
    ) -> None:
        self.chance = Random(seed)
        self.traffic = traffic or Traffic()
        self.hubspot = HubSpot(
            self.chance, faults, echo=self.chance.random() < 0.5, fold=self.chance.random() < 0.3
        )
        self.backlog = Backlog(policy or BatchPolicy(size=self.chance.choice([1, 2, 5, 10, 100])))
        self.retry = retry
        self.repeats = Repeats(50)
        self.reference = Orders()
        self.books = Books()
        self.now = 0.0
        self.epoch = 1
        self.unsettled: dict[tuple[int, int], Delivery] = {}  # in the order of arrival
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._calls = 0
        self._flying: set[Any] = set()

    # --- time -----------------------------------------------------------------------------------------

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        heappush(self._moments, (moment, next(self._numbers), action))

    def run(self) -> "Simulation":
        """Until every moment has passed and nothing is held."""
        moment = 0.0
        for body, properties in _bodies(self.chance, self.traffic):
            moment += self.chance.expovariate(self.traffic.rate)
            self._at(moment, partial(self._arrive, body, properties))
            if self.chance.random() < self.traffic.deaths:
                self._at(moment, self._channel_dies)
        for _ in range(1_000_000):
            self._send()
            due = self.backlog.next_due()
            waits = due is not None and self._calls < CONCURRENCY
            if self._moments and not (waits and due is not None and due < self._moments[0][0]):
                self.now, _, action = heappop(self._moments)
                action()
            elif waits and due is not None:
                self.now = max(self.now, due)
            else:
                return self
        raise AssertionError("the simulation does not end")

    # --- in -------------------------------------------------------------------------------------------

    def _arrive(self, body: bytes, properties: dict[str, Any]) -> None:
        self._deliver(delivery(body, epoch=self.epoch, **properties))

    def _deliver(self, came: Delivery) -> None:
        self.unsettled[came.epoch, came.tag] = came
        match parse(came, ID_PROPERTY):
            case Malformed() as malformed:
                self._settle(conclude_malformed(malformed, STAMP))
            case Contribution() as contribution:
                self._take_in(contribution)

    def _take_in(self, contribution: Contribution) -> None:
        match self.repeats.arrive(contribution):
            case Fresh():
                self.backlog.add(contribution, self.now)
            case Held():
                pass
            case Outgoing() as outcome:
                self._answer_again(contribution, outcome)

    def _channel_dies(self) -> None:
        """Everything unsettled comes again, in order, on a new channel."""
        dead, self.epoch = frozenset({self.epoch}), self.epoch + 1
        self.backlog.forget(dead)
        assert self.repeats.forget(dead) == ()  # there is one channel: nothing else lives
        again = [d for d in self.unsettled.values() if d.epoch in dead]
        self.unsettled = {at: d for at, d in self.unsettled.items() if d.epoch not in dead}
        for d in again:
            self._redeliver(d)

    def _redeliver(self, d: Delivery) -> None:
        self._deliver(
            Delivery(
                epoch=self.epoch,
                tag=next(self._numbers) + 10**9,
                queue=d.queue,
                exchange=d.exchange,
                routing_key=d.routing_key,
                redelivered=True,
                properties=d.properties,
                body=d.body,
                received_at=d.received_at,
            )
        )

    # --- out ------------------------------------------------------------------------------------------

    def _send(self) -> None:
        while self._calls < CONCURRENCY and (batch := self.backlog.take(self.now)) is not None:
            self._calls += 1
            flow = flow_for(batch, f"t{next(self._numbers)}", ID_PROPERTY)
            self._converse(batch, flow, None)

    def _converse(self, batch: Batch, flow: Flow, heard: BatchReply | NoReply | None) -> None:
        try:
            call = next(flow) if heard is None else flow.send(heard)
        except StopIteration as end:
            self._calls -= 1
            self._judge(batch, end.value)
            return
        answer = self.hubspot.answer(call)
        later = self.now + self.chance.uniform(0.02, 0.4)
        self._at(later, lambda: self._converse(batch, flow, answer))

    def _judge(self, batch: Batch, verdicts: Sequence[Any]) -> None:
        steps = decide(
            batch,
            verdicts,
            self.retry,
            self.now,
            self.chance.random,
            lambda: next(self._numbers),
        )
        assert [s.slot.order for s in steps] == [s.order for s in batch.slots]
        for step in steps:
            match step:
                case PutBack(slot, slots):
                    dead = frozenset(range(1, self.epoch))
                    left = [w for s in slots if (w := without_epochs(s, dead)) is not None]
                    self.backlog.put_back(slot, *left)
                case Finish() as finish:
                    self._finish(finish, len(batch.slots))

    def _finish(self, finish: Finish, size: int) -> None:
        live = [c.delivery.epoch == self.epoch for c in finish.slot.contributions]
        settlements = conclude(finish, size, STAMP)
        if all(live):
            self._check(finish, settlements)
        again: list[Slot] = []
        for settlement, alive in zip(settlements, live, strict=True):
            contribution = settlement.contribution
            assert contribution is not None
            if alive:
                self._settle(settlement)
                again += self._release(contribution, settlement)
        self.backlog.put_back(finish.slot, *again) if again else self.backlog.finish(finish.slot)

    def _release(self, contribution: Contribution, settlement: Settlement) -> list[Slot]:
        """Answer the repeats of what was applied; those of what failed are tried in its place."""
        if settlement.status in {Status.APPLIED, Status.SUPERSEDED}:
            for repeat in self.repeats.applied(contribution, settlement.outcome):
                self._answer_again(repeat, settlement.outcome)
            return []
        waited = self.repeats.failed(contribution)
        return [slot_of(c, self.now) for c in waited if self.repeats.arrive(c) == Fresh()]

    # --- the books ------------------------------------------------------------------------------------

    def _answer_again(self, repeat: Contribution, outcome: Outgoing) -> None:
        assert outcome.routing_key in {"outcome.applied", "outcome.superseded"}
        assert repeat.delivery.epoch == self.epoch
        self._ack(repeat.delivery)

    def _settle(self, settlement: Settlement) -> None:
        outcome = orjson.loads(settlement.outcome.body)
        self.books.outcomes.append(outcome)
        failed = settlement.status in {Status.REJECTED, Status.EXHAUSTED, Status.MALFORMED}
        assert failed == (settlement.dead_letter is not None) == (settlement.reason is not None)
        if settlement.contribution is not None:
            identity = settlement.contribution.identity
            self.books.statuses.setdefault(identity, []).append(settlement.status)
        self._ack(settlement.delivery)

    def _ack(self, settled: Delivery) -> None:
        self.books.settled[settled.epoch, settled.tag] += 1
        del self.unsettled[settled.epoch, settled.tag]  # KeyError = settled twice

    def _check(self, finish: Finish, settlements: Sequence[Settlement]) -> None:
        slot, verdict = finish.slot, finish.verdict
        key = slot.order.key
        existed = key in self.reference.live
        if isinstance(verdict, Rejected | Exhausted):
            assert len(slot.contributions) == 1, "condemned in company"
        for settlement in settlements:
            contribution = settlement.contribution
            assert contribution is not None
            outcome = orjson.loads(settlement.outcome.body)["data"]
            self._enter(contribution, verdict, merged=len(slot.contributions) > 1)
            if isinstance(verdict, Applied) and slot.operation is Operation.UPSERT:
                self._check_created(outcome, existed)
                existed |= (
                    outcome["status"] == Status.APPLIED
                )  # by this event; superseded ones say nothing

    def _enter(self, contribution: Contribution, verdict: Any, *, merged: bool) -> None:
        """Take the event into the reference; what a person would not expect is written down."""
        operation, values, key = contribution.operation, contribution.values, contribution.order.key
        name = f"{contribution.event.id} ({operation} {key} {dict(values)})"
        match verdict:
            case Applied():
                if merged and refusable(values):  # saved: a later event overwrote what was bad
                    values = {
                        n: v for n, v in values.items() if n != UNKNOWN and not v.startswith(BAD)
                    }
                if not self.reference.apply(operation, key, {**values, ID_PROPERTY: key}):
                    self.books.wrong.append(f"falsely applied: {name}")
            case Rejected():
                if self.reference.apply(operation, key, values):
                    self.books.wrong.append(f"wrongly rejected: {name}")
            case _:
                self.books.wrong.append(f"gave up: {name}")

    def _check_created(self, outcome: dict[str, Any], existed: bool) -> None:
        said = outcome["created"]
        if said is not None and said is existed:
            self.books.wrong.append(f"created={said} but existed={existed}: {outcome['event']}")


def _bodies(chance: Random, traffic: Traffic) -> list[tuple[bytes, dict[str, Any]]]:
    """Message bodies: mostly upserts and updates, some archives, poison, nonsense and repeats."""
    made: list[tuple[bytes, dict[str, Any]]] = []
    for number in range(traffic.events):
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
        made.append((orjson.dumps(document(operation, key, f"e{number}", **values)), {}))
    return made
