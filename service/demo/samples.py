"""Sample order events for the demo: a shop's day, seeded, a few of its events bad in different ways.

Every order lives: created, changed a few times, some archived; every fourth comes with its lines, its buyer and
its stage. What is bad is bad for a reason that a
reader of the dead letters can find out: that is what the demo is for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import orjson

from service.core.events.order_event import STRUCTURED

ID_PROPERTY: Final = "shop_order_id"
LINE_ID_PROPERTY: Final = "shop_line_id"
_START: Final = datetime(2026, 11, 22, 8, tzinfo=UTC)
_PRODUCTS: Final = (
    "Camping supplies",
    "Rain jacket",
    "Head lamp",
    "Trail shoes",
    "Gas stove",
    "Sleeping bag",
)
_STEPS: Final = ("Approved", "Packed", "Shipped", "Delivered")


@dataclass(frozen=True, slots=True)
class Sample:
    """One message as a producer would publish it."""

    body: bytes
    content_type: str = STRUCTURED


def samples(orders: int, seed: int = 7, *, complete: bool = False) -> Iterator[Sample]:
    """About three and a half events per order, in time order, every fiftieth order with something wrong.

    `complete`: every fourth order comes with its lines, its buyer and its stage.
    """
    chance = Random(seed)  # noqa: S311  (a demo's dice)
    day = [event for number in range(orders) for event in _life(number, chance, complete=complete)]
    yield from (sample for _, sample in sorted(day, key=lambda event: event[0]))


def _life(number: int, chance: Random, *, complete: bool) -> Iterator[tuple[datetime, Sample]]:
    key, at = f"A-{10000 + number}", _START + timedelta(seconds=chance.uniform(0, 3600))
    name = f"{chance.choice(_PRODUCTS)} ({key})"
    create: dict[str, Any] = {
        "hs_order_name": name,
        "hs_currency_code": chance.choice(("EUR", "GBP", "USD")),
    }
    parts = _parts(number, chance) if complete and number % 4 == 1 else {}
    first = create | {"hs_fulfillment_status": _STEPS[0]}
    yield at, _event(number, 0, "upsert", key, at, first, **parts)
    for step, status in enumerate(_STEPS[1 : chance.randint(2, 4)], start=1):
        at += timedelta(seconds=chance.uniform(0.1, 600))
        changed = {
            "hs_fulfillment_status": status,
            "hs_total_price": round(chance.uniform(5, 500), 2),
        }
        yield at, _event(number, step, "update" if step > 1 else "upsert", key, at, changed)
    # Every tenth is cancelled in the end.
    if number % 10 == 9:
        at += timedelta(seconds=60)
        yield at, _event(number, 8, "archive", key, at, None)
    if number % 50 == 25:
        bad = _bad(number // 50, number, key, at)
        if complete and number // 50 % 6 == 5:
            bad = _bad_line(number, key, at)
        yield at + timedelta(seconds=30), bad


def _parts(number: int, chance: Random) -> dict[str, Any]:
    """An order that comes complete: its lines, its buyer, its stage."""
    products = chance.sample(_PRODUCTS, chance.randint(1, 3))
    items = [
        {
            "key": str(at),
            "properties": {
                "name": name,
                "quantity": chance.randint(1, 4),
                "price": f"{chance.randint(5, 200)}.90",
            },
        }
        for at, name in enumerate(products, start=1)
    ]
    buyer = {
        "to": "contact",
        "by": "email",
        "value": f"buyer-{number % 97}@example.com",
        "on_missing": "create",
        "properties": {"firstname": f"Buyer {number % 97}"},
    }
    return {"line_items": {"items": items}, "associations": [buyer], "stage": "Processed"}


def _bad(kind: int, number: int, key: str, at: datetime) -> Sample:
    """Something wrong, of a different kind each time."""
    match kind % 6:
        case 0:
            return _event(
                number,
                9,
                "update",
                key,
                at,
                {"hs_ordr_name": "a property that HubSpot does not know"},
            )
        case 1:
            return _event(number, 9, "upsert", key, at, {"hs_total_price": "tomorrow"})
        case 2:
            return _event(
                number,
                9,
                "update",
                f"{key}-never-created",
                at,
                {"hs_fulfillment_status": "Shipped"},
            )
        case 3:
            return Sample(_event(number, 9, "upsert", key, at, {}).body[:120])  # cut off on its way
        case 4:
            return _event(
                number, 9, "upsert", key, at.replace(tzinfo=None), {"hs_order_name": "no time zone"}
            )
        case _:
            return Sample(b"<order><id>17</id></order>", "application/xml")


def _bad_line(number: int, key: str, at: datetime) -> Sample:
    items = [{"key": "9", "properties": {"name": "Voucher", "price": "a gift"}}]
    lines = {"mode": "merge", "items": items}
    return _event(number, 9, "upsert", key, at, {}, line_items=lines)


def _event(
    number: int,
    step: int,
    operation: str,
    key: str,
    at: datetime,
    properties: dict[str, Any] | None,
    **parts: Any,
) -> Sample:
    event = {
        "specversion": "1.0",
        "id": f"demo-{number}-{step}",
        "source": "/shops/eu-1",
        "type": f"ordersync.order.{operation}.v1",
        "subject": key,
        "time": at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {} if properties is None else {"properties": properties, **parts},
    }
    return Sample(orjson.dumps(event))
