"""A seeded trace: orders that live, are changed and archived, with a few events that deserve to fail.

Half of the orders are complete ones, with lines, links and stages (`whole_orders`).

Every value that an event writes names the event, so that the twin's journal tells for each write
whose it is. `buyer_ref` is in every upsert and update: the newest event of a merged write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Any

import orjson

from tests.faults.whole_orders import first_parts, later_parts

MARK = "buyer_ref"
NOTES = tuple(f"note_{number}" for number in range(4))
PROPERTIES = tuple(f"{name}:string" for name in (MARK, *NOTES))
LARGE = 61_000  # characters of a note; HubSpot takes 65,536
ID_PROPERTY = "shop_order_id"
SOURCE = "/tests/faults"


class Fate(StrEnum):
    """What an event deserves, whatever happens around it."""

    TAKEN = "taken"
    REFUSED = "refused"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the trace; `index` is its place among the events of its order."""

    id: str
    key: str
    index: int
    operation: str
    values: Mapping[str, str]
    fate: Fate
    # What `data` has beside the properties: lines, links, a stage.
    parts: Mapping[str, Any] = field(default_factory=dict)
    # The reason that a refused event deserves.
    code: str = ""
    padding: int = 0  # bytes of white space behind it

    @property
    def document(self) -> dict[str, Any]:
        """The CloudEvent."""
        document: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": SOURCE,
            "type": f"ordersync.order.{self.operation}.v1",
            "subject": self.key,
            "time": "2026-11-22T10:00:00Z",
            "data": (
                {}
                if self.operation == "archive"
                else {"properties": dict(self.values), **self.parts}
            ),
        }
        if self.fate is Fate.MALFORMED:
            del document["specversion"]
        return document

    @property
    def body(self) -> bytes:
        """As it is published."""
        return orjson.dumps(self.document) + b" " * self.padding


def trace(seed: int, events: int, *, large: bool = False, whole: bool = True) -> list[Event]:
    """About `events` events, four an order, interleaved; the same seed gives the same trace.

    Every second order is a complete one, where `whole`. A `large` event has some 245 KB.
    """
    chance = Random(seed)
    lives: list[list[Event]] = []
    left = events
    while left > 0:
        life = _life(f"F{seed}-{len(lives)}", min(left, chance.randint(1, 7)), chance, whole=whole)
        left -= len(life)
        lives.append(life)
    plan = _interleaved(lives, chance)
    return [_enlarged(event) for event in plan] if large else plan


def _enlarged(event: Event) -> Event:
    if event.operation == "archive":
        return event
    notes = {name: f"{name} of {event.id} ".ljust(LARGE, "x") for name in NOTES}
    return replace(event, values={**event.values, **notes})


def _life(key: str, length: int, chance: Random, *, whole: bool) -> list[Event]:
    operations = ["upsert"] + [chance.choice(("upsert", "update")) for _ in range(length - 1)]
    if length > 2 and chance.random() < 0.2:
        operations[-1] = "archive"
    event = _whole if whole and chance.random() < 0.5 else _event
    return [event(key, index, operation, chance) for index, operation in enumerate(operations)]


def _whole(key: str, index: int, operation: str, chance: Random) -> Event:
    """An event of a complete order; as every event of such an order, it may also carry no part."""
    plain = _event(key, index, operation, chance)
    if plain.operation == "archive" or plain.fate is not Fate.TAKEN:
        return plain
    parts = later_parts(plain.id, chance) if index else first_parts(key, plain.id, chance)
    return replace(
        plain,
        operation="create" if parts.create else operation,
        values={MARK: plain.id} if parts.bare else plain.values,
        fate=Fate.REFUSED if parts.code else Fate.TAKEN,
        parts=parts.data,
        code=parts.code,
    )


def _event(key: str, index: int, operation: str, chance: Random) -> Event:
    identity = f"{key}-{index}"
    if operation == "archive":
        return Event(identity, key, index, operation, {}, Fate.TAKEN)
    values = {MARK: identity} | {
        name: f"{name} of {identity}"
        for name in ("hs_order_name", "hs_order_note")
        if chance.random() < 0.6
    }
    dice = chance.random() if index else 1.0  # an order's first event makes it: that one is good
    if dice < 0.02:
        return Event(
            identity,
            key,
            index,
            operation,
            values | {"hs_total_price": f"none, says {identity}"},
            Fate.REFUSED,
        )
    return Event(
        identity, key, index, operation, values, Fate.MALFORMED if dice < 0.03 else Fate.TAKEN
    )


def _interleaved(lives: Sequence[list[Event]], chance: Random) -> list[Event]:
    """Orders overlap, a few dozen at a time; within one the order of events is kept."""
    placed: list[tuple[float, Event]] = []
    for number, life in enumerate(lives):
        at = float(number)
        for event in life:
            placed.append((at, event))
            at += chance.expovariate(1 / 8)
    return [event for _, event in sorted(placed, key=lambda each: each[0])]
