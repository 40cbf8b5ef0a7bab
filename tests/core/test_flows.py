"""flows: the calls of one batch. Judging each answer is replies' business."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.events.order_event import RECORD_ID
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.flows import flow_for
from service.core.hubspot.verdicts import Applied, Halted, Rejected, Retryable, Stale
from tests.strategies import batch, contribution, slot
from tests.strategies import replies as any_reply


def _batch(operation, *keys, id_property="shop_order_id"):
    return batch(*(slot(contribution(operation, key, id_property=id_property)) for key in keys))


def _run(taken, *answers):
    """(endpoints called, verdicts); every answer is used."""
    flow, called = flow_for(taken, "t", "shop_order_id"), []
    call = next(flow)
    for at, answer in enumerate(answers):
        called.append(call)
        try:
            call = flow.send(answer)
        except StopIteration as end:
            assert at == len(answers) - 1
            return called, end.value
    pytest.fail(f"{call.endpoint} was not answered")


def _found(**records):
    results = [{"id": r, "properties": {"shop_order_id": k}} for k, r in records.items()]
    return BatchReply(200, {}, orjson.dumps({"status": "COMPLETE", "results": results}))


MISSING = {"category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": ["A"]}}


@pytest.mark.parametrize("operation", ["upsert", "update"])
def test_a_write_is_one_call(operation):
    called, verdicts = _run(_batch(operation, "A"), _found(A="17"))

    assert [c.endpoint for c in called] == [operation]
    assert [v.record_id for v in verdicts] == ["17"]


def test_an_archive_finds_the_records_first():
    called, verdicts = _run(_batch("archive", "A", "B"), _found(B="18", A="17"), _204())

    assert [c.endpoint for c in called] == ["read", "archive"]
    assert orjson.loads(called[1].body) == {"inputs": [{"id": "17"}, {"id": "18"}]}
    assert verdicts == (Applied("17", None), Applied("18", None))


def _204():
    return BatchReply(204, {}, b"")


def test_an_order_that_is_not_there_is_archived_already():
    body = {"status": "COMPLETE", "results": [], "errors": [MISSING]}

    called, verdicts = _run(_batch("archive", "A"), BatchReply(207, {}, orjson.dumps(body)))

    assert [c.endpoint for c in called] == ["read"]
    assert verdicts == (Applied(None, None),)


def test_only_what_was_found_is_archived():
    body = orjson.loads(_found(B="18").body) | {"errors": [MISSING]}

    called, verdicts = _run(
        _batch("archive", "A", "B", "C"), BatchReply(207, {}, orjson.dumps(body)), _204()
    )

    assert orjson.loads(called[1].body) == {"inputs": [{"id": "18"}]}
    assert [type(v) for v in verdicts] == [Applied, Applied, Retryable]


def test_a_record_that_nobody_asked_for_is_not_archived():
    called, verdicts = _run(_batch("archive", "A"), _found(A="17", Z="99"), _204())

    assert orjson.loads(called[1].body) == {"inputs": [{"id": "17"}]}
    assert verdicts == (Applied("17", None),)


def test_an_archive_by_record_id_is_one_call():
    called, verdicts = _run(_batch("archive", "17", id_property=RECORD_ID), _204())

    assert [c.endpoint for c in called] == ["archive"]
    assert verdicts == (Applied("17", None),)


@pytest.mark.parametrize(
    ("look", "verdicts"),
    [
        ((), [Applied, Applied]),
        (("17",), [Retryable, Applied]),
        (("17", "18"), [Retryable, Retryable]),
    ],
)
@pytest.mark.parametrize("body", [b"", b"{}", b'{"status": "COMPLETE", "numErrors": 2}'])
def test_an_archive_without_a_204_is_read_back(look, verdicts, body):
    """What is not there any more is archived; what is still there is not, whatever was said."""
    kept = [{"id": record, "properties": {}} for record in look]
    gone = [record for record in ("17", "18") if record not in look]
    seen = {"results": kept, "errors": [MISSING | {"context": {"ids": gone}}] if gone else []}
    answers = (BatchReply(200, {}, body), BatchReply(207, {}, orjson.dumps(seen)))

    called, judged = _run(_batch("archive", "A", "B"), _found(A="17", B="18"), *answers)

    assert [c.endpoint for c in called] == ["read", "archive", "read"]
    assert [i.id for i in called[2].inputs] == ["17", "18"]
    assert orjson.loads(called[2].body).get("idProperty") is None
    assert [type(v) for v in judged] == verdicts
    assert {v.record_id for v in judged if isinstance(v, Applied)} == set(gone)


def test_an_archive_that_cannot_be_read_back_is_in_doubt():
    answers = (BatchReply(200, {}, b""), NoReply("timed out", sent=True))

    _, (verdict,) = _run(_batch("archive", "17", id_property=RECORD_ID), *answers)

    assert isinstance(verdict, Retryable)
    assert verdict.ambiguous


def test_an_error_that_names_a_record_which_is_still_there_is_its_verdict():
    error = {"category": "VALIDATION_ERROR", "message": "no", "context": {"ids": ["17"]}}
    answers = (BatchReply(207, {}, orjson.dumps({"errors": [error]})), _found(A="17"))

    _, (verdict,) = _run(_batch("archive", "17", id_property=RECORD_ID), *answers)

    assert isinstance(verdict, Rejected)


def test_a_look_up_that_fails_is_the_verdict():
    called, verdicts = _run(_batch("archive", "A", "B"), BatchReply(401, {}, b""))

    assert len(called) == 1
    assert [type(v) for v in verdicts] == [Halted, Halted]


def test_what_was_found_but_not_archived_is_judged_by_the_archive():
    _, verdicts = _run(_batch("archive", "A"), _found(A="17"), NoReply("timed out", sent=True))

    assert [type(v) for v in verdicts] == [Retryable]


@given(
    st.sampled_from(["upsert", "update", "archive"]),
    st.sampled_from(["shop_order_id", RECORD_ID]),
    st.lists(any_reply(), min_size=3, max_size=3),
)
def test_a_flow_ends_after_at_most_three_calls_with_a_verdict_each(operation, id_property, answers):
    id_property = "shop_order_id" if operation == "upsert" else id_property
    flow = flow_for(_batch(operation, "1", "2", "3", id_property=id_property), "t", id_property)
    next(flow)

    with pytest.raises(StopIteration) as end:
        for answer in answers:
            flow.send(answer)

    assert len(end.value.value) == 3


# --- overtaken, and out of the dead letters ---------------------------------------------------------------

STALE = Stale(None, ("a",), "e-9")


def test_what_is_overtaken_is_not_sent():
    taken = _batch("upsert", "A", "B")

    flow = flow_for(taken, "t", "shop_order_id", {0: STALE})
    call = next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(_found(B="18"))

    assert [i.key for i in call.inputs] == ["B"]
    assert end.value.value == (STALE, Applied("18", None))


def test_where_all_is_overtaken_there_is_no_call():
    with pytest.raises(StopIteration) as end:
        next(flow_for(_batch("upsert", "A"), "t", "shop_order_id", {0: STALE}))

    assert end.value.value == (STALE,)


def _replayed(operation, *keys, **values):
    values = {} if operation == "archive" else values or {"a": "1", "b": "2"}
    back = {"ordersync-replays": 1}
    return batch(*(slot(contribution(operation, key, headers=back, **values)) for key in keys))


def _holding(key, record="17", **more):
    return {"id": record, "properties": {"shop_order_id": key}} | more


def _held(*records, missing=()):
    body: dict[str, Any] = {"status": "COMPLETE", "results": records}
    if missing:
        errors = {"category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": missing}}
        body["errors"] = [errors]
    return BatchReply(207 if missing else 200, {}, orjson.dumps(body))


def _history(**newer):
    """Values that were written after the event."""
    return {
        name: [{"value": value, "timestamp": "2026-11-23T00:00:00Z"}]
        for name, value in newer.items()
    }


def test_a_replay_reads_first_and_writes_what_is_not_older():
    held = _held(_holding("A", propertiesWithHistory=_history(a="9")), _holding("B", "18"))

    called, verdicts = _run(_replayed("update", "A", "B"), held, _found(A="17", B="18"))

    assert [c.endpoint for c in called] == ["read", "update"]
    assert orjson.loads(called[0].body)["propertiesWithHistory"] == ["a", "b"]
    assert [dict(i.values) for i in called[1].inputs] == [
        {"b": "2", "shop_order_id": "A"},
        {"a": "1", "b": "2", "shop_order_id": "B"},
    ]
    assert verdicts == (Applied("17", created=False, left_out=("a",)), Applied("18", created=False))


def test_a_replay_of_which_nothing_is_left_is_stale():
    held = _held(_holding("A", propertiesWithHistory=_history(a="9", b="9")))

    called, verdicts = _run(_replayed("update", "A"), held)

    assert len(called) == 1
    assert verdicts == (Stale("17", ("a", "b")),)


def test_what_is_stale_and_what_failed_keep_their_places_beside_what_is_written():
    held = _held(
        _holding("B", "18", propertiesWithHistory=_history(a="9", b="9")), _holding("C", "19")
    )

    refused = BatchReply(400, {}, b'{"category": "VALIDATION_ERROR"}')
    called, verdicts = _run(_replayed("update", "A", "B", "C"), held, refused)

    assert [i.key for i in called[1].inputs] == ["C"]
    assert [type(v) for v in verdicts] == [Retryable, Stale, Rejected]


@pytest.mark.parametrize(
    ("archived", "calls", "verdict"),
    [
        ("2026-11-23T00:00:00Z", 2, Stale("17", ("a", "b"))),  # it does not bring the order back
        ("2026-11-21T00:00:00Z", 3, Applied("17", None)),
        (None, 3, Applied("17", None)),
    ],
)
def test_a_replay_of_an_order_that_is_not_there_asks_whether_it_was_archived(
    archived, calls, verdict
):
    binned = _held(_holding("A", archivedAt=archived)) if archived else _held(missing=["A"])
    answers = (_held(missing=["A"]), binned, _found(A="17"))

    called, verdicts = _run(_replayed("upsert", "A"), *answers[:calls])

    assert [c.archived for c in called] == [False, True, False][:calls]
    assert verdicts == (verdict,)


@pytest.mark.parametrize(
    ("held", "endpoints", "verdict"),
    [
        (_held(_holding("A", updatedAt="2026-11-23T00:00:00Z")), ["read"], Stale("17", ())),
        (
            _held(_holding("A", updatedAt="2026-11-21T00:00:00Z")),
            ["read", "archive"],
            Applied("17", None),
        ),
        (_held(missing=["A"]), ["read"], Applied(None, None)),
    ],
)
def test_a_replayed_archive_spares_what_was_written_since(held, endpoints, verdict):
    answers = [held, _204()][: len(endpoints)]

    called, verdicts = _run(_replayed("archive", "A"), *answers)

    assert [c.endpoint for c in called] == endpoints
    assert verdicts == (verdict,)


@given(
    st.sampled_from(["upsert", "update", "archive"]), st.lists(any_reply(), min_size=3, max_size=3)
)
def test_a_checked_flow_ends_after_at_most_three_calls_with_a_verdict_each(operation, answers):
    flow = flow_for(_replayed(operation, "1", "2", "3"), "t", "shop_order_id")
    next(flow)

    with pytest.raises(StopIteration) as end:
        for answer in answers:
            flow.send(answer)

    assert len(end.value.value) == 3
