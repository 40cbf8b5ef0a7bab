"""What a person asks of the account: filters as written, pages of a search, what an answer is worth."""

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.account import filters
from service.core.account.definitions import Definition, definitions_of
from service.core.account.filters import Filter, FilterError, checked, parse
from service.core.account.orders import order_row
from service.core.account.patience import (
    TRIES,
    AskAgain,
    NotAllowed,
    NotLetIn,
    NotReached,
    Readable,
    TurnedDown,
    worth,
)
from service.core.account.questions import define, listing, next_page
from service.core.account.search import LONGEST_BODY, Search, total_of
from service.core.account.stages import stage_rows
from service.core.graph.pipelines import Labelled, OrderPipeline
from service.core.hubspot.answers import BatchReply, NoReply

SIGNS = {">=": "GTE", "<=": "LTE", "!=": "NEQ", "!~": "NOT_CONTAINS_TOKEN", "~": "CONTAINS_TOKEN"}
SIGNS |= {">": "GT", "<": "LT", "=": "EQ"}
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(lambda n: n != "or")
VALUES = st.text(min_size=1, max_size=20).filter(lambda v: "\n" not in v)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(st.tuples(NAMES, st.sampled_from(sorted(SIGNS)), VALUES), min_size=1, max_size=6))
def test_every_value_can_be_written_and_comes_back_whole(written):
    text = " ".join(f"{name}{sign}{_quoted(value)}" for name, sign, value in written)

    (group,) = parse(text)

    assert group == tuple(Filter(name, SIGNS[sign], (value,)) for name, sign, value in written)


@given(NAMES, st.lists(VALUES, min_size=1, max_size=5))
def test_every_list_can_be_written_and_comes_back_whole(name, values):
    ((found,),) = parse(f"{name} in:({', '.join(map(_quoted, values))})")

    assert found == Filter(name, "IN", tuple(value.strip() for value in values))


@given(st.text(max_size=60))
def test_whatever_is_written_is_filters_or_a_sentence(text):
    with suppress(FilterError):
        groups = parse(text)
        assert all(groups)
        assert sum(map(len, groups)) <= filters.MOST_FILTERS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", ((Filter("a", "EQ", ("1",)),),)),
        ("a = 1 b>2", ((Filter("a", "EQ", ("1",)), Filter("b", "GT", ("2",))),)),
        ("a? !b?", ((Filter("a", "HAS_PROPERTY"), Filter("b", "NOT_HAS_PROPERTY")),)),
        ("a:in:(1,2)", ((Filter("a", "IN", ("1", "2")),),)),
        ("a !in:(1)", ((Filter("a", "NOT_IN", ("1",)),),)),
        ("a=1 or b='x y'", ((Filter("a", "EQ", ("1",)),), (Filter("b", "EQ", ("x y",)),))),
        ("order=1 OR or_more=2", ((Filter("order", "EQ", ("1",)),), (Filter("or_more", "EQ", ("2",)),))),
        ("a=1 or !b?", ((Filter("a", "EQ", ("1",)),), (Filter("b", "NOT_HAS_PROPERTY"),))),
        ("or=1", ((Filter("or", "EQ", ("1",)),),)),
        ("a=x>y", ((Filter("a", "EQ", ("x>y",)),),)),
        ("  ", ()),
    ],
)  # fmt: skip
def test_a_text_is_read_as_meant(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("shoes", "shoes is no filter"),
        ("a=", "a= has no value behind it"),
        ("a='x'y=2", "put a space there"),
        ("a in:(1,2", "is written as a in:(one,two)"),
        ("!a=1", "! before a goes with ? alone"),
        ("or a=1", "there is none on one side"),
        ("a=1 or", "there is none on one side"),
        (" or ".join(f"a={n}" for n in range(6)), "here are 6 groups and 6 filters"),
        (" ".join(f"a={n}" for n in range(7)), "7 of them in one group"),
        (" or ".join(["a=1 b=2 c=3 d=4"] * 5), "here are 5 groups and 20 filters"),
    ],
)
def test_what_is_no_filter_is_told_with_what_to_write(text, says):
    with pytest.raises(FilterError) as told:
        parse(text)

    assert says in str(told.value)


DEFINED = {
    each.name: each
    for each in (
        Definition("hs_order_name", label="Order name"),
        Definition("paid_at", "datetime"),
        Definition("day", "date"),
        Definition("price", "number"),
    )
}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("paid_at>2026-11-22", ("1795305600000",)),
        ("paid_at>2026-11-22T10:00:00+01:00", ("1795338000000",)),
        ("paid_at>2026-11-22t09:00z", ("1795338000000",)),
        ("day=1795305600000", ("1795305600000",)),
        ("paid_at?", ()),
        ("hs_order_name in:(Tent,ROPE)", ("tent", "rope")),
        ("hs_order_name=Tent", ("Tent",)),
        ("price in:(1,2)", ("1", "2")),
        ("associations.contact=17", ("17",)),
    ],
)
def test_values_take_the_form_of_their_property(text, values):
    (((found),),) = checked(parse(text), DEFINED, ())

    assert found.values == values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("'Order name'=x", "is no filter"),
        ("order_name=x", "did you mean hs_order_name?"),
        ("xyzzy=x", "orders have no property xyzzy"),
        ("paid_at>soon", "not with soon"),
        ("stage=Open", "there is no stage Open; there are: none"),
    ],
)
def test_what_the_account_has_not_is_told(text, says):
    with pytest.raises(FilterError) as told:
        checked(parse(text), DEFINED, ())

    assert says in str(told.value)


PIPELINES = (
    OrderPipeline(Labelled("p1", "Shop"), (Labelled("s1", "Open"), Labelled("s2", "Sent"))),
    OrderPipeline(Labelled("p2", "Returns"), (Labelled("s3", "Open"),)),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stage=open", ("hs_pipeline_stage", "IN", ("s1", "s3"))),
        ("stage!=open", ("hs_pipeline_stage", "NOT_IN", ("s1", "s3"))),
        ("stage=Sent", ("hs_pipeline_stage", "EQ", ("s2",))),
        ("hs_pipeline_stage in:(Sent,s3)", ("hs_pipeline_stage", "IN", ("s2", "s3"))),
        ("stage=Open pipeline=p2", ("hs_pipeline_stage", "EQ", ("s3",))),
        ("pipeline!=returns", ("hs_pipeline", "NEQ", ("p2",))),
        ("stage?", ("hs_pipeline_stage", "HAS_PROPERTY", ())),
    ],
)
def test_stages_go_by_name_in_every_pipeline_that_is_meant(text, expected):
    ((found, *_),) = checked(parse(text), {"hs_pipeline_stage": Definition("x")}, PIPELINES)

    assert (found.property, found.operator, found.values) == expected


def test_a_stage_is_not_more_or_less_than_another():
    with pytest.raises(FilterError, match="goes with =, != and"):
        checked(parse("stage>Open"), None, PIPELINES)


def test_a_property_is_found_by_its_label():
    with pytest.raises(FilterError, match="did you mean day"):
        checked(parse("tag=x"), {"day": Definition("day", label="Tag")}, ())


def test_without_definitions_names_are_hubspots_to_judge():
    assert checked(parse("xyzzy=x"), None, ()) == parse("xyzzy=x")


def body_of(call):
    return orjson.loads(call.body)


def page(*ids: int, after: str | None = "200"):
    paging = {"paging": {"next": {"after": after}}} if after else {}
    return {"results": [{"id": str(each)} for each in ids], **paging}


def test_by_record_id_the_next_page_is_what_lies_beyond_the_last_one():
    search = Search("orders", parse("a=1 or b=2"), ("a",))

    second = search.next(page(5, 9), 500, 10_000)

    assert second is not None
    assert "after" not in body_of(second)
    assert [group["filters"][-1] for group in body_of(second)["filterGroups"]] == [
        {"propertyName": "hs_object_id", "operator": "GT", "value": "9"}
    ] * 2
    assert body_of(second)["limit"] == 200


def test_in_an_order_of_its_own_a_search_goes_by_places_and_ends_at_ten_thousand():
    search = Search("orders", (), (), "-price", "tent")

    assert body_of(search.first(7)) == {
        "filterGroups": [],
        "sorts": [{"propertyName": "price", "direction": "DESCENDING"}],
        "properties": [],
        "limit": 7,
        "query": "tent",
    }
    second = search.next(page(1), 500, 9_900)
    assert second is not None
    assert (body_of(second)["after"], body_of(second)["limit"]) == ("200", 100)
    assert search.next(page(1), 500, 10_000) is None
    assert search.beyond_the_end(10_001, 20_000)
    assert not search.beyond_the_end(10_001, 10_000)


def test_a_search_without_room_for_one_more_filter_goes_by_places():
    full = Search("orders", parse(" ".join(f"a={n}" for n in range(6))))

    assert not full.endless
    assert Search("orders", parse("a=1"), (), "hs_object_id").endless


@pytest.mark.parametrize(("body", "wanted"), [(page(1, after=None), 5), (page(), 5), (page(1), 0)])
def test_a_search_ends(body, wanted):
    assert Search("orders", ()).next(body, wanted, 1) is None


def test_a_body_that_hubspot_would_refuse_for_its_length_is_told():
    long = parse(f"a in:({','.join(f'value-{n}' for n in range(400))})")

    with pytest.raises(FilterError, match=f"takes {LONGEST_BODY} characters"):
        Search("orders", long).first(5)


def test_a_question_to_make_a_property_carries_it():
    assert body_of(define("orders", {"name": "a"})) == {"name": "a"}


def test_how_many_there_are():
    assert (total_of({"total": 3}), total_of({"total": "3"}), total_of({})) == (3, None, None)


def test_pages_of_a_list():
    assert listing("orders", (), size=500).query == {"limit": "100"}
    assert listing("orders", ("a", "b"), size=5, after="7", archived=True).query == {
        "limit": "5",
        "properties": "a,b",
        "after": "7",
        "archived": "true",
    }
    assert next_page({"paging": {"next": {"after": 7}}}) == "7"
    assert next_page({"paging": {"next": None}}) is next_page({"paging": 1}) is None


def reply(status: int, **body) -> BatchReply:
    return BatchReply(status, {}, orjson.dumps(body))


def test_an_answer_is_worth_a_document_another_try_or_an_end():
    fine = reply(200, results=[])
    assert worth(fine, 1, 10) == Readable(fine)
    assert worth(reply(401, message="no"), 1, 10) == NotLetIn(
        "HubSpot does not accept the token: no"
    )
    scopes = {"context": {"requiredGranularScopes": ["a.read"]}}
    assert worth(reply(403, message="no", **scopes), 1, 10) == NotAllowed(
        "the token lacks a scope (a.read): no", ("a.read",)
    )
    assert worth(reply(404), 1, 10) == TurnedDown(404, "status 404")


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (NoReply("cut", sent=True), 0.5),
        (reply(503), 0.5),
        (reply(423), 0.5),
        (BatchReply(200, {}, b"<html>"), 0.5),
        (reply(429, policyName="TEN_SECONDLY_ROLLING"), 10),
        (reply(429, message="You have reached your secondly limit."), 1),
        (BatchReply(429, {"retry-after": "4"}, b"{}"), 4),
    ],
)
def test_what_is_hubspots_own_is_asked_again_and_not_for_ever(answer, seconds):
    assert worth(answer, 1, 10) == AskAgain(seconds)
    assert isinstance(worth(answer, TRIES - 1, 10), AskAgain)
    assert isinstance(worth(answer, TRIES, 10), NotReached)


def test_the_days_limit_ends_it_at_once():
    ended = worth(reply(429, policyName="DAILY", message="All used."), 1, 10)

    assert ended == NotReached("HubSpot answers 429: All used. (limit DAILY)")


@given(st.binary(max_size=60), st.integers(100, 599))
def test_whatever_comes_is_worth_something(body, status):
    assert worth(BatchReply(status, {}, body), TRIES, 10) is not None


def test_definitions_are_read_however_little_of_them_comes():
    read = definitions_of(
        {
            "results": [
                {"label": "no name"},
                {"name": "a"},
                {
                    "name": "b",
                    "type": "enumeration",
                    "fieldType": "checkbox",
                    "options": [{"value": "x", "label": "X", "hidden": True}],
                    "externalOptions": True,
                    "hasUniqueValue": True,
                    "modificationMetadata": {"readOnlyValue": True},
                },
                {"name": "c", "calculated": True, "archived": True},
            ]
        }
    )

    assert sorted(read) == ["a", "b", "c"]
    assert read["a"] == Definition("a")
    assert read["b"].several
    assert read["b"].options == (("x", "X", True),)
    assert all((read["b"].unique, read["b"].read_only, read["b"].external))
    assert all((read["c"].read_only, read["c"].archived, not read["c"].several))


def test_a_row_without_names_shows_what_there_is():
    held = {"hs_pipeline_stage": "s", "n": 1}
    row = order_row({"id": 5, "properties": held}, ("n", "hs_pipeline_stage", "x"), ())

    assert row.document()["properties"] == {"n": "1", "hs_pipeline_stage": "s", "x": None}
    assert row.cells() == {"id": "5", "n": "1", "stage": "s", "x": None}
    assert order_row({}, ("n",), ()).cells() == {"id": "", "n": None}


def test_stages_are_open_or_closed_or_unsaid():
    body = {
        "results": [
            {"id": "2", "label": "Late", "displayOrder": 1, "stages": [{"id": "z", "metadata": 1}]},
            {"id": "3", "archived": True, "stages": [{"id": "y"}]},
            {
                "id": "1",
                "label": "First",
                "displayOrder": 0,
                "stages": [
                    {"id": "b", "displayOrder": 1, "metadata": {"isClosed": "true"}},
                    {"id": "a", "displayOrder": 0, "metadata": {"state": "OPEN"}},
                    {"id": "c", "displayOrder": 2, "metadata": {"isClosed": "false"}},
                ],
            },
        ]
    }

    rows = list(stage_rows(body))

    assert rows[0].document()["order"] == 0
    assert [(row.stage_id, row.state, row.default) for row in rows] == [
        ("a", "open", True),
        ("b", "closed", True),
        ("c", "open", True),
        ("z", None, False),
    ]
