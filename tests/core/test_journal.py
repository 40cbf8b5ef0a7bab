"""The journal: what is remembered is read back and holds no value; nothing in the stream harms a reader."""

import struct
import zlib
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from service.core.events.graph import Target
from service.core.hubspot.verdicts import Applied, Cause, Rejected, Retryable, Verdict
from service.core.reasons import Code, Reason
from service.core.settlement.journal import (
    COLUMNS,
    GROUP,
    UNPACKED,
    groups,
    remembered,
    size_of,
)
from service.core.settlement.outcomes import Settlement, conclude, conclude_malformed
from service.core.settlement.retries import Exhausted, Finish
from service.core.waiting.parts import Part, PartStatus, Progress
from tests.core.test_outcomes import REASON
from tests.strategies import STAMP, contribution, delivery, graph_contribution, slot

SECRET = "s3cr3t"


def settled(made: Any, verdict: Any, size: int = 7) -> tuple[Settlement, ...]:
    return conclude(Finish(made, verdict), size, STAMP)


def rows(settlements: Any, key: str) -> list[dict[str, Any]]:
    return [row for group in groups(settlements) for row in remembered(group.body, key)]


def test_what_became_of_an_event_by_its_order() -> None:
    events = [
        contribution("upsert", "A-1", "e-1", a="1"),
        contribution("upsert", "A-1", "e-2", a="2"),
    ]
    (first, second) = settled(replace(slot(*events), attempts=2), Applied("17", created=True))
    others = settled(slot(contribution("update", "A-2", "e-3")), Rejected(REASON))

    found = rows([first, *others, second], "A-1")

    assert [row["status"] for row in found] == ["superseded", "applied"]
    assert found[0]["superseded_by"] == "e-2"
    assert {name: value for name, value in found[1].items() if value is not None} == {
        "key": "A-1",
        "id_property": "shop_order_id",
        "record_id": "17",
        "status": "applied",
        "operation": "upsert",
        "created": True,
        "event_id": "e-2",
        "event_source": "/shops/eu-1",
        "event_time": "2026-11-22T10:00:00Z",
        "attempts": 2,
        "batch_size": 7,
        "merged": 2,
        "received_at": "2026-11-22T10:00:00.000Z",
        "settled_at": "2026-11-22T10:00:00.000Z",
    }
    (refused,) = rows(others, "A-2")
    assert [refused[name] for name in ("reason", "property", "http_status", "category")] == [
        "value_taken",
        "invoice",
        400,
        "VALIDATION_ERROR",
    ]


def _complete(lines: int = 30) -> tuple[Settlement, ...]:
    made = graph_contribution(
        {
            "properties": {"a": SECRET},
            "stage": SECRET,
            "line_items": {
                "items": [{"key": str(n), "properties": {"name": SECRET}} for n in range(lines)]
            },
            "associations": [
                {"to": "contact", "by": "email", "value": f"{SECRET}@example.com"},
                {"to": "deal", "by": "deal_no", "value": SECRET, "properties": {"x": SECRET}},
            ],
        },
        key="A-3",
    )
    told = Reason(Code.LINE_ITEM_REJECTED, f"{SECRET} was not a valid number.")
    progress = Progress(
        "17",
        written=True,
        lines={
            str(n): Part(PartStatus.REJECTED, None, told)
            if n > 2
            else Part(PartStatus.CREATED, "9")
            for n in range(lines)
        },
        links={Target("contacts", "email", f"{SECRET}@example.com"): Part(PartStatus.LINKED, "3")},
    )
    return settled(replace(slot(made), progress=progress), Rejected(told))


def test_lines_and_links_are_counted_and_what_was_not_done_is_named() -> None:
    (row,) = rows(_complete(), "A-3")

    assert row["lines"] == {"created": 3, "rejected": 27}
    assert row["links"] == {"linked": 1, "unresolved": 1}
    assert row["undone"][0] == ["line 3", "rejected", "line_item_rejected"]
    assert len(row["undone"]) == 20


def test_no_value_that_anybody_ordered_is_in_it() -> None:
    """Values of properties, of lines, of links, sentences that quote them, bodies that could not be read."""
    reason = Reason(Code.PROPERTY_INVALID, f"{SECRET} was not valid.", property="total")
    broken = delivery(orjson.dumps({"id": "e-9", "data": {"properties": {"a": [SECRET]}}}))
    from service.core.events.events import parse
    from service.core.events.malformed import Malformed

    malformed = parse(broken, "shop_order_id")
    assert isinstance(malformed, Malformed)
    failures: list[Verdict | Exhausted] = [
        Rejected(reason),
        Exhausted(Retryable(reason, Cause.SERVER)),
    ]
    settlements = [
        *_complete(),
        *_complete(lines=5),
        *(s for why in failures for s in settled(slot(contribution(a=SECRET)), why)),
        conclude_malformed(malformed, STAMP),
    ]

    for group in groups(settlements):
        index = 2 + 4 * size_of(group)
        assert SECRET.encode() not in group.body
        assert SECRET.encode() not in zlib.decompress(group.body[index:])


def test_groups_are_bounded_and_say_how_many_they_hold() -> None:
    settlements = settled(slot(contribution(key="A-1")), Applied("1", created=False)) * (GROUP + 7)

    made = list(groups(settlements))

    assert [size_of(group) for group in made] == [GROUP, 7]
    assert {(g.exchange, g.routing_key) for g in made} == {("journal", "orders.journal")}
    assert len(rows(settlements, "A-1")) == GROUP + 7


def test_an_outcome_as_it_was_published_is_read_like_a_row() -> None:
    for settlement in (*_complete(), *settled(slot(contribution(key="A-3")), Rejected(REASON))):
        (group,) = groups([settlement])

        assert remembered(settlement.outcome.body, "A-3") == remembered(group.body, "A-3")
        assert not remembered(settlement.outcome.body, "A-4")
        assert set(remembered(group.body, "A-3")[0]) == set(COLUMNS)


KEYS = st.text(max_size=8)


@given(st.lists(KEYS.filter(bool), min_size=1, max_size=12), KEYS.filter(bool))
def test_whatever_the_keys_each_order_gets_its_own_rows(keys: list[str], other: str) -> None:
    settlements = [
        s for key in keys for s in settled(slot(contribution(key=key)), Applied("1", created=False))
    ]
    for key in {*keys, other}:
        assert [row["key"] for row in rows(settlements, key)] == [key] * keys.count(key)


def test_a_key_that_only_looks_alike_gets_nothing() -> None:
    """An enemy with the same CRC-32, and with its bytes across two entries of the index."""
    (group,) = groups(settled(slot(contribution(key="plumless")), Applied("1", created=False)))
    assert zlib.crc32(b"plumless") == zlib.crc32(b"buckeroo")
    assert not remembered(group.body, "buckeroo")

    wanted = struct.pack(">I", zlib.crc32(b"A-1"))
    across = struct.pack(">H", 2) + b"\0" + wanted + b"\0\0\0" + b"no zlib"
    assert not remembered(across, "A-1")


@given(st.binary(max_size=200))
def test_whatever_stands_in_the_stream_nothing_is_raised(body: bytes) -> None:
    assert not remembered(body, "A-1")
    index = struct.pack(">HI", 1, zlib.crc32(b"A-1"))
    assert not remembered(index + body, "A-1")
    assert not remembered(index + zlib.compress(body), "A-1")
    assert not remembered(b'{"A-1"' + body, "A-1")


WORDS = st.sampled_from(["columns", "rows", "key", "A-1", "data", "order"])
ANYTHING = st.recursive(
    st.none() | WORDS | st.integers(0, 9), lambda x: st.lists(x) | st.dictionaries(WORDS, x)
)


@given(ANYTHING)
def test_nor_whatever_json_stands_in_a_group(document: Any) -> None:
    index = struct.pack(">HI", 1, zlib.crc32(b"A-1"))
    assert not remembered(index + zlib.compress(orjson.dumps(document)), "A-1")


def test_a_bomb_is_not_unpacked_whole() -> None:
    index = struct.pack(">HI", 1, zlib.crc32(b"A-1"))
    assert not remembered(index + zlib.compress(b" " * (UNPACKED * 2), 9), "A-1")
