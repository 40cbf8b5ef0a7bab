"""A batch: slots that leave together, and why they leave now."""

from dataclasses import dataclass
from typing import Literal

from service.core.events.order_event import Operation
from service.core.waiting.slots import Slot

Trigger = Literal["size", "linger", "early", "drain", "retry", "bulk"]


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """When a batch leaves."""

    # records; HubSpot takes no more than 100 a call.
    size: int = 100
    # Seconds that a slot may wait for company.
    linger: float = 0.25
    # Seconds between two batches of what came out of the dead letters.
    replay_pace: float = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """1 to `size` slots of distinct orders, one operation, one identifying property."""

    operation: Operation
    id_property: str
    company: int
    slots: tuple[Slot, ...]
    trigger: Trigger

    @property
    def complete(self) -> bool:
        """Whether its orders come with lines, links or a stage."""
        return any(slot.complete for slot in self.slots)
