"""A stage for the pipeline in virtual time: the real HubSpot client against the twin, and a queue that behaves.

`Queue` keeps RabbitMQ's promises as far as the pipeline can see them: unacked deliveries come back, in their
place and marked, when the channel ends; an ack of another epoch's delivery is a failure of the test.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import orjson

from service.core.events.deliveries import Delivery
from service.core.events.order_event import STRUCTURED
from service.core.hubspot.budget import BudgetPolicy
from service.core.outgoing import Outgoing
from service.core.policies import Policies
from service.core.settlement.retries import RetryPolicy
from service.core.waiting.batch import BatchPolicy
from service.hubspot.client import HubSpot
from service.hubspot.token import StaticToken, Token
from service.settings.config import HELD_AT_MOST
from service.shell.pipeline import Pipeline
from service.shell.ports import Shell
from service.twin import Twin, TwinOptions, app
from service.watch.metrics import Metrics

PORTAL = ("estimated_delivery:date", "buyer_ref:string", "delivered_at:datetime")
EPOCH = datetime(2026, 11, 22, tzinfo=UTC)


def event(number: object, key: str, operation: str = "upsert", **properties: Any) -> bytes:
    """One structured order event."""
    document = {
        "specversion": "1.0",
        "id": str(number),
        "source": "/tests",
        "type": f"ordersync.order.{operation}.v1",
        "subject": key,
        "time": "2026-11-22T10:00:00Z",
        "data": {} if operation == "archive" else {"properties": properties},
    }
    return orjson.dumps(document)


def _properties(content_type: str | None, headers: dict[str, Any] | None) -> Any:
    names = "content_encoding correlation_id reply_to message_id timestamp message_type app_id delivery_mode"
    return SimpleNamespace(
        content_type=content_type, headers=headers, **dict.fromkeys(names.split())
    )


class Queue:
    """A single-active-consumer queue with one consumer, in memory."""

    def __init__(self, prefetch: int = 1000) -> None:
        self.pipeline: Pipeline
        self.ready: list[tuple[bytes, bool]] = []
        self.unacked: dict[int, bytes] = {}
        self.returned: Counter[bytes] = Counter()  # times that a message came back
        self.headers: dict[bytes, dict[str, Any]] = {}  # of the bodies that came with any
        self.bulk: set[bytes] = set()  # bodies that came by the queue of bulk
        self.open, self._prefetch = True, prefetch
        self._epoch, self._tag = 1, 0
        self.since: dict[int, float] = {}  # tag -> when it was delivered
        self.longest = 0.0  # seconds that any delivery was unacked

    def put(self, bodies: Iterable[bytes], headers: dict[str, Any] | None = None) -> None:
        bodies = list(bodies)
        self.headers |= {body: headers for body in bodies if headers}
        self.ready += [(body, False) for body in bodies]
        self.pump()

    def put_bulk(self, bodies: Iterable[bytes]) -> None:
        """As `put`, by a queue of bulk."""
        bodies = list(bodies)
        self.bulk |= set(bodies)
        self.put(bodies)

    def pump(self) -> None:
        while self.open and self.ready and len(self.unacked) < self._prefetch:
            body, again = self.ready.pop(0)
            self._tag += 1
            self.unacked[self._tag] = body
            self.since[self._tag] = asyncio.get_running_loop().time()
            delivery = Delivery(
                self._epoch,
                self._tag,
                "bulk" if body in self.bulk else "q",
                "x",
                "k",
                again,
                _properties(STRUCTURED, self._headers(body, again)),
                body,
                EPOCH + timedelta(seconds=asyncio.get_running_loop().time()),
            )
            self.pipeline.arrive(delivery)

    def _headers(self, body: bytes, again: bool) -> dict[str, Any] | None:
        """What it was published with, and from its second delivery on the broker's own count."""
        own = self.headers.get(body)
        return (own or {}) | {"x-delivery-count": self.returned[body]} if again else own

    async def ack(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.epoch == self._epoch:
                del self.unacked[delivery.tag]
                self._no_longer(delivery.tag)
        self.pump()

    def _no_longer(self, tag: int) -> None:
        held = asyncio.get_running_loop().time() - self.since.pop(tag)
        self.longest = max(self.longest, held)

    def close(self) -> None:
        self.open = False
        self.cut()

    def cut(self) -> None:
        """The channel ends."""
        ended, self._epoch, self._tag = self._epoch, self._epoch + 1, 0
        self.returned.update(self.unacked.values())
        for tag in tuple(self.since):
            self._no_longer(tag)
        self.ready = [(body, True) for body in self.unacked.values()] + self.ready
        self.unacked = {}
        self.pipeline.lose(frozenset({ended}))

    def reopen(self) -> None:
        self.open = True
        self.pump()


@dataclass
class Stage:
    """What a test sees."""

    queue: Queue
    twin: Twin
    pipeline: Pipeline
    stop: asyncio.Event
    published: list[Outgoing] = field(default_factory=list)

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        return [orjson.loads(m.body) for m in self.published if m.exchange == "outcomes"]

    @property
    def dead_letters(self) -> list[Outgoing]:
        return [m for m in self.published if m.exchange == "dead_letters"]

    def statuses(self) -> Counter[str]:
        return Counter(outcome["data"]["status"] for outcome in self.outcomes)

    def status_of(self, number: object) -> list[str]:
        return [
            o["data"]["status"] for o in self.outcomes if o["data"]["event"]["id"] == str(number)
        ]


@asynccontextmanager
async def stage(
    options: TwinOptions | None = None,
    *,
    batch: BatchPolicy = BatchPolicy(),
    retry: RetryPolicy = RetryPolicy(),
    budget: BudgetPolicy = BudgetPolicy(calls=190),
    concurrency: int | None = None,
    grace: float = 1e6,
    token: Token | None = None,
    seed: int = 1,
    timeout: float = 30.0,
    wrap: Callable[[Shell], Shell] = lambda shell: shell,
    overlap: float = 0.0,
    line_id_property: str | None = None,
    prefetch: int = 1000,
) -> AsyncIterator[Stage]:
    """Run a pipeline for the length of the block; at its end it is stopped and drained."""
    twin = Twin(options or TwinOptions(latency=0.02, properties=PORTAL))
    loop = asyncio.get_running_loop()
    queue = Queue(prefetch)
    transport = httpx.ASGITransport(app(twin), raise_app_exceptions=False)
    async with HubSpot(
        "http://twin", "v3", token or StaticToken("t"), timeout=timeout, transport=transport
    ) as hubspot:
        published: list[Outgoing] = []

        async def publish(messages: Sequence[Outgoing]) -> None:
            await asyncio.sleep(0.001)
            published.extend(messages)

        shell = Shell(
            send=hubspot.send,
            renew=hubspot.renew,
            publish=publish,
            ack=queue.ack,
            open_intake=queue.reopen,
            close_intake=queue.close,
            now=loop.time,
            stamp=lambda: EPOCH + timedelta(seconds=loop.time()),
            jitter=random.Random(seed).random,
            name="t",
        )
        policies = Policies(
            id_property="shop_order_id",
            line_id_property=line_id_property,
            batch=batch,
            retry=retry,
            budget=budget,
            concurrency=concurrency,
            grace=grace,
            longest=HELD_AT_MOST,
            backfill=frozenset({"bulk"}),
            overlap=overlap,
        )
        queue.pipeline = Pipeline(policies, wrap(shell), Metrics())
        on_stage = Stage(queue, twin, queue.pipeline, asyncio.Event(), published)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(queue.pipeline.run(on_stage.stop))
            yield on_stage
            on_stage.stop.set()


async def until(condition: Any, *, seconds: float = 3600.0) -> None:
    """Let virtual time pass until the condition holds."""
    step = 0.01
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(step)
            step = min(1.0, step * 1.05)
