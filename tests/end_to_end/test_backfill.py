"""`publish --backfill` on a real broker: bulk arrives by its own queue, and gives way."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from service.cli.exits import Exit
from tests.end_to_end.running import running
from tests.stage import event

QUEUE = "orders.backfill"


async def _publish(url: str, path: Path, queues: str) -> subprocess.CompletedProcess[str]:
    ours = {
        "ORDERSYNC_RABBITMQ__URL": url,
        "ORDERSYNC_HUBSPOT__ID_PROPERTY": "shop_order_id",
        "ORDERSYNC_RABBITMQ__BACKFILL_QUEUES": queues,
    }
    others = {name: v for name, v in os.environ.items() if not name.startswith("ORDERSYNC_")}
    command = [sys.executable, "-m", "service", "publish", str(path), "--backfill"]
    return await asyncio.to_thread(
        subprocess.run, command, env=others | ours, capture_output=True, text=True, check=False
    )


async def test_a_file_of_history_changes_nothing_that_is_newer(
    amqp_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "history.ndjson"
    path.write_bytes(
        b"".join(
            event(f"then-{n}", f"A-{n}", hs_order_name="then", hs_currency_code="EUR") + b"\n"
            for n in range(300)
        )
    )
    async with running(amqp_url, backfill_queues=(QUEUE,)) as on:
        for n in range(0, 300, 3):
            await on.publish(event(f"now-{n}", f"A-{n}", hs_order_name="now"))
        published = await _publish(amqp_url, path, QUEUE)
        await on.until(lambda: len(on.outcomes) == 400)
        held = on.twin.state(by="shop_order_id")

    assert published.returncode == Exit.DONE
    assert published.stderr.splitlines()[-1] == f"published 300 events to {QUEUE}"
    assert {held[f"A-{n}"]["properties"]["hs_order_name"] for n in range(0, 300, 3)} == {"now"}
    assert {held[f"A-{n}"]["properties"]["hs_order_name"] for n in range(1, 300, 3)} == {"then"}
    assert {order["properties"]["hs_currency_code"] for order in held.values()} == {"EUR"}
    assert {each["data"]["status"] for each in on.outcomes} == {"applied"}
    told = [each["data"]["replay"] for each in on.outcomes if each["data"]["replay"]]
    assert Counter(tuple(each["left_out"]) for each in told) == {(): 200, ("hs_order_name",): 100}


async def test_without_a_queue_of_bulk_nothing_is_sent_and_the_way_is_told(
    amqp_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "history.ndjson"
    path.write_bytes(event(1, "A-1", hs_order_name="then") + b"\n")

    refused = await _publish(amqp_url, path, "[]")

    assert refused.returncode == Exit.CONFIGURATION
    assert "ORDERSYNC_RABBITMQ__BACKFILL_QUEUES names no queue: set it" in refused.stderr
    assert "topology apply" in refused.stderr
