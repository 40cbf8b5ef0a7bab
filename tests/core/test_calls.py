"""calls: one encoder an operation; every write names itself and repeats its key."""

import orjson
from hypothesis import given

from service.core.events.order_event import RECORD_ID, Operation
from service.core.hubspot import calls, flows
from tests.strategies import batch, contribution, slot, traffic


def _inputs(call):
    return orjson.loads(call.body)["inputs"]


def test_an_upsert_names_its_property_its_key_and_its_try():
    call = calls.write(batch(slot(contribution("upsert", "A-1", a="1"))), "t7")

    assert call.endpoint == "upsert"
    assert _inputs(call) == [
        {
            "id": "A-1",
            "idProperty": "shop_order_id",
            "properties": {"a": "1", "shop_order_id": "A-1"},
            "objectWriteTraceId": "t7.0",
        }
    ]


def test_an_update_by_key_is_the_same_under_its_own_name():
    call = calls.write(batch(slot(contribution("update", "A-1", a=None))), "t7")

    assert call.endpoint == "update"
    assert _inputs(call)[0]["idProperty"] == "shop_order_id"
    assert _inputs(call)[0]["properties"] == {"a": "", "shop_order_id": "A-1"}


def test_an_update_by_record_id_leaves_the_property_out():
    """HubSpot refuses hs_object_id as idProperty (segment/action-destinations#3957)."""
    event = contribution("update", "17", id_property=RECORD_ID, a="1")

    call = calls.write(batch(slot(event)), "t7")

    assert _inputs(call) == [
        {"id": "17", "properties": {"a": "1"}, "objectWriteTraceId": "t7.0"},
    ]


def test_finding_asks_for_the_key_property():
    assert orjson.loads(calls.find("orders", ["A-1", "A-2"], "shop_order_id").body) == {
        "inputs": [{"id": "A-1"}, {"id": "A-2"}],
        "properties": ["shop_order_id"],
        "propertiesWithHistory": [],
        "idProperty": "shop_order_id",
    }
    assert "idProperty" not in orjson.loads(calls.find("orders", ["17"], RECORD_ID).body)


def test_an_archive_takes_record_ids_and_remembers_the_keys():
    call = calls.archive("orders", [("A-1", "17")], "shop_order_id")

    assert orjson.loads(call.body) == {"inputs": [{"id": "17"}]}
    assert (call.inputs[0].key, call.inputs[0].id) == ("A-1", "17")


@given(traffic())
def test_every_input_is_told_apart_by_its_trace_id_and_a_retry_says_the_same(events):
    by_key = {e.order: e for e in events if e.operation == "upsert"}
    if not by_key:
        return
    full = batch(*(slot(e) for e in by_key.values()))

    first, again = calls.write(full, "t1"), calls.write(full, "t2")

    traces = [i["objectWriteTraceId"] for i in _inputs(first)]
    assert len(set(traces)) == len(traces)
    assert not set(traces) & {i["objectWriteTraceId"] for i in _inputs(again)}
    same = [{**i, "objectWriteTraceId": ""} for i in _inputs(first)]
    assert same == [{**i, "objectWriteTraceId": ""} for i in _inputs(again)]
    assert all(i["properties"]["shop_order_id"] == i["id"] for i in same)
    assert [i.trace for i in first.inputs] == traces


def test_law_every_operation_has_its_flow_and_what_writes_values_its_endpoint():
    assert set(flows._FLOWS) == set(Operation)
    assert set(calls.WRITES) == set(Operation) - {Operation.ARCHIVE}
