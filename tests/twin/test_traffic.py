"""Real order traffic, and the independence of the folder."""

import ast
import json
import time
from pathlib import Path
from typing import Any

import pytest

from service.twin import Twin, TwinOptions
from tests.twin.lab import ARCHIVE, READ, SHARED, UPDATE, UPSERT, client_of, inputs, order

TRACE = SHARED / "data" / "orders-real.ndjson"
TWIN = Path(__file__).resolve().parents[2] / "service" / "twin"


@pytest.mark.skipif(not TRACE.is_file(), reason="the real order events are not beside the project")
async def test_real_order_events_are_all_accepted_and_add_up():
    """Batches of distinct orders in the events' order leave what one-by-one application leaves."""
    events = [json.loads(line) for line in TRACE.read_text(encoding="utf-8").splitlines()]
    options = TwinOptions(
        calls=0,
        properties=("estimated_delivery:date", "buyer_ref:string", "delivered_at:datetime"),
    )
    twin = Twin(options)
    expected: dict[str, dict[str, str]] = {}
    unknown: list[str] = []
    async with client_of(twin) as client:
        for operation, part in batches_of(events):
            if operation == "archive":
                asked = inputs(*({"id": event["subject"]} for event in part))
                read = await client.post(READ, json=asked | {"idProperty": "shop_order_id"})
                ids = ({"id": result["id"]} for result in read.json()["results"])
                answer = await client.post(ARCHIVE, json=inputs(*ids))
            else:
                path = UPSERT if operation == "upsert" else UPDATE
                listed = (
                    order(event["subject"], trace=event["id"], **event["data"]["properties"])
                    for event in part
                )
                answer = await client.post(path, json=inputs(*listed))
                if answer.status_code != 200:
                    (error,) = answer.json()["errors"]
                    assert error["category"] == "OBJECT_NOT_FOUND"
                    unknown += error["context"]["ids"]
            for event in part:
                if event["subject"] not in unknown or operation == "upsert":
                    apply(expected, event, operation)

    # Three orders are delivered before they are approved: their first update finds nothing.
    assert len(unknown) == 3
    held = {key: told["properties"] for key, told in twin.state().items() if not told["archived"]}
    assert held.keys() == expected.keys()
    for key, properties in expected.items():
        assert held[key].keys() == properties.keys()
        assert held[key]["hs_fulfillment_status"] == properties["hs_fulfillment_status"]


def batches_of(events: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Runs of one operation on distinct orders, at most 100 long."""
    runs: list[tuple[str, list[dict[str, Any]]]] = []
    for event in events:
        operation = event["type"].split(".")[2]
        if (
            not runs
            or runs[-1][0] != operation
            or len(runs[-1][1]) == 100
            or any(other["subject"] == event["subject"] for other in runs[-1][1])
        ):
            runs.append((operation, []))
        runs[-1][1].append(event)
    return runs


def apply(state: dict[str, dict[str, str]], event: dict[str, Any], operation: str) -> None:
    if operation == "archive":
        state.pop(event["subject"], None)
    else:
        held = state.setdefault(event["subject"], {"shop_order_id": event["subject"]})
        held.update(event["data"]["properties"])


async def test_a_batch_of_100_takes_a_few_milliseconds_of_cpu():
    """A bench drives 100 such batches a second; the bound is loose for noisy machines."""
    async with client_of(Twin(TwinOptions(calls=0))) as client:
        bodies = [
            json.dumps(
                inputs(
                    *(
                        order(f"A-{n}-{m}", trace=str(m), hs_order_name="x", hs_currency_code="EUR")
                        for m in range(100)
                    )
                )
            ).encode()
            for n in range(30)
        ]
        began = time.process_time()
        for body in bodies:
            await client.post(UPSERT, content=body)
        per_batch = (time.process_time() - began) / len(bodies)

    print(f"twin: {per_batch * 1000:.2f} ms of CPU for an upsert of 100, client included")
    assert per_batch < 0.015


def test_the_twin_imports_nothing_of_the_rest_of_the_service():
    """Another team must be able to take the folder away."""
    foreign = {
        f"{file.name}: {name}"
        for file in TWIN.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in imported(node)
        if name.split(".")[0] == "service" and not f"{name}.".startswith("service.twin.")
    }

    assert not foreign


def imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, level=0) if module:
            return [module]
        case ast.ImportFrom(level=level) if level:
            return ["service"]
        case _:
            return []
