"""What HubSpot would refuse is named before anything is sent; against the twin's own readers of values."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from service.contract.filed import Filed, faults
from service.contract.schemas import documents
from service.core.account.definitions import Definition, Option
from service.core.account.event_schema import event_schema, properties_schema
from service.core.account.preflight import AccountSchema, wrong
from service.core.graph.pipelines import Labelled, OrderPipeline
from service.twin.account.values import READERS, BadValueError, options_reader

COLOURS = (Option("red", "Red one"), Option("sea green", "Green"), Option("a.b", "Dot"))
ORDERS = {
    each.name: each
    for each in (
        Definition("shop_order_id", unique=True),
        Definition("hs_order_name", label="Name", description="What it is called."),
        Definition("price", "number"),
        Definition("paid_at", "datetime"),
        Definition("day", "date"),
        Definition("vip", "bool"),
        Definition("colour", "enumeration", options=COLOURS),
        Definition("colours", "enumeration", field_type="checkbox", options=COLOURS),
        Definition("owner", "enumeration", external=True, options=COLOURS),
        Definition("empty", "enumeration"),
        Definition("made_at", "datetime", read_only=True),
        Definition("hs_pipeline", "enumeration"),
        Definition("hs_pipeline_stage", "enumeration"),
    )
}
LINES = {"name": Definition("name"), "quantity": Definition("quantity", "number")}
PIPELINES = (
    OrderPipeline(Labelled("p1", "Shop"), (Labelled("s1", "Open"), Labelled("s2", "Sent"))),
    OrderPipeline(Labelled("p2", "Returns"), (Labelled("s3", "Back"),)),
)
ACCOUNT = AccountSchema(ORDERS, LINES, PIPELINES)
SCHEMA = event_schema(documents()["order-event.v1.json"], ACCOUNT)
VALIDATOR = Draft202012Validator(SCHEMA)

WRITTEN = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["12.5", " 12", "1e3", "1_0", "nan", "inf", "+4", ".5", "5.", "TRUE", "false ", "yes"]
        + ["2026-11-22", "20261122", "2026-11-22T00:00Z", "2026-11-22T10:00:00.5+01:00", "2026-13-01"]
        + ["1795305600000", "-1", "9" * 20, "red", "Red one", "red;sea green", ";red;;", "a.b", "axb"]
    ),
    st.integers().map(str),
    st.datetimes().map(lambda at: at.isoformat()),
    st.dates().map(lambda day: day.isoformat()),
)  # fmt: skip


def refused_by_the_twin(definition: Definition, value: str) -> bool:
    reader = READERS.get(definition.type)
    if definition.type == "enumeration":
        values = tuple(each.value for each in definition.options)
        reader = options_reader(values, several=definition.several)
    assert reader is not None
    try:
        reader(value)
    except BadValueError:
        return True
    return False


@given(st.sampled_from(["price", "paid_at", "day", "vip", "colour", "colours", "hs_order_name"]), WRITTEN)  # fmt: skip
def test_a_value_is_refused_here_exactly_where_hubspot_refuses_it(name, value):
    if value:
        definition = ORDERS[name]
        assert (wrong(definition, value) is not None) is refused_by_the_twin(definition, value)


def event(**data):
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/shop",
        "type": "ordersync.order.upsert.v1",
        "subject": "A-1",
        "time": "2026-11-22T10:00:00Z",
        "data": {"properties": {}} | data,
    }


def told(document) -> dict[str, str]:
    filed = Filed("line 1", 1, orjson.dumps(document))
    return {fault.path: fault.message for fault in faults(filed, "shop_order_id", ACCOUNT)}


@given(st.sampled_from(sorted(ORDERS)), WRITTEN)
def test_the_schema_refuses_nothing_that_hubspot_would_take(name, value):
    """And of names, options and what is read-only it refuses all that preflight does."""
    document = event(properties={name: value})

    by_schema = not VALIDATOR.is_valid(document)

    if by_schema:
        # What identifies the order is written as the subject, and judged with it.
        assert told(document) or name == "shop_order_id"
    if ORDERS[name].type == "enumeration" and not name.startswith("hs_") and told(document):
        assert by_schema or value != value.strip()


def test_the_schema_is_one_and_still_the_order_events():
    Draft202012Validator.check_schema(SCHEMA)

    assert VALIDATOR.is_valid(event())
    assert not VALIDATOR.is_valid(event(properties={"no_such": "x"}))
    assert not VALIDATOR.is_valid(event(properties={"made_at": "2026-11-22"}))
    assert VALIDATOR.is_valid(
        event(properties={"vip": True, "price": 12.5, "colour": None, "day": ""})
    )
    assert not VALIDATOR.is_valid(
        event(line_items={"items": [{"key": "1", "properties": {"x": 1}}]})
    )
    assert properties_schema(ORDERS)["properties"]["hs_order_name"]["description"]
    (narrowed,) = SCHEMA["allOf"]
    stage = narrowed["properties"]["data"]["properties"]["stage"]
    assert stage["examples"] == ["Open", "Sent", "Back"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"properties": {"prise": "1"}}, ("data.properties.prise", "did you mean price?")),
        ({"properties": {"made_at": "1"}}, ("data.properties.made_at", "read-only")),
        ({"properties": {"price": "12,5"}}, ("data.properties.price", "12,5 is no number")),
        ({"properties": {"price": " 1"}}, ("data.properties.price", "white space around it")),
        ({"properties": {"vip": "yes"}}, ("data.properties.vip", "neither true nor false")),
        ({"properties": {"paid_at": "soon"}}, ("data.properties.paid_at", "is no time")),
        ({"properties": {"day": "soon"}}, ("data.properties.day", "is no date")),
        ({"properties": {"day": "2026-11-22T10:00Z"}}, ("data.properties.day", "not midnight")),
        ({"properties": {"colour": "Green"}}, ("data.properties.colour", "its value is sea green")),
        ({"properties": {"colour": "blue"}}, ("data.properties.colour", "there are red, sea green")),
        ({"stage": "Shiped"}, ("data.stage", "there is no stage Shiped")),
        ({"properties": {"hs_pipeline": "Shop"}}, ("data.properties.hs_pipeline", "no pipeline's id")),
        ({"properties": {"hs_pipeline_stage": "Open"}}, ("data.properties.hs_pipeline_stage", "data.stage")),
        (
            {"properties": {"hs_pipeline": "p2", "hs_pipeline_stage": "s1"}},
            ("data.properties.hs_pipeline_stage", "no stage's id"),
        ),
        ({"id_property": "no_such"}, ("data.id_property", "orders have no property no_such")),
        ({"id_property": "price"}, ("data.id_property", "is not unique")),
        (
            {"line_items": {"items": [{"key": "1"}, {"key": "2", "properties": {"quantity": "x"}}]}},
            ("data.line_items.items.1.properties.quantity", "x is no number"),
        ),
    ],
)  # fmt: skip
def test_what_would_be_refused_is_named_with_its_path(data, expected):
    (found,) = told(event(**data)).items()

    assert found[0] == expected[0]
    assert expected[1] in found[1]


@pytest.mark.parametrize(
    "data",
    [
        {"properties": {"hs_order_name": " a ", "price": "", "colour": None, "vip": True}},
        {"properties": {"owner": "anybody", "empty": "x"}},
        {"properties": {"shop_order_id": "A-1"}, "stage": "sent", "pipeline": "p1"},
        {"properties": {"hs_pipeline": "p1", "hs_pipeline_stage": "s2"}},
        {"properties": {"hs_pipeline_stage": "s3"}},
        {"line_items": {"mode": "merge", "remove": ["1"]}},
    ],
)
def test_what_hubspot_takes_is_not_named(data):
    assert told(event(**data)) == {}


def test_an_archive_sets_nothing():
    archive = event() | {"type": "ordersync.order.archive.v1", "data": {"id_property": "hs_object_id"}}  # fmt: skip

    assert told(archive | {"subject": "17"}) == {}


def test_many_options_are_counted():
    many = Definition("m", "enumeration", options=tuple(Option(f"o{n}", "") for n in range(20)))

    assert str(wrong(many, "x")).endswith("o11 and 8 more")
