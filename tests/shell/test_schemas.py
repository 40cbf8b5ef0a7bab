"""The contract: schemas, AsyncAPI and examples say what the code does."""

import json
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
import yaml
from cloudevents.core.bindings.rabbitmq import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.contract.event_files import from_json
from service.contract.filed import Filed, read
from service.contract.schemas import DIALECT, documents
from service.core.events.events import Contribution
from service.core.events.malformed import Malformed
from service.core.events.order_event import OPERATIONS, Operation
from service.core.hubspot.verdicts import Applied, Cause, Rejected, Retryable
from service.core.reasons import Code, Reason
from service.core.settlement.outcome import Status
from service.core.settlement.outcomes import Settlement, conclude, conclude_malformed
from service.core.settlement.retries import Exhausted, Finish
from service.core.waiting.slots import Slot, coalesce, slot_of
from service.rabbitmq.topology import Topology
from service.settings.rabbitmq import RabbitMQ

SCHEMAS = Path(__file__).parents[2] / "schemas"
VALID = sorted((SCHEMAS / "examples" / "valid").glob("*.json"))
INVALID = sorted((SCHEMAS / "examples" / "invalid").glob("*.json"))
STAMP = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    """Formats count: a date-time that is none is an error."""
    return jsonschema_rs.Draft202012Validator(documents()[f"{name}.json"], validate_formats=True)


ORDER_EVENT = validator("order-event.v1")
OUTCOME = validator("outcome.v1")
DEAD_LETTER = validator("dead-letter.v1")


def by_name(path: Path) -> str:
    return path.stem


# --- the schemas themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("name", documents())
def test_a_schema_is_a_schema_and_says_which(name):
    document = documents()[name]

    assert document["$schema"] == DIALECT
    assert document["$id"] == f"urn:ordersync:schemas:{name.removesuffix('.json')}"
    assert document["title"]
    assert document["description"]
    assert jsonschema_rs.meta.is_valid(document)


def test_every_operation_is_in_the_schema():
    kinds = {
        model["properties"]["type"]["const"]
        for model in documents()["order-event.v1.json"]["$defs"].values()
        if "type" in model["properties"]
    }

    assert kinds == set(OPERATIONS)


# --- the examples --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", VALID, ids=by_name)
def test_a_valid_example_is_read_as_an_order_event(path):
    found = read(from_json(path.name, path.read_bytes()), "shop_order_id")

    assert isinstance(found, Contribution), found.message


@pytest.mark.parametrize("path", INVALID, ids=by_name)
def test_an_invalid_example_has_exactly_the_stated_faults(path):
    expected = orjson.loads(path.read_bytes())["expected"]

    found = read(from_json(path.name, path.read_bytes()), "shop_order_id")

    assert isinstance(found, Malformed)
    assert found.code == expected["code"]
    assert [fault.path for fault in found.faults] == expected["paths"]
    assert all(fault.message for fault in found.faults)


def test_both_content_modes_every_operation_and_every_code_have_examples():
    read_valid = [read(from_json(path.name, path.read_bytes()), None) for path in VALID]
    read_invalid = [read(from_json(path.name, path.read_bytes()), None) for path in INVALID]

    for binary in (True, False):
        assert {
            found.operation
            for path, found in zip(VALID, read_valid, strict=True)
            if isinstance(found, Contribution) and path.stem.startswith("binary") is binary
        } == set(Operation)
    assert {found.code for found in read_invalid if isinstance(found, Malformed)} == {
        Code.NOT_CLOUDEVENT,
        Code.INVALID_JSON,
        Code.INVALID_EVENT,
    }  # oversized would be a file of 256 KB


@pytest.mark.parametrize(
    "path", [path for path in VALID if not path.stem.startswith("binary")], ids=by_name
)
def test_a_valid_structured_example_is_valid_by_the_schema(path):
    ORDER_EVENT.validate(orjson.loads(path.read_bytes()))


def test_the_page_for_producers_shows_what_is_true():
    page = (SCHEMAS.parent / "docs" / "events.md").read_text()
    event, graph, refusal = (block.partition("```")[0] for block in page.split("```json\n")[1:])
    three_faults = next(path for path in INVALID if path.stem == "three-faults-at-once")

    shown = read(Filed("events.md", 0, event.encode()), None)
    complete = orjson.dumps(orjson.loads(event) | {"data": orjson.loads(graph)})
    assert isinstance(read(Filed("events.md", 0, complete), None), Contribution)
    refused = read(from_json("", three_faults.read_bytes()), None)

    assert isinstance(shown, Contribution)
    assert isinstance(refused, Malformed)
    assert orjson.loads(refusal)["reason"] == {"code": refused.code, "message": refused.message}


BEYOND_A_SCHEMA = {  # two entries that have to differ, or to be equal
    "line-key-twice",
    "line-kept-and-removed",
    "link-twice",
    "linked-and-unlinked",
    "other-key-in-properties",
    "two-exclusive-links",
}


@pytest.mark.parametrize("path", INVALID, ids=by_name)
def test_an_invalid_structured_example_is_invalid_by_the_schema(path):
    message = from_json(path.name, path.read_bytes())
    expected = orjson.loads(path.read_bytes())["expected"]["code"]
    if expected != Code.INVALID_EVENT or message.headers:
        return  # no JSON, or no structured event: no business of the schema's

    assert ORDER_EVENT.is_valid(orjson.loads(message.body)) is (path.stem in BEYOND_A_SCHEMA)


# --- parse accepts exactly what the schema accepts -------------------------------------------------

JUNK = st.sampled_from(
    [None, "", "x", 1, 1.5, True, [], {}, ["a"], {"a": 1}, "x" * 300, "x" * 1100]
)
TIMES = st.sampled_from(
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22t10:00:00.123456789z",
        "2026-11-22T10:00:00+01:00",
        "2026-11-22T10:00:00",
        "2026-11-22",
        "2026-02-30T10:00:00Z",
        "2024-02-29T23:59:59-23:59",
        "2026-11-22T24:00:00Z",
        "2026-11-22T10:00:00+24:00",
        "2026-11-22 10:00:00Z",
        "2026-11-22T10:00Z",
    ]
)
VALUES = st.one_of(
    JUNK, st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.booleans()
)
LINES = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.one_of(st.sampled_from(["replace", "merge"]), JUNK),
        "items": st.one_of(
            st.just([{"key": "1", "properties": {"quantity": 2}}]), st.just([{"key": ""}]), JUNK
        ),
        "remove": st.one_of(st.just(["2"]), JUNK),
    },
)
LINKS = st.fixed_dictionaries(
    {},
    optional={
        "to": st.one_of(st.sampled_from(["contact", "companies", "2-17", "2-x", "order"]), JUNK),
        "by": st.one_of(st.sampled_from(["email", "hs_object_id"]), JUNK),
        "value": st.one_of(st.sampled_from(["a@b.example", "54", 54, -1]), JUNK),
        "labels": st.one_of(st.just(["Buyer"]), JUNK),
        "on_missing": st.one_of(st.sampled_from(["wait", "skip", "fail", "create"]), JUNK),
        "properties": st.one_of(st.just({"firstname": "Mia"}), JUNK),
        "exclusive": st.one_of(st.booleans(), JUNK),
    },
)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "stage": st.one_of(st.just("Shipped"), JUNK),
        "pipeline": st.one_of(st.just("Orders"), JUNK),
        "line_items": st.one_of(LINES, JUNK),
        "associations": st.one_of(LINKS.map(lambda link: [link]), JUNK),
        "dissociations": st.one_of(LINKS.map(lambda link: [link | {"value": "d@e.example"}]), JUNK),
        "properties": st.one_of(JUNK, st.dictionaries(st.text(max_size=4), VALUES, max_size=3)),
        "id_property": st.one_of(JUNK, st.just("hs_object_id")),
        "note": VALUES,
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "specversion": st.one_of(st.just("1.0"), JUNK),
        "id": st.one_of(st.just("e-1"), JUNK),
        "source": st.one_of(st.just("/shops"), JUNK),
        "type": st.one_of(st.sampled_from(sorted(OPERATIONS)), JUNK),
        "subject": st.one_of(st.just("A-1"), st.just("512"), JUNK),
        "time": st.one_of(TIMES, JUNK),
        "datacontenttype": st.one_of(st.just("application/json"), JUNK),
        "sequence": JUNK,
        "traceparent": JUNK,
        "data": st.one_of(DATA, JUNK),
        # Infinity is no JSON, and nobody reads what is in an unknown field.
        "extension": VALUES.filter(lambda value: not isinstance(value, float) or abs(value) != inf),
    },
)
FINE = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/shops",
    "type": "ordersync.order.update.v1",
    "subject": "A-1",
    "time": "2026-11-22T10:00:00Z",
    "data": {"properties": {}},
}
NEARLY = st.builds(
    lambda changes: FINE | changes, DOCUMENTS
)  # most of it fine: one fault tells most


@given(st.one_of(NEARLY, DOCUMENTS))
@settings(max_examples=400, deadline=None)
@example(FINE | {"data": {"properties": {"": "x"}}})
@example(FINE | {"data": {"properties": {}, "id_property": "hs_object_id"}})
@example(FINE | {"data": {"properties": {}, "id_property": "hs_object_id"}, "subject": "512"})
@example(FINE | {"type": "ordersync.order.archive.v1", "data": {"properties": {"a": 1}}})
@example(FINE | {"type": "ordersync.order.archive.v1", "data": None})
@example(FINE | {"time": "2026-11-22t10:00:00.123456789z"})  # RFC 3339 allows it, fromisoformat no
def test_the_parser_accepts_exactly_what_the_schema_accepts(document):
    """But for the one rule that no schema can say: no property in here is the identifying one."""
    found = read(Filed("x", 0, json.dumps(document).encode()), "no_property_of_theirs")

    assert isinstance(found, Contribution) is ORDER_EVENT.is_valid(document), (
        found.message if isinstance(found, Malformed) else "accepted"
    )


# --- what is sent keeps the schemas, too -----------------------------------------------------------


def contribution(operation: str = "upsert", number: int = 1, **values: object) -> Contribution:
    data = {} if operation == "archive" else {"properties": values}
    document = FINE | {"id": f"e-{number}", "type": f"ordersync.order.{operation}.v1", "data": data}
    found = read(Filed("x", 0, orjson.dumps(document)), "shop_order_id")
    assert isinstance(found, Contribution)
    return found


def merged() -> Slot:
    slot = coalesce(slot_of(contribution(number=1, a="1"), 0.0), contribution(number=2, a="2"))
    assert slot is not None
    return slot


REASON = Reason(Code.PROPERTY_INVALID, "no such value", 400, "VALIDATION_ERROR", "c-1", "a")
BARE = Reason(Code.NO_REPLY, "no answer in 20 s")


def settlements() -> list[Settlement]:
    """Every kind of end there is."""
    single = slot_of(contribution(a="1"), 0.0)
    gone = slot_of(contribution("archive"), 0.0)
    finishes = [
        Finish(single, Applied("512", created=True)),
        Finish(single, Applied(None, created=None)),
        Finish(gone, Applied("512", created=None)),
        Finish(merged(), Applied("512", created=False)),
        Finish(single, Rejected(REASON)),
        Finish(single, Exhausted(Retryable(BARE, Cause.SERVER))),
    ]
    ends = [end for finish in finishes for end in conclude(finish, 7, STAMP)]
    malformed = [read(from_json(path.name, path.read_bytes()), None) for path in INVALID]
    return ends + [conclude_malformed(m, STAMP) for m in malformed if isinstance(m, Malformed)]


def test_every_outcome_keeps_its_schema():
    ends = settlements()

    assert {end.status for end in ends} == set(Status)
    for end in ends:
        OUTCOME.validate(orjson.loads(end.outcome.body))


def known(schema: dict[str, Any], value: object, root: dict[str, Any], path: str = "") -> list[str]:
    """The fields of `value` that the schema does not name: they would be undocumented."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    options = schema.get("anyOf", [schema])
    if not isinstance(value, dict):
        return []
    option = next(o for o in options if "$ref" in o or "properties" in o)
    if option is not schema:
        return known(option, value, root, path)
    unknown = [f"{path}{name}" for name in value if name not in schema["properties"]]
    for name in value.keys() & schema["properties"].keys():
        unknown += known(schema["properties"][name], value[name], root, f"{path}{name}.")
    return unknown


def test_an_outcome_has_no_field_that_the_schema_does_not_name():
    schema = documents()["outcome.v1.json"]

    for end in settlements():
        assert known(schema, orjson.loads(end.outcome.body), schema) == []


def test_the_outcomes_schema_refuses_what_would_be_nonsense():
    ends = settlements()
    applied = next(end for end in ends if end.status is Status.APPLIED)
    rejected = next(end for end in ends if end.status is Status.REJECTED)
    outcome = orjson.loads(applied.outcome.body)
    data = outcome["data"]

    for nonsense in (
        {"status": "rejected"},  # without a reason
        {"superseded_by": "e-2"},  # and yet applied
        {"reason": orjson.loads(rejected.outcome.body)["data"]["reason"]},  # and yet applied
        {"status": "done"},
        {"attempts": -1},
        {"settled_at": "yesterday"},
    ):
        assert not OUTCOME.is_valid(outcome | {"data": data | nonsense}), nonsense


def test_every_dead_letter_keeps_its_schema_and_adds_no_header_that_is_not_in_it():
    headers = documents()["dead-letter.v1.json"]["properties"]
    letters = [end.dead_letter for end in settlements() if end.dead_letter]

    assert len(letters) > 30
    for letter in letters:
        assert letter.headers is not None
        DEAD_LETTER.validate(dict(letter.headers))
        ours = {name for name in letter.headers if name.startswith("ordersync-")}
        assert ours <= headers.keys()


# --- an independent reading of our events --------------------------------------------------------

ATTRIBUTES = {
    "id": "e-1",
    "source": "/shops/eu-1",
    "type": "ordersync.order.upsert.v1",
    "subject": "A-1",
    "time": STAMP,
    "datacontenttype": "application/json",
    "sequence": "7",
}


@pytest.mark.parametrize("write", [to_structured, to_binary], ids=["structured", "binary"])
def test_what_the_cloudevents_sdk_writes_is_read(write):
    """Its RabbitMQ binding, both content modes: nobody has to write the format by hand."""
    message = write(CloudEvent(dict(ATTRIBUTES), {"properties": {"a": 1}}), JSONFormat())

    found = read(Filed("x", 0, message.body, message.content_type, message.headers), None)

    assert isinstance(found, Contribution), found.message
    assert found.event.id == "e-1"
    assert found.event.sequence == "7"
    assert found.values == {"a": "1"}


# --- AsyncAPI ------------------------------------------------------------------------------------

ASYNCAPI = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        inner = [ref for value in node.values() for ref in references(value)]
        return [*inner, node["$ref"]] if isinstance(node.get("$ref"), str) else inner
    return [ref for value in node for ref in references(value)] if isinstance(node, list) else []


def resolve(reference: str) -> Any:
    file, _, pointer = reference.partition("#")
    document = orjson.loads((SCHEMAS / file).read_bytes()) if file else ASYNCAPI
    for step in filter(None, pointer.split("/")):
        document = document[step]
    return document


def test_every_reference_resolves():
    found = references(ASYNCAPI)

    assert {reference.partition("#")[0] for reference in found} == {
        "",
        "./order-event.v1.json",
        "./outcome.v1.json",
        "./dead-letter.v1.json",
    }
    for reference in found:
        assert resolve(reference)


def inlined(node: Any) -> Any:
    """A schema with its references to files replaced by what they refer to."""
    if isinstance(node, dict):
        file, _, pointer = node.get("$ref", "").partition("#")
        if file:
            whole = orjson.loads((SCHEMAS / file).read_bytes())
            return whole if not pointer else {"$ref": f"#{pointer}", "$defs": whole["$defs"]}
        return {name: inlined(value) for name, value in node.items()}
    return [inlined(value) for value in node] if isinstance(node, list) else node


@pytest.mark.parametrize("name", ASYNCAPI["components"]["messages"])
def test_the_examples_of_a_message_keep_its_schemas(name):
    message = ASYNCAPI["components"]["messages"][name]

    assert message["examples"]
    for part in ("headers", "payload"):
        schema = inlined(message.get(part, {}).get("schema", {}))
        # Options out of another file bring definitions of their own.
        options = [schema] if "$defs" in schema else schema.get("anyOf", [schema])
        for written in message["examples"]:
            assert part not in written or any(
                jsonschema_rs.is_valid(option, written[part]) for option in options
            )


def test_the_examples_of_order_events_are_read_by_the_parser():
    messages = ASYNCAPI["components"]["messages"]
    for written in messages["structuredOrderEvent"]["examples"]:
        found = read(Filed("x", 0, orjson.dumps(written["payload"])), None)
        assert isinstance(found, Contribution)
    for written in messages["binaryOrderEvent"]["examples"]:
        body = orjson.dumps(written["payload"])
        found = read(Filed("x", 0, body, "application/json", written["headers"]), None)
        assert isinstance(found, Contribution)


def test_the_names_are_the_topologys():
    wanted = Topology.of(RabbitMQ.model_validate({"url": "amqp://h/"}))
    bindings = [channel["bindings"]["amqp"] for channel in ASYNCAPI["channels"].values()]

    assert {b["exchange"]["name"] for b in bindings if "exchange" in b} == {
        exchange.name for exchange in wanted.exchanges
    }
    assert {b["queue"]["name"] for b in bindings if "queue" in b} == {wanted.queues[2].name}
    assert ASYNCAPI["channels"]["outcomes"]["parameters"]["status"]["enum"] == [
        str(status) for status in Status
    ]
    assert set(ASYNCAPI["channels"]["orderEvents"]["parameters"]["operation"]["enum"]) == {
        str(operation) for operation in Operation
    }
