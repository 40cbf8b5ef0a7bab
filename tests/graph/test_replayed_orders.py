"""Replays of complete orders: a stale list deletes and changes nothing newer, a stale link replaces nothing newer."""

from dataclasses import replace

import orjson
import pytest

from service.core.events.events import Contribution, parse
from service.core.hubspot.verdicts import Applied, Stale
from service.core.waiting.slots import slot_of
from tests.graph.driving import batch_of, stand
from tests.strategies import ID_PROPERTY, delivery, document

OLD, NEW = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
EMAIL = {"to": "contact", "by": "email"}


def slot(data, *, time=NEW, replayed=False):
    event = document() | {"data": data, "time": time}
    headers = {"ordersync-replays": 1} if replayed else None
    read = parse(delivery(orjson.dumps(event), headers=headers), ID_PROPERTY)
    assert isinstance(read, Contribution), read.message
    return replace(slot_of(read, 0.0), checked=replayed)


def line(key, **values):
    return {"key": key, "properties": values}


@pytest.mark.parametrize(("time", "stale"), [(OLD, True), (NEW, False)])
async def test_a_stale_list_removes_and_changes_nothing_newer(time, stale):
    async with stand() as hubspot:
        await hubspot.carry(
            batch_of(slot({"line_items": {"items": [line("1", name="new"), line("2", name="x")]}}))
        )
        (fate,) = await hubspot.carry(
            batch_of(
                slot({"line_items": {"items": [line("1", name="old")]}}, time=time, replayed=True)
            )
        )
        lines = await hubspot.lines(fate.progress.record_id)

        assert isinstance(fate.rest, Applied), fate
        assert {key: held["name"] for key, held in lines.items()} == (
            {"A-1/1": "new", "A-1/2": "x"} if stale else {"A-1/1": "old"}
        )
        assert set(fate.rest.left_out) == (
            {"line_items.1.name", "line_items.2"} if stale else set()
        )


async def test_a_stale_list_brings_no_line_back_that_was_taken_away_since():
    async with stand() as hubspot:
        both = [line("1", name="a"), line("2", name="b")]
        await hubspot.carry(batch_of(slot({"line_items": {"items": both}})))
        await hubspot.carry(batch_of(slot({"line_items": {"items": both[:1]}})))
        (fate,) = await hubspot.carry(
            batch_of(slot({"line_items": {"items": both}}, time=OLD, replayed=True))
        )

        assert set(await hubspot.lines(fate.progress.record_id)) == {"A-1/1"}
        assert "line_items.2" in fate.rest.left_out


async def test_a_stale_exclusive_link_replaces_no_other():
    async with stand() as hubspot:
        for name in "ab":
            await hubspot.post(
                "/crm/v3/objects/contacts", {"properties": {"email": f"{name}@example.com"}}
            )
        a, b = (EMAIL | {"value": f"{name}@example.com", "exclusive": True} for name in "ab")
        (first,) = await hubspot.carry(batch_of(slot({"associations": [a]})))
        (fate,) = await hubspot.carry(
            batch_of(slot({"associations": [b]}, time=OLD, replayed=True))
        )

        assert isinstance(fate.rest, Stale), fate
        assert fate.rest.left_out == ("associations.contact email b@example.com",)
        assert len(await hubspot.links(first.progress.record_id, "contacts")) == 1


async def test_a_replay_of_an_order_that_nobody_touched_is_written_whole():
    async with stand() as hubspot:
        data = {"properties": {"note": "x"}, "line_items": {"items": [line("1", name="a")]}}
        (fate,) = await hubspot.carry(batch_of(slot(data, time=OLD, replayed=True)))

        assert isinstance(fate.rest, Applied), fate
        assert fate.rest.left_out == ()
        assert set(await hubspot.lines(fate.progress.record_id)) == {"A-1/1"}
        assert (await hubspot.order("A-1"))["properties"]["note"] == "x"
