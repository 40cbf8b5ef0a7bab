"""Upserts of one new key that are in flight together: what HubSpot does with them is unknown.

The twin carries out calls one after the other, so by itself the second simply updates. To try a
client against the less kind guesses, the later call, or its record, can be refused.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.twin.account.portal import Portal
from service.twin.faults.faults import Refuse
from service.twin.operations.answers import refusal
from service.twin.operations.call import Call
from service.twin.options import TwinOptions

_LOST = Refuse(category="CONFLICT", message="Record already exists")


class Races:
    """The new keys that upserts in flight are about to create."""

    def __init__(self, options: TwinOptions) -> None:
        self._mode = options.racing_upserts
        self._running: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def running(self, portal: Portal, call: Call) -> Iterator[None]:
        """Count a call's new keys as in flight; refuse it, or its records, if they are already."""
        if self._mode == "serial" or call.operation != "upsert" or call.kind is None:
            yield
            return
        table = portal.table(call.kind)
        taken = {value for held in table.holders.values() for value in held}
        fresh = [(call.kind.name, s.key) for s in call.subjects if s.key not in taken]
        for place, subject in enumerate(call.subjects):
            if self._running[call.kind.name, subject.key] and subject.key not in taken:
                self._lost(call, place)
        self._running.update(fresh)
        try:
            yield
        finally:
            self._running.subtract(fresh)

    def _lost(self, call: Call, place: int) -> None:
        if self._mode == "locked":
            raise refusal(423, "Locked")
        call.chosen.records.setdefault(place, _LOST)
