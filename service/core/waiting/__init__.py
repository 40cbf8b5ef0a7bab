"""Orders wait here, merged, until a batch leaves: Contribution -> Slot -> Batch.

Its modules:

    slots    Contributions of one order -> Slot (coalesce), Slot -> Slots (separate)
    backlog  Slots over time -> Batch
"""
