"""A shop's orders in a twin, and the command line that asks it."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.twin.options import TwinOptions
from service.twin.pytest_plugin import RunningTwin, running_twin
from tests.shell.command import CommandLine, Ended
from tests.shell.conftest import bare, command

__all__ = ["bare", "command"]

PIPELINE = "14a2e10e-5471-408a-906e-c51f3b04369e"
OPEN, SHIPPED = "4b27b500-f031-4927-9811-68a0b525cbae", "aa99e8d0-c1d5-4071-b915-d240bbb1aed9"
Ask = Callable[..., Ended]


def post(url: str, path: str, document: Any, method: str = "POST") -> Any:
    """One call, as a shop's own script would make it."""
    headers = {"Authorization": "Bearer t", "Content-Type": "application/json"}
    body = json.dumps(document).encode()
    call = urllib.request.Request(f"{url}{path}", body, headers, method=method)
    with urllib.request.urlopen(call) as answer:
        return json.loads(answer.read() or b"{}")


def put(url: str, orders: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Upsert orders by key; key -> record id."""
    ids: dict[str, str] = {}
    rest = list(orders.items())
    while rest:
        some, rest = rest[:100], rest[100:]
        inputs = [
            {"id": k, "idProperty": "shop_order_id", "properties": {"shop_order_id": k, **values}}
            for k, values in some
        ]
        said = post(url, "/crm/v3/objects/orders/batch/upsert", {"inputs": inputs})
        ids |= {each["properties"]["shop_order_id"]: each["id"] for each in said["results"]}
    return ids


@pytest.fixture
def shop() -> Iterator[RunningTwin]:
    """Four orders; limits off but for searches."""
    with running_twin(TwinOptions(calls=0, pipelines=("Returns:Open|Closed",))) as twin:
        put(
            twin.url,
            {
                "A-1": {"hs_order_name": "Trail shoes", "hs_total_price": "9", "hs_tags": "vip"},
                "A-2": {"hs_order_name": "Tent", "hs_total_price": "100.5"}
                | {"hs_pipeline": PIPELINE, "hs_pipeline_stage": SHIPPED},
                "A-3": {"hs_order_name": "Map, large", "hs_total_price": "20"},
                "A-4": {"hs_order_name": "Tent pegs", "hs_currency_code": "EUR"}
                | {"hs_pipeline": PIPELINE, "hs_pipeline_stage": OPEN},
            },
        )
        yield twin


@pytest.fixture
def ask(command: CommandLine, shop: RunningTwin) -> Ask:
    """`ask("orders", "ls")` of the shop."""

    def run(*arguments: object, **settings: str) -> Ended:
        given = {
            "HUBSPOT__BASE_URL": shop.url,
            "HUBSPOT__TOKEN": "t",
            "HUBSPOT__ID_PROPERTY": "shop_order_id",
        }
        return command(*arguments, **(given | settings))

    return run
