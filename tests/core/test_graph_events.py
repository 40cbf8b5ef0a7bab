"""What an event may ask for beyond its order's properties: lines, links, a stage."""

import orjson
import pytest

from service.core.events.events import Contribution, parse
from service.core.events.graph import Graph, Lines, Link, Stage, Target, Unlink
from service.core.events.malformed import Malformed
from tests.strategies import ID_PROPERTY, delivery, document

MIA = {"to": "contact", "by": "email", "value": " Mia@Example.com "}


def parsed(data, operation="upsert"):
    made = document(operation) | {"data": data}
    return parse(delivery(orjson.dumps(made)), ID_PROPERTY)


def graph(data) -> Graph:
    read = parsed(data)
    assert isinstance(read, Contribution), read.message
    assert read.graph is not None
    return read.graph


def faults(data, operation="upsert"):
    read = parsed(data, operation)
    assert isinstance(read, Malformed)
    return dict(read.faults)


def test_an_event_with_properties_alone_has_no_graph():
    read = parsed({"properties": {"a": 1}})

    assert isinstance(read, Contribution)
    assert read.graph is None


def test_lines_links_and_stage_are_read():
    read = graph(
        {
            "pipeline": "Orders",
            "stage": "Shipped",
            "line_items": {"items": [{"key": "1", "properties": {"quantity": 3, "name": None}}]},
            "associations": [MIA | {"on_missing": "create", "properties": {"age": 7}}],
            "dissociations": [{"to": "deals", "by": "hs_object_id", "value": 991}],
        }
    )

    mia = Target("contacts", "email", "mia@example.com")
    assert read.stage == Stage("Orders", "Shipped")
    assert read.lines == Lines(True, {"1": {"quantity": "3", "name": ""}}, frozenset())
    assert read.links == (
        Link(mia, ("contact", "email", " Mia@Example.com "), None, "create", {"age": "7"}, False),
        Unlink(Target("deals", "hs_object_id", "991"), ("deals", "hs_object_id", "991")),
    )


def test_labels_are_each_named_once():
    (link,) = graph({"associations": [MIA | {"labels": ["Buyer", "Payer", "Buyer"]}]}).links

    assert isinstance(link, Link)
    assert link.labels == ("Buyer", "Payer")


def test_properties_may_be_absent_beside_another_part_only():
    assert graph({"stage": "Shipped"}).stage == Stage(None, "Shipped")
    assert faults({}) == {"data.properties": "is required"}
    assert faults({"line_items": None, "pipeline": None}) == {"data.properties": "is required"}


def test_500_lines_are_read_and_501_are_not():
    def lines(count):
        return {"line_items": {"items": [{"key": str(n)} for n in range(count)]}}

    assert graph(lines(500)).lines == Lines(True, {str(n): {} for n in range(500)}, frozenset())
    assert faults(lines(501)) == {"data.line_items.items": "must have at most 500 entries"}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"line_items": {"mode": "merge", "remove": ["1", "1"]}}, "data.line_items.remove.1"),
        (
            {"associations": [MIA | {"properties": {"email": "x@y.z"}}]},
            "data.associations.0.properties.email",
        ),
        ({"dissociations": [MIA, MIA]}, "data.dissociations.1"),
        ({"stage": "Shipped", "properties": {"hs_pipeline": None}}, "data.properties.hs_pipeline"),
        ({"pipeline": "Orders", "properties": {}}, "data.pipeline"),
        ({"line_items": {"mode": "replace"}}, "data.line_items.items"),
        ({"line_items": {"items": [], "remove": ["1"]}}, "data.line_items.remove"),
        ({"line_items": {"items": [{"key": 3}]}}, "data.line_items.items.0.key"),
        (
            {"line_items": {"mode": "merge", "items": [{"key": "1"}], "remove": ["1"]}},
            "data.line_items.remove.0",
        ),
        ({"line_items": {"mode": "merge", "remove": [7]}}, "data.line_items.remove.0"),
        (
            {
                "associations": [
                    MIA | {"exclusive": True},
                    MIA | {"value": "leo@example.com", "exclusive": True},
                ]
            },
            "data.associations.1.exclusive",
        ),
        (
            {"associations": [{"to": "deal", "by": "hs_object_id", "value": "x7"}]},
            "data.associations.0.value",
        ),
        (
            {
                "associations": [
                    {"to": "deal", "by": "hs_object_id", "value": "7", "on_missing": "create"}
                ]
            },
            "data.associations.0.on_missing",
        ),
    ],
)
def test_contradictions_have_their_path(data, path):
    assert set(faults(data)) == {path}


def test_the_same_record_may_be_named_by_two_of_its_properties():
    """Nobody can tell before HubSpot is asked: the later wish counts then."""
    assert (
        len(
            graph(
                {"associations": [MIA, {"to": "contact", "by": "hs_object_id", "value": "7"}]}
            ).links
        )
        == 2
    )


def test_contradictions_are_told_beside_the_other_faults():
    found = faults(
        {
            "stage": "",
            "pipeline": "Orders",
            "line_items": {"items": [{"key": "1"}, {"key": "1", "properties": {"price": [1]}}, 7]},
            "associations": [MIA, MIA | {"to": "contacts"}, None],
        }
    )

    assert set(found) == {
        "data.stage",
        "data.line_items.items.1.key",
        "data.line_items.items.1.properties.price",
        "data.line_items.items.2",
        "data.associations.1",
        "data.associations.2",
    }


@pytest.mark.parametrize(
    "part", ["stage", "pipeline", "line_items", "associations", "dissociations"]
)
def test_an_archive_has_no_parts(part):
    assert faults({part: []}, "archive") == {f"data.{part}": "is not a part of an archive"}


def test_a_create_needs_a_key_of_the_producers():
    assert set(faults({"properties": {}, "id_property": "hs_object_id"}, "create")) == {
        "data.id_property"
    }


@pytest.mark.parametrize(
    "data",
    [
        {"id_property": "hs_object_id", "properties": {"a": 1}},
        {},
        {"pipeline": "Order pipeline"},
        {"associations": [MIA, MIA]},
        {"properties": {"a": []}},
    ],
    ids=["subject of letters", "nothing at all", "contradiction", "a link twice", "a bad value"],
)
def test_whose_a_malformed_event_is_stays_known_whichever_fault_it_has(data):
    """Without id and subject its producer would never learn of it."""
    made = document("upsert") | {"data": data}
    read = parse(delivery(orjson.dumps(made)), ID_PROPERTY)

    assert isinstance(read, Malformed)
    known = read.identity
    assert (known.id, known.source, known.subject) == (made["id"], made["source"], made["subject"])
