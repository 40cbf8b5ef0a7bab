"""What seldom comes: stages that mean two things, archives that cannot be prepared, replays whose look-ups fail."""

from dataclasses import replace

import orjson
import pytest

from service.core.events.events import Contribution, parse
from service.core.events.graph import Stage
from service.core.graph.directory import Directory
from service.core.graph.flow import flow_for
from service.core.graph.order_flow import Account
from service.core.graph.pipelines import Labelled, OrderPipeline, StageIds, Unknown, resolve
from service.core.graph.steps import each_alone
from service.core.graph.work import Work
from service.core.hubspot import calls
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.verdicts import (
    Applied,
    Cause,
    Halted,
    Partly,
    Refused,
    Rejected,
    Retryable,
    Stale,
    Verdict,
)
from service.core.reasons import Code, Reason
from service.core.waiting.slots import slot_of
from service.twin import parse_fault
from tests.graph.driving import ACCOUNT, ORDER_ID, batch_of, stand
from tests.strategies import ID_PROPERTY, contribution, delivery, document, graph_contribution

OLD, NEW = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
TENT = {"key": "1", "properties": {"name": "Tent"}}
ROPE = {"key": "2", "properties": {"name": "Rope"}}


def slot(data, key="A-1", operation="upsert"):
    return slot_of(graph_contribution(data, operation, key), 0.0)


def replayed(data, time=OLD):
    event = document() | {"data": data, "time": time}
    read = parse(delivery(orjson.dumps(event), headers={"ordersync-replays": 1}), ID_PROPERTY)
    assert isinstance(read, Contribution), read
    return replace(slot_of(read, 0.0), checked=True)


async def contact(hubspot, name):
    made = await hubspot.post(
        "/crm/v3/objects/contacts", {"properties": {"email": f"{name}@example.com"}}
    )
    return made["id"]


def mail(name, **more):
    return {"to": "contact", "by": "email", "value": f"{name}@example.com", **more}


# --- stages ---------------------------------------------------------------------------------------------

PIPELINES = (
    OrderPipeline(Labelled("p", "Shop"), (Labelled("s1", "Open"), Labelled("s2", "OPEN"))),
    OrderPipeline(Labelled("q", "Web"), (Labelled("s3", "Open"),)),
)


def test_labels_that_differ_in_letter_case_alone_are_ambiguous_and_ids_are_not():
    both = resolve(Stage(None, "open"), PIPELINES)

    assert isinstance(both, Unknown)
    assert both.message == (
        "2 stages in the pipeline Shop are called open: name one by its id (s1, s2)"
    )
    assert resolve(Stage(None, "s2"), PIPELINES) == StageIds("p", "s2")
    assert resolve(Stage("web", "OPEN"), PIPELINES) == StageIds("q", "s3")


def test_an_unknown_pipeline_and_an_account_without_any_are_said():
    unknown = resolve(Stage("Mail", "Open"), PIPELINES)
    none = resolve(Stage(None, "Open"), ())

    assert isinstance(unknown, Unknown)
    assert unknown.message == "there is no pipeline Mail; there are: Shop (p), Web (q)"
    assert isinstance(none, Unknown)
    assert none.message == "the account has no pipeline of orders"


async def test_pipelines_that_could_not_be_read_hold_up_those_orders_alone_that_name_a_stage():
    async with stand() as hubspot:
        hubspot.twin.arm([parse_fault("503 operation=pipelines")])
        staged, other = await hubspot.carry(
            batch_of(slot({"stage": "Shipped"}, "A-1"), slot({"line_items": {"items": []}}, "A-2"))
        )

        assert isinstance(staged.rest, Retryable)
        assert isinstance(other.rest, Applied)


# --- archives -------------------------------------------------------------------------------------------


async def archived(hubspot, *keys):
    slots = [slot_of(contribution("archive", key), 0.0) for key in keys]
    flow = flow_for(batch_of(*slots), "t", ACCOUNT, Directory(), 0.0)
    out = next(flow)
    while True:
        try:
            out = flow.send(tuple([await hubspot.send(call) for call in out]))
        except StopIteration as end:
            return end.value


async def test_an_archive_takes_our_lines_first_and_one_that_is_not_there_is_done():
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT, ROPE]}})))
        fates = await archived(hubspot, "A-1", "A-9")

        assert [type(fate) for fate in fates] == [Applied, Applied]
        assert hubspot.twin.stats()["records"]["line_items"] == {"live": 0, "archived": 2}
        assert hubspot.twin.stats()["records"]["orders"] == {"live": 0, "archived": 1}


@pytest.mark.parametrize(
    "fault",
    [
        "503 operation=read kind=orders",
        "503 operation=links",
        "503 operation=read kind=line_items",
        "503 operation=archive kind=line_items",
        "vanish operation=read kind=orders",
    ],
)
async def test_an_order_whose_lines_are_not_archived_is_not_archived_either(fault):
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT]}})))
        hubspot.twin.arm([parse_fault(fault)])
        (fate,) = await archived(hubspot, "A-1")

        assert isinstance(fate, Partly)
        assert isinstance(fate.rest, Retryable), fate
        assert hubspot.twin.stats()["records"]["orders"]["live"] == 1
        hubspot.twin.arm(())
        (again,) = await archived(hubspot, "A-1")
        assert isinstance(again, Applied)


async def test_an_archive_whose_lines_have_gone_meanwhile_goes_on():
    """The link shows a line that the read no longer finds."""
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT]}})))
        missing = "refuse operation=read kind=line_items category=OBJECT_NOT_FOUND"
        hubspot.twin.arm([parse_fault(missing)])
        (fate,) = await archived(hubspot, "A-1")

        assert isinstance(fate, Applied), fate


# --- lines without a property, names that cannot be looked up ----------------------------------------------


def test_lines_without_a_property_for_their_keys_are_refused_before_any_call():
    flow = flow_for(
        batch_of(slot({"line_items": {"items": [TENT]}})),
        "t",
        Account(ORDER_ID, None),
        Directory(),
        0.0,
    )
    with pytest.raises(StopIteration) as end:
        next(flow)

    (fate,) = end.value.value
    assert fate.rest.reason.code is Code.LINE_ITEMS_NOT_CONFIGURED
    assert "ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY" in fate.rest.reason.message


async def test_an_order_by_record_id_whose_key_cannot_be_read_waits():
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"properties": {"note": "x"}})))
        order = (await hubspot.order("A-1"))["id"]
        hubspot.twin.arm([parse_fault("503 operation=read kind=orders")])
        by = {"id_property": "hs_object_id", "line_items": {"items": [TENT]}}
        (fate,) = await hubspot.carry(batch_of(slot(by, order, "update")))

        assert isinstance(fate.rest, Retryable), fate
        assert not fate.progress.written


async def test_an_event_that_says_its_own_key_needs_no_look_up():
    async with stand(unique=("shop_order_id", "invoice_no")) as hubspot:
        by = {
            "id_property": "invoice_no",
            "properties": {ORDER_ID: "A-1"},
            "line_items": {"items": [TENT]},
        }
        (fate,) = await hubspot.carry(batch_of(slot(by, "R-1")))

        assert isinstance(fate.rest, Applied), fate
        assert set(await hubspot.lines(fate.progress.record_id)) == {"A-1/1"}


# --- verdicts that end nothing ------------------------------------------------------------------------------


def test_a_failure_of_no_kind_that_ends_anything_is_asked_again():
    work = Work.on(slot({"properties": {}}), "A-1")
    work.written = True
    work.fail(Refused(Reason(Code.REFUSED, "x"), named=False))  # type: ignore[arg-type]
    fate = work.verdict()

    assert isinstance(fate, Partly)
    assert isinstance(fate.rest, Retryable)


def test_records_that_an_answer_points_at_go_apart_from_the_rest():
    """Some named, others not: two groups; a culprit found: the others go on together."""
    reason = Reason(Code.REFUSED, "x")
    named, other = Refused(reason, named=True), Refused(reason, named=False)
    said: dict[tuple[str, ...], list[Verdict]] = {
        ("a", "b", "c"): [named, other, other],
        ("a",): [Rejected(reason)],
        ("b", "c"): [Rejected(reason), other],
        ("c",): [Applied("1", None)],
    }
    step = each_alone(
        ["a", "b", "c"],
        10,
        lambda some: calls.records(
            "orders", "upsert", "k", [calls.Record(x, {}) for x in some], "t"
        ),
        lambda call, _: said[tuple(each.id for each in call.inputs)],
    )
    sizes = []
    out = next(step)
    with pytest.raises(StopIteration) as end:
        while True:
            sizes.append([call.size for call in out])
            out = step.send(tuple(BatchReply(200, {}, b"") for _ in out))

    assert [type(v) for v in end.value.value] == [Rejected, Rejected, Applied]
    assert sizes == [[3], [1, 2], [1]]


async def test_a_line_whose_link_is_refused_is_refused_with_it():
    async with stand() as hubspot:
        hubspot.twin.arm(
            [parse_fault("refuse-batch operation=link to=line_items blame=property times=3")]
        )
        (fate,) = await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT]}})))

        assert isinstance(fate.rest, Rejected), fate
        assert "the line is written and not linked to its order" in fate.rest.reason.message


async def test_an_exclusive_link_that_could_not_be_made_removes_no_other():
    async with stand() as hubspot:
        a = await contact(hubspot, "a")
        await contact(hubspot, "b")
        await hubspot.carry(batch_of(slot({"associations": [mail("a")]})))
        hubspot.twin.arm([parse_fault("empty operation=link to=contacts")])
        wish = slot({"associations": [mail("b", exclusive=True)]})
        (fate,) = await hubspot.carry(batch_of(wish))

        assert isinstance(fate.rest, Retryable), fate
        assert list(await hubspot.links(fate.progress.record_id, "contacts")) == [a]


async def test_a_buyer_without_scope_halts_and_refuses_nobody():
    async with stand() as hubspot:
        hubspot.twin.arm([parse_fault("403 operation=read kind=contacts")])
        (fate,) = await hubspot.carry(batch_of(slot({"associations": [mail("a")]})))

        assert isinstance(fate.rest, Halted | Retryable), fate


# --- replays ----------------------------------------------------------------------------------------------


async def test_a_replay_of_an_order_that_is_not_there_writes_it_whole():
    async with stand() as hubspot:
        await contact(hubspot, "a")
        data = {"line_items": {"items": [TENT]}, "associations": [mail("a", exclusive=True)]}
        (fate,) = await hubspot.carry(batch_of(replayed(data)))

        assert isinstance(fate.rest, Applied), fate
        assert set(await hubspot.lines(fate.progress.record_id)) == {"A-1/1"}


@pytest.mark.parametrize(("time", "stale"), [(OLD, True), (NEW, False)])
async def test_a_replay_brings_no_order_back_that_was_archived_since(time, stale):
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT]}})))
        await archived(hubspot, "A-1")
        (fate,) = await hubspot.carry(
            batch_of(replayed({"properties": {"note": "x"}, "line_items": {"items": []}}, time))
        )

        assert isinstance(fate.rest, Stale if stale else Applied), fate


async def test_a_stale_stage_leaves_the_pipeline_with_it():
    async with stand() as hubspot:
        await hubspot.carry(batch_of(slot({"stage": "Shipped"})))
        (fate,) = await hubspot.carry(batch_of(replayed({"stage": "Open"})))

        assert isinstance(fate.rest, Stale), fate
        assert set(fate.rest.left_out) == {"hs_pipeline", "hs_pipeline_stage"}


@pytest.mark.parametrize(
    "fault",
    ["503 operation=read kind=orders", "503 operation=read kind=line_items", "503 operation=links"],
)
async def test_a_replay_that_cannot_look_first_waits_and_writes_nothing(fault):
    async with stand() as hubspot:
        await contact(hubspot, "a")
        await hubspot.carry(batch_of(slot({"line_items": {"items": [TENT]}})))
        before = len(hubspot.twin.written())
        hubspot.twin.arm([parse_fault(fault)])
        data = {
            "properties": {"note": "x"},
            "line_items": {"items": [TENT]},
            "associations": [mail("a", exclusive=True)],
        }
        (fate,) = await hubspot.carry(batch_of(replayed(data)))

        assert isinstance(fate.rest, Retryable), fate
        assert fate.rest.cause is not Cause.MISSING
        assert len(hubspot.twin.written()) == before


async def test_a_stale_unlink_of_a_link_that_is_there_is_left_out():
    async with stand() as hubspot:
        a = await contact(hubspot, "a")
        await hubspot.carry(batch_of(slot({"associations": [mail("a")]})))
        (fate,) = await hubspot.carry(batch_of(replayed({"dissociations": [mail("a")]})))

        assert isinstance(fate.rest, Stale), fate
        order = (await hubspot.order("A-1"))["id"]
        assert list(await hubspot.links(order, "contacts")) == [a]


def test_a_replay_where_lines_have_no_property_looks_at_the_order_alone():
    flow = flow_for(
        batch_of(replayed({"stage": "Shipped"})), "t", Account(ORDER_ID, None), Directory(), 0.0
    )
    names = []
    calls_out = next(flow)
    stages = [{"id": "s", "label": "Shipped"}]
    answers = {
        "pipelines": {"results": [{"id": "p", "label": "P", "stages": stages}]},
        "read": {"results": [{"id": "1", "properties": {ORDER_ID: "A-1"}}]},
        "upsert": {"results": [{"id": "1", "properties": {ORDER_ID: "A-1"}}]},
    }
    with pytest.raises(StopIteration) as end:
        while True:
            names += [call.name for call in calls_out]
            calls_out = flow.send(
                tuple(BatchReply(200, {}, orjson.dumps(answers[each.name])) for each in calls_out)
            )

    (fate,) = end.value.value
    assert isinstance(fate.rest, Applied), fate
    assert names == ["pipelines", "read", "upsert"]
