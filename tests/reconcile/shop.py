"""A shop whose complete orders the real service has written, and what may happen to them in HubSpot meanwhile."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from service.twin import Twin
from tests.end_to_end.running import Running

OPEN, SHIPPED = "4b27b500-f031-4927-9811-68a0b525cbae", "aa99e8d0-c1d5-4071-b915-d240bbb1aed9"
PIPELINE = "14a2e10e-5471-408a-906e-c51f3b04369e"
LINE_KEY = "shop_line_id"
UNIQUE = ("shop_order_id", f"line_items.{LINE_KEY}")


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.out.splitlines()]


def order(number: int) -> dict[str, Any]:
    """A complete order; every tenth is updated by a further event, every fiftieth archived by one."""
    return {
        "specversion": "1.0",
        "id": f"first-{number}",
        "source": "/shop",
        "type": "ordersync.order.upsert.v1",
        "subject": f"A-{number}",
        "time": "2026-11-22T10:00:00Z",
        "data": {
            "properties": {"hs_order_name": f"Order {number}", "hs_total_price": f"{number}.50"},
            "stage": "Shipped",
            "line_items": {
                "items": [
                    {"key": "1", "properties": {"name": "Tent", "quantity": 2, "price": "19.9"}},
                    {"key": "b/2", "properties": {"name": "Rope", "quantity": 1, "price": 8}},
                ]
            },
            "associations": [
                {
                    "to": "contact",
                    "by": "email",
                    "value": f"buyer-{number % 97}@example.com",
                    "on_missing": "create",
                }
            ],
        },
    }


def events(count: int) -> list[dict[str, Any]]:
    """What the shop has published, in order."""
    listed = [order(number) for number in range(count)]
    for number in range(0, count, 10):
        listed.append(
            order(number)
            | {"id": f"second-{number}", "time": "2026-11-22T11:00:00Z"}
            | {"type": "ordersync.order.update.v1"}
            | {"data": {"properties": {"hs_tags": "vip", "hs_total_price": 7}}}
        )
    for number in range(5, count, 50):
        archive = {"id": f"third-{number}", "type": "ordersync.order.archive.v1", "data": {}}
        listed.append(order(number) | archive)
    return listed


def write(path: Path, listed: Sequence[Mapping[str, Any]]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in listed))
    return path


async def command(on: Running, *words: object, **more: str) -> Ended:
    """`ordersync`, as a process beside the running service."""
    ours = {n: v for n, v in os.environ.items() if not n.startswith("ORDERSYNC_")}
    environment = ours | {
        "ORDERSYNC_RABBITMQ__URL": on.url,
        "ORDERSYNC_HUBSPOT__BASE_URL": on.settings.hubspot.base_url,
        "ORDERSYNC_HUBSPOT__TOKEN": "t",
        "ORDERSYNC_HUBSPOT__ID_PROPERTY": "shop_order_id",
        "ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY": LINE_KEY,
    }
    environment |= {f"ORDERSYNC_{name}": value for name, value in more.items()}
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("ordersync")),
        *map(str, words),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert b"Traceback" not in err, err.decode()
    return Ended(process.returncode or 0, out.decode(), err.decode())


# --- damage ------------------------------------------------------------------------------------------------


@dataclass
class Account:
    """A twin, by keys rather than ids; changed as a person or another program would."""

    twin: Twin
    client: Any

    def __post_init__(self) -> None:
        self.orders = {
            key: value["id"] for key, value in self.twin.state("orders", "shop_order_id").items()
        }
        self.lines = {
            key: value["id"] for key, value in self.twin.state("line_items", LINE_KEY).items()
        }

    async def ask(self, method: str, path: str, document: Any = None) -> Any:
        answer = await self.client.request(method, path, json=document)
        assert answer.status_code < 300, (method, path, answer.text)
        return answer.json() if answer.content else {}

    async def patch(self, kind: str, record_id: str, **properties: Any) -> None:
        await self.ask("PATCH", f"/crm/v3/objects/{kind}/{record_id}", {"properties": properties})


Damage = Callable[[Account, int], Any]


async def price(account: Account, number: int) -> None:
    await account.patch("orders", account.orders[f"A-{number}"], hs_total_price="0.01")


async def stage(account: Account, number: int) -> None:
    await account.patch(
        "orders", account.orders[f"A-{number}"], hs_pipeline=PIPELINE, hs_pipeline_stage=OPEN
    )


async def archived(account: Account, number: int) -> None:
    await account.ask("DELETE", f"/crm/v3/objects/orders/{account.orders[f'A-{number}']}")


async def line_archived(account: Account, number: int) -> None:
    await account.ask("DELETE", f"/crm/v3/objects/line_items/{account.lines[f'A-{number}/1']}")


async def quantity(account: Account, number: int) -> None:
    await account.patch("line_items", account.lines[f"A-{number}/b%2F2"], quantity="9")


async def unlinked(account: Account, number: int) -> None:
    path = f"/crm/v4/objects/orders/{account.orders[f'A-{number}']}/associations/contacts"
    (buyer,) = (await account.ask("GET", path))["results"]
    await account.ask("DELETE", f"{path}/{buyer['toObjectId']}")


async def extra_line(account: Account, number: int) -> None:
    order_id = account.orders[f"A-{number}"]
    made = await account.ask(
        "POST",
        "/crm/v3/objects/line_items",
        {
            "properties": {LINE_KEY: f"A-{number}/old", "name": "Left over"},
            "associations": [
                {
                    "to": {"id": order_id},
                    "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 514}],
                }
            ],
        },
    )
    assert made["id"]


# What is done, and the rows that it makes: (difference, place, name, property).
Rows = set[tuple[str, str, str, str]]
WAYS: tuple[tuple[Damage, Callable[[int], Rows]], ...] = (
    (price, lambda _: {("different", "order", "", "hs_total_price")}),
    (stage, lambda _: {("different", "order", "", "hs_pipeline_stage")}),
    (archived, lambda _: {("missing", "order", "", "")}),
    (line_archived, lambda _: {("missing", "line", "1", "")}),
    (quantity, lambda _: {("different", "line", "b/2", "quantity")}),
    (unlinked, lambda n: {("missing", "link", f"contact email buyer-{n % 97}@example.com", "")}),
    (extra_line, lambda _: {("extra", "line", "old", "")}),
)
