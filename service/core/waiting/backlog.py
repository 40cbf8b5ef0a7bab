"""Slots over time -> Batch. Everything that decides when and with whom a slot travels lives here.

Laws, each a property test: no batch exceeds its size, mixes operations or names an order twice; of an
order at most one slot is in flight, and its events leave in arrival order; a slot leaves within `linger`
when somebody takes, within PATIENCE lingers while company is coming; slots under suspicion (`company`)
travel together and with nobody else; so does what came out of the dead letters (`checked`), paced so
that live events keep their share of the calls.

A lane is one order's queue of slots; only its head may travel. A lane whose head may travel stands in
exactly one berth: the heads that could share a call.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from math import inf
from typing import Final

from service.core.events.events import Contribution
from service.core.events.order_event import Order
from service.core.waiting.batch import Batch, BatchPolicy, Trigger
from service.core.waiting.berths import Berth, Coming, Head, Lane, berth_of
from service.core.waiting.slots import Slot, acquitted, coalesce, forgiven, slot_of, without_epochs
from service.core.waiting.spare import AT_LAST, Ask, Spare, idle

# Seconds without an arrival after which no company is in sight: a burst comes in one reading of the socket.
GAP: Final = 0.005
# Lingers that a partial batch may wait while company is coming.
PATIENCE: Final = 8
# Lingers after a full batch during which the traffic counts as busy.
BUSY: Final = 2
# The part of the day's calls below which what came out of the dead letters leaves them to others, for AT_LAST.
KEPT: Final = 0.05
# Bytes of bodies after which a batch takes no more: a hundred of the largest events would be one call of
# 25 MB, and several of those are what a pod of 256 MB dies of.
CALL_BYTES: Final = 4 << 20
# Calls after which an order travels no more with strangers while one of its company is at fault.
TRIES: Final = 12
# Hundreds of complete orders in one batch.
TOGETHER: Final = 10
# Records whose property history one batch/read takes (100 without history).
HISTORIES: Final = 50


def _half(number: int) -> int:
    return (number + 1) // 2


class Backlog:
    """All that is held: waiting in lanes, or in flight."""

    def __init__(self, policy: BatchPolicy, part: Callable[[int], int] = _half) -> None:
        """`part`: how many of so many suspected slots travel at a time."""
        self._policy, self._part = policy, part
        self._lanes: dict[Order, Lane] = {}
        self._berths: dict[Berth, list[Head]] = {}
        # Heads that are not to be tried before a time.
        self._delayed: list[Head] = []
        # Slots in flight by company: what one of them meets decides about the rest.
        self._companions: Counter[int] = Counter()
        # Slots that come up when what is in flight lands.
        self._coming = Coming()
        self._arrivals = 0
        self._draining = False
        self._busy_until = 0.0
        self._came = -inf  # the latest arrival
        # The moment from which checked slots may travel again.
        self._replays_from = 0.0
        self.held = 0  # contributions
        self.in_flight = 0  # slots

    def add(self, contribution: Contribution, now: float, not_before: float = 0.0) -> None:
        """Take one event in: merged into its order's last waiting slot, or behind it.

        What has to wait (`not_before`) merges only with what waits as long.
        """
        self.held += 1
        self._came = now
        lane = self._lanes.get(contribution.order)
        if lane is None:
            lane = self._lanes[contribution.order] = Lane()
        alike = bool(lane.slots) and lane.slots[-1].not_before == not_before
        if alike and (merged := coalesce(lane.slots[-1], contribution)) is not None:
            self._replace_last(lane, merged)
            return
        slot = slot_of(contribution, now, not_before)
        lane.slots.append(slot)
        if len(lane.slots) == 1 and not lane.travelling:
            self._moor(slot)
        elif len(lane.slots) == 1:
            self._coming.more(slot)

    def _replace_last(self, lane: Lane, merged: Slot) -> None:
        """A plain slot that takes in a complete order's event comes up in another berth."""
        before, lane.slots[-1] = lane.slots[-1], merged
        if lane.travelling and len(lane.slots) == 1 and before.complete != merged.complete:
            self._coming.more(merged)
            self._coming.less(before)

    def busy(self, order: Order) -> bool:
        """Whether anything of the order waits here or is in flight."""
        return order in self._lanes

    def carry(self, slots: tuple[Slot, ...]) -> Batch:
        """A batch of slots that waited elsewhere, alike, of orders that are not busy; in flight from here on."""
        for slot in slots:
            self._lanes[slot.order] = Lane(travelling=True, company=slot.company)
            self._companions[slot.company] += 1
            self.held += len(slot.contributions)
        self.in_flight += len(slots)
        first = slots[0]
        return Batch(
            operation=first.operation,
            id_property=first.order.id_property,
            company=first.company,
            slots=slots,
            trigger="bulk",
        )

    def take(self, now: float, spare: Ask = idle) -> Batch | None:
        """The batch that is to leave now, its slots in flight from here on; None when none is due."""
        self._wake(now)
        if not self._berths:
            return None
        left = spare(now)
        due = [
            (heads[0], berth)
            for berth, heads in self._open()
            if self._draining or self._full(berth, heads) or self._due(berth, heads, left) <= now
        ]
        if not due:
            return None
        _, berth = min(due)
        return self._board(berth, now)

    def next_due(self, now: float = 0.0, spare: Ask = idle) -> float | None:
        """The moment from which `take` may have something; None when nothing waits."""
        berths = list(self._open())
        if self._draining and berths:
            return 0.0
        if any(self._full(berth, heads) for berth, heads in berths):
            return 0.0
        left = spare(now) if berths else Spare()
        moments = [self._due(berth, heads, left) for berth, heads in berths]
        if self._delayed:
            moments.append(self._delayed[0].due)
        return min(moments, default=None)

    def finish(self, slot: Slot) -> None:
        """The slot is settled: its lane's next head may travel."""
        self.held -= len(slot.contributions)
        self._comes_no_more(self._lanes[slot.order])
        self._land(slot.order)

    def put_back(self, slot: Slot, *slots: Slot) -> None:
        """The slot was not applied: `slots` (itself, or its parts) wait again at the lane's head."""
        lane = self._lanes[slot.order]
        self._comes_no_more(lane)
        lane.slots.extendleft(reversed(slots))
        self.held += sum(len(s.contributions) for s in slots) - len(slot.contributions)
        self._land(slot.order)

    def acquit(self, company: int) -> None:
        """Who is at fault in this company was found: of those of it that wait nothing is known, and they are free.

        Who was tried TRIES times stays with the others of it, so that no stranger delays it any longer.
        """
        berths = [b for b in self._berths if b.suspected and b.company == company]
        for waiting in [waiting for berth in berths for waiting in self._berths.pop(berth)]:
            slots = self._lanes[waiting.order].slots
            slots[0] = acquitted(slots[0], company if slots[0].attempts >= TRIES else 0)
            self._berth(slots[0], waiting)

    def drain(self) -> None:
        """Stop lingering: whatever is held leaves as soon as it may."""
        self._draining = True

    def lose(self, epochs: frozenset[int]) -> None:
        """Drop what waits from channels that ended: the broker has it again. In flight stays."""
        before = after = 0
        for lane in self._lanes.values():
            before += sum(len(slot.contributions) for slot in lane.slots)
            left = (without_epochs(slot, epochs) for slot in lane.slots)
            lane.slots = deque(slot for slot in left if slot is not None)
            after += sum(len(slot.contributions) for slot in lane.slots)
        self.held -= before - after
        self._moor_again()

    def forgive(self) -> None:
        """What failed so far failed for a reason that has gone: it waits as if it had not been tried."""
        for lane in self._lanes.values():
            lane.slots = deque(map(forgiven, lane.slots))
        self._moor_again()

    def waiting(self) -> Iterator[Slot]:
        """Every slot that is not in flight."""
        for lane in self._lanes.values():
            yield from lane.slots

    def _land(self, order: Order) -> None:
        lane = self._lanes[order]
        lane.travelling = False
        self._companions[lane.company] -= 1
        if not self._companions[lane.company]:
            del self._companions[lane.company]
        self.in_flight -= 1
        if lane.slots:
            self._moor(lane.slots[0])
        else:
            del self._lanes[order]

    def _comes_no_more(self, lane: Lane) -> None:
        if lane.slots:
            self._coming.less(lane.slots[0])

    def _due(self, berth: Berth, heads: list[Head], left: Spare) -> float:
        """When a partial batch leaves: after the linger; later while company is coming and calls are scarce.

        Company comes from behind what is in flight, and from the queue as long as full batches leave.
        A few archives per second, sent every linger, would take four calls of a second's ten.
        Before the linger is over it leaves where no company is in sight and calls are plentiful.
        """
        if berth.checked:
            at_last = heads[0].due + AT_LAST if left.day < KEPT else 0.0
            return max(heads[0].due, self._replays_from, at_last)
        head = self._lanes[heads[0].order].slots[0]
        due = heads[0].due
        if berth.company or head.sealed or head.attempts:
            return due
        if not self.in_flight:
            due = min(due, max(self._came + GAP, self._busy_until, left.early))
        coming = inf if berth in self._coming else self._busy_until
        latest = due + (PATIENCE - 1) * self._policy.linger
        return min(latest, max(due, min(coming, left.early)))

    def _open(self) -> Iterator[tuple[Berth, list[Head]]]:
        """The berths that may be left; of a suspected company one part travels at a time."""
        for berth, heads in self._berths.items():
            if not (berth.suspected and berth.company in self._companions):
                yield berth, heads

    def _most(self, berth: Berth) -> int:
        """Orders in one batch. Complete ones share calls for up to 2,000 links, so that more of them travel."""
        return self._policy.size * (TOGETHER if berth.complete else 1)

    def _full(self, berth: Berth, heads: list[Head]) -> bool:
        """Whether it leaves by size; what came out of the dead letters never does: it is paced."""
        return len(heads) >= self._most(berth) and not berth.checked

    def _moor(self, slot: Slot) -> None:
        self._arrivals += 1
        if slot.not_before > 0.0:
            heappush(self._delayed, Head(slot.not_before, self._arrivals, slot.order))
            return
        due = slot.born if slot.sealed or slot.attempts else slot.born + self._policy.linger
        self._berth(slot, Head(due, self._arrivals, slot.order))

    def _berth(self, slot: Slot, waiting: Head) -> None:
        berth = berth_of(slot)
        heads = self._berths.get(berth)
        if heads is None:
            self._berths[berth] = [waiting]
        else:
            heappush(heads, waiting)

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0].due <= now:
            waiting = heappop(self._delayed)
            self._berth(self._lanes[waiting.order].slots[0], waiting)

    def _board(self, berth: Berth, now: float) -> Batch:
        heads = self._berths[berth]
        trigger = self._trigger(berth, heads, now)
        slots: list[Slot] = []
        size = self._most(berth)
        if berth.checked:
            size, self._replays_from = min(size, HISTORIES), now + self._policy.replay_pace
        if berth.suspected:
            size = min(size, self._part(len(heads)))
        weight = 0
        while heads and len(slots) < size and weight < CALL_BYTES:
            lane = self._lanes[heappop(heads).order]
            weight += lane.slots[0].weight
            lane.travelling, lane.company = True, berth.company
            slots.append(lane.slots.popleft())
            if lane.slots:
                self._coming.more(lane.slots[0])
        if not heads:
            del self._berths[berth]
        self._companions[berth.company] += len(slots)
        self.in_flight += len(slots)
        if trigger == "size" and self._quick(slots):
            self._busy_until = now + BUSY * self._policy.linger
        return Batch(
            operation=berth.operation,
            id_property=berth.id_property,
            company=berth.company,
            slots=tuple(slots),
            trigger=trigger,
        )

    def _quick(self, slots: list[Slot]) -> bool:
        """Whether they came within a linger: else their wait had filled the batch, and would fill the next."""
        last = slots[min(len(slots), self._policy.size) - 1]
        return last.born - slots[0].born <= self._policy.linger

    def _trigger(self, berth: Berth, heads: list[Head], now: float) -> Trigger:
        if self._full(berth, heads):
            return "size"
        if self._draining and heads[0].due > now:
            return "drain"
        if self._lanes[heads[0].order].slots[0].attempts:
            return "retry"
        return "linger" if heads[0].due <= now else "early"

    def _moor_again(self) -> None:
        self._lanes = {
            order: lane for order, lane in self._lanes.items() if lane.slots or lane.travelling
        }
        self._berths, self._delayed, self._coming = {}, [], Coming()
        for lane in self._lanes.values():
            if lane.slots and lane.travelling:
                self._coming.more(lane.slots[0])
            elif lane.slots:
                self._moor(lane.slots[0])
