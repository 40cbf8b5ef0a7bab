"""Finish -> Settlement: one outcome for every event, a dead letter for every failure, the deliveries to ack.

The outcome's id is made of the event's identity and its count of replays: the same event settled twice
after a crash gives the same id, so that a reader can drop the repeat; a replay gives a new one, so that
its success is not dropped for the failure before it.
"""

from dataclasses import dataclass
from datetime import datetime

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.core.events.malformed import Identity, Malformed
from service.core.events.order_event import Operation, OrderEvent
from service.core.hubspot.verdicts import Applied, Rejected, Stale
from service.core.letters.dead_letters import dead_letter
from service.core.letters.letters import Letter
from service.core.outgoing import Outgoing, iso
from service.core.reasons import Reason
from service.core.settlement.envelopes import envelope, malformed_id, outcome_id, replay_of
from service.core.settlement.outcome import (
    BatchReference,
    EventReference,
    OrderReference,
    OutcomeData,
    ReplayReference,
    Status,
)
from service.core.settlement.receipts import failed_part, given, receipt
from service.core.settlement.retries import Exhausted, Finish
from service.core.waiting.slots import Slot, overwriter


@dataclass(frozen=True, slots=True, eq=False)
class Settlement:
    """One event's end: publish `messages`, and when all are confirmed ack `delivery`."""

    delivery: Delivery
    status: Status
    reason: Reason | None
    outcome: Outgoing
    dead_letter: Outgoing | None
    # Of the outcome.
    data: OutcomeData
    # None: the delivery was malformed.
    contribution: Contribution | None


def conclude(finish: Finish, batch_size: int, stamp: datetime) -> tuple[Settlement, ...]:
    """The settlements of a finished slot's events, in their order."""
    slot = finish.slot
    write = _Shared(slot, batch_size, iso(stamp), stamp)
    match finish.verdict:
        case Applied(record_id, created, left_out):
            laters = [overwriter(slot, index) for index in range(len(slot.contributions))]
            # The last event is overwritten by nobody.
            first = laters.index(None)
            return tuple(
                write.done(index, later, first, record_id, created=created, left_out=left_out)
                for index, later in enumerate(laters)
            )
        case Stale(record_id, left_out, by):
            return tuple(
                write.stale(contribution, record_id, left_out, by)
                for contribution in slot.contributions
            )
        case Rejected(reason):
            return tuple(
                write.failed(contribution, Status.REJECTED, reason)
                for contribution in slot.contributions
            )
        case Exhausted(last):  # pragma: no branch  (the union is closed)
            return tuple(
                write.failed(contribution, Status.EXHAUSTED, last.reason)
                for contribution in slot.contributions
            )


def conclude_malformed(malformed: Malformed, stamp: datetime) -> Settlement:
    """The settlement of a delivery that holds no order event."""
    known, delivery = malformed.identity, malformed.delivery
    reason = Reason(malformed.code, malformed.message)
    data = OutcomeData(
        status=Status.MALFORMED,
        event=EventReference(id=known.id, source=known.source, type=known.type, time=known.time),
        order=OrderReference(id_property=None, key=known.subject, record_id=None),
        operation=None,
        created=None,
        reason=given(reason),
        attempts=0,
        batch=None,
        superseded_by=None,
        replay=replay_of(delivery, ()) if delivery.came_back else None,
        received_at=iso(delivery.received_at),
        settled_at=iso(stamp),
    )
    outcome = envelope(malformed_id(malformed), known.id, known.subject, data, None)
    # What was too large to be held is rejected: the broker makes the dead letter, byte for byte.
    letter = None if delivery.unread else dead_letter(malformed, Status.MALFORMED, reason, 0, stamp)
    return Settlement(
        delivery=delivery,
        status=Status.MALFORMED,
        reason=reason,
        outcome=outcome,
        dead_letter=letter,
        data=data,
        contribution=None,
    )


def conclude_undelivered(
    delivery: Delivery, letter: Letter, id_property: str, stamp: datetime
) -> Outgoing:
    """The outcome of an event that the broker gave up on: it expired, or was delivered too often."""
    parsed = parse(delivery, id_property)
    if isinstance(parsed, Contribution):
        known: OrderEvent | Identity = parsed.event
        property_, operation = parsed.order.id_property, parsed.operation
        identity = outcome_id(parsed.event.source, parsed.event.id, delivery.replays)
    else:
        known, property_, operation = parsed.identity, None, None
        identity = malformed_id(parsed)
    data = OutcomeData(
        status=Status.EXHAUSTED,
        event=EventReference(id=known.id, source=known.source, type=known.type, time=known.time),
        order=OrderReference(id_property=property_, key=known.subject, record_id=None),
        operation=operation,
        created=None,
        reason=given(Reason(letter.reason, letter.message)),  # type: ignore[arg-type]  # the broker's word
        attempts=0,
        batch=None,
        superseded_by=None,
        replay=replay_of(delivery, ()) if delivery.replays else None,
        received_at=letter.failed_at or iso(stamp),
        settled_at=iso(stamp),
    )
    return envelope(identity, known.id, known.subject, data, None)


def conclude_moot(
    event: Contribution, replays: int, record_id: str | None, stamp: datetime
) -> Outgoing:
    """The outcome of a dead letter that is closed because HubSpot holds all of it, or newer.

    It is what a replay would have come to, and has the id that this replay's outcome would have had.
    """
    told = event.event
    data = OutcomeData(
        status=Status.SUPERSEDED,
        event=EventReference(id=told.id, source=told.source, type=told.type, time=told.time),
        order=OrderReference(
            id_property=event.order.id_property, key=event.order.key, record_id=record_id
        ),
        operation=event.operation,
        created=None,
        reason=None,
        attempts=0,
        batch=None,
        superseded_by=None,
        replay=ReplayReference(
            number=replays + 1, id=None, forced=False, left_out=sorted(event.values)
        ),
        received_at=iso(stamp),
        settled_at=iso(stamp),
    )
    identity = outcome_id(told.source, told.id, replays + 1)
    return envelope(identity, told.id, told.subject, data, told.traceparent)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all events of one slot share."""

    slot: Slot
    batch_size: int
    settled_at: str
    stamp: datetime

    def done(
        self,
        index: int,
        later: Contribution | None,
        first: int,
        record_id: str | None,
        *,
        created: bool | None,
        left_out: tuple[str, ...],
    ) -> Settlement:
        """`later` overwrote it; `first` is the first event that nobody overwrote."""
        contribution = self.slot.contributions[index]
        if contribution.operation is Operation.ARCHIVE or (created is False and self._doubtful()):
            created = None
        if created and index > first:
            # An event before it did, as one by one: one write creates once.
            created = False
        if later is None:
            return self._settlement(
                contribution,
                Status.APPLIED,
                record_id=record_id,
                created=created,
                left_out=left_out,
            )
        return self._settlement(
            contribution, Status.SUPERSEDED, record_id=record_id, superseded_by=later.event.id
        )

    def stale(
        self,
        contribution: Contribution,
        record_id: str | None,
        left_out: tuple[str, ...],
        by: str | None,
    ) -> Settlement:
        return self._settlement(
            contribution,
            Status.SUPERSEDED,
            record_id=record_id,
            superseded_by=by,
            left_out=left_out,
        )

    def _doubtful(self) -> bool:
        """Whether an earlier try, this process's or one before it, may have created the order."""
        if self.slot.operation is not Operation.UPSERT:
            return False
        return self.slot.ambiguous or any(c.delivery.redelivered for c in self.slot.contributions)

    def failed(self, contribution: Contribution, status: Status, reason: Reason) -> Settlement:
        return self._settlement(contribution, status, reason=reason)

    def _settlement(
        self,
        contribution: Contribution,
        status: Status,
        *,
        reason: Reason | None = None,
        record_id: str | None = None,
        created: bool | None = None,
        superseded_by: str | None = None,
        left_out: tuple[str, ...] = (),
    ) -> Settlement:
        event, delivery, slot = contribution.event, contribution.delivery, self.slot
        index = slot.contributions.index(contribution)
        holder = None if slot.progress is None else slot.progress.record_id
        data = OutcomeData(
            status=status,
            event=EventReference(
                id=event.id, source=event.source, type=event.type, time=event.time
            ),
            order=OrderReference(
                id_property=slot.order.id_property,
                key=slot.order.key,
                record_id=record_id or holder,
            ),
            operation=contribution.operation,
            created=created,
            reason=given(reason),
            attempts=slot.attempts,
            batch=BatchReference(size=self.batch_size, merged=len(slot.contributions)),
            superseded_by=superseded_by,
            replay=replay_of(delivery, left_out) if contribution.checked else None,
            parts=receipt(slot, index),
            received_at=iso(delivery.received_at),
            settled_at=self.settled_at,
        )
        identity = outcome_id(event.source, event.id, delivery.replays)
        outcome = envelope(identity, event.id, event.subject, data, event.traceparent)
        letter = self._letter(contribution, status, reason) if reason else None
        return Settlement(
            delivery=delivery,
            status=status,
            reason=reason,
            outcome=outcome,
            dead_letter=letter,
            data=data,
            contribution=contribution,
        )

    def _letter(self, contribution: Contribution, status: Status, reason: Reason) -> Outgoing:
        slot = self.slot
        part = failed_part(slot, slot.contributions.index(contribution))
        return dead_letter(contribution, status, reason, slot.attempts, self.stamp, part=part)
