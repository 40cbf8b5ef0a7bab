"""What the set-up decides, as the core takes it."""

from dataclasses import dataclass

from service.core.hubspot.budget import BudgetPolicy
from service.core.settlement.retries import RetryPolicy
from service.core.waiting.batch import BatchPolicy


@dataclass(frozen=True, slots=True)
class Policies:
    """Every policy of one process. Times in seconds."""

    id_property: str
    batch: BatchPolicy
    retry: RetryPolicy
    budget: BudgetPolicy
    # Calls in flight; None = as many as it takes to use the quota.
    concurrency: int | None
    # From the first signal to the end.
    grace: float
    # That a delivery may be held.
    longest: float
    # Of line items; None = events with lines are refused.
    line_id_property: str | None = None
    # Queues of bulk, which gives way to what is live.
    backfill: frozenset[str] = frozenset()
    # For which a former owner of the queue may still write.
    overlap: float = 0.0
