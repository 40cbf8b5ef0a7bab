"""flows: the calls of one batch. Judging each answer is replies' business."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.answers import BatchReply, NoReply
from service.core.events import RECORD_ID
from service.core.flows import flow_for
from service.core.verdicts import Applied, Halted, Retryable
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
    st.lists(any_reply(), min_size=2, max_size=2),
)
def test_a_flow_ends_after_at_most_two_calls_with_a_verdict_each(operation, id_property, answers):
    id_property = "shop_order_id" if operation == "upsert" else id_property
    flow = flow_for(_batch(operation, "1", "2", "3", id_property=id_property), "t", id_property)
    next(flow)

    with pytest.raises(StopIteration) as end:
        for answer in answers:
            flow.send(answer)

    assert len(end.value.value) == 3
