"""What people are told of at once: intake pauses, it goes on, little of the day is left, dead letters have a new cause.

Law: each transition is told once, when it happens, in a sentence that needs no other page open. A pause whose
reason stays is one transition, however often a probe fails; a cause is new when its fingerprint was in no dead
letter of this UTC day, and its id is made of the two, so that a reader drops what a second process says again.
No property value is in it beyond what HubSpot's own sentence quotes.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import Final

import orjson

from service.core.events.order_event import STRUCTURED
from service.core.letters.dead_letters import fingerprint
from service.core.letters.runbook import entry
from service.core.outgoing import Outgoing, iso
from service.core.reasons import Reason
from service.core.settlement.outcome import SOURCE
from service.core.settlement.outcomes import Settlement

PAUSED: Final = "ordersync.operations.paused.v1"
RESUMED: Final = "ordersync.operations.resumed.v1"
LOW: Final = "ordersync.operations.quota.v1"
DEAD_LETTERS: Final = "ordersync.operations.dead_letters.v1"
# Routing keys, in the order of the types.
KEYS: Final = {PAUSED: "paused", RESUMED: "resumed", LOW: "quota", DEAD_LETTERS: "dead_letters"}
# Causes remembered of a day; more than a person could read.
CAUSES: Final = 1_000


class Announcements:
    """`name` is unique to the process: it starts the ids of what only this process can say."""

    def __init__(self, name: str) -> None:
        self._name, self._numbers = name, count(1)
        self._day = ""
        self._causes: set[str] = set()
        self._paused: Reason | None = None

    def paused(self, reason: Reason, stamp: datetime) -> Outgoing | None:
        """Calls stop, or stay stopped; None where that was told."""
        if self._paused is not None and self._paused.code is reason.code:
            return None
        self._paused = reason
        sentence = f"ordersync pauses: {_said(reason)}. Nothing is lost, events wait. {entry(reason.code).fix}"
        return self._told(PAUSED, self._own(), reason, sentence, stamp)

    def resumed(self, seconds: float, stamp: datetime) -> Outgoing | None:
        """Calls go on."""
        reason, self._paused = self._paused, None
        if reason is None:
            return None
        sentence = f"ordersync goes on after a pause of {seconds:.0f} s ({_said(reason)})."
        return self._told(RESUMED, self._own(), reason, sentence, stamp)

    def low(self, reason: Reason, stamp: datetime) -> Outgoing:
        """Most of the day's calls are used."""
        sentence = f"{_said(reason)}. {entry(reason.code).fix}"
        return self._told(LOW, self._own(), reason, sentence, stamp)

    def failed(self, settlements: Iterable[Settlement], stamp: datetime) -> list[Outgoing]:
        """An announcement for each cause that is new among dead letters."""
        day = iso(stamp)[:10]
        if day != self._day:
            self._day, self._causes = day, set()
        told = []
        for settlement in settlements:
            reason = settlement.reason
            if settlement.dead_letter is None or reason is None or len(self._causes) >= CAUSES:
                continue
            cause = fingerprint(reason)
            if cause not in self._causes:
                self._causes.add(cause)
                told.append(self._new(settlement, reason, cause, stamp))
        return told

    def _new(self, settlement: Settlement, reason: Reason, cause: str, stamp: datetime) -> Outgoing:
        known = settlement.contribution
        first = f", first for order {known.event.subject}" if known else ""
        sentence = f"Dead letters have a new cause, {reason.code}{first}: {_said(reason)}. {entry(reason.code).fix}"
        name = f"dead-letters-{cause}-{self._day}"
        return self._told(DEAD_LETTERS, name, reason, sentence, stamp, fingerprint=cause)

    def _own(self) -> str:
        return f"{self._name}-{next(self._numbers)}"

    def _told(
        self,
        kind: str,
        name: str,
        reason: Reason,
        sentence: str,
        stamp: datetime,
        **more: str,
    ) -> Outgoing:
        event = {
            "specversion": "1.0",
            "id": name,
            "source": SOURCE,
            "type": kind,
            "time": iso(stamp),
            "subject": reason.code,
            "datacontenttype": "application/json",
            "data": {
                "sentence": sentence,
                "reason": reason.code,
                "instance": self._name,
                "http_status": reason.http_status,
                "correlation_id": reason.correlation_id,
                **more,
            },
        }
        return Outgoing(
            exchange="operations",
            routing_key=KEYS[kind],
            body=orjson.dumps(event),
            content_type=STRUCTURED,
            correlation_id=None,
        )


def _said(reason: Reason) -> str:
    return reason.message.rstrip(".")
