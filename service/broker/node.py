"""One RabbitMQ node of our own, started from the `rabbitmq-server` of this machine.

Law: a node touches nothing but its own folder, ports and processes, listens on the loopback alone,
runs as whoever starts it, and keeps its name, ports and data from its first start to its end, so
that tests may stop, kill, freeze and restart it like a machine in a rack.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from service.broker import server
from service.broker.ports import LOOPBACK, free_ports, greeting
from service.broker.site import QUIET, BrokerDidNotStart, Site

START_TRIES = 3
# seconds; 6 to 9 are usual, loaded machines take several times that.
START_PATIENCE = 90.0
STOP_PATIENCE = 30.0
LOG_EXCERPT = 25  # lines


class PrivateBroker:
    """A node that is started, stopped, killed, frozen and restarted at will.

    `with PrivateBroker() as broker:` starts it and leaves nothing behind. `cluster_with` is a
    running node to join: they share a cookie and a port mapper, and the first one, which owns both,
    is closed last. `settings` are lines of `rabbitmq.conf`, `plugins` names to enable, such as
    `rabbitmq_management` (then at `management_port`).
    """

    def __init__(
        self,
        *,
        plugins: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        cluster_with: "PrivateBroker | None" = None,
        program: Path | None = None,
    ) -> None:
        """Describe the node; nothing runs before `start`."""
        self._program = program
        self._plugins = tuple(plugins)
        self._settings = dict(settings or {})
        self._first = cluster_with
        self._site: Site | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self.port = self._dist_port = self.management_port = 0

    # What it is

    host = LOOPBACK

    @property
    def url(self) -> str:
        """Where to connect, as the user guest, in the default vhost."""
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/"

    @property
    def name(self) -> str:
        """The Erlang name of the node, as `rabbitmqctl -n` takes it."""
        return f"ordersync-{self.port}@localhost"

    @property
    def pid(self) -> int:
        """The process id of the running Erlang VM itself."""
        return int((self._folder / "pid").read_text())

    @property
    def group(self) -> int:
        """The process group that ends with its owner."""
        return self._home.group

    @property
    def mapper_port(self) -> int:
        """Where the node's port mapper (epmd) listens."""
        return self._home.mapper_port

    @property
    def log(self) -> Path:
        """The node's log, kept as long as its data."""
        return self._folder / "rabbitmq.log"

    # What can be done to it

    def start(self) -> None:
        """Start the node and return when it answers AMQP clients: six to nine seconds.

        Raises:
            BrokerDidNotStart: with the telling lines of its log.

        """
        if self._site is None:
            self._start_first_time()
        else:
            self._launch()

    def stop(self) -> None:
        """Stop the node cleanly; its data, its ports and its port mapper stay."""
        self._signal(signal.SIGTERM)
        # A frozen node does not hear the first one.
        self._signal(signal.SIGCONT)
        self._ended()

    def kill(self) -> None:
        """End the node as a power cut would (SIGKILL); its data stay."""
        self._signal(signal.SIGKILL)
        self._ended()

    def restart(self) -> None:
        """Stop cleanly if running, then start on the same data and ports."""
        if self.running:
            self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the node (SIGSTOP): connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen node go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def ctl(self, *arguments: str, timeout: float = 60.0) -> str:
        """What `rabbitmqctl` prints for these arguments on this node; half a second.

        Raises:
            RuntimeError: it failed, with what it said.

        """
        command, environment = self.tool("rabbitmqctl")
        done = subprocess.run(
            [*command, "--quiet", *arguments],
            env=environment,
            stdin=QUIET,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"rabbitmqctl {arguments[0]}: {done.stderr or done.stdout}")
        return done.stdout

    def tool(self, name: str) -> tuple[list[str], dict[str, str]]:
        """The command that speaks to this node, such as `rabbitmqctl`, and the environment that it needs."""
        command = [str(self._script.with_name(name)), "-n", self.name]
        return command, self._home.environment() | server.tool_environment()

    def flush(self) -> None:
        """Have the node write its register of quorum queues to disk, as it does once a second.

        A quorum queue that was declared less than a second before `kill` never has a leader again
        (3.10.8, a lone node: killed after 0.6 s lost, after 1.0 s whole): what its clients were
        confirmed is on disk, the register that names it is not.
        """
        self.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].")

    @property
    def running(self) -> bool:
        """Whether the node's process is there (frozen counts as there)."""
        return self._server is not None and self._server.poll() is None

    def close(self) -> None:
        """End the node and remove its data; the first node of a cluster takes the rest along."""
        if self._site is None:
            return
        if self.running:
            self.kill()
        if self._first is None:
            self._site.close()
        else:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._site = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # How it is done

    @property
    def _home(self) -> Site:
        if self._site is None:
            raise RuntimeError("this broker has not been started, or is closed")
        return self._site

    @property
    def _folder(self) -> Path:
        return self._home.folder / str(self.port)

    @property
    def _script(self) -> Path:
        program = self._program or server.find_server()
        if program is None:
            raise BrokerDidNotStart("there is no rabbitmq-server on this machine")
        return program

    def _start_first_time(self) -> None:
        _ = self._script  # no server, no site
        self._site = self._first._home if self._first else Site()  # noqa: SLF001  # of our own kind
        for attempt in range(1, START_TRIES + 1):
            self.port, self._dist_port, self.management_port = free_ports(3)
            self._furnish()
            try:
                return self._launch()
            except BrokerDidNotStart as refusal:
                # Somebody took a port between our look and the node's: other ports, another try.
                if attempt == START_TRIES or not _port_was_taken(str(refusal)):
                    raise
        return None

    def _furnish(self) -> None:
        cluster = (self._first.name, self.name) if self._first else ()
        lines = server.configuration(self.port, self.management_port, self._plugins, cluster)
        server.write_configuration(self._folder, lines | self._settings, self._plugins)

    def _launch(self) -> None:
        (self._folder / "pid").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [self._script],
                env=self._home.environment()
                | server.server_environment(self.name, self._folder, self._dist_port),
                cwd=self._folder,
                stdin=QUIET,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=self._home.group,
            )
        self._wait_until_ready(self._server)

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while greeting(LOOPBACK, self.port) is None:
            if server.poll() is not None:
                raise BrokerDidNotStart(
                    f"it ended with code {server.returncode}\n{self._excerpt()}"
                )
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerDidNotStart(f"no answer in {START_PATIENCE:.0f} s\n{self._excerpt()}")
            time.sleep(0.05)

    def _excerpt(self) -> str:
        """The log from its first error on, or its end: later errors only follow from the first."""
        lines = self.log.read_text(errors="replace").splitlines()
        errors = (number for number, line in enumerate(lines) if "[error]" in line)
        start = next(errors, len(lines) - LOG_EXCERPT)
        return "\n".join(lines[max(start, 0) :][:LOG_EXCERPT])

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def _ended(self) -> None:
        """Wait for the script around the Erlang VM, which ends with it."""
        if self._server is not None:
            self._server.wait(STOP_PATIENCE)


def _port_was_taken(log: str) -> bool:
    return "eaddrinuse" in log or "in use" in log
