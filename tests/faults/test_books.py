"""The checker must find what is wrong: every kind of lie is told to it once."""

from dataclasses import replace

from tests.faults.books import Evidence, Receipt, Write, balance, history
from tests.faults.trace import MARK, Event, Fate, trace


def event(index: int, operation: str = "upsert", fate: Fate = Fate.TAKEN) -> Event:
    identity = f"F1-0-{index}"
    values = {} if operation == "archive" else {MARK: identity, "hs_order_name": f"n {identity}"}
    return Event(identity, "F1-0", index, operation, values, fate)


def receipt(index: int, status: str = "applied", time: float = 5.0) -> Receipt:
    return Receipt(time, f"id-{index}", f"F1-0-{index}", status)


def write(index: int, time: float) -> Write:
    return Write(time, "upsert", "F1-0", event(index).values)


FINE = Evidence(
    published=(event(0), event(1)),
    writes=(write(0, 1.0), write(1, 2.0)),
    receipts=(receipt(0), receipt(1)),
    dead_letters=(),
    losses=(),
)


def test_books_that_balance_have_no_sins() -> None:
    assert not balance(FINE).sins


def test_an_event_without_an_outcome_is_lost() -> None:
    assert balance(replace(FINE, receipts=(receipt(0),))).lost == ["F1-0-1"]


def test_an_outcome_of_nobodys_event_is_unexpected() -> None:
    assert balance(replace(FINE, receipts=(*FINE.receipts, receipt(7)))).unexpected == ["F1-0-7"]


def test_applied_without_a_write_is_false() -> None:
    assert balance(replace(FINE, writes=(write(0, 1.0),))).false == ["F1-0-1"]


def test_superseded_without_a_superseder_is_false() -> None:
    seen = replace(FINE, receipts=(receipt(0), receipt(1, "superseded")))
    assert balance(seen).false == ["F1-0-1"]


def test_a_good_event_that_is_rejected_is_wrong() -> None:
    seen = replace(FINE, receipts=(receipt(0), receipt(1, "rejected")), dead_letters=("F1-0-1",))
    assert balance(seen).wrong == ["F1-0-1 (rejected)"]


def test_a_failure_without_a_dead_letter_is_found_and_the_reverse() -> None:
    refused = replace(FINE, receipts=(receipt(0), receipt(1, "rejected")))
    assert "F1-0-1 failed, and is no dead letter" in balance(refused).broker
    invented = replace(FINE, dead_letters=("F1-0-0",))
    assert "F1-0-0 is a dead letter, and did not fail" in balance(invented).broker


def test_going_back_is_reordered_unless_a_loss_explains_it() -> None:
    back = replace(FINE, writes=(write(0, 1.0), write(1, 20.0), write(0, 30.0), write(1, 31.0)))
    assert balance(back).reordered == ["F1-0: 0 after 1"]
    explained = balance(replace(back, losses=(25.0,)))
    assert not explained.reordered
    assert explained.rewritten == 1


def test_a_repeat_needs_a_break_before_it_and_the_same_id() -> None:
    again = (*FINE.receipts, receipt(1, time=9.0))
    assert balance(replace(FINE, receipts=again)).unexplained == ["F1-0-1"]
    explained = balance(replace(FINE, receipts=again, breaks=(6.0,)))
    assert explained.repeated == 1
    assert not explained.sins
    other = (*FINE.receipts, Receipt(9.0, "another id", "F1-0-1", "applied"))
    assert balance(replace(FINE, receipts=other, breaks=(6.0,))).unexplained == ["F1-0-1"]


def test_the_history_tells_one_orders_story() -> None:
    story = "\n".join(history("F1-0-1", FINE))
    assert "published  F1-0-1" in story
    assert "twin wrote upsert of F1-0-1" in story


def test_a_trace_is_its_seeds() -> None:
    assert trace(5, 300) == trace(5, 300)
    assert trace(5, 300) != trace(6, 300)
    operations = {each.operation for each in trace(5, 300)}
    assert operations == {"create", "upsert", "update", "archive"}
    assert {bool(each.parts) for each in trace(5, 300)} == {True, False}
    assert {each.fate for each in trace(5, 1000)} == set(Fate)
    by_order: dict[str, int] = {}
    for each in trace(5, 300):
        assert each.index == by_order.get(each.key, -1) + 1
        by_order[each.key] = each.index
