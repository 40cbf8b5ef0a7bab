"""The whole matrix: every fault on every broker that can be had, as a table. `make test-faults` is this.

    FAULT_SECONDS=600 FAULT_SEEDS=1,2 FAULT_BROKERS=installed,cluster,4.0,4.3 python -m tests.faults.matrix

FAULT_SECONDS is a budget for each broker: faults are taken in a seeded order until it is over, and what
was left out is said; without it all run once per seed. FAULT_NAMES=broker-cut,… runs only these, those
that need no cluster on the cluster, too. FAULT_GATEWAY=60 is for how long a gateway answers in HubSpot's place.
"""

import asyncio
import logging
import os
import sys
import time
from collections import defaultdict
from random import Random

from tests.faults import ending
from tests.faults.brokers import node_of, why_not
from tests.faults.catalogue import FAULTS
from tests.faults.run import Result, run

BROKERS = "installed,cluster,4.0,4.3"
HEAD = """\
| fault | RabbitMQ | events | lost | wrong | duplicates | orphans | reordered | repeated | rewritten | recovery | held |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""


def main() -> int:
    """Run it; the table on stdout, progress on stderr; 1 where a book does not balance."""
    ending.in_order()
    for name in ("aiormq", "asyncio"):  # the checker's own connections break, too
        logging.getLogger(name).setLevel(logging.CRITICAL)
    seeds = [int(seed) for seed in os.environ.get("FAULT_SEEDS", "1").split(",")]
    seconds = float(os.environ.get("FAULT_SECONDS", "0")) or float("inf")
    events = int(os.environ.get("FAULT_EVENTS", "1000"))
    results: list[Result] = []
    failures = 0
    for version in os.environ.get("FAULT_BROKERS", BROKERS).split(","):
        if reason := why_not(version):
            _say(f"RabbitMQ {version} is left out: {reason}")
            continue
        found, broken = _on(version, seeds, seconds, events)
        results += found
        failures += broken
    print(_table(results))
    return 1 if failures or not results or not all(result.good for result in results) else 0


def _on(version: str, seeds: list[int], seconds: float, events: int) -> tuple[list[Result], int]:
    """All faults on one broker, as far as the time reaches."""
    ends = time.monotonic() + seconds
    wanted = os.environ.get("FAULT_NAMES", ",".join(FAULTS)).split(",")
    named, cluster = "FAULT_NAMES" in os.environ, version == "cluster"
    names = [name for name in wanted if FAULTS[name].cluster is cluster or (cluster and named)]
    plan = [(seed, name) for seed in seeds for name in names]
    if seconds != float("inf"):
        Random(seeds[0]).shuffle(plan)
    found: list[Result] = []
    failures = 0
    with node_of(version) as node:
        for done, (seed, name) in enumerate(plan):
            if time.monotonic() > ends:
                _say(f"{len(plan) - done} of {len(plan)} runs on {version} left out: time is over")
                break
            try:
                result = asyncio.run(run(FAULTS[name], node, seed=seed, events=events))
            except Exception as error:  # noqa: BLE001  (the others are still to be run)
                _say(f"BAD {name} on {version}, seed {seed}: {error!r}")
                failures += 1
                continue
            found.append(result)
            remarks = "".join(f"; {remark}" for remark in result.remarks)
            _say(
                f"{'ok ' if result.good else 'BAD'} {name} on {result.version}, seed {seed}{remarks}"
            )
            if not result.good:
                _say(str(result))
    return found, failures


def _table(results: list[Result]) -> str:
    """One row a fault and version, the seeds summed up; the slowest recovery, the longest hold."""
    rows: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        rows[result.fault, result.version].append(result)
    return "\n".join([HEAD, *(_row(*key, found) for key, found in rows.items())])


def _row(fault: str, version: str, found: list[Result]) -> str:
    accounts = [result.account for result in found]
    wrong = sum(
        len(a.wrong)
        + len(a.false)
        + len(a.unexpected)
        + len(a.states)
        + len(a.unexplained)
        + len(a.graphs)
        + len(a.unshown)
        for a in accounts
    )
    recoveries = [result.recovery for result in found if result.recovery is not None]
    numbers = (
        sum(a.events for a in accounts),
        sum(len(a.lost) for a in accounts),
        wrong + sum(len(a.broker) for a in accounts),
        sum(len(a.duplicated) for a in accounts),
        sum(len(a.orphaned) for a in accounts),
        sum(len(a.reordered) for a in accounts),
        sum(a.repeated for a in accounts),
        sum(a.rewritten for a in accounts),
    )
    recovery = f"{max(recoveries):.1f} s" if recoveries else ""
    return (
        f"| {fault} | {version} | "
        + " | ".join(map(str, numbers))
        + f" | {recovery} | {max(r.held for r in found):.1f} s |"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
