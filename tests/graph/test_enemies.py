"""What HubSpot, an account and an event can do to a batch of complete orders, and what each order hears of it."""

import pytest

from service.core.events.graph import Target
from service.core.hubspot.verdicts import Applied, Rejected, Retryable
from service.core.reasons import Code
from service.core.waiting.parts import PartStatus
from service.core.waiting.slots import coalesce, slot_of
from service.twin import parse_fault
from tests.graph.driving import batch_of, stand
from tests.strategies import graph_contribution

CONTACTS = "/crm/v3/objects/contacts"


def slot(data, key="A-1", operation="upsert"):
    return slot_of(graph_contribution(data, operation, key), 0.0)


def mail(name, **more):
    return {"to": "contact", "by": "email", "value": f"{name}@example.com", **more}


def by_id(record_id, to="contact", **more):
    return {"to": to, "by": "hs_object_id", "value": record_id, **more}


async def contact(hubspot, name, **more):
    made = await hubspot.post(CONTACTS, {"properties": {"email": f"{name}@example.com", **more}})
    return made["id"]


async def linked(hubspot, fate, to="contacts"):
    return await hubspot.links(fate.progress.record_id, to)


async def test_a_further_address_and_the_first_one_are_one_link():
    async with stand() as hubspot:
        mia = await contact(hubspot, "mia", hs_additional_emails="old@example.com")
        (fate,) = await hubspot.carry(
            batch_of(slot({"associations": [mail("OLD"), mail("mia"), by_id(mia)]}))
        )

        assert isinstance(fate.rest, Applied), fate
        assert list(await linked(hubspot, fate)) == [mia]
        assert {part.record_id for part in fate.progress.links.values()} == {mia}


async def test_the_id_from_before_a_merge_leads_to_the_survivor():
    async with stand() as hubspot:
        a, b = await contact(hubspot, "a"), await contact(hubspot, "b")
        await hubspot.post(f"{CONTACTS}/merge", {"primaryObjectId": a, "objectIdToMerge": b})
        (fate,) = await hubspot.carry(batch_of(slot({"associations": [by_id(b)]})))

        assert isinstance(fate.rest, Applied), fate
        (survivor,) = await linked(hubspot, fate)
        assert survivor != b
        assert fate.progress.links[Target("contacts", "hs_object_id", b)].record_id == survivor


async def test_an_id_that_is_none_costs_no_other_order_its_link():
    async with stand() as hubspot:
        mia = await contact(hubspot, "mia")
        good, bad = await hubspot.carry(
            batch_of(
                slot({"associations": [by_id(mia)]}, "A-1"),
                slot({"associations": [by_id("9" * 30)]}, "A-2"),
            )
        )

        assert isinstance(good.rest, Applied), good
        assert not isinstance(bad.rest, Applied)


async def test_a_property_that_is_not_unique_is_refused_and_costs_no_other_order_anything():
    async with stand() as hubspot:
        good, bad = await hubspot.carry(
            batch_of(
                slot({"associations": [mail("mia", on_missing="create")]}, "A-1"),
                slot({"associations": [{"to": "company", "by": "name", "value": "Acme"}]}, "A-2"),
            )
        )

        assert isinstance(good.rest, Applied), good
        assert isinstance(bad.rest, Rejected), bad


async def test_bad_properties_of_a_buyer_to_make_are_their_own_events_fault_alone():
    """Four orders name one missing buyer; the first would make it with a value that HubSpot refuses."""
    bad = {"no_such_property": "x"}
    async with stand() as hubspot:
        first, second, skips, waits = await hubspot.carry(
            batch_of(
                slot({"associations": [mail("mia", on_missing="create", properties=bad)]}, "A-1"),
                slot({"associations": [mail("mia", on_missing="create")]}, "A-2"),
                slot({"associations": [mail("leo", on_missing="skip")]}, "A-3"),
                slot({"associations": [mail("leo", on_missing="create", properties=bad)]}, "A-4"),
            )
        )

        assert isinstance(second.rest, Applied), second
        assert list(await linked(hubspot, second))
        assert isinstance(skips.rest, Applied), skips
        assert isinstance(waits.rest, Rejected), waits
        assert not isinstance(first.rest, Retryable)


async def test_a_buyer_that_appears_meanwhile_is_taken_and_not_overwritten():
    async with stand(
        faults=(parse_fault("vanish operation=read kind=contacts times=1"),)
    ) as hubspot:
        hubspot.twin.arm(())
        mia = await contact(hubspot, "mia", firstname="Mia")
        # The first look-up says that nobody has the address, as it was a moment before.
        missing = "refuse operation=read kind=contacts times=1 category=OBJECT_NOT_FOUND"
        hubspot.twin.arm([parse_fault(missing)])
        link = mail("mia", on_missing="create", properties={"firstname": "Other"})
        (fate,) = await hubspot.carry(batch_of(slot({"associations": [link]})))

        assert isinstance(fate.rest, Applied), fate
        assert list(await linked(hubspot, fate)) == [mia]
        held = await hubspot.get(f"{CONTACTS}/{mia}", properties="firstname")
        assert held["properties"]["firstname"] == "Mia"


async def test_labels_with_the_plain_type_of_a_company_and_not_the_primary_one():
    labels = ("orders.companies:Bill to",)
    async with stand(labels=labels) as hubspot:
        await hubspot.post("/crm/v3/objects/companies", {"properties": {"shop_customer_no": "C"}})
        link = {"to": "company", "by": "shop_customer_no", "value": "C"}
        (fate,) = await hubspot.carry(
            batch_of(slot({"associations": [link | {"labels": ["bill TO"]}]}))
        )
        first = await linked(hubspot, fate, "companies")
        (kept,) = await hubspot.carry(batch_of(slot({"associations": [link]})))
        second = await linked(hubspot, kept, "companies")
        (bare,) = await hubspot.carry(batch_of(slot({"associations": [link | {"labels": []}]})))
        third = await linked(hubspot, bare, "companies")
        (unknown,) = await hubspot.carry(
            batch_of(slot({"associations": [link | {"labels": ["Ship to"]}]}))
        )

        assert [list(each.values()) for each in (first, second, third)] == [
            [["", "Bill to"]],
            [["", "Bill to"]],
            [[""]],
        ]
        assert isinstance(unknown.rest, Rejected), unknown
        assert "bill to" in unknown.rest.reason.message
        types = {t for *_, w in hubspot.twin.written("companies") for t in (w.types or ())}
        assert 509 not in {getattr(t, "number", t) for t in types}


@pytest.mark.parametrize("fault", ["503", "empty", "html", "cut", "403"])
async def test_labels_that_could_not_be_read_refuse_no_order(fault):
    """Nobody knows the account's labels then, so nobody says that one is not there."""
    async with stand(labels=("orders.companies:Bill to",)) as hubspot:
        await hubspot.post("/crm/v3/objects/companies", {"properties": {"shop_customer_no": "C"}})
        hubspot.twin.arm([parse_fault(f"{fault} operation=labels times=1")])
        link = {"to": "company", "by": "shop_customer_no", "value": "C", "labels": ["Bill to"]}
        (fate,) = await hubspot.carry(batch_of(slot({"associations": [link]})))
        (again,) = await hubspot.carry(batch_of(slot({"associations": [link]})))

        assert not isinstance(fate.rest, Rejected | Applied), fate
        assert isinstance(again.rest, Applied), again


async def test_an_exclusive_link_beside_one_that_is_skipped_still_replaces_the_others():
    async with stand() as hubspot:
        a, b = await contact(hubspot, "a"), await contact(hubspot, "b")
        await hubspot.carry(batch_of(slot({"associations": [by_id(a)]})))
        links = [by_id(b, exclusive=True), mail("nobody", on_missing="skip")]
        (fate,) = await hubspot.carry(batch_of(slot({"associations": links})))

        assert isinstance(fate.rest, Applied), fate
        assert list(await linked(hubspot, fate)) == [b]


@pytest.mark.parametrize("way", ["wait", "skip", "fail"])
async def test_an_exclusive_link_without_its_target_removes_nothing(way):
    async with stand() as hubspot:
        a = await contact(hubspot, "a")
        await hubspot.carry(batch_of(slot({"associations": [by_id(a)]})))
        links = [mail("nobody", on_missing=way, exclusive=True)]
        (fate,) = await hubspot.carry(batch_of(slot({"associations": links})))

        assert list(await linked(hubspot, fate)) == [a]


async def test_what_is_not_there_is_removed_already():
    async with stand() as hubspot:
        a = await contact(hubspot, "a")
        (fate,) = await hubspot.carry(
            batch_of(
                slot(
                    {
                        "line_items": {"mode": "merge", "remove": ["7", "x/y%"]},
                        "dissociations": [by_id(a), mail("nobody")],
                    }
                )
            )
        )

        assert isinstance(fate.rest, Applied), fate
        assert {part.status for part in fate.progress.removed.values()} == {PartStatus.REMOVED}
        assert {part.status for part in fate.progress.links.values()} == {PartStatus.UNLINKED}


@pytest.mark.parametrize("blame", ["nobody", "property", "ids"])
async def test_a_refused_removal_of_links_costs_no_other_order_anything(blame):
    async with stand() as hubspot:
        a, b = await contact(hubspot, "a"), await contact(hubspot, "b")
        keys = [f"A-{n}" for n in range(4)]
        await hubspot.carry(
            batch_of(*(slot({"associations": [by_id(a), by_id(b)]}, key) for key in keys))
        )
        bad = (await hubspot.order("A-2"))["id"]
        hubspot.twin.arm([parse_fault(f"refuse-batch operation=unlink key={bad}* blame={blame}")])
        hubspot.calls.clear()
        fates = await hubspot.carry(
            batch_of(*(slot({"dissociations": [by_id(a)]}, key) for key in keys))
        )

        done = [isinstance(fate.rest, Applied) for fate in fates]
        assert done == [True, True, False, True], fates
        assert sum(call.name == "link/archive" for call in hubspot.calls) <= 8


@pytest.mark.parametrize("blame", ["nobody", "property", "ids"])
async def test_a_refused_archive_of_lines_costs_no_other_order_anything(blame):
    async with stand() as hubspot:
        keys = [f"A-{n}" for n in range(4)]
        both = [{"key": k, "properties": {"name": "x"}} for k in "12"]
        await hubspot.carry(batch_of(*(slot({"line_items": {"items": both}}, key) for key in keys)))
        bad = (await hubspot.lines((await hubspot.order("A-2"))["id"]))["A-2/2"]["hs_object_id"]
        hubspot.twin.arm(
            [parse_fault(f"refuse-batch operation=archive kind=line_items key={bad} blame={blame}")]
        )
        fates = await hubspot.carry(
            batch_of(*(slot({"line_items": {"items": both[:1]}}, key) for key in keys))
        )

        done = [isinstance(fate.rest, Applied) for fate in fates]
        assert done == [True, True, False, True], fates


async def test_a_refusal_of_lines_that_names_nobody_is_found_by_halves():
    async with stand() as hubspot:
        hubspot.twin.arm(
            [
                parse_fault(
                    "refuse-batch operation=upsert kind=line_items where=name:POISON blame=nobody"
                )
            ]
        )
        slots = [
            slot({"line_items": {"items": [{"key": "1", "properties": {"name": name}}]}}, f"A-{n}")
            for n, name in enumerate(["x"] * 20 + ["POISON"] + ["x"] * 20)
        ]
        fates = await hubspot.carry(batch_of(*slots))

        assert [n for n, fate in enumerate(fates) if not isinstance(fate.rest, Applied)] == [20]
        assert sum(getattr(call, "object", "") == "line_items" for call in hubspot.calls) <= 82


async def test_more_links_than_an_answer_holds_are_read_page_by_page():
    async with stand(association_page=2) as hubspot:
        ids = [await contact(hubspot, f"c{n}") for n in range(7)]
        await hubspot.carry(batch_of(slot({"associations": [by_id(each) for each in ids]})))
        (fate,) = await hubspot.carry(
            batch_of(slot({"associations": [by_id(ids[6], exclusive=True)]}))
        )

        assert isinstance(fate.rest, Applied), fate
        assert list(await linked(hubspot, fate)) == [ids[6]]


async def test_two_events_that_name_one_buyer_differently_are_one_link():
    async with stand() as hubspot:
        mia = await contact(hubspot, "mia")
        first = slot({"associations": [mail("mia")]})
        both = coalesce(first, graph_contribution({"dissociations": [by_id(mia)]}, "upsert", "A-1"))
        assert both is not None
        (fate,) = await hubspot.carry(batch_of(both))

        assert isinstance(fate.rest, Applied), fate
        assert await linked(hubspot, fate) == {}


async def test_an_order_named_by_its_record_id_names_its_lines_after_its_own_key():
    line = {"items": [{"key": "1", "properties": {"name": "Tent"}}]}
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"properties": {"note": "x"}}, "A/1%")))
        order = (await hubspot.order("A/1%"))["id"]
        by = {"id_property": "hs_object_id", "line_items": line}
        nameless = await hubspot.post("/crm/v3/objects/orders", {"properties": {"note": "y"}})
        named, bare, gone = await hubspot.carry(
            batch_of(
                slot(by, order, "update"),
                slot(by, nameless["id"], "update"),
                slot(by, "999", "update"),
            )
        )

        assert isinstance(named.rest, Applied), named
        assert set(await hubspot.lines(order)) == {"A%2F1%25/1"}
        assert isinstance(bare.rest, Rejected)
        assert bare.rest.reason.code is Code.LINE_ITEMS_UNRESOLVED
        assert isinstance(gone.rest, Rejected)
        assert gone.rest.reason.code is Code.ORDER_NOT_FOUND


ODD = ["empty", "html", "truncate written=true", "vanish", "anonymous", "lump", "drift"]
STEPS = [
    "operation=upsert kind=line_items",
    "operation=link to=line_items",
    "operation=link to=contacts",
    "operation=archive kind=line_items",
    "operation=unlink",
    "operation=links",
]


# A 204 is documented to say "done", and nobody doubts it: these faults of records would make it lie.
CASES = [
    (odd, step)
    for odd in ODD
    for step in STEPS
    if odd not in {"vanish", "anonymous"} or ("archive" not in step and "unlink" not in step)
]


@pytest.mark.parametrize(("odd", "step"), CASES)
async def test_an_answer_that_nobody_documented_is_never_taken_for_more_than_it_says(odd, step):
    lines = [{"key": k, "properties": {"name": "x"}} for k in "12"]
    async with stand() as hubspot:
        a, b = await contact(hubspot, "a"), await contact(hubspot, "b")
        await hubspot.carry(
            batch_of(slot({"line_items": {"items": lines}, "associations": [by_id(a)]}))
        )
        hubspot.twin.arm([parse_fault(f"{odd} {step}")])
        wish = slot(
            {
                "line_items": {"items": [lines[0], {"key": "3", "properties": {}}]},
                "associations": [by_id(b, exclusive=True)],
            }
        )
        (fate,) = await hubspot.carry(batch_of(wish))
        order = fate.progress.record_id
        held, links = set(await hubspot.lines(order)), set(await hubspot.links(order, "contacts"))
        if isinstance(fate.rest, Applied):
            assert held == {"A-1/1", "A-1/3"}
            assert links == {b}
        hubspot.twin.arm(())
        (fate,) = await hubspot.carry(batch_of(wish))

        assert isinstance(fate.rest, Applied), fate
        assert set(await hubspot.lines(order)) == {"A-1/1", "A-1/3"}
        assert set(await hubspot.links(order, "contacts")) == {b}


async def test_a_refused_look_up_of_targets_is_never_taken_for_success():
    """A 400 to the reading of many names accuses nobody: each is asked alone, and the bad one is refused."""
    refuse = parse_fault("refuse-batch operation=read kind=contacts blame=nobody times=1")
    async with stand(faults=(refuse,)) as hubspot:
        orders = [slot({"associations": [mail(n)]}, f"A-{n}") for n in "ab"]
        fates = await hubspot.carry(batch_of(*orders))

    assert not any(isinstance(fate.rest, Applied) for fate in fates), fates


@pytest.mark.parametrize("way", ["associations", "dissociations"])
async def test_an_object_type_that_the_account_does_not_have_is_refused_and_holds_up_nobody(way):
    async with stand() as hubspot:
        await hubspot.post("/crm/v3/objects/contacts", {"properties": {"email": "mia@example.com"}})
        bad = {way: [{"to": "2-123456", "by": "hs_object_id", "value": "5"}]}
        good = {"associations": [{"to": "contact", "by": "email", "value": "mia@example.com"}]}
        refused, fine = await hubspot.carry(batch_of(slot(bad, "A-1"), slot(good, "A-2")))

        assert isinstance(refused.rest, Rejected), refused
        assert refused.rest.reason.code is Code.ASSOCIATION_REFUSED
        assert "no object type 2-123456" in refused.rest.reason.message
        assert refused.progress.written
        assert isinstance(fine.rest, Applied), fine
