"""What is seen of the service's process: memory, descriptors, threads from /proc, tasks by its own word."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from tests.load.counted import NAME

ROOT = Path(__file__).resolve().parents[2]
STARTED_WITHIN, STOPPED_WITHIN, TOLD_WITHIN = 20.0, 60.0, 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Sample:
    """One interval."""

    at: float  # seconds since the beginning
    rate: float  # outcomes per second
    megabytes: float  # resident
    tasks: int
    descriptors: int
    threads: int
    p50: float  # seconds from publish to outcome
    p99: float


class Service:
    """The process, and the pipe on which it tells its tasks."""

    def __init__(self, process: subprocess.Popen[bytes], tasks: int) -> None:
        self.process, self._tasks = process, tasks

    def tasks(self) -> int:
        """How many asyncio tasks it has now."""
        self.process.send_signal(signal.SIGUSR1)
        if not select.select([self._tasks], [], [], TOLD_WITHIN)[0]:
            raise TimeoutError("the service does not say how many tasks it has")
        return int(os.read(self._tasks, 64).split()[-1])

    def megabytes(self) -> float:
        """Resident."""
        return int(self._status("VmRSS").split()[0]) / 1024

    def threads(self) -> int:
        """Of the operating system."""
        return int(self._status("Threads"))

    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def _status(self, name: str) -> str:
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{name}:"))


@contextmanager
def service(environment: Mapping[str, str]) -> Iterator[Service]:
    """`ordersync run` for the length of the block; stopped as Kubernetes stops it."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.load.counted", "run"],
        cwd=ROOT,
        env={**environment, NAME: str(writing)},
        stdout=subprocess.DEVNULL,
        pass_fds=[writing],
    )
    os.close(writing)
    try:
        yield Service(process, reading)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOPPED_WITHIN)
        os.close(reading)


HEAD = f"{'s':>5} {'events/s':>9} {'MB':>7} {'tasks':>6} {'fds':>5} {'threads':>8} {'p50 ms':>7} {'p99 ms':>7}"


def line(sample: Sample) -> str:
    """A row of the table."""
    return (
        f"{sample.at:5.0f} {sample.rate:9.0f} {sample.megabytes:7.1f} {sample.tasks:6d} "
        f"{sample.descriptors:5d} {sample.threads:8d} {sample.p50 * 1000:7.0f} {sample.p99 * 1000:7.0f}"
    )


# what -> how much of it the last fifth may have more than the second: share, and number
BOUNDS: Mapping[str, tuple[float, float]] = {
    "megabytes": (0.05, 2.0),
    "tasks": (0.0, 10.0),
    "descriptors": (0.0, 5.0),
    "threads": (0.0, 1.0),
    "p50": (0.5, 0.1),  # others work on the machine, too
    "p99": (0.75, 0.25),
}


def growth(samples: Sequence[Sample]) -> Iterator[tuple[str, float, float, bool]]:
    """What, its mean in the second fifth, its mean in the last fifth, and whether it grew."""
    fifth = max(1, len(samples) // 5)
    early, late = samples[fifth : 2 * fifth] or samples[:1], samples[-fifth:]
    for name, (share, number) in BOUNDS.items():
        before = fmean(getattr(sample, name) for sample in early)
        after = fmean(getattr(sample, name) for sample in late)
        yield name, before, after, after > before + max(share * before, number)
