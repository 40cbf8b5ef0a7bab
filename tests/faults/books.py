"""The books: every event, every order and every queue accounted for, as Jepsen's total-queue does.

Pure: what was published, what the twin wrote, what came out, and when connections ended, go in; the
account comes out. `lost`, `false`, `wrong`, `unexpected`, `reordered`, `unexplained`, `states` and
`broker` must be empty; `repeated` is counted, and each repeat has a fault before it that explains it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.faults.trace import MARK, Event, Fate

DONE = frozenset({"applied", "superseded"})
IN_FLIGHT = (
    6.0  # seconds that a call may take: a write may land so long after the loss that repeats it
)


class Write(NamedTuple):
    """One record that the twin wrote."""

    time: float
    operation: str
    key: str
    values: Mapping[str, str]


class Receipt(NamedTuple):
    """One outcome message."""

    time: float
    id: str
    event: str
    status: str
    code: str = ""
    record_id: str | None = None
    # `data.parts`, of an event that carries any.
    parts: Mapping[str, Any] | None = None

    @property
    def wrote(self) -> bool:
        """Whether the order itself was written, though the event failed."""
        return self.parts is not None and bool(self.parts["order_written"])


@dataclass(frozen=True)
class Evidence:
    """Everything that was seen, on one clock."""

    published: Sequence[Event]  # confirmed by the broker
    writes: Sequence[Write]
    receipts: Sequence[Receipt]
    dead_letters: Sequence[str]  # event ids, as they lie in the queue
    losses: Sequence[float]  # a consuming connection ended, a process died
    breaks: Sequence[float] = ()  # any connection to the broker ended
    twice: frozenset[str] = frozenset()  # events that may be in the queue twice
    doomed: frozenset[str] = (
        frozenset()
    )  # events that the fault itself took from the queue, or kills with

    refused: frozenset[str] = frozenset()  # orders that HubSpot was told to refuse

    @property
    def tainted(self) -> frozenset[str]:
        """Orders that somebody's hand took events from: what is left of them proves nothing."""
        return frozenset(event.key for event in self.published if event.id in self.doomed)


@dataclass(slots=True)
class Account:
    """What is wrong, by event or order; empty is good."""

    events: int = 0
    lost: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)  # a later outcome of one id differs
    states: list[str] = field(default_factory=list)
    broker: list[str] = field(default_factory=list)
    # Lines and links (`graph_books`): what the final graph holds wrongly, lines that are there twice, lines without
    # their order, parts that are reported and that the twin's journal does not show.
    graphs: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    unshown: list[str] = field(default_factory=list)
    repeated: int = 0
    rewritten: int = 0  # orders written again from an earlier event, each explained by a loss

    @property
    def sins(self) -> dict[str, list[str]]:
        """All that must not be."""
        names = (
            "lost false wrong unexpected reordered unexplained states broker graphs duplicated orphaned "
            "unshown"
        )
        return {name: found for name in names.split() if (found := getattr(self, name))}


def balance(seen: Evidence) -> Account:
    """Account for every event and every order (states and queues are compared by the caller)."""
    account = Account(events=len(seen.published))
    events = {event.id: event for event in seen.published}
    tainted = seen.tainted
    receipts = _by_event(seen.receipts)
    writes = _by_key(seen.writes)
    account.unexpected = sorted(receipts.keys() - events.keys())
    for event in seen.published:
        mine = receipts.get(event.id, [])
        if event.key not in tainted:
            _account_for(event, mine, writes.get(event.key, []), seen, account)
    for key, written in writes.items():
        _follow(key, written, events, seen, account)
    _bury(seen, receipts, account)
    return account


def accepted(seen: Evidence) -> list[Event]:
    """The events whose first outcome says that HubSpot has their order's values, in their order."""
    first = {event: found[0] for event, found in _by_event(seen.receipts).items()}
    return [
        event
        for event in seen.published
        if (told := first.get(event.id)) is not None and (told.status in DONE or told.wrote)
    ]


def _account_for(
    event: Event, mine: list[Receipt], written: list[Write], seen: Evidence, account: Account
) -> None:
    if not mine:
        if event.id not in seen.doomed:
            account.lost.append(event.id)
        return
    first, *again = mine
    if first.status in DONE and not _evident(event, first.status, written):
        account.false.append(event.id)
    deserved = _deserved(event)
    if event.key in seen.refused:
        deserved |= {"rejected"} | (DONE if event.code == "order_exists" else set())
    if first.status not in deserved and event.id not in seen.doomed:
        account.wrong.append(f"{event.id} ({first.status})")
    if (
        first.status == "rejected"
        and event.key not in seen.refused
        and event.code not in ("", first.code)
    ):
        account.wrong.append(f"{event.id} ({first.code})")
    account.repeated += len(again)
    for repeat in again:
        explained = event.id in seen.twice or any(end <= repeat.time for end in seen.breaks)
        if repeat.id != first.id or not explained:
            account.unexplained.append(event.id)
        if (repeat.status in DONE) is not (first.status in DONE):
            account.contradicted.append(f"{event.id} ({first.status}, then {repeat.status})")


def _deserved(event: Event) -> frozenset[str]:
    match event.fate:
        case Fate.TAKEN:
            return DONE
        case Fate.REFUSED if event.code == "order_exists":
            return frozenset({"rejected"})
        case Fate.REFUSED:  # merged with a later event that overwrote the bad value, it is saved
            return frozenset({"rejected", "superseded", "applied"})
        case Fate.MALFORMED:
            return frozenset({"malformed"})


def _evident(event: Event, status: str, written: list[Write]) -> bool:
    """Whether the twin wrote something of this event, or of one that superseded it."""
    if event.operation == "archive":
        return any(write.operation == "archive" for write in written)
    marks = [_index(write) for write in written]
    if status == "superseded":
        return any(mark is not None and mark > event.index for mark in marks)
    if event.parts:  # something of it may stand in its lines and links alone (`graph_books`)
        return any(mark is not None and mark >= event.index for mark in marks)
    return any(
        mark is not None
        and mark >= event.index
        and any(write.values.get(name) == value for name, value in event.values.items())
        for write, mark in zip(written, marks, strict=True)
    )


def _follow(
    key: str,
    written: list[Write],
    events: Mapping[str, Event],
    seen: Evidence,
    account: Account,
) -> None:
    """What was written of an order never goes back, but for a loss between a write and its repeat."""
    last = max((e.index for e in events.values() if e.key == key), default=0)
    # A merged write whose line or link is refused is taken apart again, event by event, after the order is written.
    apart = any(e.code and e.parts for e in events.values() if e.key == key)
    before: list[tuple[int, float]] = []
    for write in written:
        mark = last if write.operation == "archive" else _index(write)
        if mark is None:
            continue
        if before and mark < before[-1][0]:
            since = min(time for index, time in before if index >= mark) - IN_FLIGHT
            if apart or any(since <= loss <= write.time for loss in seen.losses):
                account.rewritten += 1
            else:
                account.reordered.append(f"{key}: {mark} after {before[-1][0]}")
        before.append((mark, write.time))


def _bury(seen: Evidence, receipts: Mapping[str, list[Receipt]], account: Account) -> None:
    """Dead letters are the failures, neither more nor fewer."""
    failed = {e for e, found in receipts.items() if any(r.status not in DONE for r in found)}
    dead = set(seen.dead_letters)
    account.broker += [f"{event} failed, and is no dead letter" for event in sorted(failed - dead)]
    account.broker += [
        f"{event} is a dead letter, and did not fail" for event in sorted(dead - failed)
    ]
    failures = Counter(r.event for r in seen.receipts if r.status not in DONE)
    for event, count in Counter(seen.dead_letters).items():
        if count > failures[event] + bool(seen.losses):
            account.broker.append(f"{event} is {count} dead letters of {failures[event]} failures")


def history(event_or_order: str, seen: Evidence) -> Iterator[str]:
    """All that happened to one order, in time: the shortest story that shows the fault."""
    key = event_or_order.split()[0].split(":")[0]
    key = key if any(e.key == key for e in seen.published) else key.rpartition("-")[0]
    story = [
        (w.time, f"twin wrote {w.operation} of {w.values.get(MARK, key)} {dict(w.values)}")
        for w in seen.writes
        if w.key == key
    ]
    story += [
        (r.time, f"outcome {r.status} of {r.event} (id {r.id[:8]})")
        for r in seen.receipts
        if r.event.rpartition("-")[0] == key
    ]
    story += [(loss, "-- a consuming connection ended") for loss in seen.losses] if story else []
    yield f"order {key}:"
    for event in seen.published:
        if event.key == key:
            yield f"    published  {event.id} {event.operation} ({event.fate})"
    for time, line in sorted(story):
        yield f"    {time:8.3f} s  {line}"


def _index(write: Write) -> int | None:
    _, _, index = write.values.get(MARK, "").rpartition("-")
    return int(index) if index.isdecimal() else None


def _by_event(receipts: Sequence[Receipt]) -> dict[str, list[Receipt]]:
    found: defaultdict[str, list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        found[receipt.event].append(receipt)
    return dict(found)


def _by_key(writes: Sequence[Write]) -> dict[str, list[Write]]:
    found: defaultdict[str, list[Write]] = defaultdict(list)
    for write in writes:
        found[write.key].append(write)
    return dict(found)


def outcome(document: dict[str, Any], time: float) -> Receipt:
    """A receipt out of an outcome's CloudEvent."""
    told = document["data"]
    reason, order = told["reason"] or {}, told["order"] or {}
    return Receipt(
        time,
        document["id"],
        told["event"]["id"] or "",
        told["status"],
        reason.get("code", ""),
        order.get("record_id"),
        told.get("parts"),
    )
