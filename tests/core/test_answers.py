"""answers: what HubSpot said, with every field optional; nothing in here decides or raises."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from service.core.hubspot.answers import (
    BatchReply,
    Detail,
    Problem,
    name_of,
    objects,
    problem,
)
from tests.strategies import JSON


def test_a_body_that_is_no_object_is_no_document():
    for body in (b"", b"<html>", b"[1]", b'{"a":', b"\xff", b"null"):
        assert BatchReply(200, {}, body).document is None
    assert BatchReply(200, {}, b'{"a":1}').document == {"a": 1}


def test_the_array_inside_the_message_is_read_before_the_nested_errors():
    """One recording has four faults in the message and three nested ones."""
    array = [{"name": n, "error": "INVALID_LONG", "message": f"{n} no"} for n in ("a", "b")]
    entry = {
        "message": "Property values were not valid: " + orjson.dumps(array).decode(),
        "errors": [{"message": "a no", "code": "INVALID_LONG"}],
    }

    assert problem(entry, None).details == (
        Detail("a", "INVALID_LONG", "a no"),
        Detail("b", "INVALID_LONG", "b no"),
    )


def test_an_array_that_cannot_be_read_leaves_the_nested_errors():
    nested = [{"message": "no", "code": "X", "context": {"propertyName": ["a"]}}, {"in": "b"}]
    for array in ("[{", "{}", "[]", "[7]"):
        entry = {"message": f"Property values were not valid: {array}", "errors": nested}

        assert problem(entry, None).details == (Detail("a", "X", "no"), Detail(None, "", ""))


def test_a_value_that_is_taken_is_read_from_the_coordinates():
    message = (
        "Cannot set PropertyValueCoordinates{portalId=1, objectTypeId=X{legacyObjectType=ORDER},"
        " propertyName=invoice, value=R-7} on 901. 955 already has that value."
    )

    assert problem({"message": message}, None).details == (
        Detail("invoice", "VALUE_TAKEN", message, "R-7"),
    )


def test_a_property_in_quotes_is_better_than_nothing():
    message = 'Property "colour" does not exist'

    assert problem({"message": message}, None).details == (Detail("colour", "", message),)


def test_the_existing_id_is_not_read():
    said = problem({"context": {"existingId": ["17"], "id": ["A-1"]}}, None)

    assert said.ids == ("A-1",)
    assert problem({"context": {"existingId": ["17"]}}, None) == Problem()


def test_ids_before_id_and_numbers_are_names_too():
    said = problem({"context": {"ids": [17, "A-2", True, "", None], "id": "A-1"}}, None)

    assert said.ids == ("17", "A-2")
    assert name_of(value=True) is None


def test_the_category_is_also_called_error_type_and_the_header_has_the_correlation_id_too():
    said = problem({"errorType": "RATE_LIMIT", "policyName": "DAILY"}, "c-9")

    assert (said.category, said.policy, said.correlation_id) == ("RATE_LIMIT", "DAILY", "c-9")
    assert problem({"correlationId": "c-1"}, "c-9").correlation_id == "c-1"


@given(st.dictionaries(st.sampled_from(["message", "context", "errors", "category"]), JSON))
def test_any_entry_is_read(entry):
    assert isinstance(problem(entry, None), Problem)


@given(JSON, st.sampled_from(["context", "errors", "message"]))
def test_any_nested_entry_is_read(nested, name):
    assert isinstance(
        problem({"errors": [{name: nested}], "context": {"ids": nested}}, None), Problem
    )


@given(JSON)
def test_only_objects_are_taken_from_a_list(value):
    assert all(isinstance(o, dict) for o in objects({"results": value}, "results"))
