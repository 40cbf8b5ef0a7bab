"""Where slots wait: an order's lane, and the berth of the heads that could share a call.

Theory of operation
===================

      lanes (one per order)            berths (slots alike)           batch

      A-1  | head | slot |  --------->  upsert: A-1, A-3  --- take -->  in flight
      A-2  | travelling | slot |                                            |
      A-3  | head |  ---------------->                                      |
      A-4  | head |  ---------------->  archive: A-4                        |
        ^                                                                   |
        '----- finish: the next slot is the head; put_back: it waits again -'

A lane holds the slots of one order, the oldest first. Only the first slot, the head, may travel. While it
travels the lane stands in no berth, so nothing of an order is in flight twice.

A berth holds the heads that could share a call. It is a heap: the head that is due first comes first. A batch
leaves one berth.

The slot behind one that travels will come up in a berth. `Coming` counts these slots, so that a batch that is
not full can wait for them.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from service.core.events.order_event import Operation, Order
from service.core.waiting.slots import Slot


class Berth(NamedTuple):
    """Slots alike in all of this could share a call."""

    operation: Operation
    id_property: str
    company: int
    checked: bool
    complete: bool
    suspected: bool


class Head(NamedTuple):
    """The first slot of a lane, as a berth holds it."""

    due: float
    # Ties break in the order of arrival.
    arrival: int
    order: Order


@dataclass(slots=True)
class Lane:
    """One order's slots, of which only the first may travel."""

    slots: deque[Slot] = field(default_factory=deque)
    travelling: bool = False
    # In which it travels.
    company: int = 0


class Coming(Counter[Berth]):
    """How many slots come up in each berth when what is in flight lands."""

    def more(self, slot: Slot) -> None:
        """It comes up behind a slot that travels."""
        self[berth_of(slot)] += 1

    def less(self, slot: Slot) -> None:
        """It has come up, or comes no more."""
        berth = berth_of(slot)
        self[berth] -= 1
        if not self[berth]:
            del self[berth]


def berth_of(slot: Slot) -> Berth:
    """The berth in which it waits when it is its lane's head."""
    return Berth(
        operation=slot.operation,
        id_property=slot.order.id_property,
        company=slot.company,
        checked=slot.checked,
        complete=slot.complete,
        suspected=slot.suspected,
    )
