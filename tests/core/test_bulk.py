"""What came by a queue of bulk gives way to what is live, and is never forgotten."""

from dataclasses import replace
from math import inf

from service.core.waiting.backlog import HISTORIES, Backlog
from service.core.waiting.batch import BatchPolicy
from service.core.waiting.bulk import ALONE, BESIDE, CALLS, QUIET, TENTH, Bulk, next_due, take
from service.core.waiting.slots import Slot, slot_of
from service.core.waiting.spare import AT_LAST, Spare
from tests.strategies import contribution

APART = 0.1
IDLE, HALF, CROWDED = (Spare(apart=APART, used=used) for used in (0.0, 0.5, 1.0))


def bulk_slot(key: str, *, epoch: int = 1, born: float = 0.0, operation: str = "upsert") -> Slot:
    event = contribution(operation, key, epoch=epoch)
    return slot_of(replace(event, backfill=True, apart=True), born)


def of(*slots: Slot, busy: frozenset[str] = frozenset()) -> Bulk:
    bulk = Bulk(lambda order: order.key in busy)
    for slot in slots:
        bulk.add(slot)
    return bulk


def test_nothing_that_waits_is_never_due():
    bulk = of()

    assert (len(bulk), bulk.due(0.0, lambda _: IDLE), bulk.owed(0.0, lambda _: IDLE)) == (
        0,
        inf,
        False,
    )
    assert next_due(Backlog(BatchPolicy()), bulk, 0.0, lambda _: IDLE) == inf
    assert take(Backlog(BatchPolicy()), bulk, 0.0, lambda _: IDLE) is None


def test_a_batch_has_as_many_as_one_read_of_histories_takes_alike_and_of_distinct_orders():
    slots = [bulk_slot(f"H-{n}") for n in range(HISTORIES + 5)]
    bulk = of(slots[0], bulk_slot("H-0"), bulk_slot("X", operation="archive"), *slots[1:])

    first = bulk.take(0.0, lambda _: IDLE)
    second = bulk.take(0.0, lambda _: IDLE)

    assert [slot.order.key for slot in first] == [f"H-{n}" for n in range(HISTORIES)]
    assert second[0].order.key == "H-0", "its second event, in its order"
    assert {slot.operation for slot in second} == {"upsert"}


def test_after_a_batch_a_tenth_is_owed_whatever_is_live():
    bulk = of(*(bulk_slot(f"H-{n}") for n in range(3 * HISTORIES)))
    bulk.live(0.0)
    assert bulk.take(0.0, lambda _: CROWDED)

    period = CALLS * APART * TENTH
    assert bulk.due(0.0, lambda _: CROWDED) == period
    assert not bulk.owed(period - 0.01, lambda _: CROWDED)
    assert bulk.owed(period, lambda _: CROWDED)
    assert bulk.due(0.0, lambda _: IDLE) == CALLS * APART / ALONE


def test_beside_live_events_half_of_the_window_stays_free():
    bulk = of(bulk_slot("H-1"), bulk_slot("H-2"))
    bulk._owed = 5.0
    bulk.live(0.0)

    assert BESIDE < HALF.used < ALONE
    assert bulk.due(0.0, lambda _: HALF) == 5.0
    assert bulk.due(QUIET + 0.1, lambda _: HALF) == 0.0, "nobody is live any more"


def test_an_order_that_is_busy_lets_its_bulk_wait_until_something_changes():
    bulk = of(bulk_slot("H-1"), busy=frozenset({"H-1"}))

    assert bulk.take(0.0, lambda _: IDLE) == ()
    assert bulk.due(0.0, lambda _: IDLE) == inf
    bulk.changed()
    assert bulk.due(0.0, lambda _: IDLE) == 0.0


def test_what_must_not_leave_before_a_moment_is_looked_at_then():
    bulk = of(replace(bulk_slot("H-1"), not_before=7.0))

    assert bulk.take(0.0, lambda _: IDLE) == ()
    assert bulk.due(0.0, lambda _: IDLE) == 7.0
    (slot,) = bulk.take(7.0, lambda _: IDLE)
    assert slot.not_before == 0.0


def test_near_the_days_end_it_leaves_at_last():
    short = Spare(apart=APART, day=0.05)
    bulk = of(bulk_slot("H-1", born=100.0))

    assert bulk.due(200.0, lambda _: short) == 100.0 + AT_LAST
    assert not bulk.owed(200.0, lambda _: short)
    assert bulk.owed(100.0 + AT_LAST, lambda _: short)


def test_channels_that_end_take_their_bulk_along():
    bulk = of(bulk_slot("H-1", epoch=1), bulk_slot("H-2", epoch=2))
    bulk.lose(frozenset({1}))

    assert [slot.order.key for slot in bulk.take(0.0, lambda _: IDLE)] == ["H-2"]


def test_bulk_owed_goes_first_then_live_then_bulk_where_nobody_else_wants_the_call():
    backlog = Backlog(BatchPolicy(size=1))
    bulk = of(*(bulk_slot(f"H-{n}") for n in range(3 * HISTORIES)))
    for n in range(2):
        backlog.add(contribution("upsert", f"L-{n}"), 0.0)

    triggers = []
    while (batch := take(backlog, bulk, 0.0, lambda _: IDLE)) is not None:
        triggers.append(batch.trigger)
        for slot in batch.slots:
            backlog.finish(slot)
    assert triggers == ["bulk", "size", "size"]
    moment = next_due(backlog, bulk, 0.0, lambda _: IDLE)
    batch = take(backlog, bulk, moment, lambda _: IDLE)
    assert batch is not None
    assert batch.trigger == "bulk"
