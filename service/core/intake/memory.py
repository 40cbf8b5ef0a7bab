"""What is remembered for a while: the newest `reach` entries, the oldest forgotten first."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def remember(memory: OrderedDict[K, V], key: K, value: V, reach: int) -> None:
    """Put an entry in as the newest, also where it was there before; beyond `reach` the oldest goes.

    Ordered, so that the oldest goes in one step: a dict walks over all that it has lost to find its first.
    """
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > reach:
        memory.popitem(last=False)
