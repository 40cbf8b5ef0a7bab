"""index: which record of a call an answer means."""

import pytest

from service.core.events.order_event import RECORD_ID
from service.core.hubspot.answers import problem
from service.core.hubspot.calls import BatchCall, Input


def _index(*keys, id_property="k", endpoint="upsert"):
    inputs = tuple(Input(key, key, f"t.{n}", {}) for n, key in enumerate(keys))
    return BatchCall(endpoint, id_property, inputs, b"", object="orders").index


def _result(key=None, record="17", **more):
    return {"id": record, "properties": {"k": key}, **more}


def test_the_trace_id_comes_first():
    index = _index("A-1", "A-2")

    assert index.result(_result("A-1", objectWriteTraceId="t.1")) == 1
    assert index.result(_result("A-1", objectWriteTraceId="strange")) == 0


@pytest.mark.parametrize("trace", [[], {}, 7, None, True, ["t.1"]])
def test_what_is_no_text_is_no_trace(trace):
    assert _index("A-1", "A-2").result(_result("A-1", objectWriteTraceId=trace)) == 0


@pytest.mark.parametrize("record", [None, "", True, 1.5, [], {}])
def test_a_result_without_an_id_is_no_evidence(record):
    assert _index("A-1").result(_result("A-1", record=record)) is None


def test_keys_may_come_back_normalised_or_as_numbers():
    index = _index(" A-1 ", "17")

    assert index.result(_result("a-1")) == 0
    assert index.result(_result(17)) == 1
    assert index.result(_result("A-9")) is None
    assert index.result({"id": "1", "properties": None}) is None


def test_keys_that_fold_to_one_identify_nobody():
    index = _index("a-1", "A-1", "a-1 ")

    assert index.result(_result("A-1")) == 1
    assert index.result(_result("  A-1")) is None


@pytest.mark.parametrize(("id_property", "endpoint"), [(RECORD_ID, "update"), ("k", "archive")])
def test_record_ids_name_where_record_ids_were_sent(id_property, endpoint):
    index = _index("17", "18", id_property=id_property, endpoint=endpoint)

    assert index.result({"id": 18}) == 1
    assert index.result({"id": "19"}) is None


def test_an_error_may_name_many():
    index = _index("A-1", "A-2", "A-3")

    def named(**context):
        return index.named(problem({"context": context}, None))

    assert named(ids=["A-3", "A-1", "A-9"]) == [2, 0]
    assert named(objectWriteTraceId=["t.1", "t.2"], ids=["A-1"]) == [1, 2]
    assert named(objectWriteTraceId=["strange"], ids=["A-1"]) == []
    assert named() == []
