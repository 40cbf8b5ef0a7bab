"""Edges that no story comes by: answers with holes, calls about nothing, parts that overtake each other."""

from dataclasses import replace

import orjson
import pytest

from service.core.desk import Desk
from service.core.events.graph import Target
from service.core.hubspot import associations, calls, lookups
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.associations import Linked, LinksFound, LinkType, Pair
from service.core.hubspot.budget import Budget, BudgetPolicy
from service.core.hubspot.lookups import Found, Missing
from service.core.hubspot.requests import ListCall, object_of
from service.core.hubspot.verdicts import Applied, Cause, Halted, Retryable
from service.core.intake.handover import Handover
from service.core.letters.letters import key, sent_as, unanswered
from service.core.letters.letters import read as read_letter
from service.core.reasons import Code, Reason
from service.core.settlement.receipts import failed_part, receipt
from service.core.waiting.backlog import Backlog
from service.core.waiting.batch import BatchPolicy
from service.core.waiting.claims import overtaken_by
from service.core.waiting.parts import Part, PartStatus, Progress
from service.core.waiting.slots import coalesce, slot_of
from tests.core.test_desk import POLICIES
from tests.strategies import contribution, delivery, document, graph_contribution

LINE = {"key": "1", "properties": {"name": "Tent"}}
MIA = {"to": "contact", "by": "email", "value": "mia@example.com"}
REASON = Reason(Code.SERVER_ERROR, "503", 503)


# --- calls and answers ------------------------------------------------------------------------------------


def test_calls_about_nothing_have_a_name_and_no_size():
    labels, nothing = (
        ListCall("labels", "orders", "contacts"),
        associations.no_links("archive", "contacts", "orders"),
    )

    assert (labels.name, labels.size, object_of(labels)) == ("labels", 0, "contacts")
    assert (nothing.name, nothing.size, object_of(nothing)) == ("link/archive", 0, "contacts")
    assert object_of(ListCall("pipelines", "orders")) == "orders"
    assert object_of(calls.nothing("contacts", "read")) == "contacts"


def test_results_without_both_ends_are_no_evidence_and_types_without_a_number_are_none():
    plain = {"category": "HUBSPOT_DEFINED", "typeId": 507}
    call = associations.read("orders", "contacts", [("1", None)])
    body = {
        "results": [
            {"to": [{"toObjectId": 7}]},
            {
                "from": {"id": "1"},
                "to": [{}, {"toObjectId": 8, "associationTypes": [plain, {"typeId": "x"}]}],
                "paging": {"next": 7},
            },
        ]
    }
    making = associations.make(
        "orders", "contacts", [(Pair("1", "7"), [LinkType("HUBSPOT_DEFINED", 507)])]
    )
    (verdict,) = associations.made(making, {"results": [{"fromObjectId": 1}]}, 201, None)

    found = associations.found(call, body)
    assert found == {"1": LinksFound((Linked("8", frozenset({LinkType("HUBSPOT_DEFINED", 507)})),))}
    assert isinstance(verdict, Retryable)


def test_a_refusal_without_a_final_word_is_asked_again():
    making = associations.make(
        "orders", "contacts", [(Pair("1", "7"), [LinkType("HUBSPOT_DEFINED", 507)])]
    )
    error = {"category": "RATE_LIMITS", "context": {"id": ["7"]}}
    (verdict,) = associations.made(making, {"errors": [error]}, 207, None)

    assert isinstance(verdict, Retryable)
    assert verdict.cause is Cause.RECORD
    assert "without a word" in verdict.reason.message


def test_a_record_without_properties_has_no_value():
    call = calls.look_up("orders", "hs_object_id", ["1", "2"])
    results = [{"id": "1"}, {"id": "2", "properties": {"k": "v"}}]
    reply = BatchReply(200, {}, orjson.dumps({"results": results}))

    assert lookups.read_values(call, reply, "k") == ("", "v")


def test_a_vague_answer_to_an_archive_is_what_the_look_for_the_record_says():
    vague = Retryable(REASON, Cause.SILENCE, ambiguous=True)
    halted = Halted(REASON)

    assert lookups.read_back("1", vague, Missing()) == Applied("1", None)
    assert isinstance(lookups.read_back("1", vague, Found("1")), Retryable)
    assert lookups.read_back("1", halted, Found("1")) is halted
    assert lookups.read_back("1", vague, halted) is halted


def test_a_count_without_its_limit_accuses_no_neighbour():
    budget = Budget(BudgetPolicy())
    budget.spend(0.0)
    budget.learn(BatchReply(200, {"x-hubspot-ratelimit-remaining": "3"}, b""), 0.0, 0.1)

    assert budget.used == 1
    assert budget.wait(0.2) < 1.0


# --- intake -----------------------------------------------------------------------------------------------


def test_a_repeat_that_waited_for_a_delivery_of_a_dead_channel_takes_its_place():
    desk = Desk(POLICIES, "t")
    body = orjson.dumps(document())
    desk.arrive(delivery(body, epoch=1), 0.0)
    desk.arrive(delivery(body, epoch=2), 0.0)
    desk.lose(frozenset({1}), 0.5)
    departure = desk.depart(1.0)

    assert departure is not None
    (slot,) = departure.batch.slots
    assert [each.delivery.epoch for each in slot.contributions] == [2]


def test_two_takeovers_within_one_overlap_remember_the_first_events_of_both():
    handover = Handover(30.0, 10)
    for epoch, name, at in ((1, "A", 0.0), (2, "B", 5.0)):
        event = contribution(
            "upsert", name, f"{name}-1", epoch=epoch, headers={"x-delivery-count": 1}
        )
        event = replace(event, delivery=replace(event.delivery, redelivered=True))
        handover.arrive(event, at)

    assert handover.until == 35.0
    later = contribution("upsert", "A", "A-2", epoch=2)
    assert handover.not_before(later) == 35.0


def test_a_plain_event_that_takes_in_a_complete_ones_while_its_order_travels_leaves_with_complete_ones():
    backlog = Backlog(BatchPolicy(size=3, linger=0.25))
    backlog.add(contribution("upsert", "A-1", "e-1", a="1"), 0.0)
    first = backlog.take(1.0)
    assert first is not None
    backlog.add(contribution("upsert", "A-1", "e-2", a="2"), 1.0)
    backlog.add(graph_contribution({"line_items": {"items": [LINE]}}, "upsert", "A-1", "e-3"), 1.0)
    backlog.add(contribution("upsert", "A-2", "e-4", a="2"), 1.0)
    backlog.finish(first.slots[0])
    batches = [backlog.take(2.0), backlog.take(2.0)]

    taken = {
        tuple(s.order.key for s in batch.slots): [s.complete for s in batch.slots]
        for batch in batches
        if batch is not None
    }
    assert taken == {("A-1",): [True], ("A-2",): [False]}


# --- letters ----------------------------------------------------------------------------------------------


def test_copies_of_one_letter_have_one_key_wherever_they_lie():
    headers = {
        "ordersync-reason": "property_invalid",
        "ordersync-failed-at": "2026-11-22T10:00:00.000Z",
        "ordersync-message-id": "m-1",
        "ordersync-event-id": "e-1",
    }
    ours = delivery(b"{}", headers=headers, message_id="copy-1")
    moved = delivery(b"{}", headers=headers, message_id="copy-2")
    theirs = delivery(b"{}", message_id="m-2")
    letter = read_letter(ours, "shop_order_id")

    assert sent_as(theirs) == "m-2"
    assert key(ours, letter) == key(moved, read_letter(moved, "shop_order_id"))
    assert not unanswered(ours, letter)


# --- parts ------------------------------------------------------------------------------------------------


def test_a_plain_event_overtakes_the_values_of_a_complete_one_and_no_part():
    both = graph_contribution({"properties": {"a": 1}, "line_items": {"items": [LINE]}})
    values = graph_contribution({"properties": {"a": 1}, "stage": "Open"})
    later = contribution("upsert", a="2")

    assert overtaken_by(both, [later])[1] is None
    staged = graph_contribution({"properties": {"a": 2}, "stage": "Shipped"})
    assert overtaken_by(values, [later, staged])[1] is staged
    assert overtaken_by(values, [staged, later])[1] is staged


@pytest.mark.parametrize(
    ("lines", "links", "told"),
    [
        ({}, {}, "line 1"),
        ({"1": Part(PartStatus.CREATED)}, {}, "contact email mia@example.com"),
        ({"1": Part(PartStatus.CREATED)}, {"mia": Part(PartStatus.LINKED)}, None),
    ],
)
def test_a_dead_letter_names_the_first_part_that_is_not_done(lines, links, told):
    event = graph_contribution({"line_items": {"items": [LINE]}, "associations": [MIA]})
    target = Target("contacts", "email", "mia@example.com")
    known = Progress(
        "1",
        written=True,
        lines=lines,
        links=dict.fromkeys([target][: len(links)], Part(PartStatus.LINKED)),
    )
    slot = replace(slot_of(event, 0.0), progress=known)

    assert failed_part(slot, 0) == told
    assert failed_part(replace(slot, progress=None), 0) is None
    assert failed_part(slot_of(contribution(), 0.0), 0) is None


def test_a_removal_that_a_later_list_overtakes_is_superseded():
    first = slot_of(
        graph_contribution({"line_items": {"mode": "merge", "items": [LINE], "remove": ["9"]}}), 0.0
    )
    both = coalesce(first, graph_contribution({"line_items": {"items": [LINE]}}))
    assert both is not None
    done = Part(PartStatus.UPDATED, "5")
    known = Progress("1", written=True, lines={"1": done}, removed={"9": Part(PartStatus.REMOVED)})
    told = receipt(replace(both, progress=known), 0)

    assert told is not None
    assert [(each.key, each.status) for each in told.line_items] == [
        ("1", "superseded"),
        ("9", "superseded"),
    ]
