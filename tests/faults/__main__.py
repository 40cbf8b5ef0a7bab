"""By hand: `python -m tests.faults --seed 7 --fault killed-mid-call --events 2000`."""

import argparse
import asyncio
import logging
import sys
import time

from tests.faults import ending
from tests.faults.brokers import node_of, why_not
from tests.faults.catalogue import FAULTS
from tests.faults.run import run


def main() -> int:
    """Run the named faults; 1 when any book does not balance."""
    ending.in_order()
    arguments = _arguments()
    if reason := why_not(arguments.broker):
        print(f"broker {arguments.broker}: {reason}")
        return 2
    for name in ("aiormq", "asyncio"):  # the checker's own connections break, too
        logging.getLogger(name).setLevel(logging.CRITICAL)
    bad = 0
    with node_of(arguments.broker) as node:
        for name in arguments.fault or _fitting(arguments.broker):
            seed = arguments.seed if arguments.seed is not None else int(time.monotonic() * 1000)
            try:
                result = asyncio.run(run(FAULTS[name], node, seed=seed, events=arguments.events))
            except Exception as error:  # noqa: BLE001  (the other faults are still to be run)
                print(f"BAD  {name} seed={seed}: {error!r}", flush=True)
                bad += 1
                continue
            account = result.account
            print(
                f"{'ok  ' if result.good else 'BAD '} {name} seed={seed} RabbitMQ {result.version}: "
                f"{account.events} events, {account.repeated} repeated, {account.rewritten} rewritten, "
                f"{len(account.contradicted)} contradicted, recovery {result.recovery or 0:.1f} s, "
                f"held {result.held:.1f} s, {result.seconds:.0f} s"
                + "".join(f", {remark}" for remark in result.remarks),
                flush=True,
            )
            if not result.good:
                bad += 1
                print(result, flush=True)
    return 1 if bad else 0


def _fitting(broker: str) -> list[str]:
    return [name for name, fault in FAULTS.items() if fault.cluster is (broker == "cluster")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="repeatable; all")
    parser.add_argument("--seed", type=int, help="of the trace; a new one without it")
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--broker", default="installed", help="installed, cluster, or a tag: 4.0")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
