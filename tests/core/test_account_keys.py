"""Which property identifies orders and lines: the tables of what an account may have."""

import pytest

from service.core.account.definitions import Definition
from service.core.account.keys import LINE_KEY, ORDER_KEY, READY, Key, NoKey, choose


def account(*definitions: Definition) -> dict[str, Definition]:
    own = Definition("hs_object_id", "string", unique=True)
    return {each.name: each for each in (own, *definitions)}


MINE = Definition("shop_no", unique=True)
THEIRS = Definition("cin7_id", unique=True)
NATIVE = Definition(READY, unique=True)
KEYLESS = Definition("hs_unique_creation_key", unique=True, read_only=True)


@pytest.mark.parametrize(
    ("named", "definitions", "expected"),
    [
        (None, account(), Key(ORDER_KEY, "shop_order_id", there=False)),
        (None, account(KEYLESS), Key(ORDER_KEY, "shop_order_id", there=False)),
        (None, account(MINE), Key(ORDER_KEY, "shop_no", there=True)),
        (None, account(NATIVE), Key(ORDER_KEY, READY, there=True)),
        (None, account(NATIVE, MINE), Key(ORDER_KEY, "shop_no", there=True, others=(READY,))),
        ("cin7_id", account(THEIRS, MINE), Key(ORDER_KEY, "cin7_id", there=True, others=("shop_no",))),
        ("new_one", account(MINE), Key(ORDER_KEY, "new_one", there=False, others=("shop_no",))),
    ],
)  # fmt: skip
def test_a_key_is_chosen(named, definitions, expected):
    assert choose(ORDER_KEY, named, definitions) == expected


@pytest.mark.parametrize(
    ("named", "definitions", "says"),
    [
        (
            None,
            account(MINE, THEIRS),
            "orders have 2 unique properties (shop_no, cin7_id): say which",
        ),
        (None, account(Definition("shop_order_id")), "it is not unique"),
        ("a", account(Definition("a")), "it is not unique"),
        ("a", account(Definition("a", "number", unique=True)), "it is a number"),
        ("a", account(Definition("a", unique=True, read_only=True)), "it is read-only or archived"),
        ("a", account(Definition("a", unique=True, archived=True)), "it is read-only or archived"),
        ("Shop No", account(), "Shop No is no name for a property of yours"),
        ("hs_mine", account(), "hs_mine is no name"),
        ("", account(), "is no name"),
        ("1a", account(), "1a is no name"),
    ],
)
def test_where_none_can_be_chosen_it_is_said_why(named, definitions, says):
    refused = choose(ORDER_KEY, named, definitions)

    assert isinstance(refused, NoKey)
    assert says in refused.message


def test_the_line_key_is_named_by_its_own_option():
    refused = choose(LINE_KEY, None, account(MINE, THEIRS))

    assert isinstance(refused, NoKey)
    assert "--line-id-property" in refused.message


@pytest.mark.parametrize(
    ("definitions", "group"),
    [
        (account(Definition("hs_order_name", group="order_info")), "order_info"),
        (account(Definition("a", group="x"), Definition("b", group="y"), Definition("c", group="y")), "y"),
        (account(), "orderinformation"),
    ],
)  # fmt: skip
def test_a_property_is_made_unique_and_in_a_group_that_is_there(definitions, group):
    key = Key(ORDER_KEY, "shop_order_id", there=False)

    made = key.property(definitions)

    assert (made["groupName"], made["hasUniqueValue"], made["type"]) == (group, True, "string")
