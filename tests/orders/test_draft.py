"""What is typed becomes the event that it says, or is refused with the option to type anew."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.filed import Filed, faults
from service.core.events.order_event import Operation
from service.orders.draft import DraftError, Typed, drafted

TIME = "2026-11-22T10:00:00.000Z"


def data(operation: Operation = Operation.UPSERT, **typed: Any) -> dict[str, Any]:
    event = drafted(operation, "A-1", Typed(**typed), "e1", TIME)
    assert not faults(Filed("", 0, orjson.dumps(event)), "shop_order_id")
    return event["data"]


def refused(operation: Operation = Operation.UPSERT, **typed: Any) -> str:
    with pytest.raises(DraftError) as error:
        drafted(operation, "A-1", Typed(**typed), "e1", TIME)
    return f"{error.value.option}: {error.value}"


def test_a_whole_order_as_it_is_typed() -> None:
    assert data(
        properties=["hs_order_name=Camping = fun", "hs_currency_code=EUR", "hs_total_price="],
        lines=["1:name=Tent,quantity=3,price=19.90", '2:name="Rope, ""long""",quantity=1', "3"],
        links=[
            "contact:email=mia@example.com,on_missing=create,firstname=Mia,exclusive",
            "company:shop_customer_no=C-77,on_missing=skip,label=Bill to,label=Ship to",
        ],
        unlinks=["deal:hs_object_id=991"],
        stage="Shipped",
        pipeline="Order pipeline",
    ) == {
        "properties": {
            "hs_order_name": "Camping = fun",
            "hs_currency_code": "EUR",
            "hs_total_price": None,
        },
        "pipeline": "Order pipeline",
        "stage": "Shipped",
        "line_items": {
            "mode": "merge",
            "items": [
                {"key": "1", "properties": {"name": "Tent", "quantity": "3", "price": "19.90"}},
                {"key": "2", "properties": {"name": 'Rope, "long"', "quantity": "1"}},
                {"key": "3", "properties": {}},
            ],
        },
        "associations": [
            {
                "to": "contact",
                "by": "email",
                "value": "mia@example.com",
                "on_missing": "create",
                "exclusive": True,
                "properties": {"firstname": "Mia"},
            },
            {
                "to": "company",
                "by": "shop_customer_no",
                "value": "C-77",
                "on_missing": "skip",
                "labels": ["Bill to", "Ship to"],
            },
        ],
        "dissociations": [{"to": "deal", "by": "hs_object_id", "value": "991"}],
    }


def test_lines_that_are_typed_leave_the_others_unless_somebody_says_that_they_are_all() -> None:
    assert data(lines=["1:quantity=2"], removed_lines=["4"])["line_items"] == {
        "mode": "merge",
        "items": [{"key": "1", "properties": {"quantity": "2"}}],
        "remove": ["4"],
    }
    assert data(lines=["1:quantity=2"], all_lines=True)["line_items"]["mode"] == "replace"
    assert data(all_lines=True)["line_items"] == {"mode": "replace", "items": []}


def test_an_archive_is_its_key_alone() -> None:
    assert data(Operation.ARCHIVE) == {}
    assert data(Operation.ARCHIVE, id_property="other_id") == {"id_property": "other_id"}


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"properties": ["hs_order_name"]}, "--set: 'hs_order_name' is not NAME=VALUE"),
        ({"properties": ["a=1", "a=2"]}, "--set: a is said twice"),
        ({"lines": ["name=Tent"]}, "--line: 'name=Tent' is not KEY:NAME=VALUE"),
        (
            {"lines": ["1:name=Tent, large"]},
            "--line: 'large' is no NAME=VALUE; a value with a comma",
        ),
        ({"lines": ["1:price=19,90"]}, "--line: '90' is no NAME=VALUE; a value with a comma"),
        ({"lines": ['1:name="Tent']}, "--line: cannot be read from"),
        ({"lines": ["1:a=1,a=2"]}, "--line: a is said twice"),
        ({"lines": [":a=1"]}, "--line: ':a=1' is not KEY:NAME=VALUE"),
        ({"links": ["contact"]}, "--link: 'contact' is not TO:BY=VALUE"),
        ({"links": ["contact:email"]}, "--link: 'contact:email' is not TO:BY=VALUE"),
        ({"links": ["contat:email=a@b.c"]}, "no object type contat; did you mean contact?"),
        ({"links": ["zzz:email=a@b.c"]}, "no object type zzz; as contact, 2-123456"),
        (
            {"links": ["contact:email=a@b.c,on_mising=create"]},
            "--link: on_mising means nothing; did you mean on_missing?",
        ),
        (
            {"links": ["contact:email=a@b.c,on_missing=crate"]},
            "on_missing is wait, skip, fail, create, not 'crate'; did you mean create?",
        ),
        (
            {"links": ["contact:email=a@b.c,labels=Bill to"]},
            "--link: labels means nothing; did you mean label?",
        ),
        ({"links": ["contact:email=a@b.c,exclusive=maybe"]}, "exclusive stands alone, or is true"),
        (
            {"links": ["contact:email=a@b.c,firstname=Mia"]},
            "--link: firstname is a property of a record that is made: give on_missing=create",
        ),
        ({"unlinks": ["deal=991"]}, "--unlink: 'deal=991' is not TO:BY=VALUE"),
        (
            {"all_lines": True, "removed_lines": ["1"]},
            "--remove-line: --all-lines removes what no --line names",
        ),
    ],
)
def test_what_says_nothing_is_refused_with_what_was_meant(typed: dict[str, Any], told: str) -> None:
    assert told in refused(**typed)


def test_an_update_needs_something_to_change_and_an_archive_nothing() -> None:
    assert refused(Operation.UPDATE).startswith("update: nothing to change")
    assert refused(Operation.ARCHIVE, properties=["a=1"]).startswith("archive: takes the order out")
    assert refused(Operation.ARCHIVE, all_lines=True)


NAME = st.text("abc_", min_size=1, max_size=5)
PLAIN = st.text(st.characters(exclude_characters=',"', exclude_categories=["Cs"]), min_size=1)
ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.dictionaries(NAME, ANY, max_size=4))
def test_whatever_the_values_they_come_through_quoted(values: dict[str, str]) -> None:
    typed = ",".join('{}="{}"'.format(n, v.replace('"', '""')) for n, v in values.items())
    assert data(lines=[f"k:{typed}"])["line_items"]["items"] == [{"key": "k", "properties": values}]


@given(st.dictionaries(NAME, PLAIN, max_size=4))
def test_without_commas_and_quotes_nothing_needs_quotes(values: dict[str, str]) -> None:
    typed = ",".join(f"{n}={v}" for n, v in values.items())
    assert data(lines=[f"k:{typed}"])["line_items"]["items"] == [{"key": "k", "properties": values}]


@given(st.text(max_size=40), st.sampled_from(["properties", "lines", "links", "unlinks"]))
def test_any_text_is_read_or_refused(text: str, option: str) -> None:
    typed: Any = {option: [text]}
    with suppress(DraftError):
        drafted(Operation.UPSERT, "A-1", Typed(**typed), "e1", TIME)
