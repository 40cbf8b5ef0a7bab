"""The body of the core: all that is held, from a delivery's arrival to its settlement.

`Desk` is a plain object that a loop feeds and asks, as h11's `Connection` is. It waits for nothing: whoever
drives it (shell.pipeline, or a simulation in virtual time) does what it returns, and says what came of it.

    arrive, lose                    what the broker does         -> what was read
    wait, depart                    when a batch leaves          -> Departure (its calls, as a flow)
    permits, withdraw               its channel may have ended
    judged                          HubSpot's verdicts           -> Judgement (its Closing)
    answers                         what needs no call           -> Closing
    settled                         a Closing's end: its messages are confirmed, its deliveries acked
    drain, done                     the end
    gate, move                      why calls or deliveries stop -> Close | Open | Wait

Laws, each held by the simulation (tests/core/simulation.py) over thousands of seeds: every event gets
exactly one outcome id; a delivery is acked once, and only after its outcome is confirmed; of an order
nothing is in flight twice; what HubSpot holds in the end is what the events, one by one, would have left;
in the end nothing is held.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import assert_never

from service.core.departure import Departure, Judgement, Stuck, oldest, progressed, stuck
from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.core.events.malformed import Malformed
from service.core.graph.directory import Directory
from service.core.graph.flow import flow_for
from service.core.graph.order_flow import Account
from service.core.hubspot.pauses import Doubt, Pause
from service.core.hubspot.places import FOREVER
from service.core.hubspot.verdicts import Applied, Fate, Refused, Rejected, Stale, Verdict
from service.core.intake.crashes import Crashes, Suspected
from service.core.intake.custody import Custody
from service.core.intake.gate import Close, Gate, Open, ProbeFailed, Resumed, Standing, Wait
from service.core.intake.handover import Handover
from service.core.intake.repeats import Fresh, Held, Repeats
from service.core.intake.sequences import REACH, Sequences
from service.core.outgoing import Outgoing
from service.core.policies import Policies
from service.core.reasons import Reason
from service.core.settlement.closing import Answers, Closing
from service.core.settlement.outcomes import conclude
from service.core.settlement.retries import NEVER, Finish, PutBack, decide
from service.core.waiting.backlog import Backlog
from service.core.waiting.batch import Batch
from service.core.waiting.bulk import Bulk, next_due, take
from service.core.waiting.poison import Poison
from service.core.waiting.slots import Slot, slot_of, without_epochs
from service.core.waiting.spare import Ask, idle

Read = Contribution | Malformed | Suspected


class Desk:
    """The books. `now` is in monotonic seconds, `stamp` an aware UTC datetime."""

    def __init__(self, policies: Policies, name: str) -> None:
        """`name` is unique to the process: it starts every trace id."""
        self._policies, self._name = policies, name
        self._custody = Custody()
        self._crashes = Crashes()
        self._handover = Handover(policies.overlap, REACH)
        self._sequences = Sequences()
        self._repeats = Repeats()
        self._account = Account(policies.id_property, policies.line_id_property)
        self._directory = Directory()
        self._poison = Poison()
        self._backlog = Backlog(policies.batch, self._poison.part)
        self._bulk = Bulk(self._backlog.busy)
        self.gate = Gate(policies.longest)
        self._answers = Answers()
        # Both in the order of their beginning.
        self._out: dict[int, Departure] = {}
        self._closing: dict[int, Closing] = {}
        self._numbers, self._companies = count(1), count(1)
        self._deadline: float | None = None

    @property
    def held(self) -> int:
        """Events that wait for a call, or are in one."""
        return self._backlog.held + len(self._bulk)

    @property
    def in_flight(self) -> int:
        """Slots in a call."""
        return self._backlog.in_flight

    def age(self, now: float) -> float:
        """Seconds since the oldest delivery came that is neither acked nor the broker's again."""
        return self._custody.age(now)

    # --- in -------------------------------------------------------------------------------------------

    def arrive(self, delivery: Delivery, now: float) -> Sequence[Read]:
        """One delivery. Never fails: its faults are its own outcome. Returns what was read."""
        if self._deadline is not None:
            return ()  # it goes back to the queue with its channel
        self._custody.arrive(delivery, now)
        suspected = delivery.redelivered and self._crashes.suspects(delivery)
        calm = self._crashes.calm
        if calm and not suspected:
            return (self._read(delivery, now),)
        self._crashes.wait(delivery)
        return [*([Suspected(delivery)] if calm else ()), *self._advance(now)]

    def lose(self, epochs: frozenset[int], now: float) -> Sequence[Read]:
        """These channels have ended: what waits from them is the broker's again. Told once."""
        self._custody.lose(epochs)
        self._backlog.lose(epochs)
        self._bulk.lose(epochs)
        self._handover.lose(epochs)
        self._crashes.lose(epochs)
        self._answers.lose(epochs)
        for contribution in self._repeats.lose(epochs):
            self._take_in(contribution, now)
        return self._advance(now)

    def _advance(self, now: float) -> Sequence[Read]:
        return [self._read(each, now, condemned=guilty) for each, guilty in self._crashes.take()]

    def _read(self, delivery: Delivery, now: float, *, condemned: bool = False) -> Read:
        event = parse(delivery, self._policies.id_property)
        if delivery.queue in self._policies.backfill and isinstance(event, Contribution):
            event = replace(event, backfill=True, apart=True)
        if isinstance(event, Malformed) or condemned:
            self._answers.add(event)
            return event
        self._handover.arrive(event, now)
        numbered = event.event.sequence is not None
        self._take_in(self._sequences.arrive(event) if numbered else event, now)
        return event

    def _take_in(self, contribution: Contribution, now: float) -> None:
        match self._repeats.arrive(contribution):
            case Fresh():
                overlapping = now < self._handover.until
                not_before = self._handover.not_before(contribution) if overlapping else 0.0
                if contribution.backfill:
                    self._bulk.add(slot_of(contribution, now, not_before))
                else:
                    self._backlog.add(contribution, now, not_before)
            case Held():
                pass
            case Outgoing() as outcome:
                self._answers.repeat(contribution.delivery, outcome)
            case never:
                assert_never(never)

    # --- out ------------------------------------------------------------------------------------------

    def wait(self, now: float, line: Callable[[float], float], spare: Ask = idle) -> float | None:
        """Seconds until a batch may leave; FOREVER = when something happens; None = all is done.

        `line` tells the seconds until there is room for a call, `spare` what the quota leaves.
        """
        if self._deadline is not None and self.done(now):
            return None
        left = FOREVER if self._deadline is None else self._deadline - now
        due = FOREVER if self.gate.reason else next_due(self._backlog, self._bulk, now, spare)
        return min(left, due - now if due > now else line(now))

    def depart(self, now: float, spare: Ask = idle) -> Departure | None:
        """The batch that is to leave now, its slots in flight from here on; None when none is due."""
        batch = take(self._backlog, self._bulk, now, spare) if self.gate.reason is None else None
        if batch is None:
            return None
        number = next(self._numbers)
        overtaken = self._sequences.overtaken(batch.slots)
        name = f"{self._name}-{number}"
        flow = flow_for(batch, name, self._account, self._directory, now, overtaken)
        departure = self._out[number] = Departure(number, batch, flow, now)
        return departure

    def permits(self, departure: Departure) -> bool:
        """Whether its next call may start: nothing of the batch went back to the broker."""
        return all(self._ours(c) for slot in departure.batch.slots for c in slot.contributions)

    def withdraw(self, departure: Departure) -> None:
        """It was not permitted to go on: what of it is still ours waits again."""
        del self._out[departure.number]
        for slot in departure.batch.slots:
            self._put_back(slot, (slot,))

    def judged(
        self,
        departure: Departure,
        fates: Sequence[Fate],
        now: float,
        stamp: datetime,
        jitter: Callable[[], float],
    ) -> Judgement:
        """Its calls are over, with one fate for each slot."""
        del self._out[departure.number]
        batch, verdicts = progressed(departure.batch, fates)
        trouble = self.gate.note(batch, verdicts, now)
        verdicts = self.gate.weigh(batch, verdicts, now)
        policy = self._policies.retry if self.gate.reason is None else NEVER
        steps = decide(
            batch,
            verdicts,
            policy,
            now,
            jitter,
            company=lambda: next(self._companies),
            pieces=self._poison.pieces,
        )
        self._learn(batch, verdicts)
        for step in steps:
            if isinstance(step, PutBack):
                self._put_back(step.slot, step.slots)
        finished = tuple(step for step in steps if isinstance(step, Finish))
        return Judgement(
            verdicts, steps, self._close(finished, len(batch.slots), now, stamp), trouble
        )

    def _learn(self, batch: Batch, verdicts: Sequence[Verdict]) -> None:
        """How often records are refused; and of whom of the batch's company nothing is known any longer."""
        first = batch.slots[0]
        written = sum(isinstance(verdict, Applied | Stale) for verdict in verdicts)
        refused = any(isinstance(verdict, Refused | Rejected) for verdict in verdicts)
        found = refused and len(batch.slots) == len(first.contributions) == 1 and first.attempts
        self._poison.learn(written, 1 if found else 0)
        if refused and first.suspected:
            self._backlog.acquit(batch.company)

    def _put_back(self, slot: Slot, slots: Iterable[Slot]) -> None:
        """`slots` wait in its place, without what came on channels that have ended meanwhile."""
        events = (c for s in slots for c in s.contributions)
        dead = frozenset(c.delivery.epoch for c in events if not self._ours(c))
        left = (without_epochs(s, dead) for s in slots) if dead else slots
        self._backlog.put_back(slot, *(s for s in left if s is not None))
        self._bulk.changed()

    def _ours(self, event: Contribution | Malformed) -> bool:
        return event.delivery.epoch in self._custody.channels

    # --- the end of events ----------------------------------------------------------------------------

    def _close(
        self, finished: tuple[Finish, ...], size: int, now: float, stamp: datetime
    ) -> Closing | None:
        for finish in finished:
            if isinstance(finish.verdict, Applied) and finish.slot.numbered:
                self._sequences.applied(finish.slot.contributions)
        settlements = [s for finish in finished for s in conclude(finish, size, stamp)]
        ours = tuple(s for s in settlements if s.delivery.epoch in self._custody.channels)
        if not finished:
            return None
        closing = Closing(
            number=next(self._numbers), since=now, settlements=ours, repeats=(), finished=finished
        )
        return self._closing.setdefault(closing.number, closing)

    @property
    def answerable(self) -> bool:
        """Whether `answers` has something to say."""
        return bool(self._answers.events or self._answers.repeats)

    def answers(self, now: float, stamp: datetime) -> Closing | None:
        """What needs no call, if there is any."""
        if not self.answerable:
            return None
        closing = self._answers.take(next(self._numbers), now, stamp)
        return self._closing.setdefault(closing.number, closing)

    def settled(self, closing: Closing, now: float) -> Sequence[Read]:
        """Its messages are confirmed and its deliveries acked: the lanes go on. Told once."""
        del self._closing[closing.number]
        for settlement in closing.settlements:
            # Of a channel that has ended nothing is remembered: the redelivery of this event may be in
            # its lane again, and that of a newer one not yet. Were the newer one answered from memory,
            # the older would be written over it.
            contribution = settlement.contribution
            if contribution is not None and self._ours(contribution):
                failed = settlement.dead_letter is not None
                for repeat in self._repeats.settle(contribution, settlement.outcome, failed=failed):
                    self._take_in(repeat, now)
        for finish in closing.finished:
            self._backlog.finish(finish.slot)
        self._bulk.changed()
        deliveries = closing.deliveries
        self._custody.settle(deliveries)
        self._crashes.settle(deliveries)
        return self._advance(now)

    # --- the gate and the end -------------------------------------------------------------------------

    def answered(
        self, question: Standing | Doubt, trouble: Reason | None, now: float
    ) -> Resumed | ProbeFailed | Pause | None:
        """A probe's answer to `gate.question`; `trouble` None = HubSpot answers as it should."""
        told = self.gate.answered(question, trouble, now)
        if isinstance(told, Resumed):
            self._backlog.forgive()
        return told

    def move(self, now: float) -> Close | Open | Wait:
        """What is to be done with the channels."""
        return self.gate.move(self._custody, oldest(self._closing.values(), now), now)

    def drain(self, now: float) -> None:
        """Take nothing in any more, stop lingering, and be done when the grace is over."""
        self._deadline = now + self._policies.grace
        self._crashes.drain()
        self.gate.drain()
        self._backlog.drain()

    def done(self, now: float) -> bool:
        """Stopping, and nothing is left that could be settled before the grace is over."""
        if self._deadline is None:
            return False
        waited_for = self._out or self._closing or self.answerable
        due = next_due(self._backlog, self._bulk, now, idle)
        later = due > self._deadline or self.gate.reason is not None
        return now >= self._deadline or (later and not waited_for)

    def stuck(self, now: float) -> Iterator[Stuck]:
        """What has been under way for longer than anything may be."""
        return stuck(self._out.values(), self._closing.values(), now)
