"""`ordersync demo`: the real service on a private RabbitMQ and a local HubSpot, a shop's day in a few seconds.

Nothing in here pretends: the events are published as producers publish them, the service is the one that
`ordersync run` runs, the counts are read from its metrics and from the outcomes on the result queue.
"""

import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from service import app
from service.broker import Broker, lend
from service.contract.filed import Filed
from service.contract.publish import Destination, publish
from service.demo.picture import as_held
from service.demo.samples import ID_PROPERTY, LINE_ID_PROPERTY, samples
from service.rabbitmq import topology
from service.rabbitmq.connection import IncomingMessage, session
from service.settings.config import Settings
from service.settings.sections import Log
from service.twin import TwinOptions, serve
from service.watch import logs
from service.watch.metrics import Metrics

ORDERS: Final = 800
TOKEN: Final = "demo"  # noqa: S105  (of a HubSpot that lasts for a minute)
# Seconds for all outcomes; they take five.
PATIENCE: Final = 60.0
# Seconds between two pictures on a terminal.
LIVE_EVERY: Final = 0.1
# Seconds between two lines where nobody looks at a terminal.
PLAIN_EVERY: Final = 1.0

SUPERSEDED: Final = """
superseded: a later event of the same order overwrote every value of it before it was written; nothing is lost
"""
IN_USE: Final = """\
This RabbitMQ is in use: its queue of order events holds some, or is being consumed.
The demo would write them to a HubSpot that is none. Give it a virtual host of its own.\
"""
NEXT: Final = """\
What to try next
  ordersync demo --keep                   leave broker and twin running, to try
                                          `dlq stats`, `order A-10023`, `doctor`, `run`
  ordersync schema validate schemas/examples/valid       what a good event is
  ordersync publish --dry-run FILE        check your own events (NDJSON, CSV)
  ordersync hubspot-twin --help           the local HubSpot alone, with faults
  ordersync check-config                  every setting, and where it came from\
"""


@dataclass(slots=True)
class _Seen:
    """What came out so far."""

    events: int
    started: float
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def settled(self) -> int:
        return self.outcomes.total()

    def read(self, body: bytes) -> None:
        data = orjson.loads(body)["data"]
        self.outcomes[data["status"]] += 1
        if reason := data["reason"]:
            count, _ = self.reasons.get(reason["code"], (0, ""))
            self.reasons[reason["code"]] = count + 1, reason["message"]


def run(*, keep: bool = False) -> int:
    """Show it; returns the exit code: 1 where an event got no outcome in time."""
    console = Console(stderr=True)
    # The table tells what a log would.
    logs.configure(Log(level="error"), sys.stderr)
    with lend(say=lambda line: _print(console, Text(line, "dim")), management=keep) as broker:
        return asyncio.run(_demo(broker, console, keep=keep))


async def _demo(broker: Broker, console: Console, *, keep: bool) -> int:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    options = twin_options()
    async with asyncio.TaskGroup() as tasks:
        twin = tasks.create_task(serve(options, "127.0.0.1", 0, ready=ready.set_result))
        settings = _settings(broker, await ready)
        await topology.declare(
            broker.url, topology.Topology.of(settings.rabbitmq, settings.journal)
        )
        if await _in_use(broker.url, settings.rabbitmq.queues[0]):
            _print(console, IN_USE)
            twin.cancel()
            return 1
        all_settled = await _carry(settings, console)
        _print(console, _next())
        if keep:
            await _keep(broker, await ready, console)
        twin.cancel()
    return 0 if all_settled else 1


def twin_options() -> TwinOptions:
    """The demo's HubSpot: a small account, which lets in the demo's own token alone."""
    unique = (ID_PROPERTY, f"line_items.{LINE_ID_PROPERTY}")
    return TwinOptions(unique=unique, tokens=(TOKEN,), latency=0.05, calls=100, window=10.0)


async def _in_use(url: str, queue: str) -> bool:
    """Whether somebody's events are here: the demo would carry them to the twin, and they would be gone."""
    async with session(url, "ordersync demo") as opened:
        channel = await opened.channel()
        found = (await channel.declare_queue(queue, passive=True)).declaration_result
        return bool(found.message_count or found.consumer_count)


async def _carry(settings: Settings, console: Console) -> bool:
    """Publish, run the service, show what comes out until every event has its outcome."""
    url = settings.rabbitmq.url.get_secret_value()
    events = [Filed("sample", 0, s.body, s.content_type) for s in samples(ORDERS, complete=True)]
    await publish(url, events, Destination(settings.rabbitmq.exchange))
    _print(console, f"published {len(events)} events of {ORDERS} orders")
    seen = _Seen(len(events), asyncio.get_running_loop().time())
    stop, metrics = asyncio.Event(), Metrics()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.serve(settings, stop, metrics))
        receipts = tasks.create_task(_receipts(url, settings.rabbitmq.results_queue, seen))
        await _watch(seen, metrics, console)
        stop.set()
        receipts.cancel()
    _print(console, SUPERSEDED if seen.outcomes["superseded"] else Text())
    console.print(_dead_letters(seen), Text(), sep="\n")
    console.print(await as_held(settings), Text(), sep="\n")
    return seen.settled >= seen.events


async def _receipts(url: str, queue: str, seen: _Seen) -> None:
    """Read the outcomes, as any reader of the result queue would."""
    async with session(url, "ordersync demo") as opened:
        channel = await opened.channel()
        await channel.set_qos(prefetch_count=500)

        async def read(message: IncomingMessage) -> None:
            seen.read(message.body)
            await message.ack()

        await (await channel.get_queue(queue)).consume(read)
        await asyncio.Future()


async def _watch(seen: _Seen, metrics: Metrics, console: Console) -> None:
    """A live picture on a terminal; elsewhere a line a second, and the picture once, at the end."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    live = Live(console=console, auto_refresh=False)
    with live if console.is_terminal else nullcontext():
        while seen.settled < seen.events and loop.time() < deadline:
            await asyncio.sleep(LIVE_EVERY if console.is_terminal else PLAIN_EVERY)
            if console.is_terminal:
                live.update(_picture(seen, metrics, loop.time()), refresh=True)
            else:
                _print(console, _sentence(seen, loop.time()))
    if not console.is_terminal:
        console.print(_tables(seen, metrics))


def _sentence(seen: _Seen, now: float) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in sorted(seen.outcomes.items()))
    return f"{now - seen.started:4.1f} s  {seen.settled} of {seen.events} events settled: {counts}"


def _picture(seen: _Seen, metrics: Metrics, now: float) -> Group:
    return Group(Text(_sentence(seen, now)), _tables(seen, metrics))


def _tables(seen: _Seen, metrics: Metrics) -> Group:
    batches = Table("batches", "left on", "", title_justify="left", box=None, pad_edge=False)
    for labels, value in _samples(metrics, "ordersync_batches"):
        batches.add_row(labels["operation"], labels["trigger"], f"{value:.0f}")
    calls = Table("calls to HubSpot", "answer", "", box=None, pad_edge=False)
    for labels, value in _samples(metrics, "ordersync_calls"):
        calls.add_row(f"{labels['object']} {labels['endpoint']}", labels["status"], f"{value:.0f}")
    outcomes = Table("outcomes", "", box=None, pad_edge=False)
    for status, count in sorted(seen.outcomes.items()):
        outcomes.add_row(status, str(count))
    side_by_side = Table.grid(padding=(0, 6))
    side_by_side.add_row(batches, calls, outcomes)
    return Group(Text(), side_by_side)


def _samples(metrics: Metrics, name: str) -> Iterator[tuple[dict[str, str], float]]:
    for metric in metrics.registry.collect():
        if metric.name == name:
            yield from ((s.labels, s.value) for s in metric.samples if s.value)


def _dead_letters(seen: _Seen) -> Table:
    table = Table("dead letters", "", "for example", box=None, pad_edge=False)
    for code, (count, message) in sorted(seen.reasons.items()):
        table.add_row(code, str(count), Text(message, overflow="ellipsis", no_wrap=True))
    return table


def _print(console: Console, line: str | Text) -> None:
    """A line as it is: the terminal may wrap it, a file need not."""
    console.print(line, highlight=False, soft_wrap=True)


def _next() -> str:
    """What to try; and where `ordersync` is, for whom `make` has just installed it out of the way."""
    if shutil.which("ordersync"):
        return NEXT
    here = Path(sys.prefix)
    here = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    return (
        f"{NEXT}\n\nordersync is in {here / 'bin'}; in this shell:  . {here / 'bin' / 'activate'}"
    )


def _settings(broker: Broker, twin: str) -> Settings:
    hubspot: dict[str, Any] = {
        "base_url": twin,
        "token": TOKEN,
        "id_property": ID_PROPERTY,
        "line_id_property": LINE_ID_PROPERTY,
        "client_id": None,
    }
    return Settings(
        rabbitmq={"url": broker.url},
        hubspot=hubspot,
        http={"host": "127.0.0.1", "port": 0},
    )


async def _keep(broker: Broker, twin: str, console: Console) -> None:
    """Stay until Ctrl-C; the service itself has ended: whoever publishes more runs it."""
    _print(
        console,
        "\nBroker and twin are running until Ctrl-C. In another terminal:\n"
        f"  export ORDERSYNC_RABBITMQ__URL={broker.url}\n"
        f"  export ORDERSYNC_HUBSPOT__BASE_URL={twin} ORDERSYNC_HUBSPOT__TOKEN={TOKEN}\n"
        f"  export ORDERSYNC_HUBSPOT__ID_PROPERTY={ID_PROPERTY}\n"
        f"  export ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY={LINE_ID_PROPERTY}\n"
        f"{_for_producers(broker)}"
        '  ordersync doctor --management "$MANAGEMENT"   is all there; what the dead letters lack\n'
        "  ordersync dlq stats                     why those events failed\n"
        "  ordersync run &                         the service, as in production\n"
        "  ordersync publish FILE                  events for it\n"
        "  sh docs/producers/publish.sh            one event, by curl",
    )
    await asyncio.Future()


def _for_producers(broker: Broker) -> str:
    """What the programs in docs/producers want to know."""
    if broker.management is None:
        return (
            f"  export AMQP_URL={broker.url} MANAGEMENT=...   # of your RabbitMQ's management API\n"
        )
    return f"  export AMQP_URL={broker.url.rstrip('/')} MANAGEMENT={broker.management}\n"
