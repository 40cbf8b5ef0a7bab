"""Where slots wait: an order's lane, and the berth of the heads that could share a call."""

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
