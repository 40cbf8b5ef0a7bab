"""What became of every event, and the reference that HubSpot is measured against.

Two references. `strict` takes every event at the moment that it is settled: a wrong verdict is seen where
it happens. It holds as long as no delivery comes twice. `replayed` is made at the end, whatever happened:
in the queue's order, every message as it was settled last.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution
from service.core.events.order_event import Operation
from service.core.hubspot.verdicts import Applied, Rejected, Stale
from service.core.outgoing import Outgoing
from service.core.settlement.closing import Closing
from service.core.settlement.outcome import Status
from service.core.settlement.outcomes import Settlement
from service.core.settlement.retries import Exhausted, Finish, Step
from tests.core.broker import Message
from tests.core.model import BAD, UNKNOWN, Orders, refusable
from tests.strategies import ID_PROPERTY

FAILED = {Status.REJECTED, Status.EXHAUSTED, Status.MALFORMED}


@dataclass
class Books:
    """Kept while the simulation runs."""

    strict: Orders | None
    wrong: list[str] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    statuses: dict[tuple[str, str], list[Status]] = field(default_factory=dict)
    ids: dict[tuple[str, str, int], set[str]] = field(default_factory=dict)
    published: Counter[int] = field(default_factory=Counter)  # outcomes, by the message's place
    fates: dict[int, tuple[Contribution, Any, bool]] = field(default_factory=dict)  # by place

    _newest: dict[tuple[tuple[str, str], object], str] = field(
        default_factory=dict
    )  # applied sequences
    _existed: dict[int, bool] = field(default_factory=dict)  # before a write, by its finish

    def written(self, steps: Sequence[Step], *, by: object) -> None:
        """HubSpot has applied these, whether or not it can still be said; `by` one process."""
        for step in steps:
            if isinstance(step, Finish) and isinstance(step.verdict, Applied):
                for event in step.slot.contributions:
                    line, sequence = (event.event.source, event.order.key), event.event.sequence
                    newest = self._newest.get((line, by), "")
                    if sequence is not None and sequence < newest:
                        self.wrong.append(f"{sequence} written over {newest}: {event.event.id}")
                    self._newest[line, by] = max(newest, sequence or "")

    def close(self, closing: Closing, place: Mapping[tuple[int, int], Message]) -> None:
        """The messages of a closing are confirmed; its deliveries are not acked yet."""
        self._existed.clear()
        finishes = {
            id(event): finish for finish in closing.finished for event in finish.slot.contributions
        }
        for finish in closing.finished:
            self._check_solitude(finish)
        for settlement in closing.settlements:
            at = place[settlement.delivery.epoch, settlement.delivery.tag].place
            self._enter(settlement, finishes.get(id(settlement.contribution)), at)
        for delivery, outcome in closing.repeats:
            self._answer_again(delivery, outcome, place[delivery.epoch, delivery.tag].place)

    def replayed(self) -> dict[str, dict[str, str]]:
        """What HubSpot should hold: every message in its place, as it was settled last."""
        orders = Orders()
        for _, (event, verdict, merged) in sorted(self.fates.items()):
            if isinstance(verdict, Applied):
                values = _kept(event.values, merged=merged)
                key, operation = event.order.key, event.operation
                if operation == Operation.UPDATE:
                    operation = Operation.UPSERT  # HubSpot says that it was there
                orders.apply(operation, key, {**values, ID_PROPERTY: key})
        return orders.state()

    def _check_solitude(self, finish: Finish) -> None:
        if isinstance(finish.verdict, Rejected | Exhausted) and len(finish.slot.contributions) > 1:
            self.wrong.append(f"condemned in company: {finish.slot}")

    def _enter(self, settlement: Settlement, finish: Finish | None, place: int) -> None:
        outcome = orjson.loads(settlement.outcome.body)
        self.outcomes.append(outcome)
        self.published[place] += 1
        if (settlement.status in FAILED) != (settlement.dead_letter is not None):
            self.wrong.append(f"a dead letter too few or too many: {outcome}")
        event = settlement.contribution
        if event is None:
            return
        key = (*event.identity, event.delivery.replays)
        self.ids.setdefault(key, set()).add(outcome["id"])
        self.statuses.setdefault(event.identity, []).append(settlement.status)
        if finish is None:  # condemned without a try
            self.fates[place] = event, settlement.reason, False
            return
        merged = len(finish.slot.contributions) > 1
        self._check_sequence(event, finish.verdict)
        self.fates[place] = event, finish.verdict, merged
        if self.strict is not None:
            self._judge(self.strict, event, finish, outcome["data"])

    def _answer_again(self, delivery: Delivery, outcome: Outgoing, place: int) -> None:
        document = orjson.loads(outcome.body)
        said = document["data"]
        key = (said["event"]["source"], said["event"]["id"], delivery.replays)
        self.ids.setdefault(key, set()).add(document["id"])
        self.published[place] += 1
        self.fates.pop(place, None)

    def _check_sequence(self, event: Contribution, verdict: Any) -> None:
        """Overtaken is only what is older than an event that was applied."""
        line, sequence = (event.event.source, event.order.key), event.event.sequence or ""
        newest = max((n for (known, _), n in self._newest.items() if known == line), default="")
        if isinstance(verdict, Stale) and not sequence < newest:
            self.wrong.append(f"overtaken by nobody: {event.event.id}, {sequence} after {newest}")

    def _judge(
        self, orders: Orders, event: Contribution, finish: Finish, said: Mapping[str, Any]
    ) -> None:
        """Take the event into the strict reference; what a person would not expect is written down."""
        operation, key = event.operation, event.order.key
        name = f"{event.event.id} ({operation} {key} {dict(event.values)})"
        existed = self._existed.setdefault(id(finish), key in orders.live)
        match finish.verdict:
            case Applied():
                values = _kept(event.values, merged=len(finish.slot.contributions) > 1)
                if not orders.apply(operation, key, {**values, ID_PROPERTY: key}):
                    self.wrong.append(f"falsely applied: {name}")
                if finish.slot.operation is Operation.UPSERT and said["status"] == Status.APPLIED:
                    self._check_created(said, existed)
                    # Of the events in one write, those that were superseded say nothing.
                    self._existed[id(finish)] = True
            case Rejected():
                if orders.apply(operation, key, event.values):
                    self.wrong.append(f"wrongly rejected: {name}")
            case Stale():
                self.wrong.append(f"overtaken without a sequence: {name}")
            case Exhausted():
                self.wrong.append(f"gave up: {name}")

    def _check_created(self, said: Mapping[str, Any], existed: bool) -> None:
        if said["created"] is not None and said["created"] is existed:
            self.wrong.append(f"created={said['created']} but existed={existed}: {said['event']}")


def _kept(values: Mapping[str, str], *, merged: bool) -> Mapping[str, str]:
    """What of an event's values can have been written: what is bad, a later event overwrote."""
    if merged and refusable(values):
        return {n: v for n, v in values.items() if n != UNKNOWN and not v.startswith(BAD)}
    return values


def places(events: Sequence[Contribution], messages: Mapping[tuple[int, int], Message]) -> set[int]:
    """Where these events stand in the queue."""
    return {messages[e.delivery.epoch, e.delivery.tag].place for e in events}
