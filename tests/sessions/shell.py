"""A shell that is typed into, command by command."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import Self

PATIENCE = 120.0  # seconds for one command
QUIET = 1.0  # seconds after which what runs in the background has said what it says at its start


class Shell:
    """A bash in a folder. What it started ends with it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._mark = f"--8<-- {os.getpid()}-{id(self)} --8<--"
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: Queue[str] = Queue()
        self._reading = Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._bash.stdout is not None
        for line in self._bash.stdout:
            self._lines.put(line)

    def run(self, command: str) -> list[str]:
        """What comes, until the prompt does; of a command in the background what it says at its start."""
        assert self._bash.stdin is not None
        self._bash.stdin.write(f"{command}\nprintf '\\n%s\\n' '{self._mark}'\n")
        self._bash.stdin.flush()
        deadline, said = monotonic() + PATIENCE, ""
        while not said.endswith(f"\n{self._mark}\n"):
            said += self._lines.get(timeout=max(0.0, deadline - monotonic()))
        said = said.removesuffix(f"\n{self._mark}\n")
        if command.rstrip().endswith("&"):
            said += "".join(self._at_its_start())
        return [line.rstrip() for line in said.rstrip("\n").splitlines()] if said.strip() else []

    def _at_its_start(self) -> Iterator[str]:
        try:
            yield self._lines.get(timeout=20.0)
            while True:
                yield self._lines.get(timeout=QUIET)
        except Empty:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.killpg(self._bash.pid, signal.SIGTERM)  # the group that we started
        try:
            self._bash.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._bash.pid, signal.SIGKILL)
            self._bash.wait()
        self._reading.join(15)  # to the end of what its children say
        for stream in (self._bash.stdin, self._bash.stdout):
            if stream is not None:
                stream.close()


_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{10,64}\b"), "HEX"),
    (re.compile(r"\bdemo-\d+-9\b"), "EVENT"),
    (re.compile(r"(127\.0\.0\.1|localhost):\d+"), "HOST"),
    (re.compile(r"\b\w+@[\w.-]+\b"), "SOMEBODY"),
    (re.compile(r"RabbitMQ \d+\.\d+\.\d+"), "RABBITMQ"),
    (re.compile(r"\b\d+\.\d+ s\b"), "SECONDS"),
    (re.compile(r" +"), " "),
)


def masked(lines: list[str]) -> list[str]:
    """Without what differs from run to run: times, digests, ports, versions, the width of columns."""
    return [_masked(line) for line in lines]


def _masked(line: str) -> str:
    for pattern, instead in _MASKS:
        line = pattern.sub(instead, line)
    return line.strip()


@contextmanager
def alone() -> Iterator[None]:
    """One session at a time on this machine: some name a port."""
    import fcntl
    import tempfile

    with Path(tempfile.gettempdir(), f"ordersync-sessions-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
