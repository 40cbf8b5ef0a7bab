"""Rows of letters -> the same rows, an order's repeated failure as one of them.

Law: no letter is left out of the count. One row stands for the letters of one order that failed for one
cause; it stands where the first of them stood, and shows the last: that is the value to look at.
"""

from collections.abc import Iterable, Mapping
from typing import Any


def as_one(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each row with `times` more: the letters that it stands for. Letters of no order stay apart."""
    shown: dict[Any, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        cause = number if row["order"] is None else (row["order"], row["fingerprint"])
        before = shown.get(cause)
        shown[cause] = {**row, "times": 1 if before is None else before["times"] + 1}
    return list(shown.values())
