"""What the twin was asked and what it wrote: bounded, countable, cheap, and it can be off."""

from collections import Counter, deque
from typing import Any, Literal, NamedTuple

from service.twin.operations.call import Call, Written

# The writes of one call: when, the call's number, its operation, and each record or link written.
Writes = tuple[float, int, str, list[Written]]


class Entry(NamedTuple):
    """One write: when, the number of its call, the call's operation, and what was written."""

    time: float
    call: int
    operation: str
    written: Written

    def shown(self) -> dict[str, Any]:
        """As `/_twin/journal` answers it."""
        return {
            "time": self.time,
            "call": self.call,
            "operation": self.operation,
            **self.written._asdict(),
        }


class Journal:
    """Calls and writes of one twin, the newest `size` (ten times as many writes)."""

    def __init__(self, keep: Literal["off", "calls", "writes"], size: int) -> None:
        self._keep = keep
        self._most_writes = size * 10
        self.calls: deque[dict[str, Any]] = deque(maxlen=size)
        self.writes: deque[Writes] = deque()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.calls.clear()
        self.writes.clear()
        self._held_writes = 0
        self.number = 0
        self.by_status: Counter[tuple[str, str, int]] = Counter()
        self.records_written: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def arrival(self) -> int:
        """The number of a call that arrives now."""
        self.number += 1
        return self.number

    def note_writes(self, call: Call, elapsed: float) -> None:
        """Enter what a call wrote, at the moment of writing: a hanging call is answered later."""
        if not call.writes:
            return
        self.records_written[call.operation] += len(call.writes)
        if self._keep == "writes":
            self.writes.append((elapsed, call.number, call.operation, call.writes))
            self._held_writes += len(call.writes)
            while self._held_writes > self._most_writes:
                self._held_writes -= len(self.writes.popleft()[-1])

    def note(self, call: Call, status: int, elapsed: float) -> None:
        """Enter an answered call; `status` 0 is a connection dropped without an answer."""
        about = "/".join(kind.name for kind in (call.kind, call.end) if kind)
        self.by_status[about, call.operation, status] += 1
        if fault := call.chosen.word:
            self.faults[fault] += 1
        if self._keep == "off":
            return
        self.calls.append(
            {
                "number": call.number,
                "arrived": call.arrived,
                "time": elapsed,
                "operation": call.operation,
                "kind": call.kind.name if call.kind else None,
                "to_kind": call.end.name if call.end else None,
                "method": call.method,
                "path": call.path,
                "status": status,
                "size": len(call.subjects),
                "keys": [subject.key for subject in call.subjects],
                "written": len(call.writes),
                "fault": fault or None,
                "correlation_id": call.correlation_id,
            }
        )

    def entries(self, kind: str = "", action: str = "") -> list[Entry]:
        """The writes that are kept, in order; of an object type or of an action alone."""
        return [
            Entry(elapsed, number, operation, each)
            for elapsed, number, operation, writes in self.writes
            for each in writes
            if kind in ("", each.kind, each.to_kind) and action in ("", each.action)
        ]

    def shown(self, kind: str = "", action: str = "") -> dict[str, Any]:
        """As `/_twin/journal` answers it."""
        writes = [each.shown() for each in self.entries(kind, action)]
        return {"calls": list(self.calls), "writes": writes}

    def counted(self) -> dict[str, Any]:
        """Calls by operation and by endpoint, with status, records written by operation, faults.

        An endpoint is `orders upsert`, or `orders/line_items link`.
        """
        calls: dict[str, Counter[str]] = {}
        endpoints: dict[str, Counter[str]] = {}
        for (about, operation, status), count in sorted(self.by_status.items()):
            calls.setdefault(operation, Counter())[str(status)] += count
            endpoints.setdefault(f"{about} {operation}".strip(), Counter())[str(status)] += count
        return {
            "calls": calls,
            "endpoints": endpoints,
            "total_calls": sum(self.by_status.values()),
            "records_written": dict(self.records_written),
            "faults": dict(self.faults),
        }
