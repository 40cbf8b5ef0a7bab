"""What a file asks for, what HubSpot holds, what differs, and the event that mends it: case by case."""

from typing import Any

import orjson
import pytest

from service.contract.filed import Filed, read
from service.core.account.definitions import Definition
from service.core.account.preflight import AccountSchema
from service.core.events.events import Contribution
from service.core.events.graph import Target
from service.core.graph.pipelines import Labelled, OrderPipeline
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.associations import LinkType
from service.core.hubspot.calls import look_up
from service.core.hubspot.lookups import Missing
from service.core.reconcile.differences import Difference, differences, same, targets_of
from service.core.reconcile.held import HeldParts, HeldRecord, own_line, records_of
from service.core.reconcile.history import held_since
from service.core.reconcile.repair import mend
from service.core.reconcile.wanted import WantedOrder, fold

KEY = "shop_order_id"
PIPELINES = (
    OrderPipeline(Labelled("p1", "Shop"), (Labelled("s1", "Open"), Labelled("s2", "Sent"))),
)
ORDERS = {
    each.name: each
    for each in (
        Definition("note"),
        Definition("price", "number"),
        Definition("paid_at", "datetime"),
        Definition("vip", "bool"),
        Definition("tags", "enumeration", field_type="checkbox"),
        Definition("kept", read_only=True),
        Definition("hs_pipeline", "enumeration"),
        Definition("hs_pipeline_stage", "enumeration"),
    )
}
ACCOUNT = AccountSchema(ORDERS, {"name": Definition("name")}, PIPELINES)
BUYER = Target("contacts", "email", "mia@example.com")
PLAIN, GIFT, OTHER = (
    LinkType("HUBSPOT_DEFINED", 507),
    LinkType("USER_DEFINED", 1),
    LinkType("USER_DEFINED", 2),
)
LABELS = {"contacts": {None: PLAIN, "gift": GIFT, "other": OTHER}}


def said(operation: str = "upsert", at: int = 10, **data: Any) -> Contribution:
    document = {
        "specversion": "1.0",
        "id": f"{operation}-{at}",
        "source": "/shop",
        "type": f"ordersync.order.{operation}.v1",
        "subject": "A-1",
        "time": f"2026-11-22T{at}:00:00Z",
        "data": data if operation == "archive" else {"properties": {}} | data,
    }
    event = read(Filed("x", 1, orjson.dumps(document)), KEY)
    assert isinstance(event, Contribution), event
    return event


def wanted(*events: Contribution) -> WantedOrder:
    folded = fold(events, PIPELINES)
    assert folded is not None
    return folded


def lines(mode: str, *keys: str, remove: tuple[str, ...] = ()) -> dict[str, Any]:
    items = [{"key": key, "properties": {"name": f"{mode} {key}"}} for key in keys]
    merged = {"mode": mode, "items": items} if items or mode == "replace" else {"mode": mode}
    return merged | ({"remove": list(remove)} if remove else {})


def buyer(**more: Any) -> dict[str, Any]:
    return {"to": "contact", "by": "email", "value": "mia@example.com"} | more


# --- wanted ------------------------------------------------------------------------------------------------


def test_no_events_ask_for_nothing():
    assert fold([], PIPELINES) is None


def test_the_latest_of_each_field_is_wanted():
    order = wanted(
        said(properties={"note": "a", "price": 1}), said("update", 11, properties={"note": "b"})
    )

    assert order.properties == {"note": "b", "price": "1"}
    assert (order.makes, order.gone, order.time) == (True, False, "2026-11-22T11:00:00Z")


def test_an_archive_forgets_what_came_before():
    gone = wanted(
        said(properties={"note": "a"}, line_items=lines("replace", "1")), said("archive", 11)
    )
    back = wanted(
        said(properties={"note": "a"}), said("archive", 11), said(at=12, properties={"price": 2})
    )

    assert (gone.gone, gone.properties, gone.wants_lines) == (True, {}, False)
    assert (back.gone, back.properties) == (False, {"price": "2"})


def test_what_would_be_refused_changes_nothing():
    assert wanted(said("archive"), said("update", 11, properties={"note": "x"})).gone
    assert wanted(
        said(properties={"note": "a"}), said("create", 11, properties={"note": "b"})
    ).properties == {"note": "a"}
    assert wanted(said("create", properties={"note": "a"})).makes
    assert not wanted(said("update", properties={"note": "a"})).makes


def test_a_stage_is_wanted_by_its_ids_and_an_unknown_one_is_told():
    assert wanted(said(stage="sent")).properties == {"hs_pipeline": "p1", "hs_pipeline_stage": "s2"}
    (sentence,) = wanted(said(stage="Shiped")).unknown
    assert "there is no stage Shiped" in sentence
    assert rows(wanted(said(stage="Shiped")), there()) == [
        ("different", "order", "", "stage", sentence)
    ]


def test_lines_are_merged_replaced_and_removed_by_their_keys():
    first = said(line_items=lines("replace", "1", "2"))
    merged = wanted(first, said(at=11, line_items=lines("merge", "3", remove=("1",))))
    replaced = wanted(first, said(at=11, line_items=lines("replace", "2")))
    again = wanted(
        said(line_items=lines("merge", remove=("1",))), said(at=11, line_items=lines("merge", "1"))
    )

    assert (sorted(merged.lines), merged.removed, merged.whole) == (["2", "3"], {"1"}, True)
    assert (replaced.lines, replaced.whole) == ({"2": {"name": "replace 2"}}, True)
    assert (sorted(again.lines), again.removed, again.whole) == (["1"], set(), False)


def test_links_are_made_taken_away_and_alone():
    two = said(associations=[buyer(labels=["Gift"]), buyer(value="leo@example.com")])
    alone = wanted(two, said(at=11, associations=[buyer(exclusive=True)]))
    further = wanted(
        two,
        said(at=11, associations=[buyer(exclusive=True)]),
        said(at=12, associations=[buyer(value="zoe@example.com")]),
    )
    gone = wanted(two, said(at=11, dissociations=[buyer()]))
    back = wanted(said(dissociations=[buyer()]), said(at=11, associations=[buyer()]))

    assert (list(alone.links), alone.only) == ([BUYER], {"contacts"})
    assert alone.links[BUYER].labels == ("Gift",)
    assert (len(further.links), further.only) == (2, set())
    assert (len(gone.links), list(gone.unlinks)) == (1, [BUYER])
    assert (list(back.links), back.unlinks) == ([BUYER], {})
    assert alone.objects == {"contacts"}
    assert list(targets_of(gone)) == [*gone.links, BUYER]


# --- held --------------------------------------------------------------------------------------------------


def test_what_an_answer_does_not_speak_of_is_not_known():
    call = look_up("orders", KEY, ["A", "B", "C"], ["note"])
    body = {
        "results": [
            {"id": "1", "properties": {KEY: "A", "note": "x", "price": None, "vip": ""}},
            {"id": "9", "properties": 7},
        ],
        "errors": [{"category": "OBJECT_NOT_FOUND", "context": {"ids": ["B"]}}],
    }

    a, b, c = records_of(call, BatchReply(207, {}, orjson.dumps(body)))

    assert a == HeldRecord("1", {KEY: "A", "note": "x"})
    assert isinstance(b, Missing)
    assert c is None


def test_a_record_whose_values_are_none_holds_none():
    call = look_up("line_items", "hs_object_id", ["5"])
    body = {"results": [{"id": "5", "properties": "odd"}]}

    assert records_of(call, BatchReply(200, {}, orjson.dumps(body))) == (HeldRecord("5", {}),)


def test_a_line_is_ours_by_its_key():
    assert own_line("A/1", HeldRecord("5", {"line": "A%2F1/x"}), "line") == "x"
    assert own_line("A/1", HeldRecord("5", {"line": "A-2/x"}), "line") is None
    assert own_line("A/1", HeldRecord("5", {}), "line") is None
    assert HeldParts().id is None


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        (
            {
                "note": [
                    {
                        "timestamp": "2026-11-22T10:00:00Z",
                        "sourceType": "CRM_UI",
                        "updatedByUserId": 7,
                    }
                ]
            },
            ("2026-11-22T10:00:00Z", "CRM_UI user 7"),
        ),
        (
            {
                "note": [
                    {"timestamp": "1", "sourceType": "A"},
                    {"timestamp": "2", "sourceType": "B", "sourceId": "9", "sourceLabel": "B"},
                ]
            },
            ("2", "B 9"),
        ),
        ({"note": [{"value": "no time"}]}, None),
        ({"other": []}, None),
        (None, None),
    ],
)
def test_since_when_and_through_what(histories, expected):
    assert held_since({"propertiesWithHistory": histories}, "note") == expected


# --- differences -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wants", "has", "equal"),
    [
        ("price", "12.5", "12.50", True),
        ("price", "12.5", "12.51", False),
        ("price", "x", "y", False),
        ("paid_at", "2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00.000Z", True),
        ("paid_at", "1795305600000", "2026-11-22", True),
        ("paid_at", "soon", "later", False),
        ("vip", "TRUE", "true", True),
        ("tags", "a;b", "b;a;", True),
        ("tags", "a", "a;b", False),
        ("note", "a", "A", False),
        ("note", "", "a", False),
        ("note", "a", "", False),
        ("unheard", "1", "1.0", False),
        ("unheard", "1", "1", True),
    ],
)
def test_values_are_compared_by_what_they_mean(name, wants, has, equal):
    assert same(ORDERS.get(name), wants, has) is equal


def there(**values: str) -> HeldParts:
    return HeldParts(HeldRecord("1", values))


def rows(order: WantedOrder, held: HeldParts) -> list[tuple[str, str, str, str, str | None]]:
    found = differences(order, held, ACCOUNT, LABELS)
    return [(d.difference, d.place, d.name, d.property, d.stays) for d in found]


def test_an_order_is_there_missing_too_many_or_unread():
    up, gone = wanted(said()), wanted(said("archive"))

    assert rows(up, there()) == rows(gone, HeldParts(Missing())) == []
    assert rows(up, HeldParts(Missing())) == [("missing", "order", "", "", None)]
    assert rows(wanted(said("update")), HeldParts(Missing())) == [
        ("missing", "order", "", "", "the file only updates it")
    ]
    assert rows(gone, there()) == [("extra", "order", "", "", None)]
    assert rows(up, HeldParts()) == [("unread", "order", "", "", "HubSpot did not say")]


def test_values_differ_with_what_is_wanted_and_held():
    order = wanted(
        said(stage="Sent", properties={"note": None, "price": 2, "odd": "x", "kept": "y"})
    )
    held = there(note="a", price="2.0", hs_pipeline="p1", hs_pipeline_stage="s1")

    found = {d.property: d for d in differences(order, held, ACCOUNT, LABELS)}

    assert (found["note"].order, found["note"].wanted, found["note"].held) == ("A-1", None, "a")
    assert (found["hs_pipeline_stage"].wanted, found["hs_pipeline_stage"].held) == (
        "Sent (s2)",
        "Open (s1)",
    )
    assert found["odd"].stays == "there is no such property"
    assert found["kept"].stays == "HubSpot keeps it itself"
    assert sorted(found) == ["hs_pipeline_stage", "kept", "note", "odd"]
    assert found["note"].document()["property"] == "note"


def test_lines_are_missing_different_extra_or_unread():
    order = wanted(said(line_items=lines("replace", "1", "2")))
    held = there()
    held.lines = {"2": HeldRecord("22", {"name": "x"}), "3": HeldRecord("33", {})}
    merged = wanted(said(line_items=lines("merge", "2", remove=("3",))))
    kept = wanted(said(line_items=lines("merge", "2")))
    silent = there()
    silent.lines = None

    assert rows(order, held) == [
        ("missing", "line", "1", "", None),
        ("different", "line", "2", "name", None),
        ("extra", "line", "3", "", None),
    ]
    assert rows(merged, held)[1:] == [("extra", "line", "3", "", None)]
    assert rows(kept, held)[1:] == []
    assert rows(order, silent)[0][:2] == ("unread", "line")


NAME = "contact email mia@example.com"


def linked(record: Any = "7", **links: frozenset[LinkType]) -> HeldParts:
    held = there()
    held.links = {"contacts": {each.removeprefix("r"): types for each, types in links.items()}}
    held.targets = {BUYER: record}
    return held


def test_links_are_there_missing_or_unread():
    order = wanted(said(associations=[buyer()]))
    skip = wanted(said(associations=[buyer(on_missing="skip")]))

    assert rows(order, linked(r7=frozenset({PLAIN}))) == []
    assert rows(order, linked()) == [("missing", "link", NAME, "", None)]
    assert rows(order, linked(Missing())) == [("missing", "link", NAME, "", None)]
    assert rows(skip, linked(Missing())) == []
    assert rows(order, linked(None))[0][:3] == ("unread", "link", NAME)
    assert rows(order, there())[0][:3] == ("unread", "link", "contacts")


def test_links_that_are_too_many_are_told_and_stay():
    alone = wanted(said(associations=[buyer(exclusive=True)]))
    gone = wanted(said(dissociations=[buyer()]))
    both = linked(r7=frozenset({PLAIN}), r8=frozenset({PLAIN}))

    assert [row[:3] for row in rows(alone, both)] == [("extra", "link", "contacts 8")]
    assert [row[:3] for row in rows(gone, both)] == [("extra", "link", NAME)]
    assert rows(gone, linked(Missing(), r8=frozenset({PLAIN}))) == []
    assert "no history" in str(rows(alone, both)[0][4])


def test_labels_that_are_given_are_all_that_a_link_has():
    labelled, strange = (
        wanted(said(associations=[buyer(labels=[name])])) for name in ("Gift", "None")
    )
    bare = wanted(said(associations=[buyer()]))

    assert rows(labelled, linked(r7=frozenset({PLAIN, GIFT}))) == []
    assert rows(labelled, linked(r7=frozenset({PLAIN})))[0][3] == "labels"
    assert rows(labelled, linked(r7=frozenset({PLAIN, GIFT, OTHER})))[0][3] == "labels"
    assert rows(bare, linked(r7=frozenset({PLAIN, OTHER}))) == []
    assert "has no label None" in str(rows(strange, linked(r7=frozenset({PLAIN})))[0][4])


# --- repair ------------------------------------------------------------------------------------------------


def mended(order: WantedOrder, held: HeldParts) -> dict[str, Any]:
    event = mend(order, list(differences(order, held, ACCOUNT, LABELS)), "2026-11-25T00:00:00Z")
    assert event is not None
    verdict = read(Filed("x", 1, orjson.dumps(event)), KEY)
    assert isinstance(verdict, Contribution), verdict
    return event


def test_a_mend_says_what_differs_and_nothing_else():
    order = wanted(
        said(
            stage="Sent",
            properties={"note": None, "price": 2, "kept": "y"},
            line_items={
                "items": [
                    {"key": "1", "properties": {"name": "a"}},
                    {"key": "2", "properties": {"name": "b"}},
                ]
            },
            associations=[
                buyer(labels=["Gift"], on_missing="create", properties={"firstname": "Mia"}),
                buyer(value="x@example.com"),
            ],
        )
    )
    held = linked()
    held.record = HeldRecord(
        "1", {"note": "a", "price": "2", "hs_pipeline": "p1", "hs_pipeline_stage": "s1"}
    )
    held.lines = {"2": HeldRecord("22", {"name": "x"}), "3": HeldRecord("33", {})}
    held.targets[Target("contacts", "email", "x@example.com")] = "8"
    held.links["contacts"] = {"8": frozenset({PLAIN})}

    event = mended(order, held)

    assert (event["type"], event["subject"]) == ("ordersync.order.update.v1", "A-1")
    assert event["data"] == {
        "id_property": KEY,
        "properties": {"note": None, "hs_pipeline_stage": "s2"},
        "line_items": {
            "mode": "merge",
            "items": [
                {"key": "1", "properties": {"name": "a"}},
                {"key": "2", "properties": {"name": "b"}},
            ],
            "remove": ["3"],
        },
        "associations": [
            buyer(labels=["Gift"], on_missing="create", properties={"firstname": "Mia"})
        ],
    }


def test_an_order_that_is_missing_gets_all_that_the_file_says():
    order = wanted(
        said(
            properties={"note": "a"},
            line_items=lines("replace", "1"),
            associations=[buyer(exclusive=True)],
        )
    )
    bare = mended(wanted(said()), HeldParts(Missing()))

    event = mended(order, HeldParts(Missing()))

    assert event["type"] == "ordersync.order.upsert.v1"
    assert event["data"]["properties"] == {"note": "a"}
    assert event["data"]["line_items"]["items"] == [
        {"key": "1", "properties": {"name": "replace 1"}}
    ]
    assert event["data"]["associations"] == [buyer(on_missing="wait")]
    assert bare["data"] == {"id_property": KEY, "properties": {}}


def test_a_line_too_many_is_removed_and_an_order_too_many_archived():
    held = there()
    held.lines = {"3": HeldRecord("33", {})}

    removing = mended(wanted(said(line_items=lines("replace"))), held)
    archiving = mended(wanted(said("archive")), there())

    assert removing["data"]["line_items"] == {"mode": "merge", "remove": ["3"]}
    assert archiving["type"] == "ordersync.order.archive.v1"


def test_what_stays_is_mended_by_nothing():
    row = Difference("A-1", "extra", "link", "x", stays="links have no history")

    assert mend(wanted(said()), [row], "2026-11-25T00:00:00Z") is None
    assert mend(wanted(said()), [], "2026-11-25T00:00:00Z") is None


def test_the_same_mend_of_the_same_moment_has_the_same_id():
    order, held = wanted(said(properties={"note": "a"})), there()
    found = list(differences(order, held, ACCOUNT, LABELS))
    first, again, later = (mend(order, found, time) for time in ("1", "1", "2"))

    assert first is not None
    assert again is not None
    assert later is not None
    assert first["id"] == again["id"] != later["id"]
