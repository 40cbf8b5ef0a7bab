"""Small promises: names that mean two records, ids as numbers, white space, creates, pages without an end."""

from dataclasses import replace

import orjson
import pytest

from service.core.events.graph import Target
from service.core.graph import reading
from service.core.graph.link_types import labels_of
from service.core.graph.work import Work
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.verdicts import Applied, Partly, Rejected, Retryable
from service.core.reasons import Code
from service.core.waiting.parts import PartStatus
from service.core.waiting.slots import coalesce, slot_of
from service.twin import parse_fault
from tests.graph.driving import Stand, batch_of, stand
from tests.strategies import graph_contribution

TENT = {"key": "1", "properties": {"name": "Tent"}}
ROPE = {"key": "2", "properties": {"name": "Rope"}}
CONTACTS = "/crm/v3/objects/contacts"


def slot(data, key="A-1", operation="upsert"):
    return slot_of(graph_contribution(data, operation, key), 0.0)


def mail(value, **more):
    return {"to": "contact", "by": "email", "value": value, **more}


async def contact(hubspot, name, **more):
    made = await hubspot.post(CONTACTS, {"properties": {"email": f"{name}@example.com", **more}})
    return made["id"]


class Answering(Stand):
    """A HubSpot that answers calls of one name in a way of its own."""

    name = ""
    body: object = None

    async def send(self, call):
        if call.name == self.name and self.body is not None:
            self.calls.append(call)
            return BatchReply(200, {}, orjson.dumps(self.body))
        return await super().send(call)


def answering(hubspot, name, body):
    made = Answering(hubspot.twin, hubspot.http, hubspot.hubspot)
    made.name, made.body = name, body
    return made


async def test_an_address_that_two_contacts_have_is_refused_and_no_other_order_with_it():
    """One has it as its first, the other as a further address: nobody knows which is meant."""
    async with stand() as hubspot:
        mia, leo = await contact(hubspot, "mia"), await contact(hubspot, "leo")
        body = {
            "results": [
                {"id": "71", "properties": {"email": "x@example.com"}},
                {
                    "id": "72",
                    "properties": {
                        "email": "y@example.com",
                        "hs_additional_emails": "x@example.com",
                    },
                },
                {"id": leo, "properties": {"email": "leo@example.com"}},
            ]
        }
        odd = answering(hubspot, "read", body)
        both, one, by_id = await odd.carry(
            batch_of(
                slot({"associations": [mail("x@example.com")]}, "A-1"),
                slot({"associations": [mail("leo@example.com")]}, "A-2"),
                slot({"properties": {"note": "z"}}, "A-3"),
            )
        )

        assert isinstance(both.rest, Rejected)
        assert both.rest.reason.code is Code.ASSOCIATION_TARGET_AMBIGUOUS
        assert "more than one contact" in both.rest.reason.message
        assert both.progress.written
        assert (
            both.progress.links[Target("contacts", "email", "x@example.com")].status
            is PartStatus.REFUSED
        )
        assert isinstance(one.rest, Applied)
        assert isinstance(by_id.rest, Applied)
        assert list(await hubspot.links(one.progress.record_id, "contacts")) == [leo]
        assert mia != leo


async def test_an_address_that_alone_leads_to_two_contacts_is_ambiguous():
    """Asked alone, all results stand for the name, whatever they are called."""
    async with stand() as hubspot:
        odd = answering(hubspot, "read", {"results": [{"id": "71"}, {"id": "72"}]})
        (fate,) = await odd.carry(batch_of(slot({"associations": [mail("x@example.com")]})))

        assert isinstance(fate.rest, Rejected)
        assert fate.rest.reason.code is Code.ASSOCIATION_TARGET_AMBIGUOUS


@pytest.mark.parametrize("as_numbers", [True, False])
async def test_record_ids_may_be_numbers_in_events_and_in_answers(as_numbers):
    async with stand(numeric_association_ids=as_numbers) as hubspot:
        mia = await contact(hubspot, "mia")
        leo = await contact(hubspot, "leo")
        data = {"line_items": {"items": [TENT, ROPE]}}
        links = [{"to": "contact", "by": "hs_object_id", "value": int(mia)}]
        (first,) = await hubspot.carry(batch_of(slot(data | {"associations": links})))
        other = [{"to": "contact", "by": "hs_object_id", "value": leo, "exclusive": True}]
        fewer = {"line_items": {"items": [TENT]}, "associations": other}
        (second,) = await hubspot.carry(batch_of(slot(fewer)))

        assert isinstance(first.rest, Applied), first
        assert isinstance(second.rest, Applied), second
        order = second.progress.record_id
        assert set(await hubspot.lines(order)) == {"A-1/1"}
        assert list(await hubspot.links(order, "contacts")) == [leo]


async def test_a_create_brings_its_lines_and_links():
    async with stand() as hubspot:
        mia = await contact(hubspot, "mia")
        new = mail("leo@example.com", on_missing="create")
        data = {
            "properties": {"note": "x"},
            "stage": "shipped",
            "line_items": {"items": [TENT, ROPE]},
            "associations": [mail("mia@example.com"), new],
        }
        (fate,) = await hubspot.carry(batch_of(slot(data, operation="create")))

        assert isinstance(fate.rest, Applied), fate
        assert fate.rest.created is True
        order = fate.progress.record_id
        assert set(await hubspot.lines(order)) == {"A-1/1", "A-1/2"}
        linked = await hubspot.links(order, "contacts")
        assert mia in linked
        assert len(linked) == 2


async def test_a_create_that_is_refused_writes_no_line_and_no_link():
    async with stand() as hubspot:
        await contact(hubspot, "mia")
        (first,) = await hubspot.carry(batch_of(slot({"properties": {"note": "x"}})))
        data = {"line_items": {"items": [TENT]}, "associations": [mail("mia@example.com")]}
        (fate,) = await hubspot.carry(batch_of(slot(data, operation="create")))

        assert isinstance(fate.rest, Rejected), fate
        assert fate.rest.reason.code is Code.ORDER_EXISTS
        assert fate.progress.record_id == first.progress.record_id
        assert await hubspot.lines(first.progress.record_id) == {}
        assert await hubspot.links(first.progress.record_id, "contacts") == {}


@pytest.mark.parametrize("redelivered", [True, False])
async def test_a_create_that_comes_again_after_its_answer_was_lost_is_its_own(redelivered):
    """Redelivered, or tried again after silence: the order that has all its values is its first try."""
    data = {"properties": {"note": "x"}, "line_items": {"items": [TENT]}}
    async with stand() as hubspot:
        event = graph_contribution(data, "create")
        hubspot.twin.arm([parse_fault("cut operation=create written=true times=1")])
        (lost,) = await hubspot.carry(batch_of(slot_of(event, 0.0)))
        assert isinstance(lost.rest, Retryable), lost
        again = slot_of(event, 0.0)
        if redelivered:
            delivery = replace(event.delivery, redelivered=True)
            again = slot_of(replace(event, delivery=delivery), 0.0)
        else:
            again = replace(again, ambiguous=True, progress=lost.progress)
        (fate,) = await hubspot.carry(batch_of(again))

        assert isinstance(fate.rest, Applied), fate
        assert fate.rest.created is not False
        assert set(await hubspot.lines(fate.progress.record_id)) == {"A-1/1"}
        assert hubspot.twin.stats()["records"]["orders"]["live"] == 1


async def test_a_redelivered_create_is_not_taken_for_an_order_of_somebody_elses():
    async with stand() as hubspot:
        (other,) = await hubspot.carry(batch_of(slot({"properties": {"note": "theirs"}})))
        event = graph_contribution({"properties": {"note": "ours"}}, "create")
        event = replace(event, delivery=replace(event.delivery, redelivered=True))
        (fate,) = await hubspot.carry(batch_of(slot_of(event, 0.0)))

        assert isinstance(fate.rest, Rejected), fate
        assert fate.rest.reason.code is Code.ORDER_EXISTS
        assert fate.progress.record_id == other.progress.record_id
        assert (await hubspot.order("A-1"))["properties"]["note"] == "theirs"


async def test_a_redelivered_create_whose_look_up_fails_is_asked_again():
    async with stand() as hubspot:
        event = graph_contribution({"properties": {"note": "ours"}}, "create")
        event = replace(event, delivery=replace(event.delivery, redelivered=True))
        hubspot.twin.arm([parse_fault("503 operation=read kind=orders times=1")])
        (fate,) = await hubspot.carry(batch_of(slot_of(event, 0.0)))

        assert isinstance(fate.rest, Retryable), fate
        assert "orders" not in hubspot.twin.stats()["records"]


async def test_a_remembered_buyer_who_was_merged_meanwhile_is_asked_anew():
    """HubSpot refuses the old id; what the first order taught refuses no second one."""
    async with stand() as hubspot:
        mia, other = await contact(hubspot, "mia"), await contact(hubspot, "other")
        wish = {"associations": [mail("mia@example.com")]}
        await hubspot.carry(batch_of(slot(wish, "A-1")))
        await hubspot.post(f"{CONTACTS}/merge", {"primaryObjectId": mia, "objectIdToMerge": other})
        second = slot(wish, "A-2")
        (fate,) = await hubspot.carry(batch_of(second))
        (again,) = await hubspot.carry(batch_of(replace(second, progress=fate.progress)))

        assert isinstance(fate.rest, Retryable), fate
        assert isinstance(again.rest, Applied), again
        (survivor,) = await hubspot.links(again.progress.record_id, "contacts")
        assert survivor not in {mia, other}


@pytest.mark.parametrize("merge", [True, False])
async def test_what_is_refused_by_fresh_knowledge_is_refused(merge):
    """A target that was asked in this very try, and a link that HubSpot refuses all the same."""
    async with stand() as hubspot:
        await contact(hubspot, "mia")
        wish = {"associations": [mail("mia@example.com")]}
        if merge:
            await hubspot.carry(batch_of(slot(wish, "A-1")))
        hubspot.twin.arm([parse_fault("refuse-batch operation=link to=contacts blame=property")])
        (fate,) = await hubspot.carry(batch_of(slot(wish, "A-2")))
        (again,) = await hubspot.carry(batch_of(slot(wish, "A-3")))

        assert isinstance(fate.rest, Retryable if merge else Rejected), fate
        assert isinstance(again.rest, Rejected if merge else Retryable), again


async def test_a_remembered_label_that_was_made_anew_is_read_anew():
    async with stand(labels=("orders.companies:Bill to",)) as hubspot:
        await hubspot.post("/crm/v3/objects/companies", {"properties": {"shop_customer_no": "C"}})
        link = {"to": "company", "by": "shop_customer_no", "value": "C", "labels": ["Bill to"]}
        await hubspot.carry(batch_of(slot({"associations": [link]}, "A-1")))
        labels = "/crm/v4/associations/orders/companies/labels"
        for each in (await hubspot.get(labels))["results"]:
            if each["label"] == "Bill to":
                await hubspot.http.delete(f"{labels}/{each['typeId']}")
        await hubspot.post(labels, {"label": "Bill to", "name": "bill_to_again"})
        second = slot({"associations": [link]}, "A-2")
        (fate,) = await hubspot.carry(batch_of(second))
        (again,) = await hubspot.carry(batch_of(replace(second, progress=fate.progress)))

        assert isinstance(fate.rest, Retryable), fate
        assert isinstance(again.rest, Applied), again


async def test_a_remembered_stage_that_is_another_one_by_now_is_read_anew():
    async with stand(pipelines=("Web:New|Paid",)) as hubspot:
        wish = {"pipeline": "Web", "stage": "Paid"}
        (first,) = await hubspot.carry(batch_of(slot(wish, "A-1")))
        assert isinstance(first.rest, Applied), first
        stages = "/crm/v3/pipelines/orders/Web/stages"
        await hubspot.http.delete(f"{stages}/web-paid")
        body = {"label": "Paid", "displayOrder": 3, "metadata": {}}
        await hubspot.post(stages, body)
        (fate,) = await hubspot.carry(batch_of(slot(wish, "A-2")))
        (again,) = await hubspot.carry(batch_of(slot(wish, "A-2")))

        assert isinstance(fate.rest, Retryable), fate
        assert isinstance(again.rest, Applied), again
        held = (await hubspot.order("A-2"))["properties"]["hs_pipeline_stage"]
        assert held != "web-paid"


async def test_a_taken_key_whose_holder_could_not_be_named_is_asked_again():
    """Nothing is concluded before it is known whose the key is."""
    async with stand() as hubspot:
        (first,) = await hubspot.carry(batch_of(slot({"properties": {"note": "x"}})))
        hubspot.twin.arm([parse_fault("cut operation=read kind=orders times=1")])
        wish = slot({"properties": {"note": "y"}}, operation="create")
        (fate,) = await hubspot.carry(batch_of(wish))
        (again,) = await hubspot.carry(batch_of(wish))

        assert isinstance(fate.rest, Retryable), fate
        assert isinstance(again.rest, Rejected), again
        assert again.rest.reason.code is Code.ORDER_EXISTS
        assert again.progress.record_id == first.progress.record_id


async def test_a_create_whose_other_unique_value_is_taken_is_no_order_that_exists():
    async with stand(unique=("shop_order_id", "invoice_no")) as hubspot:
        await hubspot.carry(batch_of(slot({"properties": {"invoice_no": "R-1"}}, "A-1")))
        wish = slot({"properties": {"invoice_no": "R-1"}}, "A-2", "create")
        (fate,) = await hubspot.carry(batch_of(wish))

        assert isinstance(fate.rest, Rejected), fate
        assert fate.rest.reason.code is Code.VALUE_TAKEN


@pytest.mark.parametrize("body", [{}, {"status": "COMPLETE", "numErrors": 1}])
async def test_links_of_which_an_answer_says_nothing_are_unresolved_and_sent_again(body):
    async with stand() as hubspot:
        await contact(hubspot, "mia")
        wish = slot({"line_items": {"items": [TENT]}, "associations": [mail("mia@example.com")]})
        odd = answering(hubspot, "link/create", body)
        (fate,) = await odd.carry(batch_of(wish))

        assert isinstance(fate.rest, Retryable), fate
        assert fate.progress.written
        assert {part.status for part in fate.progress.lines.values()} == {PartStatus.UNRESOLVED}
        assert {part.status for part in fate.progress.links.values()} == {PartStatus.UNRESOLVED}
        (again,) = await hubspot.carry(batch_of(replace(wish, progress=fate.progress)))
        assert isinstance(again.rest, Applied), again
        assert set(await hubspot.lines(again.progress.record_id)) == {"A-1/1"}


async def test_more_than_five_hundred_links_of_one_order_are_all_read():
    """HubSpot pages them; an exclusive link takes every other one away, and not the first page alone."""
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"properties": {"note": "x"}})))
        order = (await hubspot.order("A-1"))["id"]
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 508}]
        for page in range(6):
            many = [
                {
                    "properties": {"email": f"c{page}-{n}@example.com"},
                    "associations": [{"to": {"id": order}, "types": types}],
                }
                for n in range(100)
            ]
            await hubspot.post(f"{CONTACTS}/batch/create", {"inputs": many})
        link = mail("c3-7@example.com", exclusive=True)
        (fate,) = await hubspot.carry(batch_of(slot({"associations": [link]})))

        assert isinstance(fate.rest, Applied), fate
        assert len(await hubspot.links(order, "contacts")) == 1
        assert [call.name for call in hubspot.calls].count("link/read") == 2


def test_a_cursor_that_comes_again_ends_and_is_no_answer():
    work = Work.on(slot({"properties": {}}), "A-1")
    work.record_id = "1"
    step = reading.links_of([work], "contacts")
    calls = next(step)
    page = {"from": {"id": "1"}, "to": [{"toObjectId": 7}], "paging": {"next": {"after": "NTAw"}}}
    reply = BatchReply(200, {}, orjson.dumps({"results": [page]}))
    step.send(tuple(reply for _ in calls))
    with pytest.raises(StopIteration) as end:
        step.send((reply,))

    assert end.value.value == {}


async def test_a_line_of_ours_that_two_orders_hold_goes_with_its_own_order_alone():
    """HubSpot keeps nobody from linking a line twice; the key says whose it is."""
    async with stand() as hubspot:
        wishes = [slot({"line_items": {"items": [TENT, ROPE]}}, key) for key in ("A-1", "A-2")]
        first, second = await hubspot.carry(batch_of(*wishes))
        a, b = first.progress.record_id, second.progress.record_id
        foreign = (await hubspot.lines(a))["A-1/2"]["hs_object_id"]
        link = {
            "from": {"id": b},
            "to": {"id": foreign},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 513}],
        }
        await hubspot.post(
            "/crm/v4/associations/orders/line_items/batch/create", {"inputs": [link]}
        )
        fates = await hubspot.carry(
            batch_of(*(slot({"line_items": {"items": [TENT]}}, key) for key in ("A-1", "A-2")))
        )

        assert [type(fate.rest) for fate in fates] == [Applied, Applied]
        assert set(fates[0].progress.removed) == {"2"}
        assert set(fates[1].progress.removed) == {"2"}
        assert set(await hubspot.lines(a)) == {"A-1/1"}
        assert set(await hubspot.lines(b)) == {"A-2/1"}


async def test_a_foreign_order_s_line_stays_where_the_order_that_holds_it_has_none():
    async with stand() as hubspot:
        first, second = await hubspot.carry(
            batch_of(
                slot({"line_items": {"items": [TENT]}}, "A-1"),
                slot({"properties": {"note": "x"}}, "A-2"),
            )
        )
        (line,) = (await hubspot.lines(first.progress.record_id)).values()
        link = {
            "from": {"id": second.progress.record_id},
            "to": {"id": line["hs_object_id"]},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 513}],
        }
        await hubspot.post(
            "/crm/v4/associations/orders/line_items/batch/create", {"inputs": [link]}
        )
        (fate,) = await hubspot.carry(batch_of(slot({"line_items": {"items": []}}, "A-2")))

        assert isinstance(fate.rest, Applied), fate
        assert set(await hubspot.lines(first.progress.record_id)) == {"A-1/1"}


async def test_white_space_around_an_address_does_not_count_and_around_a_number_is_refused():
    async with stand() as hubspot:
        mia = await contact(hubspot, "mia")
        spaced = {"key": "1", "properties": {"quantity": " 3 "}}
        good, bad = await hubspot.carry(
            batch_of(
                slot({"associations": [mail("  MIA@example.com ")]}, "A-1"),
                slot({"line_items": {"items": [spaced, ROPE]}}, "A-2"),
            )
        )

        assert isinstance(good.rest, Applied), good
        assert list(await hubspot.links(good.progress.record_id, "contacts")) == [mia]
        assert isinstance(bad.rest, Rejected), bad
        assert bad.rest.reason.code is Code.LINE_ITEM_REJECTED
        assert bad.rest.reason.property == "quantity"
        assert bad.progress.lines["1"].status is PartStatus.REJECTED
        assert bad.progress.lines["2"].done


async def test_the_removal_of_a_line_that_a_list_does_not_hold_is_said_to_be_done():
    """A list and, merged onto it, the removal of a line that is not there: the list's write proves it."""
    async with stand() as hubspot:
        for _ in range(2):  # a new order, then one that is there
            both = slot({"line_items": {"items": [TENT]}})
            away = graph_contribution({"line_items": {"mode": "merge", "remove": ["1", "9"]}})
            merged = coalesce(both, away)
            assert merged is not None
            (fate,) = await hubspot.carry(batch_of(merged))

            assert isinstance(fate, Partly)
            assert isinstance(fate.rest, Applied), fate
            assert {key: part.status for key, part in fate.progress.removed.items()} == {
                "1": PartStatus.REMOVED,
                "9": PartStatus.REMOVED,
            }
            assert await hubspot.lines((await hubspot.order("A-1"))["id"]) == {}


async def test_the_removal_is_not_said_to_be_done_where_the_lines_could_not_be_read():
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT, ROPE]}})))
        for step in ("operation=links", "operation=read kind=line_items"):
            hubspot.twin.arm([parse_fault(f"503 {step}")])
            merged = coalesce(
                slot({"line_items": {"items": [TENT]}}),
                graph_contribution({"line_items": {"mode": "merge", "remove": ["9"]}}),
            )
            assert merged is not None
            (fate,) = await hubspot.carry(batch_of(merged))

            assert isinstance(fate.rest, Retryable), fate
            assert fate.progress.removed == {}
            hubspot.twin.arm(())
            order = (await hubspot.order("A-1"))["id"]
            assert set(await hubspot.lines(order)) == {"A-1/1", "A-1/2"}


async def test_another_record_that_bears_the_key_of_a_wanted_line_stays():
    async with stand() as hubspot:
        (first,) = await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT, ROPE]}})))
        rope = (await hubspot.lines(first.progress.record_id))["A-1/2"]["hs_object_id"]
        body = {"results": [{"id": rope, "properties": {"ordersync_line_id": "A-1/1"}}]}
        odd = answering(hubspot, "read", body)
        (fate,) = await odd.carry(batch_of(slot({"line_items": {"items": [TENT]}})))

        assert isinstance(fate.rest, Applied), fate
        assert set(await hubspot.lines(fate.progress.record_id)) == {"A-1/1", "A-1/2"}


async def test_an_exclusive_link_beside_one_that_waits_removes_no_other_yet():
    async with stand() as hubspot:
        a, b = await contact(hubspot, "a"), await contact(hubspot, "b")
        await hubspot.carry(batch_of(slot({"associations": [mail("a@example.com")]})))
        links = [mail("b@example.com", exclusive=True), mail("nobody@example.com")]
        (fate,) = await hubspot.carry(batch_of(slot({"associations": links})))

        assert isinstance(fate.rest, Retryable), fate
        assert set(await hubspot.links(fate.progress.record_id, "contacts")) == {a, b}


async def test_a_redelivered_create_that_was_never_carried_out_is_made():
    async with stand() as hubspot:
        event = graph_contribution({"properties": {"note": "ours"}}, "create")
        event = replace(event, delivery=replace(event.delivery, redelivered=True))
        (fate,) = await hubspot.carry(batch_of(slot_of(event, 0.0)))

        assert isinstance(fate.rest, Applied), fate
        assert fate.rest.created is True


async def test_nobody_is_asked_for_the_buyer_of_a_refused_order():
    async with stand() as hubspot:
        wish = {"stage": "Lost", "associations": [mail("a@example.com")]}
        refused, other = await hubspot.carry(
            batch_of(slot(wish, "A-1"), slot({"line_items": {"items": []}}, "A-2"))
        )

        assert isinstance(refused.rest, Rejected), refused
        assert isinstance(other.rest, Applied), other
        assert "contacts" not in {getattr(call, "object", "") for call in hubspot.calls}


async def test_alone_the_one_result_is_the_record_whatever_it_is_called():
    """A contact that merged answers with another address: asked alone, it is nobody else."""
    async with stand() as hubspot:
        leo = await contact(hubspot, "leo")
        body = {"results": [{"id": leo, "properties": {"email": "leo@example.com"}}]}
        odd = answering(hubspot, "read", body)
        (fate,) = await odd.carry(batch_of(slot({"associations": [mail("old@example.com")]})))

        assert isinstance(fate.rest, Applied), fate
        assert list(await hubspot.links(fate.progress.record_id, "contacts")) == [leo]


def test_link_types_without_a_category_or_a_number_are_none():
    body = {"results": [{"typeId": 7}, {"category": "USER_DEFINED", "typeId": "7"}]}

    assert labels_of(body) == {}
