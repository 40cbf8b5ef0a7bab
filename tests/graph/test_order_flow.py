"""Complete orders, written to the twin and read back: every part where it was to be, and said so."""

from service.core.events.graph import Target
from service.core.hubspot.verdicts import Applied, Partly, Rejected, Retryable
from service.core.reasons import Code
from service.core.waiting.parts import PartStatus
from service.core.waiting.slots import slot_of
from tests.graph.driving import batch_of, stand
from tests.strategies import graph_contribution

TENT = {"key": "1", "properties": {"name": "Tent", "quantity": 3, "price": "19.90"}}
ROPE = {"key": "a/b%", "properties": {"name": "Rope"}}
MIA = {
    "to": "contact",
    "by": "email",
    "value": "mia@example.com",
    "on_missing": "create",
    "properties": {"firstname": "Mia"},
}


def slot(data, key="A-1", operation="upsert"):
    return slot_of(graph_contribution(data, operation, key), 0.0)


async def test_a_new_order_with_lines_and_a_buyer():
    async with stand() as hubspot:
        (fate,) = await hubspot.carry(
            batch_of(
                slot(
                    {
                        "properties": {"note": "x"},
                        "line_items": {"items": [TENT, ROPE]},
                        "associations": [MIA],
                    }
                )
            )
        )

        assert isinstance(fate, Partly), fate
        assert isinstance(fate.rest, Applied), fate
        order = fate.progress.record_id
        assert order
        assert {key: part.status for key, part in fate.progress.lines.items()} == {
            "1": PartStatus.CREATED,
            "a/b%": PartStatus.CREATED,
        }
        mia = Target("contacts", "email", "mia@example.com")
        assert fate.progress.links[mia].status is PartStatus.LINKED
        assert set(await hubspot.lines(order)) == {"A-1/1", "A-1/a%2Fb%25"}
        assert list(await hubspot.links(order, "contacts")) == [fate.progress.links[mia].record_id]


async def test_a_hundred_new_orders_with_three_lines_and_a_buyer_each_take_seven_calls():
    lines = [{"key": str(n), "properties": {"name": "Tent"}} for n in range(3)]

    async with stand() as hubspot:
        for n in range(100):
            await hubspot.post(
                "/crm/v3/objects/contacts", {"properties": {"email": f"c{n}@example.com"}}
            )
        slots = [
            slot(
                {
                    "properties": {},
                    "line_items": {"items": lines},
                    "associations": [
                        {"to": "contact", "by": "email", "value": f"C{n}@example.com"}
                    ],
                },
                f"A-{n}",
            )
            for n in range(100)
        ]
        fates = await hubspot.carry(batch_of(*slots))

        assert all(isinstance(fate.rest, Applied) for fate in fates), fates[0]
        assert len(hubspot.calls) == 7


async def test_a_later_list_removes_our_own_leftovers_and_no_other_line():
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT, ROPE]}})))
        order = (await hubspot.order("A-1"))["id"]
        by_hand = await hubspot.post(
            "/crm/v3/objects/line_items",
            {
                "properties": {"name": "by hand"},
                "associations": [
                    {
                        "to": {"id": order},
                        "types": [
                            {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 514}
                        ],
                    }
                ],
            },
        )
        (fate,) = await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT]}})))

        assert isinstance(fate.rest, Applied), fate
        assert fate.progress.removed["a/b%"].status is PartStatus.REMOVED
        assert fate.progress.lines["1"].status is PartStatus.UPDATED
        assert set(await hubspot.lines(order)) == {"A-1/1", None}
        assert by_hand["id"] in await hubspot.links(order, "line_items")


async def test_a_missing_buyer_waits_and_the_rest_of_the_order_is_written():
    link = {"to": "contact", "by": "email", "value": "no@example.com"}
    async with stand() as hubspot:
        fates = await hubspot.carry(
            batch_of(
                slot({"line_items": {"items": [TENT]}, "associations": [link]}, "A-1"),
                slot({"associations": [link | {"on_missing": "skip"}]}, "A-2"),
                slot({"associations": [link | {"on_missing": "fail"}]}, "A-3"),
            )
        )

        waits, skips, fails = (fate.rest for fate in fates)
        assert isinstance(waits, Retryable)
        assert waits.reason.code is Code.ASSOCIATION_TARGET_MISSING
        assert fates[0].progress.lines["1"].status is PartStatus.CREATED
        assert isinstance(skips, Applied)
        assert isinstance(fails, Rejected)
        assert all(fate.progress.written for fate in fates)


async def test_an_unknown_stage_is_refused_with_the_list_and_writes_nothing():
    async with stand() as hubspot:
        (fate,) = await hubspot.carry(batch_of(slot({"stage": "Nowhere"})))

        assert isinstance(fate.rest, Rejected)
        assert fate.rest.reason.code is Code.STAGE_UNKNOWN
        assert "Shipped" in fate.rest.reason.message
        assert not fate.progress.written


async def test_a_stage_by_name():
    async with stand() as hubspot:
        (fate,) = await hubspot.carry(batch_of(slot({"stage": "shipped"})))

        assert isinstance(fate.rest, Applied), fate
        assert (await hubspot.order("A-1"))["properties"]["hs_pipeline_stage"]


async def test_one_bad_line_costs_no_other_order_anything():
    bad = {"key": "9", "properties": {"price": "not a price"}}
    async with stand() as hubspot:
        fates = await hubspot.carry(
            batch_of(
                slot({"line_items": {"items": [TENT, bad]}}, "A-1"),
                slot({"line_items": {"items": [TENT]}}, "A-2"),
            )
        )

        assert isinstance(fates[0].rest, Rejected), fates[0]
        assert fates[0].rest.reason.code is Code.LINE_ITEM_REJECTED
        assert fates[0].progress.lines["1"].status is PartStatus.CREATED
        assert fates[0].progress.lines["9"].status is PartStatus.REJECTED
        assert isinstance(fates[1].rest, Applied)


async def test_a_create_of_a_key_that_is_taken_names_the_holder():
    async with stand() as hubspot:
        (first,) = await hubspot.carry(
            batch_of(slot({"properties": {"note": "x"}}, operation="create"))
        )
        (second,) = await hubspot.carry(
            batch_of(slot({"properties": {"note": "y"}}, operation="create"))
        )

        assert isinstance(first.rest, Applied), first
        assert first.rest.created is True
        assert isinstance(second.rest, Rejected), second
        assert second.rest.reason.code is Code.ORDER_EXISTS
        assert second.progress.record_id == first.progress.record_id
        assert not second.progress.written


async def test_an_exclusive_link_replaces_the_others_and_labels_stay():
    async with stand() as hubspot:
        for name in ("a", "b"):
            await hubspot.post(
                "/crm/v3/objects/contacts", {"properties": {"email": f"{name}@example.com"}}
            )
        a, b = ({"to": "contact", "by": "email", "value": f"{n}@example.com"} for n in "ab")
        await hubspot.carry(batch_of(slot({"associations": [a]})))
        (fate,) = await hubspot.carry(batch_of(slot({"associations": [b | {"exclusive": True}]})))

        order = fate.progress.record_id
        assert isinstance(fate.rest, Applied), fate
        assert list(await hubspot.links(order, "contacts")) == [
            fate.progress.links[Target("contacts", "email", "b@example.com")].record_id
        ]
