"""What the set-up decides, as the core takes it."""

from dataclasses import dataclass

from service.core.hubspot.budget import BudgetPolicy
from service.core.settlement.retries import RetryPolicy
from service.core.waiting.backlog import BatchPolicy


@dataclass(frozen=True, slots=True)
class Policies:
    """Every policy of one process. Times in seconds."""

    id_property: str
    batch: BatchPolicy
    retry: RetryPolicy
    budget: BudgetPolicy
    concurrency: int | None  # calls in flight; None = as many as it takes to use the quota
    grace: float  # from the first signal to the end
    longest: float  # that a delivery may be held
    line_id_property: str | None = None  # of line items; None = events with lines are refused
    overlap: float = 0.0  # for which a former owner of the queue may still write
