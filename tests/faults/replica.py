"""One replica: a real `ordersync run` process, with a proxy of its own to the broker and to HubSpot."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psutil

from service.broker.ports import free_ports
from service.settings.config import Settings
from tests.faults.amqp import Frame
from tests.faults.proxy import Direction, Link, Proxy
from tests.faults.trace import ID_PROPERTY
from tests.faults.whole_orders import LINE_ID

ROOT = Path(__file__).resolve().parents[2]
OPENED = b'"intake_opened"'
CALL = b"POST /crm/"
PROBE = b"/batch/read "
HELD = "ordersync_oldest_held_seconds "
OFTEN = 0.02  # seconds between two looks at its memory
EVERY = 0.5  # seconds between two looks at it

SETTINGS = {
    "ORDERSYNC_HUBSPOT__TOKEN": "t",
    "ORDERSYNC_HUBSPOT__ID_PROPERTY": ID_PROPERTY,
    "ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY": LINE_ID,
    "ORDERSYNC_HUBSPOT__CALLS": "10000",
    "ORDERSYNC_HUBSPOT__CONCURRENCY": "2",
    "ORDERSYNC_HUBSPOT__TIMEOUT": "5",
    "ORDERSYNC_BATCH__SIZE": "25",
    "ORDERSYNC_BATCH__LINGER": "0.05",
    "ORDERSYNC_RABBITMQ__PREFETCH": "400",
    "ORDERSYNC_HTTP__HOST": "127.0.0.1",
    "ORDERSYNC_DRAIN__GRACE": "15",
}


@dataclass(eq=False)
class Replica:
    """Its process, its proxies, and what they saw: when its channels ended, when its calls began."""

    name: str
    settings: Mapping[str, str]
    log: Path
    amqp: Proxy
    http: Proxy
    now: Callable[[], float]
    losses: list[float] = field(default_factory=list)  # its consuming connection ended
    breaks: list[float] = field(default_factory=list)  # any connection of its to the broker ended
    calls: list[float] = field(default_factory=list)  # a call that writes began
    memory: int = (
        0  # bytes resident beyond which it is killed, as a container's limit does; 0 = never
    )
    most: int = 0  # bytes resident that were seen
    kills: int = 0  # for its memory
    held: float = 0.0  # the highest age of a delivery that it told
    process: subprocess.Popen[bytes] | None = None
    _from: int = 0  # where in the log the living process began

    def start(self) -> None:
        """Start the process; `opened` says when it consumes or stands by."""
        with self.log.open("ab") as log:
            self._from = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "run"],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _environment(self) -> dict[str, str]:
        ours = {name: v for name, v in os.environ.items() if not name.startswith("ORDERSYNC_")}
        return ours | dict(self.settings)

    async def opened(self) -> None:
        """Return when the process has opened its intake."""
        async with asyncio.timeout(30.0):
            while OPENED not in self.said():
                if self.process is not None and self.process.poll() is not None:
                    raise AssertionError(
                        f"{self.name} ended with {self.process.returncode}: {self.said()[-2000:]!r}"
                    )
                await asyncio.sleep(0.05)

    def said(self) -> bytes:
        """The log of the living process."""
        with self.log.open("rb") as log:
            log.seek(self._from)
            return log.read()

    @property
    def patience(self) -> float:
        """Seconds for which it may hold a delivery."""
        default = Settings.model_fields["retry"].default.patience
        return float(self.settings.get("ORDERSYNC_RETRY__PATIENCE", default))

    async def watch(self) -> None:
        """Look at its oldest delivery until cancelled; a process that is not there, or frozen, tells nothing."""
        page = f"http://127.0.0.1:{self.settings['ORDERSYNC_HTTP__PORT']}/metrics"
        async with httpx.AsyncClient(timeout=2.0) as client:
            while True:
                with suppress(httpx.HTTPError):
                    text = (await client.get(page)).text
                    told = next(line for line in text.splitlines() if line.startswith(HELD))
                    self.held = max(self.held, float(told.removeprefix(HELD)))
                await asyncio.sleep(EVERY)

    async def limit(self) -> None:
        """Watch its memory until cancelled, and kill it for too much."""
        while True:
            if self.running and self.process is not None:
                with suppress(psutil.Error):
                    resident = psutil.Process(self.process.pid).memory_info().rss
                    self.most = max(self.most, resident)
                    if resident > self.memory:
                        self.kills += 1
                        self.kill()
            await asyncio.sleep(OFTEN)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would; the signal is delivered before this returns."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.losses.append(self.now())
            self.breaks.append(self.now())

    async def ended(self, seconds: float = 40.0) -> int:
        """The exit code, when it ends."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, seconds)

    def lost(self, link: Link) -> None:
        """A connection to the broker ended."""
        self.breaks.append(self.now())
        if link.role == "consumer":
            self.losses.append(self.now())

    def called(self, _: Link, direction: Direction, frame: Frame) -> bool:
        """Note the beginnings of calls that write."""
        if direction == "up" and frame.octets.startswith(CALL):
            head = frame.octets.split(b"\r\n", 1)[0]
            if PROBE not in head:
                self.calls.append(self.now())
        return True


@asynccontextmanager
async def replica(
    name: str,
    amqp_urls: Sequence[str],
    hubspot_url: str,
    folder: Path,
    now: Callable[[], float],
    settings: Mapping[str, str],
    memory: int = 0,
) -> AsyncIterator[Replica]:
    """A replica that is not started yet; at the end of the block its process is gone."""
    brokers, hubspot = [urlsplit(url) for url in amqp_urls], urlsplit(hubspot_url)
    async with AsyncExitStack() as stack:
        made: list[Replica] = []
        amqp = Proxy(
            *((broker.hostname or "", broker.port or 5672) for broker in brokers),
            amqp=True,
            ended=lambda link: made[0].lost(link),
        )
        http = Proxy((hubspot.hostname or "", hubspot.port or 80), amqp=False)
        await stack.enter_async_context(amqp.listening())
        await stack.enter_async_context(http.listening())
        given = brokers[0]
        where = given._replace(netloc=f"{given.username}:{given.password}@127.0.0.1:{amqp.port}")
        environment = SETTINGS | {
            "ORDERSYNC_RABBITMQ__URL": urlunsplit(where),
            "ORDERSYNC_HUBSPOT__BASE_URL": f"http://127.0.0.1:{http.port}",
            "ORDERSYNC_HTTP__PORT": str(free_ports(1)[0]),
        }
        made.append(
            Replica(name, environment | dict(settings), folder / f"{name}.log", amqp, http, now)
        )
        http.watch = made[0].called
        made[0].memory = memory
        watching = [asyncio.ensure_future(made[0].watch())]
        if memory:
            watching.append(asyncio.ensure_future(made[0].limit()))
        try:
            yield made[0]
        finally:
            for each in watching:
                each.cancel()
            await asyncio.wait(watching)
            made[0].signal(signal.SIGCONT)
            made[0].kill()
