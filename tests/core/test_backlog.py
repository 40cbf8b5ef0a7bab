"""backlog: when and with whom a slot travels. Examples, then a state machine against a model of lists."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.core.events.order_event import Operation
from service.core.waiting.backlog import BUSY, CALL_BYTES, GAP, HISTORIES, PATIENCE, TRIES, Backlog
from service.core.waiting.batch import BatchPolicy
from service.core.waiting.slots import coalesce, separate, slot_of
from service.core.waiting.spare import Spare
from tests.strategies import OPERATIONS, VALUES, contribution

LINGER = 0.25
POLICY = BatchPolicy(size=3, linger=LINGER)


def _filled(*events, policy=POLICY, now=0.0):
    backlog = Backlog(policy)
    for event in events:
        backlog.add(event, now)
    return backlog


def _keys(batch):
    return [s.order.key for s in batch.slots]


def test_a_full_batch_leaves_at_once():
    backlog = _filled(*(contribution(key=f"A-{n}") for n in range(4)))

    assert backlog.next_due() == 0.0
    batch = backlog.take(0.0)

    assert batch is not None
    assert (_keys(batch), batch.trigger) == (["A-0", "A-1", "A-2"], "size")
    assert backlog.take(0.0) is None
    assert backlog.next_due() == BUSY * LINGER  # full batches leave: company is coming


def test_a_part_of_a_batch_leaves_when_its_oldest_has_lingered():
    backlog = _filled(contribution(key="A-1"))
    backlog.add(contribution(key="A-2"), 0.2)

    assert backlog.take(0.24) is None
    batch = backlog.take(LINGER)

    assert batch is not None
    assert (_keys(batch), batch.trigger) == (["A-1", "A-2"], "linger")


def test_a_batch_of_large_events_is_bounded_in_bytes():
    """What is left over leaves next; one that alone is larger travels alone."""
    policy = BatchPolicy(size=100, linger=LINGER)
    backlog = Backlog(policy)
    for number in range(100):
        event = contribution(key=f"A-{number}")
        backlog.add(replace(event, delivery=replace(event.delivery, body=bytes(250_000))), 0.0)

    batches = []
    while (batch := backlog.take(LINGER * PATIENCE)) is not None:
        batches.append(batch)

    bodies = [sum(len(s.contributions[0].delivery.body) for s in b.slots) for b in batches]
    assert sum(map(len, map(_keys, batches))) == 100
    assert all(size < CALL_BYTES + 250_000 for size in bodies)
    assert len(batches) == 6


def test_nothing_waits_nothing_is_due():
    backlog = Backlog(POLICY)

    assert backlog.take(1.0) is None
    assert backlog.next_due() is None


def test_a_drain_sends_whatever_is_held():
    backlog = _filled(contribution())

    backlog.drain()

    assert backlog.next_due() == 0.0
    batch = backlog.take(0.0)
    assert batch is not None
    assert batch.trigger == "drain"
    assert backlog.next_due() is None


def test_a_drain_does_not_hurry_what_is_told_to_wait():
    backlog = _filled(contribution())
    batch = backlog.take(LINGER)
    assert batch is not None
    backlog.put_back(batch.slots[0], replace(batch.slots[0], attempts=1, not_before=5.0))

    backlog.drain()

    assert backlog.take(4.9) is None
    assert backlog.next_due() == 5.0
    assert backlog.take(5.0) is not None


def test_operations_and_identifying_properties_travel_apart():
    backlog = _filled(
        contribution("upsert", key="A-1"),
        contribution("update", key="A-2"),
        contribution("upsert", key="A-3", id_property="other_id"),
    )

    batches = [backlog.take(LINGER) for _ in range(3)]

    assert {(b.operation, b.id_property) for b in batches if b} == {
        (Operation.UPSERT, "shop_order_id"),
        (Operation.UPDATE, "shop_order_id"),
        (Operation.UPSERT, "other_id"),
    }
    assert backlog.take(LINGER) is None


def test_events_of_an_order_that_travels_wait_for_it():
    backlog = _filled(contribution("upsert", a="1"))
    batch = backlog.take(LINGER)
    assert batch is not None

    backlog.add(contribution("upsert", a="2"), LINGER)
    backlog.add(contribution("update", a="3"), LINGER)

    assert backlog.take(9.0) is None
    assert (backlog.held, backlog.in_flight) == (3, 1)
    backlog.finish(batch.slots[0])
    later = backlog.take(9.0)
    assert later is not None
    assert later.slots[0].merged() == {"a": "3"}
    assert (backlog.held, backlog.in_flight) == (2, 1)


def test_what_is_put_back_leaves_before_what_came_later():
    backlog = _filled(contribution("upsert", a="1"))
    batch = backlog.take(LINGER)
    assert batch is not None
    backlog.add(contribution("update", a="2"), LINGER)

    backlog.put_back(batch.slots[0], replace(batch.slots[0], attempts=1, not_before=2.0))

    assert backlog.next_due() == 2.0
    assert backlog.take(1.9) is None
    again = backlog.take(2.0)
    assert again is not None
    assert (again.slots[0].merged(), again.trigger) == ({"a": "1"}, "retry")


def test_a_company_travels_together_and_with_nobody_else():
    backlog = _filled(*(contribution(key=f"A-{n}") for n in range(3)))
    batch = backlog.take(0.0)
    assert batch is not None
    for at, slot in enumerate(batch.slots):
        backlog.put_back(slot, replace(slot, attempts=1, company=7 if at else 8))
    backlog.add(contribution(key="B-1"), 0.0)

    companies = [backlog.take(BUSY * LINGER) for _ in range(3)]

    assert sorted((b.company, tuple(_keys(b))) for b in companies if b) == [
        (0, ("B-1",)),
        (7, ("A-1", "A-2")),
        (8, ("A-0",)),
    ]


def _suspects(number, attempts=1):
    """A backlog whose first batch was refused as a whole, and the parts that it lets travel."""
    policy = BatchPolicy(size=number, linger=LINGER)
    backlog = _filled(*(contribution(key=f"A-{n}") for n in range(number)), policy=policy)
    batch = backlog.take(0.0)
    for slot in batch.slots:
        backlog.put_back(slot, replace(slot, attempts=attempts, company=7, suspected=True))
    return backlog


def test_of_a_suspected_company_a_part_travels_at_a_time():
    """What the part meets decides about the rest, which must not leave before."""
    backlog = _suspects(4)

    part = backlog.take(1.0)
    assert _keys(part) == ["A-0", "A-1"]
    assert backlog.take(1.0) is None
    assert backlog.next_due(1.0) is None

    for slot in part.slots:
        assert backlog.take(1.0) is None
        backlog.finish(slot)
    assert backlog.next_due(1.0) is not None
    assert _keys(backlog.take(1.0)) == ["A-2"]


def test_a_drain_waits_for_the_part_as_well():
    backlog = _suspects(4)
    backlog.drain()
    backlog.take(1.0)

    assert backlog.take(1.0) is None
    assert backlog.next_due(1.0) is None


def test_the_acquitted_travel_with_everybody():
    backlog = _suspects(4)
    part = backlog.take(1.0)
    backlog.add(contribution(key="B-1"), 1.0)

    for slot in part.slots:
        backlog.put_back(slot, replace(slot, company=8, suspected=True))
    backlog.acquit(7)

    batches = [backlog.take(1.0 + BUSY * LINGER) for _ in range(2)]
    assert sorted((b.company, tuple(_keys(b))) for b in batches) == [
        (0, ("A-2", "A-3", "B-1")),
        (8, ("A-0",)),
    ]


def test_who_was_tried_often_meets_no_more_strangers():
    backlog = _suspects(4, attempts=TRIES)
    part = backlog.take(1.0)
    backlog.add(contribution(key="B-1"), 1.0)

    for slot in part.slots:
        backlog.finish(slot)
    backlog.acquit(7)

    batches = [backlog.take(1.0 + BUSY * LINGER) for _ in range(2)]
    assert sorted((b.company, tuple(_keys(b))) for b in batches) == [
        (0, ("B-1",)),
        (7, ("A-2", "A-3")),
    ]


def _lost(backlog, epochs):
    """The events that a backlog drops when channels end."""
    before = [c for slot in backlog.waiting() for c in slot.contributions]
    backlog.lose(epochs)
    left = {id(c) for slot in backlog.waiting() for c in slot.contributions}
    return [c for c in before if id(c) not in left]


def test_losing_a_channel_keeps_what_other_channels_brought():
    backlog = _filled(
        contribution("update", key="A-1", epoch=1, a="1"),
        contribution("update", key="A-1", epoch=2, b="2"),
        contribution("archive", key="A-1", epoch=1),
        contribution("update", key="A-2", epoch=1),
    )

    dropped = _lost(backlog, frozenset({1}))

    assert [c.delivery.epoch for c in dropped] == [1, 1, 1]
    assert backlog.held == 1
    assert [s.merged() for s in backlog.waiting()] == [{"b": "2"}]
    batch = backlog.take(LINGER)
    assert batch is not None
    backlog.finish(batch.slots[0])
    assert (backlog.held, backlog.next_due()) == (0, None)


def test_what_is_in_flight_is_not_dropped():
    backlog = _filled(contribution(epoch=1))
    batch = backlog.take(LINGER)
    assert batch is not None

    assert _lost(backlog, frozenset({1})) == []

    backlog.add(contribution("update", epoch=2), 1.0)
    assert backlog.take(9.0) is None  # its order is still being written
    backlog.put_back(batch.slots[0])  # its channel is dead: nothing to put back
    assert backlog.take(9.0) is not None
    assert (backlog.held, backlog.in_flight) == (1, 1)


def test_what_waits_behind_the_travelling_is_dropped_by_channel_too():
    backlog = _filled(contribution("upsert", epoch=1))
    batch = backlog.take(LINGER)
    assert batch is not None
    backlog.add(contribution("archive", epoch=1), 1.0)
    backlog.add(contribution("update", epoch=2, a="2"), 1.0)

    assert [c.operation for c in _lost(backlog, frozenset({1}))] == ["archive"]

    backlog.add(contribution("archive", epoch=2), 1.0)
    backlog.put_back(batch.slots[0])
    later = backlog.take(9.0)
    assert later is not None
    assert later.slots[0].merged() == {"a": "2"}
    assert _lost(backlog, frozenset({3})) == []
    assert backlog.take(99.0) is None


def test_of_two_that_come_up_one_may_be_settled_first():
    backlog = _filled(contribution(key="A-1"), contribution(key="A-2"))
    batch = backlog.take(LINGER)
    assert batch is not None
    for key in ("A-1", "A-2"):
        backlog.add(contribution("archive", key), LINGER)

    backlog.finish(batch.slots[0])
    assert backlog.take(2 * LINGER) is None  # the other archive is coming: one call for both
    backlog.finish(batch.slots[1])

    both = backlog.take(9.0)
    assert both is not None
    assert _keys(both) == ["A-1", "A-2"]


def test_what_has_to_wait_waits_and_merges_only_with_what_waits_as_long():
    backlog = Backlog(POLICY)
    for at in (0.0, 5.0, 5.0):
        backlog.add(contribution("update"), 0.0, at)

    assert [len(s.contributions) for s in backlog.waiting()] == [1, 2]
    batch = backlog.take(8 * LINGER)
    assert batch is not None
    backlog.finish(batch.slots[0])
    assert backlog.take(4.9) is None
    assert backlog.next_due() == 5.0
    assert backlog.take(5.0) is not None


def test_what_came_out_of_the_dead_letters_travels_apart_and_paced():
    policy = BatchPolicy(size=100, linger=LINGER, replay_pace=1.5)
    backlog = Backlog(policy)
    for n in range(120):
        backlog.add(contribution(key=f"R-{n}", headers={"ordersync-replays": 1}), 0.0)
    backlog.add(contribution(key="live"), 0.0)

    def take(now):
        batch = backlog.take(now)
        return batch and (batch.slots[0].checked, len(batch.slots))

    assert {take(LINGER), take(LINGER)} == {(True, HISTORIES), (False, 1)}
    assert backlog.next_due() == LINGER + 1.5
    assert take(LINGER + 1.4) is None
    assert take(LINGER + 1.5) == (True, HISTORIES)
    backlog.drain()
    assert take(LINGER + 1.5) == (True, 20)


@pytest.mark.parametrize("busy", ["upsert", "update"])
def test_a_berth_never_starves_beside_one_that_is_always_full(busy):
    """The other operation's slot leaves before anything that came after it."""
    backlog = Backlog(BatchPolicy(size=2, linger=LINGER))
    lonely = "update" if busy == "upsert" else "upsert"
    serial = 0
    for _ in range(10):
        backlog.add(contribution(busy, key=f"busy-{(serial := serial + 1)}"), 0.0)
    backlog.add(contribution(lonely, key="lonely"), 0.01)
    taken: list[str] = []
    now = 0.01

    while "lonely" not in taken:
        now += 0.01
        for _ in range(2):  # as many come as leave: the berth stays full
            backlog.add(contribution(busy, key=f"busy-{(serial := serial + 1)}"), now)
        batch = backlog.take(now)
        if batch is not None:
            taken += _keys(batch)

    before = [key for key in taken if key != "lonely"]
    assert now < PATIENCE * LINGER + 0.1
    assert len(before) <= 10 + 2 * (PATIENCE * LINGER * 100 + 2)


class _Model:
    """Per order the events that wait, in order, as lists of lists; nothing clever."""

    def __init__(self):
        self.lanes = {}
        self.travelling = {}

    def add(self, event):
        self.lanes.setdefault(event.order, []).append(event)

    @property
    def waiting(self):
        return [event for lane in self.lanes.values() for event in lane]


class BacklogMachine(RuleBasedStateMachine):
    """add / take / finish / put_back / separate / advance / forget / drain, in any order."""

    def __init__(self):
        super().__init__()
        self.backlog = Backlog(POLICY)
        self.model = _Model()
        self.flying = []
        self.now = 0.0
        self.epochs = [1, 2]  # of two living channels
        self.companies = 0
        self.draining = False
        self.settled = Counter()
        self.came = []
        self.dropped = []

    @rule(
        operation=OPERATIONS,
        key=st.sampled_from("ABCDE"),
        values=VALUES,
        channel=st.integers(0, 1),
    )
    def add(self, operation, key, values, channel):
        values = {} if operation == "archive" else values
        event = contribution(str(operation), key, epoch=self.epochs[channel], **values)
        self.came.append(event)
        self.model.add(event)
        self.backlog.add(event, self.now)

    @rule()
    def take(self):
        batch = self.backlog.take(self.now)
        if batch is None:
            return
        assert 1 <= len(batch.slots) <= POLICY.size
        orders = [s.order for s in batch.slots]
        assert len(set(orders)) == len(orders)
        assert {s.operation for s in batch.slots} == {batch.operation}
        assert {s.company for s in batch.slots} == {batch.company}
        assert {o.id_property for o in orders} == {batch.id_property}
        for slot in batch.slots:
            assert slot.order not in self.model.travelling
            assert slot.not_before <= self.now
            lane = self.model.lanes[slot.order]
            head, self.model.lanes[slot.order] = (
                lane[: len(slot.contributions)],
                lane[len(slot.contributions) :],
            )
            assert tuple(head) == slot.contributions
            self.model.travelling[slot.order] = slot
        self._left_for_a_reason(batch)
        self.flying += batch.slots

    def _left_for_a_reason(self, batch):
        match batch.trigger:
            case "size":
                assert len(batch.slots) == POLICY.size
            case "drain":
                assert self.draining
            case "linger":
                assert min(s.born for s in batch.slots) + LINGER <= self.now or any(
                    s.sealed for s in batch.slots
                )
            case "retry":
                assert any(s.attempts for s in batch.slots)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def finish(self, data):
        slot = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        del self.model.travelling[slot.order]
        self.settled.update(slot.contributions)
        self.backlog.finish(slot)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), delay=st.sampled_from([0.0, 0.1, 1.0]), company=st.integers(0, 2))
    def put_back(self, data, delay, company):
        slot = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        self._return(slot)
        later = self.now + delay if delay else 0.0
        self.backlog.put_back(
            slot,
            replace(slot, attempts=slot.attempts + 1, not_before=later, company=company),
        )

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def put_back_apart(self, data):
        slot = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        self._return(slot)
        self.backlog.put_back(slot, *separate(replace(slot, attempts=slot.attempts + 1)))

    def _return(self, slot):
        del self.model.travelling[slot.order]
        self.model.lanes[slot.order][:0] = slot.contributions

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.25, 1.0]))
    def advance(self, seconds):
        self.now += seconds

    @rule()
    def wait_until_due(self):
        """A batch leaves at the moment that next_due promises, and something always is promised."""
        due = self.backlog.next_due()
        if due is None:
            waiting = {order for order, lane in self.model.lanes.items() if lane}
            assert waiting <= set(self.model.travelling)
            return
        self.now = max(self.now, due)
        before = len(self.flying)
        self.take()
        assert len(self.flying) > before or self.backlog.next_due() != due

    @rule(channel=st.integers(0, 1))
    def channel_dies(self, channel):
        dead = frozenset({self.epochs[channel]})
        self.epochs[channel] = max(self.epochs) + 1
        dropped = _lost(self.backlog, dead)
        gone = [e for e in self.model.waiting if e.delivery.epoch in dead]
        assert sorted(map(id, dropped)) == sorted(map(id, gone))
        self.dropped += dropped
        for order, lane in self.model.lanes.items():
            self.model.lanes[order] = [e for e in lane if e.delivery.epoch not in dead]

    @rule()
    def drain(self):
        self.draining = True
        self.backlog.drain()

    @invariant()
    def counts_are_right(self):
        travelling = [c for s in self.flying for c in s.contributions]
        assert self.backlog.held == len(self.model.waiting) + len(travelling)
        assert self.backlog.in_flight == len(self.flying)

    @invariant()
    def what_comes_up_behind_the_travelling_is_counted(self):
        coming = Counter()
        for order in self.model.travelling:
            behind = [s for s in self.backlog.waiting() if s.order == order]
            if behind:
                coming[behind[0].operation, behind[0].company] += 1
        counted = {(b.operation, b.company): n for b, n in self.backlog._coming.items()}
        assert counted == coming

    @invariant()
    def every_event_is_in_one_place(self):
        places = Counter(map(id, self.model.waiting))
        places.update(id(c) for s in self.flying for c in s.contributions)
        places.update(map(id, self.settled.elements()))
        places.update(map(id, self.dropped))
        assert places == Counter(map(id, self.came))

    @invariant()
    def waiting_is_what_the_model_says_in_order(self):
        by_order = {}
        for slot in self.backlog.waiting():
            by_order.setdefault(slot.order, []).extend(slot.contributions)
        assert by_order == {order: lane for order, lane in self.model.lanes.items() if lane}

    def teardown(self):
        """Law 3: whatever happened, everything that is held can leave, once."""
        self.backlog.drain()
        self.draining = True
        for _ in range(10 * len(self.came) + 10):
            while self.flying:
                slot = self.flying.pop()
                del self.model.travelling[slot.order]
                self.settled.update(slot.contributions)
                self.backlog.finish(slot)
            due = self.backlog.next_due()
            if due is None:
                break
            self.now = max(self.now, due)
            self.take()
        assert self.backlog.held == self.backlog.in_flight == 0
        assert all(times == 1 for times in self.settled.values())
        assert len(self.settled) + len(self.dropped) == len(self.came)


TestBacklogMachine = BacklogMachine.TestCase
TestBacklogMachine.settings = settings(stateful_step_count=40)


@pytest.mark.parametrize(("size", "lingers"), [(100, 1), (3, PATIENCE)])
@given(
    st.lists(
        st.tuples(
            st.floats(0, 3, allow_nan=False), OPERATIONS, st.sampled_from("ABCDEFGH"), VALUES
        ),
        min_size=1,
        max_size=40,
    ),
)
def test_law_6_a_slot_leaves_within_linger_of_becoming_due(size, lingers, arrivals):
    """A taker that comes when next_due says and never has to wait for anything else.

    Where full batches leave, company is coming, and a part of a batch waits for it up to PATIENCE lingers.
    """
    backlog = Backlog(BatchPolicy(size=size, linger=LINGER))
    free = {}  # order -> since when its head may travel
    arrivals = sorted(arrivals, key=lambda a: a[0])
    now = 0.0

    def take_all():
        while (batch := backlog.take(now)) is not None:
            for slot in batch.slots:
                assert now <= max(slot.born, free.get(slot.order, 0.0)) + lingers * LINGER + 1e-9
                backlog.finish(slot)
                free[slot.order] = now

    for at, operation, key, values in arrivals:
        while (due := backlog.next_due()) is not None and due <= at:
            now = max(now, due)
            take_all()
        now = max(now, at)
        values = {} if operation == "archive" else values
        backlog.add(contribution(str(operation), key, **values), now)
        take_all()
    while (due := backlog.next_due()) is not None:
        now = max(now, due)
        take_all()
    assert backlog.held == 0


def _plenty(now: float) -> Spare:
    return Spare(early=0.0)


def test_a_lone_event_leaves_at_once_where_calls_are_plentiful():
    backlog = _filled(contribution("upsert", "A-1"))

    assert backlog.next_due(0.0, _plenty) == GAP
    assert backlog.take(GAP / 2, _plenty) is None, "more may come in the same reading"
    batch = backlog.take(GAP, _plenty)
    assert batch is not None
    assert batch.trigger == "early"


def test_nobody_leaves_early_while_something_is_in_flight():
    backlog = _filled(contribution("upsert", "A-1"))
    batch = backlog.take(GAP, _plenty)
    backlog.add(contribution("upsert", "A-2"), 0.1)

    assert backlog.next_due(0.2, _plenty) == 0.1 + LINGER
    assert backlog.take(0.2, _plenty) is None
    backlog.finish(batch.slots[0])
    assert backlog.take(0.2, _plenty).trigger == "early"


def test_an_early_moment_is_waited_for_and_the_linger_is_the_most():
    backlog = _filled(contribution("upsert", "A-1"))

    assert backlog.next_due(0.0, lambda _: Spare(early=0.1)) == 0.1
    assert backlog.next_due(0.0, lambda _: Spare(early=9.0)) == LINGER
    assert backlog.take(LINGER, lambda _: Spare(early=9.0)).trigger == "linger"


def test_behind_full_batches_a_part_waits_for_company_only_where_calls_are_scarce():
    backlog = _filled(*(contribution("upsert", f"A-{n}") for n in range(4)))
    full = backlog.take(0.0, _plenty)
    for slot in full.slots:
        backlog.finish(slot)

    assert backlog.next_due(0.0, _plenty) == LINGER, "and nobody leaves early"
    assert backlog.next_due(0.0, lambda _: Spare(early=1.5 * LINGER)) == 1.5 * LINGER
    assert backlog.next_due(0.0, lambda _: Spare()) == BUSY * LINGER


def test_a_batch_that_took_longer_than_a_linger_to_fill_promises_no_company():
    """Else its own wait would fill the next one, for good."""
    backlog = Backlog(POLICY)
    for n in range(4):
        backlog.add(contribution("upsert", f"A-{n}"), n * 0.6 * LINGER)
    full = backlog.take(1.8 * LINGER)
    assert full is not None
    for slot in full.slots:
        backlog.finish(slot)

    assert full.trigger == "size"
    assert backlog.next_due() == 1.8 * LINGER + LINGER


def test_the_machine_would_see_a_batch_that_names_an_order_twice():
    """The check on the checker: two slots of one order never merge, and never share a batch."""
    upsert, archive = contribution("upsert"), contribution("archive")

    assert coalesce(slot_of(upsert, 0.0), archive) is None
    backlog = _filled(upsert, archive)
    batch = backlog.take(LINGER)
    assert batch is not None
    assert len(batch.slots) == 1
    assert backlog.take(9.0) is None
