"""The checker of complete orders must find what is wrong: every kind of lie is told to it once."""

from typing import Any

from service.twin.journal import Entry
from service.twin.operations.call import Written
from tests.faults.books import Account, Receipt
from tests.faults.graph_books import Model, balance_graphs, models
from tests.faults.trace import MARK, Event, Fate
from tests.faults.whole_orders import LINE_ID

LINE = {"name": "tent"}
WISH = {
    "line_items": {"items": [{"key": "1", "properties": LINE}]},
    "associations": [{"to": "contact", "by": "email", "value": "buyer2@example.com"}],
}
EVENT = Event("F1-0-0", "F1-0", 0, "upsert", {MARK: "F1-0-0"}, Fate.TAKEN, WISH)
PARTS: dict[str, Any] = {
    "order_written": True,
    "line_items": [{"key": "1", "record_id": "5", "status": "created"}],
    "associations": [
        {"to": "contact", "value": "buyer2@example.com", "record_id": "7", "status": "linked"}
    ],
}
HELD = {
    "F1-0": {
        "archived": False,
        "links": {
            "line_items": {"F1-0/1": {"id": "5", "properties": LINE | {LINE_ID: "F1-0/1"}}},
            "contacts": {"buyer2@example.com": {"id": "7", "labels": [], "properties": {}}},
        },
    }
}
JOURNAL = (
    Written("created", "orders", "1", "F1-0", {MARK: "F1-0-0"}),
    Written("created", "line_items", "5", "F1-0/1", LINE),
    Written("linked", "orders", "1", "F1-0", {}, "line_items", "5", "F1-0/1"),
    Written("linked", "orders", "1", "F1-0", {}, "contacts", "7", "buyer2@example.com"),
)


def told(parts: Any = PARTS, status: str = "applied") -> Receipt:
    return Receipt(9.0, "id-0", "F1-0-0", status, "", "1", parts)


def account(held: Any = None, journal: Any = JOURNAL, receipt: Receipt | None = None) -> Account:
    found, receipts = Account(), [receipt or told()]
    entries = [Entry(float(n), n, "", each) for n, each in enumerate(journal)]
    events = {EVENT.id: EVENT}
    balance_graphs(
        models([EVENT], receipts), held or HELD, entries, receipts, events, frozenset(), found
    )
    return found


def test_books_that_balance_have_no_sins() -> None:
    assert not account().sins


def test_a_line_that_is_not_as_the_events_say_is_found() -> None:
    links = HELD["F1-0"]["links"] | {"line_items": {}}  # type: ignore[operator]
    assert account({"F1-0": {"archived": False, "links": links}}).graphs


def test_a_line_that_is_there_twice_is_found() -> None:
    again = Written("created", "line_items", "6", "F1-0/1", LINE)
    assert account(journal=(*JOURNAL, again)).duplicated


def test_a_line_without_a_key_is_found() -> None:
    assert account(journal=(*JOURNAL, Written("created", "line_items", "6", "6", LINE))).duplicated


def test_a_line_made_again_after_its_archive_is_no_duplicate() -> None:
    gone = Written("archived", "line_items", "5", "F1-0/1", {})
    assert not account(journal=(*JOURNAL, gone, JOURNAL[1])).duplicated


def test_a_line_that_its_order_does_not_have_is_an_orphan() -> None:
    lonely = Written("created", "line_items", "6", "F1-0/2", LINE)
    assert account(journal=(*JOURNAL, lonely)).orphaned == ["F1-0 has not line F1-0/2, nobody has"]


def test_parts_that_no_write_shows_are_found() -> None:
    assert len(account(journal=JOURNAL[:2]).unshown) == 2
    assert len(account(journal=JOURNAL[:1]).unshown) == 2


def test_a_link_that_is_said_to_be_gone_and_is_there_is_found() -> None:
    wish = {"dissociations": WISH["associations"]}
    event = Event("F1-0-1", "F1-0", 1, "update", {MARK: "F1-0-1"}, Fate.TAKEN, wish)
    gone = {"to": "contact", "value": "buyer2@example.com", "record_id": "7", "status": "unlinked"}
    receipt = Receipt(
        9.0, "i", event.id, "applied", "", "1", PARTS | {"line_items": [], "associations": [gone]}
    )
    write = Written("updated", "orders", "1", "F1-0", {MARK: event.id})
    entries = [Entry(float(n), n, "", each) for n, each in enumerate((*JOURNAL, write))]
    found = Account()
    balance_graphs({"F1-0": Model()}, {}, entries, [receipt], {event.id: event}, frozenset(), found)

    assert "is unlinked" in found.unshown[0]


def test_a_part_that_a_receipt_leaves_out_is_found() -> None:
    assert account(receipt=told(PARTS | {"line_items": []})).unshown
    assert account(receipt=told(PARTS | {"associations": []})).unshown


def test_success_with_a_part_that_failed_is_found() -> None:
    bad = [PARTS["line_items"][0] | {"status": "unresolved"}]
    assert "with parts" in account(receipt=told(PARTS | {"line_items": bad})).unshown[0]


def test_of_an_event_that_failed_the_written_parts_count_and_the_doubtful_may_be_there() -> None:
    parts = PARTS | {
        "line_items": [PARTS["line_items"][0] | {"status": "unresolved"}],
    }
    assert not account(receipt=told(parts, "rejected")).sins
    unwritten = parts | {"order_written": False}
    assert account(receipt=told(unwritten, "rejected")).graphs
