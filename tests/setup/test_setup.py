"""`setup` on accounts of every kind: what is found, what is made, what is printed, how it ends."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from service.twin import parse_fault
from service.twin.options import TwinOptions
from service.twin.pytest_plugin import RunningTwin, running_twin
from tests.shell.command import CommandLine, Ended
from tests.shell.conftest import bare, command

__all__ = ["bare", "command"]

SCOPES = tuple(
    f"crm.{area}.{kind}.{right}"
    for area in ("objects", "schemas")
    for kind in ("orders", "line_items", "contacts", "companies")
    for right in ("read", "write")
)


@contextmanager
def account(
    command: CommandLine, **options: object
) -> Iterator[tuple[RunningTwin, Callable[..., Ended]]]:
    """A twin, and `setup` of it."""
    given = {"unique": (), "scopes": SCOPES} | options
    with running_twin(TwinOptions(**given)) as twin:  # type: ignore[arg-type]

        def setup(*arguments: str, **settings: str) -> Ended:
            way = {"HUBSPOT__BASE_URL": twin.url, "HUBSPOT__TOKEN": "a-secret"}
            ended = command("setup", *arguments, **(way | settings))
            assert "a-secret" not in ended.out + ended.err
            return ended

        yield twin, setup


def settings_in(ended: Ended) -> dict[str, str]:
    lines = [x.removeprefix("export ") for x in ended.out.splitlines() if x.startswith("export ")]
    return dict(line.split("=", 1) for line in lines)


def unique(twin: RunningTwin, kind: str) -> set[str]:
    table = twin.twin.portal.table(twin.twin.portal.kind(kind))
    return {each.name for each in table.definitions.values() if each.unique}


def test_without_apply_nothing_is_made(command: CommandLine) -> None:
    with account(command) as (twin, setup):
        ended = setup()

        assert (unique(twin, "orders"), unique(twin, "line_items")) == (set(), set())
    assert ended.code == 0
    assert "orders: shop_order_id is to be made" in ended.err
    assert "--apply makes what is missing" in ended.err
    assert "FAULT" not in ended.err


def test_with_apply_both_keys_are_made_once_and_the_settings_work(command: CommandLine) -> None:
    with account(command) as (twin, setup):
        made = setup("--apply")
        again = setup("--apply")
        found = setup()

        assert unique(twin, "orders") == {"shop_order_id"}
        assert unique(twin, "line_items") == {"shop_line_id"}
        settings = settings_in(made)
    assert (made.code, again.code, found.code) == (0, 0, 0)
    assert "orders: shop_order_id is made, and unique" in made.err
    assert "orders: shop_order_id is there and unique" in again.err
    assert settings == settings_in(again) == settings_in(found)
    assert settings == {
        "ORDERSYNC_HUBSPOT__BASE_URL": twin.url,
        "ORDERSYNC_HUBSPOT__ID_PROPERTY": "shop_order_id",
        "ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY": "shop_line_id",
        "ORDERSYNC_HUBSPOT__CALLS": "190",
    }


def test_what_is_there_is_taken(command: CommandLine) -> None:
    there = ("cin7_order_id", "line_items.cin7_line_id")
    with account(command, unique=there) as (twin, setup):
        ended = setup("--apply")

        assert unique(twin, "orders") == {"cin7_order_id"}
    assert settings_in(ended)["ORDERSYNC_HUBSPOT__ID_PROPERTY"] == "cin7_order_id"
    assert settings_in(ended)["ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY"] == "cin7_line_id"


def test_hubspots_own_key_is_taken_where_the_account_says_that_it_is_unique(
    command: CommandLine,
) -> None:
    with account(command, unique=("hs_external_order_id",)) as (_, setup):
        assert settings_in(setup())["ORDERSYNC_HUBSPOT__ID_PROPERTY"] == "hs_external_order_id"


def test_of_several_a_person_chooses(command: CommandLine) -> None:
    with account(command, unique=("cin7_id", "shop_no")) as (_, setup):
        unsaid = setup()
        said = setup("--id-property", "shop_no")

    assert (unsaid.code, unsaid.out) == (1, "")
    assert "cin7_id, shop_no" in unsaid.err
    assert said.code == 0
    assert settings_in(said)["ORDERSYNC_HUBSPOT__ID_PROPERTY"] == "shop_no"


def test_a_name_of_ones_own_is_made(command: CommandLine) -> None:
    with account(command) as (twin, setup):
        setup("--apply", "--id-property", "order_no", HUBSPOT__LINE_ID_PROPERTY="line_no")

        assert unique(twin, "orders") == {"order_no"}
        assert unique(twin, "line_items") == {"line_no"}


def test_a_token_that_is_refused_exits_77(command: CommandLine) -> None:
    with account(command, tokens=("another",)) as (_, setup):
        ended = setup("--apply")

    assert (ended.code, ended.out) == (77, "")
    assert "HubSpot does not accept the token" in ended.err


@pytest.mark.parametrize("arguments", [(), ("--apply",)])
def test_a_missing_schema_scope_exits_77_before_and_after_the_fact(
    command: CommandLine, arguments: tuple[str, ...]
) -> None:
    scopes = tuple(scope for scope in SCOPES if scope != "crm.schemas.orders.write")
    with account(command, scopes=scopes) as (twin, setup):
        ended = setup(*arguments)

        assert unique(twin, "line_items") == set()
    assert ended.code == 77
    assert "lacks a scope" in ended.err
    assert "crm.schemas.orders.write" in ended.err


def test_a_missing_scope_of_writing_is_the_doctors_to_find(command: CommandLine) -> None:
    scopes = tuple(scope for scope in SCOPES if scope != "crm.objects.orders.write")
    with account(command, scopes=scopes) as (_, setup):
        ended = setup("--apply")

    assert ended.code == 77
    assert "crm.objects.orders.write is missing" in ended.err


def test_an_eleventh_unique_property_is_refused_in_hubspots_words(command: CommandLine) -> None:
    ten = tuple(f"u{n}" for n in range(10))
    with account(command, unique=ten) as (_, setup):
        ended = setup("--apply", "--id-property", "mine")

    assert ended.code == 1
    assert "orders cannot have mine: At most 10 unique properties" in ended.err


@pytest.mark.parametrize("fault", ["503 operation=properties nth=3", "hang nth=3 written=true"])
def test_a_creation_whose_answer_is_lost_is_found_to_have_happened(
    command: CommandLine, fault: str
) -> None:
    """The repeat is answered 409; what counts is what the definition says."""
    lost = parse_fault("cut operation=properties nth=2 written=true times=1")
    with account(command, faults=(lost, parse_fault(fault))) as (twin, setup):
        ended = setup("--apply", HUBSPOT__TIMEOUT="2")

        assert unique(twin, "orders") == {"shop_order_id"}
    assert ended.code == 0


def test_nobody_to_ask_exits_69(command: CommandLine) -> None:
    ended = command("setup", HUBSPOT__BASE_URL="http://127.0.0.1:9", HUBSPOT__TOKEN="t")

    assert (ended.code, ended.out) == (69, "")


def test_no_token_exits_78(command: CommandLine) -> None:
    ended = command("setup")

    assert ended.code == 78
    assert "ORDERSYNC_HUBSPOT__TOKEN" in ended.err


def test_programs_get_one_document(command: CommandLine) -> None:
    with account(command) as (_, setup):
        (told,) = json.loads(setup("-o", "json").out)

    assert told["settings"]["ORDERSYNC_HUBSPOT__ID_PROPERTY"] == "shop_order_id"
    assert told["properties"][0] == {"object": "orders", "name": "shop_order_id", "there": False}
    assert {finding["state"] for finding in told["findings"]} == {"ok"}


def test_rabbitmq_is_looked_at_where_it_is_named(command: CommandLine) -> None:
    with account(command) as (_, setup):
        nobody = setup("--apply", RABBITMQ__URL="amqp://guest:guest@127.0.0.1:9/")

    assert nobody.code == 69
    assert "broker" in nobody.err
    assert settings_in(nobody)["ORDERSYNC_HUBSPOT__ID_PROPERTY"] == "shop_order_id"
