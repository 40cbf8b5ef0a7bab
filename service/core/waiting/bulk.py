"""What came by a queue of bulk: history, imports, mends. It waits beside the lanes, and gives way to them.

    live   ───► lanes ───► whenever a batch is due ─────────────────────────────┐
                                                                                ├──► calls
    bulk   ───► here  ───► a call in TENTH, always; any call that nobody else ──┘
                           needs, while the window stays free enough

Laws. A tenth of the calls is bulk's while any waits, however much is live. Beyond that it takes a call only where
no live batch is due and the window has room for a burst: above half of the limit calls leave spaced
(core.hubspot.budget), so half of the window stays free while live events come, a tenth where none do. Of one order
nothing of it leaves while anything else of that order waits or is in flight: the live event goes first, and bulk is
judged by its own time against what HubSpot shows (staleness). Within one order it leaves in the order of its arrival.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Final

from service.core.events.order_event import Order
from service.core.waiting.backlog import CALL_BYTES, HISTORIES, Backlog
from service.core.waiting.batch import Batch
from service.core.waiting.slots import Slot, without_epochs
from service.core.waiting.spare import AT_LAST, Ask

# One call of so many is bulk's for certain.
TENTH: Final = 10
# The part of the window that bulk fills at most while live events come, and where none came for a while.
BESIDE: Final = 0.45
ALONE: Final = 0.9
# Seconds without a live batch after which none is awaited.
QUIET: Final = 10.0
# The part of the day's calls below which bulk leaves them to others, for AT_LAST at most.
KEPT: Final = 0.1
# Calls of one batch: what HubSpot holds is read before it is written.
CALLS: Final = 2


class Bulk:
    """Slots in the order of their arrival. `busy` tells whether an order's lane holds anything."""

    def __init__(self, busy: Callable[[Order], bool]) -> None:
        self._busy = busy
        self._waiting: deque[Slot] = deque()
        # The moments from which a batch may leave where nobody else wants the call, and whoever wants it.
        self._from = self._owed = 0.0
        self._live = -inf
        # Before which nothing that waits may leave, unless something changes.
        self._blocked_until = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, slot: Slot) -> None:
        """One event more."""
        self._waiting.append(slot)
        self.changed()

    def lose(self, epochs: frozenset[int]) -> None:
        """Drop what came on channels that ended."""
        left = (without_epochs(slot, epochs) for slot in self._waiting)
        self._waiting = deque(slot for slot in left if slot is not None)
        self.changed()

    def changed(self) -> None:
        """An order may have become free."""
        self._blocked_until = 0.0

    def live(self, now: float) -> None:
        """A live batch leaves."""
        self._live = now

    def due(self, now: float, spare: Ask) -> float:
        """The moment from which a batch may leave; infinity where none waits."""
        if not self._waiting:
            return inf
        if (at_last := self._at_last(now, spare)) > now:
            return at_last
        most = ALONE if now - self._live > QUIET else BESIDE
        return max(self._blocked_until, self._from if spare(now).used < most else self._owed)

    def owed(self, now: float, spare: Ask) -> bool:
        """Whether the next call is bulk's, whoever else wants it."""
        waits = bool(self._waiting) and now >= max(self._owed, self._blocked_until)
        return waits and self._at_last(now, spare) <= now

    def _at_last(self, now: float, spare: Ask) -> float:
        """The moment from which the first may leave for all that is left of the day."""
        return self._waiting[0].born + AT_LAST if spare(now).day < KEPT else now

    def take(self, now: float, spare: Ask) -> tuple[Slot, ...]:
        """The slots of one batch, alike; empty where the order of each has something else under way."""
        chosen: list[Slot] = []
        left: deque[Slot] = deque()
        seen: set[Order] = set()
        weight = 0
        for slot in self._waiting:
            if self._fits(chosen, weight, slot, now) and slot.order not in seen:
                chosen.append(slot)
                weight += slot.weight
            else:
                left.append(slot)
            seen.add(slot.order)
        self._waiting = left
        if chosen:
            calls = CALLS * spare(now).apart
            self._from, period = now + calls / ALONE, calls * TENTH
            # What it had to wait for its call is not lost.
            self._owed = min(now, max(self._owed, now - period)) + period
        else:
            later = (slot.not_before for slot in left if slot.not_before > now)
            self._blocked_until = min(later, default=inf)
        return tuple(replace(slot, not_before=0.0) for slot in chosen)

    def _fits(self, chosen: list[Slot], weight: int, slot: Slot, now: float) -> bool:
        if len(chosen) >= HISTORIES or weight >= CALL_BYTES or slot.not_before > now:
            return False
        return (not chosen or _kind(slot) == _kind(chosen[0])) and not self._busy(slot.order)


def _kind(slot: Slot) -> tuple[object, ...]:
    """What the slots of one batch share."""
    return slot.operation, slot.order.id_property, slot.complete, slot.checked


def take(backlog: Backlog, bulk: Bulk, now: float, spare: Ask) -> Batch | None:
    """Bulk's own tenth first, then what is live, then bulk where nobody else wants the call."""
    if bulk.owed(now, spare) and (slots := bulk.take(now, spare)):
        return backlog.carry(slots)
    if (live := backlog.take(now, spare)) is not None:
        bulk.live(now)
        return live
    if bulk.due(now, spare) <= now and (slots := bulk.take(now, spare)):
        return backlog.carry(slots)
    return None


def next_due(backlog: Backlog, bulk: Bulk, now: float, spare: Ask) -> float:
    """The moment from which `take` may have something; inf when nothing waits."""
    due = backlog.next_due(now, spare)
    return min(inf if due is None else due, bulk.due(now, spare))
