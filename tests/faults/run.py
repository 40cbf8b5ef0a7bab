"""One run: publish, break, wait until it is carried, stop, and balance the books."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from service.core.events.deliveries import READ_AT_MOST
from tests.faults.books import DONE, Account, Evidence, accepted, balance, history
from tests.faults.brokers import Node
from tests.faults.graph_books import balance_graphs, models
from tests.faults.stand import BROKEN, DEAD, INPUT, RESULTS, Stand, stand
from tests.faults.trace import ID_PROPERTY, trace

SETTLED_WITHIN = 150.0  # seconds from the end of the fault to the last outcome
QUIET = 15.0  # seconds for the broker's counts to agree
STORY = 60  # lines of the history that is printed


@dataclass(frozen=True, slots=True)
class Fault:
    """What is broken, and when in the trace; `strike` returns when it is mended."""

    name: str
    strike: Callable[[Stand], Awaitable[None]]
    kind: str
    replicas: int = 1
    at: float = 0.1  # share of the trace that has an outcome when the fault strikes
    beforehand: float = 0.6  # share of the trace that is published before
    settings: Mapping[str, str] = field(default_factory=dict)
    twin: Mapping[str, Any] = field(default_factory=dict)  # its options, beside the suite's own
    events: int = 0  # of its own trace; 0 = as many as the suite has
    whole: bool = True  # every second order of the trace is a complete one
    large: bool = False  # every event of the trace is a large one
    memory: int = 0  # bytes resident beyond which a replica is killed; 0 = as many as it likes
    cluster: bool = False  # needs three nodes
    recovers_within: float | None = None
    beyond: float = 0.0  # seconds beyond its patience that a delivery may be held


@dataclass(frozen=True, slots=True)
class Result:
    """What a run showed."""

    fault: str
    version: str
    seed: int
    account: Account
    recovery: float | None
    held: float  # seconds; the oldest delivery that any replica ever held
    seconds: float
    remarks: tuple[str, ...]
    story: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the books balance."""
        return not self.account.sins

    def __str__(self) -> str:
        sins = {name: (len(found), found[:5]) for name, found in self.account.sins.items()}
        lines = [f"fault {self.fault}, seed {self.seed}, RabbitMQ {self.version}: {sins}"]
        return "\n".join([*lines, *self.story])


async def run(
    fault: Fault,
    node: Node,
    *,
    seed: int,
    events: int,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Result:
    """Run one fault on one broker; `settings` are the service's, where not the suite's own."""
    plan = trace(seed, fault.events or events, large=fault.large, whole=fault.whole)
    began = asyncio.get_running_loop().time()
    async with stand(
        node,
        plan,
        seed=seed,
        replicas=fault.replicas,
        settings={**settings, **fault.settings},
        options=fault.twin,
        memory=fault.memory,
    ) as on:
        first = int(fault.beforehand * len(plan))
        await on.publish(plan[:first])
        for each in on.replicas:
            each.start()
            await each.opened()
        await on.progress(fault.at)
        await fault.strike(on)
        published = {event.id for event in on.published}
        await on.publish([event for event in plan[first:] if event.id not in published])
        complaints = await _carried(on)
        complaints += await _stopped(on)
        seen = Evidence(
            tuple(on.published),
            on.writes(),
            tuple(on.receipts),
            await _dead_letters(on, complaints),
            on.all_losses(),
            on.all_breaks(),
            frozenset(on.twice),
            frozenset(on.doomed),
            frozenset(on.refused),
        )
        account = balance(seen)
        account.broker += complaints + on.complaints
        await _compare(on, seen, account)
        recovery = on.recovery
        if fault.recovers_within is not None and (recovery or 1e9) > fault.recovers_within:
            account.broker.append(f"events flowed again after {recovery} s")
        held = max(each.held for each in on.replicas)
        account.broker += [
            f"{each.name} held a delivery for {each.held:.1f} s, its patience is {each.patience:g} s"
            for each in on.replicas
            if each.held > each.patience + fault.beyond
        ]
        account.broker += _memory(on)
        story = tuple(_story(account, seen)) + (_logs(on) if account.sins else ())
    seconds = asyncio.get_running_loop().time() - began
    remarks = tuple(on.remarks)
    return Result(fault.name, node.version, seed, account, recovery, held, seconds, remarks, story)


def _memory(on: Stand) -> list[str]:
    """Where memory is limited: the most that was resident, as a remark, and every kill."""
    on.remarks += [f"{each.most / 2**20:.0f} MiB resident" for each in on.replicas if each.most]
    return [f"{each.name} was killed for its memory" for each in on.replicas if each.kills]


async def _carried(on: Stand) -> list[str]:
    """Wait until every event has an outcome and the broker holds nothing of the input."""
    owed = {event.id for event in on.published} - on.doomed
    try:
        async with asyncio.timeout(SETTLED_WITHIN):
            while not owed <= {receipt.event for receipt in on.receipts}:
                await on.outcomes(len(on.receipts) + 1, SETTLED_WITHIN)
    except TimeoutError:
        return [f"not settled within {SETTLED_WITHIN:g} s"]
    return await _empty(on)


async def _empty(on: Stand) -> list[str]:
    counts: dict[str, int] = {}
    loop = asyncio.get_running_loop()
    deadline = loop.time() + QUIET
    while loop.time() < deadline:
        counts = (await on.queues())[INPUT]
        if not counts["messages"] and not counts["messages_unacknowledged"]:
            return []
        await asyncio.sleep(0.3)
    return [f"the input still holds {counts}"]


async def _stopped(on: Stand) -> list[str]:
    """SIGTERM for all; each ends by itself, with 0."""
    complaints = []
    for each in on.replicas:
        if each.running:
            each.signal(signal.SIGTERM)
            try:
                code = await each.ended()
            except Exception as error:  # noqa: BLE001  (subprocess.TimeoutExpired through a thread)
                complaints.append(f"{each.name} did not stop: {error!r}")
                continue
            if code != 0:
                complaints.append(f"{each.name} ended with {code}")
    return complaints


async def _dead_letters(on: Stand, complaints: list[str]) -> list[str]:
    """What lies in the dead letters, counted by the broker and read one by one."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + QUIET
    while await on.ready(RESULTS) and loop.time() < deadline:
        await asyncio.sleep(0.2)
    counted = await on.ready(DEAD)
    letters = await on.drained(DEAD)
    if counted != len(letters):
        complaints.append(f"the broker counts {counted} dead letters, {len(letters)} were read")
    # What is too large to be held is refused unread, and the broker makes the letter.
    foreign = [
        letter
        for letter in letters
        if "ordersync-reason" not in letter["headers"] and len(letter["body"]) <= READ_AT_MOST
    ]
    if foreign:
        complaints.append(f"{len(foreign)} dead letters are the broker's own")
    return [str(letter["headers"].get("ordersync-event-id", "")) for letter in letters]


async def _compare(on: Stand, seen: Evidence, account: Account) -> None:
    """The end state is that of one-by-one application of the accepted events."""
    expected, held = await on.expected(accepted(seen)), on.held()
    for key in (expected.keys() | held.keys()) - seen.tainted:
        ours, theirs = _known(held.get(key)), _known(expected.get(key))
        if ours != theirs:
            account.states.append(f"{key}: holds {ours}, should hold {theirs}")
    balance_graphs(
        models(seen.published, seen.receipts),
        on.twin.graph(by=ID_PROPERTY),
        on.twin.written(),
        seen.receipts,
        {event.id: event for event in seen.published},
        seen.tainted,
        account,
    )


def _known(order: Any) -> Any:
    """An archived order's values do not count: one that was written again died twice."""
    return ("archived",) if order is None or order[0] else order[1]


def _story(account: Account, seen: Evidence) -> list[str]:
    suspects = [each for found in account.sins.values() for each in found if each.startswith("F")]
    stories = [list(history(suspect, seen)) for suspect in suspects[:200]]
    return min(stories, key=len, default=[])[:STORY]


def _logs(on: Stand) -> tuple[str, ...]:
    """The ends of the replicas' logs, for whoever looks for the cause."""
    lines = []
    for each in on.replicas:
        said = each.log.read_text(errors="replace").splitlines()
        loud = [line for line in said if '"info"' not in line]
        lines += [f"{each.name}: {line[:400]}" for line in loud[-12:]]
    return tuple(lines)


__all__ = ["BROKEN", "DONE", "Fault", "Result", "run"]
