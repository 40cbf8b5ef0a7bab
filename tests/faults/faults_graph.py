"""Faults of complete orders: calls cut at each step of the sequence, and the process killed there.

Each step's calls are cut before they are carried out and, where they write, after it: the service hears the same both
times, and has to find out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from tests.faults.amqp import Frame
from tests.faults.proxy import Direction, Link
from tests.faults.run import Fault
from tests.faults.stand import Stand

# Step -> its calls, as the twin's fault script names them.
WRITES: Final[Mapping[str, str]] = {
    "orders": "operation=upsert,update kind=orders",
    "creates": "operation=create kind=orders",
    "targets-made": "operation=create kind=contacts",
    "lines": "operation=upsert kind=line_items",
    "line-links": "operation=link kind=orders to=line_items",
    "links": "operation=link kind=orders to=contacts",
    "labelled-links": "operation=link kind=orders to=companies",
    "unlinks": "operation=unlink kind=orders",
    "lines-archived": "operation=archive kind=line_items",
}
READS: Final[Mapping[str, str]] = {
    "orders-looked-up": "operation=read kind=orders",
    "targets": "operation=read kind=contacts",
    "lines-looked-up": "operation=read kind=line_items",
    "links-read": "operation=links kind=orders",
    "labels": "operation=labels",
    "stages": "operation=pipelines",
}
# Step -> the path of its calls; the process is killed while the first of them is at HubSpot.
PATHS: Final[Mapping[str, bytes]] = {
    "orders": b"POST /crm/v3/objects/orders/batch/upsert",
    "creates": b"POST /crm/v3/objects/orders/batch/create",
    "targets-made": b"POST /crm/v3/objects/contacts/batch/create",
    "lines": b"POST /crm/v3/objects/line_items/batch/upsert",
    "line-links": b"POST /crm/v4/associations/orders/line_items/batch/create",
    "links": b"POST /crm/v4/associations/orders/contacts/batch/create",
    "unlinks": b"POST /crm/v4/associations/orders/contacts/batch/archive",
    "lines-archived": b"POST /crm/v3/objects/line_items/batch/archive",
}
LASTS: Final = 8.0  # seconds


def _cut(calls: str, *, written: bool) -> Callable[[Stand], Awaitable[None]]:
    """Two of three calls of the step, as long as it lasts: retries meet it again."""

    async def strike(on: Stand) -> None:
        after = " written=true" if written else ""
        on.arm(f"cut nth={','.join(str(n) for n in range(1, 600) if n % 3)}{after} {calls}")
        await asyncio.sleep(LASTS)
        struck = on.twin.journal.faults["cut"]
        on.arm()
        on.healed()
        if not struck:
            on.complaints.append(f"no call was cut: {calls}")

    return strike


def _killed(path: bytes) -> Callable[[Stand], Awaitable[None]]:
    """HubSpot has the call and carries it out, and answers nobody; twice, where the step comes again."""

    async def strike(on: Stand) -> None:
        each, kills = on.replicas[0], 0
        for _ in range(2):
            died = asyncio.Event()

            def kill(died: asyncio.Event = died) -> None:
                if not died.is_set():
                    each.kill()
                    died.set()

            def watch(
                link: Link, way: Direction, frame: Frame, kill: Callable[[], None] = kill
            ) -> bool:
                each.called(link, way, frame)
                if way == "up" and frame.octets.startswith(path):
                    asyncio.get_running_loop().call_later(0.05, kill)
                return True

            each.http.watch = watch
            try:
                async with asyncio.timeout(10.0):
                    await died.wait()
            except TimeoutError:
                break
            finally:
                each.http.watch = each.called
            kills += 1
            on.healed()
            each.start()
            await each.opened()
        if not kills:
            on.complaints.append(f"no call was struck: {path.decode()}")

    return strike


FAULTS = [
    *(
        Fault(f"graph-{step}-cut-{when}", _cut(calls, written=when == "after"), "graph")
        for step, calls in WRITES.items()
        for when in ("before", "after")
    ),
    *(
        Fault(f"graph-{step}-cut", _cut(calls, written=False), "graph")
        for step, calls in READS.items()
    ),
    # From the beginning: creates come first in an order's life.
    *(
        Fault(f"graph-{step}-killed", _killed(path), "graph", at=0.0)
        for step, path in PATHS.items()
    ),
]
