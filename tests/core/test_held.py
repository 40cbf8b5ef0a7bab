"""One order out of HubSpot's answers: whatever stands in them, nothing is raised, and nobody's change is lost."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.core.account.definitions import Definition
from service.core.account.held import (
    LINKED,
    Change,
    HeldLine,
    HeldLink,
    asked_for,
    held_lines,
    held_links,
    held_order,
    linked,
)
from service.core.account.orders import USUAL
from service.core.graph.pipelines import Labelled, OrderPipeline

PIPELINES = (
    OrderPipeline(Labelled("p1", "Shop"), (Labelled("s1", "Open"), Labelled("s2", "Shipped"))),
)
US = {"sourceType": "INTEGRATION", "sourceId": "17", "sourceLabel": "ordersync"}
MIA = {"sourceType": "CRM_UI", "sourceId": "userId:5", "updatedByUserId": 5}


def past(value: str, second: int, by: dict[str, Any]) -> dict[str, Any]:
    return {"value": value, "timestamp": f"2026-11-22T10:00:0{second}.000Z", **by}


def test_values_stage_and_every_change_with_who_made_it() -> None:
    order = held_order(
        {
            "id": "9",
            "updatedAt": "2026-11-22T10:00:05.000Z",
            "properties": {"hs_total_price": "5", "hs_createdate": "x"},
            "propertiesWithHistory": {
                "hs_order_name": [past("Tent", 1, US), past("Tents", 5, MIA)],
                "hs_pipeline": [past("p1", 1, US)],
                "hs_pipeline_stage": [past("s2", 5, MIA), past("s1", 1, US)],
                "hs_tags": [past("", 5, MIA), past("vip", 1, US)],
            },
        },
        PIPELINES,
    )

    assert (order.record_id, order.pipeline, order.stage) == ("9", "Shop", "Shipped")
    assert order.properties == {
        "hs_order_name": "Tents",
        "hs_pipeline": "p1",
        "hs_pipeline_stage": "s2",
        "hs_total_price": "5",
    }
    assert order.changes == (
        Change(
            "2026-11-22T10:00:01.000Z",
            "INTEGRATION 17 (ordersync)",
            {"hs_order_name": "Tent", "hs_pipeline": "Shop", "hs_pipeline_stage": "Open"}
            | {"hs_tags": "vip"},
        ),
        Change(
            "2026-11-22T10:00:05.000Z",
            "CRM_UI userId:5, user 5",
            {"hs_order_name": "Tents", "hs_pipeline_stage": "Shipped", "hs_tags": ""},
        ),
    )


def test_a_stage_that_the_account_does_not_name_is_shown_by_its_id() -> None:
    history = {"hs_pipeline_stage": [past("s9", 1, US)]}

    assert held_order({"id": "9", "propertiesWithHistory": history}, ()).stage == "s9"


def test_lines_and_links() -> None:
    line = {"id": 4, "properties": {"name": "Tent", "price": "3", "lid": "A%2F1/2", "x": "y"}}
    other = {"id": "5", "properties": {"name": "Gift", "lid": None}}

    assert list(held_lines({"results": [line, other]}, "lid", "A/1")) == [
        HeldLine("4", "2", {"name": "Tent", "price": "3"}),
        HeldLine("5", None, {"name": "Gift"}),
    ]
    assert list(
        held_links({"results": [{"id": "7", "properties": {"email": "a@b.c"}}]}, "contacts")
    ) == [HeldLink("contacts", "7", "a@b.c")]
    assert linked(
        {
            "associations": {
                "line items": {"results": [{"id": "4", "type": "a"}, {"id": "4", "type": "b"}]},
                "contacts": {"results": [{"id": 7}]},
            }
        }
    ) == {"line_items": ["4"], "contacts": ["7"]}
    assert "line_items" in LINKED


def test_what_somebody_can_write_is_asked_for() -> None:
    known = {"b": Definition("b"), "a": Definition("a"), "c": Definition("c", read_only=True)}

    assert asked_for(known) == ("a", "b")
    assert asked_for(None) == USUAL


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda x: (
        st.lists(x, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "properties", "propertiesWithHistory", "value", "results", "email"]
            )
            | st.sampled_from(["timestamp", "associations", "hs_pipeline_stage", "contacts"]),
            x,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "properties", "propertiesWithHistory", "associations", "results"]),
        ANY,
    )
)
def test_any_answer_is_read(body: dict[str, Any]) -> None:
    held_order(body, PIPELINES)
    linked(body)
    list(held_lines(body, "lid", "A-1"))
    list(held_links(body, "contacts"))
