"""`orders ls`, `orders search` and `pipelines`, as a person types them, against the twin."""

import csv
import io
import json

import pytest

from service.hubspot.enquirer import SEARCHES
from service.twin import parse_fault
from service.twin.options import TwinOptions
from service.twin.pytest_plugin import RunningTwin, running_twin
from tests.orders.conftest import OPEN, SHIPPED, Ask, put
from tests.shell.command import CommandLine

KEY = "shop_order_id"


def found(ask: Ask, *arguments: object) -> list[str]:
    ended = ask("orders", "search", *arguments, "-o", "ndjson")
    assert ended.code == 0, ended.err
    return [json.loads(line)["properties"][KEY] for line in ended.out.splitlines()]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("hs_total_price>9.5", ["A-2", "A-3"]),
        ("hs_total_price >= 9 hs_total_price<=20", ["A-1", "A-3"]),
        ("hs_order_name='Tent pegs'", ["A-4"]),
        ('hs_order_name="Map, large"', ["A-3"]),
        ("hs_order_name~tent", ["A-2", "A-4"]),
        ("hs_order_name!~tent", ["A-1", "A-3"]),
        ("hs_tags?", ["A-1"]),
        ("!hs_tags?", ["A-2", "A-3", "A-4"]),
        ("hs_tags!=vip", ["A-2", "A-3", "A-4"]),
        ("shop_order_id in:(A-1, A-4)", ["A-1", "A-4"]),
        ("shop_order_id !in:(A-1,A-4)", ["A-2", "A-3"]),
        ("hs_order_name in:('Map, large',Tent)", ["A-2", "A-3"]),
        ("stage=shipped", ["A-2"]),
        (f"stage={SHIPPED}", ["A-2"]),
        ("stage in:(Open,Shipped)", ["A-2", "A-4"]),
        ("pipeline=Returns", []),
        ("pipeline='order pipeline' stage=Open", ["A-4"]),
        ("hs_total_price>100 or hs_tags=vip or stage=Open", ["A-1", "A-2", "A-4"]),
        ("hs_createdate>=2020-01-01 hs_tags?", ["A-1"]),
        ("hs_createdate<2020-01-01T10:00Z", []),
        ("", ["A-1", "A-2", "A-3", "A-4"]),
    ],
)
def test_filters_mean_what_they_say(ask: Ask, filters: str, expected: list[str]) -> None:
    assert found(ask, filters) == expected


def test_filters_may_be_arguments_of_their_own(ask: Ask) -> None:
    assert found(ask, "hs_total_price>9", "hs_order_name~map") == ["A-3"]


def test_words_are_looked_for_in_all_values(ask: Ask) -> None:
    assert found(ask, "--text", "shoes") == ["A-1"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("hs_total_price", ["A-1", "A-3", "A-2"]), ("-hs_total_price", ["A-2", "A-3", "A-1"])],
)
def test_sorting(ask: Ask, sort: str, expected: list[str]) -> None:
    assert found(ask, "hs_total_price?", "--sort", sort) == expected


def test_a_table_has_stages_by_name_and_says_how_many(ask: Ask) -> None:
    ended = ask("orders", "search", "stage?", "--properties", "hs_total_price,hs_pipeline_stage")

    assert [line.split()[1:] for line in ended.out.splitlines()] == [
        ["shop_order_id", "hs_total_price", "stage"],
        ["A-2", "100.5", "Shipped"],
        ["A-4", "Open"],
    ]
    assert ended.err == "2 orders\n"


def test_json_has_values_as_they_are_and_names_beside_them(ask: Ask) -> None:
    ended = ask("orders", "search", "stage=open", "-o", "json")

    (order,) = json.loads(ended.out)
    assert order["properties"]["hs_pipeline_stage"] == OPEN
    assert (order["pipeline"], order["stage"], order["archived"]) == (
        "Order Pipeline",
        "Open",
        False,
    )
    assert order["properties"]["hs_total_price"] is None


def test_csv_quotes_what_it_must(ask: Ask) -> None:
    ended = ask("orders", "ls", "--all", "--properties", "hs_order_name", "-o", "csv")

    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [row["hs_order_name"] for row in rows] == [
        "Trail shoes",
        "Tent",
        "Map, large",
        "Tent pegs",
    ]
    assert list(rows[0]) == ["id", KEY, "hs_order_name"]


def test_a_limit_says_that_there_are_more(ask: Ask) -> None:
    searched = ask("orders", "search", "--limit", "3", "-o", "ndjson")
    listed = ask("orders", "ls", "--limit", "3", "-o", "ndjson")

    assert len(searched.out.splitlines()) == len(listed.out.splitlines()) == 3
    assert searched.err == "4 orders are found\nthe first 3; --limit or --all for more\n"
    assert listed.err == "the first 3; --limit or --all for more\n"


def test_a_list_goes_on_to_its_end_page_by_page(ask: Ask, shop: RunningTwin) -> None:
    put(shop.url, {f"B-{n}": {} for n in range(246)})

    ended = ask("orders", "ls", "--all", "-o", "ndjson")

    keys = [json.loads(line)["properties"][KEY] for line in ended.out.splitlines()]
    assert sorted(keys) == sorted([f"A-{n}" for n in range(1, 5)] + [f"B-{n}" for n in range(246)])
    assert ended.err == "250 orders\n"


def test_archived_orders_are_listed_when_asked_for(ask: Ask, shop: RunningTwin) -> None:
    from tests.orders.conftest import post

    (gone,) = put(shop.url, {"A-1": {}}).values()
    post(shop.url, f"/crm/v3/objects/orders/{gone}", {}, "DELETE")

    def keys(*more: str) -> list[str]:
        out = ask("orders", "ls", "-o", "ndjson", *more).out
        return [json.loads(line)["properties"][KEY] for line in out.splitlines()]

    assert keys("--archived") == ["A-1"]
    assert keys() == ["A-2", "A-3", "A-4"]


def test_a_search_goes_on_beyond_ten_thousand_results_and_an_order_of_its_own_does_not(
    command: CommandLine,
) -> None:
    """Eleven thousand orders, at five pages a second."""
    with running_twin(TwinOptions(calls=0, journal="off")) as twin:
        put(twin.url, {f"A-{n}": {"hs_tags": "x"} for n in range(10_300)})
        given = {"HUBSPOT__BASE_URL": twin.url, "HUBSPOT__TOKEN": "t"}
        sorted_by = ("--sort", "-hs_order_name")

        every = command("orders", "search", "hs_tags=x", "--all", "-o", "ndjson", **given)
        throttled = dict(twin.twin.limits.refused)
        refused = command("orders", "search", "hs_tags=x", "--all", *sorted_by, **given)

    assert refused.code == 2
    assert "10300 orders are found, and HubSpot's search ends at 10000" in refused.err
    assert refused.out == ""
    assert every.code == 0
    assert len({json.loads(line)["id"] for line in every.out.splitlines()}) == 10_300
    assert "by record id" in every.err
    assert throttled == {}, f"more than {SEARCHES} searches in a second"


def test_pipelines_in_every_form(ask: Ask) -> None:
    table = ask("pipelines").out.splitlines()
    rows = json.loads(ask("pipelines", "-o", "json").out)
    sheet = list(csv.DictReader(io.StringIO(ask("pipelines", "-o", "csv").out)))

    assert table[0].split() == [
        *("pipeline", "pipeline_id", "default", "stage", "stage_id", "order", "state"),
    ]
    assert rows[0]["stage_id"] == OPEN
    assert [(row["stage"], row["state"]) for row in rows if row["default"]] == [
        ("Open", "open"),
        ("Processed", "open"),
        ("Shipped", "open"),
        ("Delivered", "closed"),
        ("Cancelled", "closed"),
    ]
    assert [row["stage"] for row in rows if row["pipeline"] == "Returns"] == ["Open", "Closed"]
    assert [row["stage_id"] for row in sheet] == [row["stage_id"] for row in rows]
    assert {row["default"] for row in sheet} == {"true", "false"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("search", "hs_totl_price>3"), "no property hs_totl_price; did you mean hs_total_price?"),
        (("search", "stage=Shiped"), "there is no stage Shiped; there are: Open ("),
        (("search", "pipeline=Order"), "there is no pipeline Order; there are: Order Pipeline ("),
        (("search", "--sort", "-hs_totl_price"), "did you mean hs_total_price?"),
        (("ls", "--properties", "hs_tag"), "did you mean hs_tags?"),
        (("search", "hs_createdate>soon"), "compared with a time such as 2026-11-22"),
        (("search", "stage>Open"), "goes with =, != and in:(...) alone"),
    ],
)
def test_what_the_account_has_not_is_said_with_exit_2(
    ask: Ask, arguments: tuple[str, ...], says: str
) -> None:
    ended = ask("orders", *arguments)

    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


def test_a_filter_that_is_none_is_wrong_usage(ask: Ask) -> None:
    ended = ask("orders", "search", "hs_order_name=Trail shoes")

    assert ended.code == 2
    assert "shoes is no filter: a value with spaces is written in quotes" in ended.err


def test_a_token_that_may_only_read_orders_can_still_look(command: CommandLine) -> None:
    forbidden = tuple(map(parse_fault, ("403 operation=properties", "403 operation=pipelines")))
    with running_twin(TwinOptions(faults=forbidden)) as twin:
        put(twin.url, {"A-1": {"hs_tags": "vip"}})
        given = {"HUBSPOT__BASE_URL": twin.url, "HUBSPOT__TOKEN": "t"}
        ended = command("orders", "search", "hs_tags?", **given)
        stages = command("pipelines", **given)

    assert (ended.code, len(ended.out.splitlines())) == (0, 2)
    assert "names of properties are not checked" in ended.err
    assert "crm.schemas.orders.read" in ended.err
    assert "crm.pipelines.orders.read" in ended.err
    assert stages.code == 77
    assert "lacks a scope" in stages.err


def test_a_token_that_is_refused_exits_77(command: CommandLine) -> None:
    with running_twin(TwinOptions(tokens=("right",))) as twin:
        given = {"HUBSPOT__BASE_URL": twin.url, "HUBSPOT__TOKEN": "wrong-one"}
        for words in (("pipelines",), ("orders", "ls"), ("orders", "search")):
            ended = command(*words, **given)
            assert ended.code == 77
            assert "HubSpot does not accept the token" in ended.err
            assert "wrong-one" not in ended.err


def test_nobody_to_ask_exits_69_and_no_settings_78(command: CommandLine) -> None:
    nobody = {"HUBSPOT__BASE_URL": "http://127.0.0.1:9", "HUBSPOT__TOKEN": "t"}

    assert command("orders", "ls").code == 78
    assert command("pipelines", **nobody).code == 69


@pytest.mark.parametrize("fault", ["503 nth=3", "429 nth=3 policy=SEARCH", "truncate nth=3"])
def test_a_failure_of_hubspots_is_waited_out(command: CommandLine, fault: str) -> None:
    with running_twin(TwinOptions(calls=0, faults=(parse_fault(fault),))) as twin:
        given = {"HUBSPOT__BASE_URL": twin.url, "HUBSPOT__TOKEN": "t"}
        ended = command("orders", "search", **given)

    assert (ended.code, ended.err) == (0, "0 orders\n")


def test_the_days_limit_is_not_waited_out(command: CommandLine) -> None:
    with running_twin(TwinOptions(faults=(parse_fault("429 policy=DAILY"),))) as twin:
        ended = command("orders", "ls", HUBSPOT__BASE_URL=twin.url, HUBSPOT__TOKEN="t")

    assert ended.code == 69
    assert "limit DAILY" in ended.err


def test_what_a_terminal_would_obey_is_written_out_in_a_table(ask: Ask, shop: RunningTwin) -> None:
    put(shop.url, {"A-1": {"hs_order_name": "red \x1b[31m tent"}})

    ended = ask("orders", "search", "hs_tags=vip", "--properties", "hs_order_name")

    assert "\x1b" not in ended.out
    assert "\\x1b[31m" in ended.out
