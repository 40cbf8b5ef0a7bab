"""`schema export --account`, `schema validate --account`, `publish --check-account`, against the twin."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from service.twin import parse_fault
from service.twin.options import TwinOptions
from service.twin.pytest_plugin import RunningTwin, running_twin
from tests.shell.command import CommandLine, Ended
from tests.shell.conftest import bare, command

__all__ = ["bare", "command"]

GOOD = {"hs_order_name": "Tent", "hs_total_price": "12.5", "colour": "red"}
Run = Callable[..., Ended]


def event(number: int, **properties: object) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": f"{number}",
        "source": "/shop",
        "type": "ordersync.order.upsert.v1",
        "subject": f"A-{number}",
        "time": "2026-11-22T10:00:00Z",
        "data": {"properties": properties},
    }


@pytest.fixture
def twin() -> Iterator[RunningTwin]:
    options = TwinOptions(properties=("colour:enumeration:red|green",), calls=0)
    with running_twin(options) as started:
        yield started


@pytest.fixture
def run(command: CommandLine, twin: RunningTwin) -> Run:
    way = {"HUBSPOT__BASE_URL": twin.url, "HUBSPOT__TOKEN": "t", "HUBSPOT__ID_PROPERTY": "shop_order_id"}  # fmt: skip
    return lambda *words, **settings: command(*words, **(way | settings))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Good events; and three that HubSpot would refuse, one of them for two things."""
    good, bad = tmp_path / "good.ndjson", tmp_path / "bad.ndjson"
    good.write_text(json.dumps(event(1, **GOOD)) + "\n")
    lines = [
        event(1, **GOOD),
        event(2, hs_ordr_name="Tent"),
        event(3, hs_total_price="12,5", colour="blue"),
        event(4, hs_object_id="17"),
    ]
    bad.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return good, bad


def test_validate_says_what_this_account_would_refuse_and_sends_nothing(
    run: Run, twin: RunningTwin, files: tuple[Path, Path]
) -> None:
    good, bad = files

    assert run("schema", "validate", "--account", good).code == 0
    assert run("schema", "validate", bad).code == 0
    ended = run("schema", "validate", "--account", bad)

    assert ended.code == 1
    assert ended.err == "4 events, 3 with faults\n"
    told = ended.out.splitlines()
    assert [line.split(": ")[1:3] for line in told] == [
        ["line 2", "data.properties.hs_ordr_name"],
        ["line 3", "data.properties.hs_total_price"],
        ["line 3", "data.properties.colour"],
        ["line 4", "data.properties.hs_object_id"],
    ]
    assert "did you mean hs_order_name?" in told[0]
    assert "there are red, green" in told[2]
    assert twin.twin.written() == []


def test_publish_checks_before_anything_is_sent(run: Run, files: tuple[Path, Path]) -> None:
    good, bad = files

    fine = run("publish", "--dry-run", "--check-account", good)
    ended = run("publish", "--dry-run", "--check-account", bad)
    offline = run("publish", "--dry-run", bad)

    assert (fine.code, offline.code) == (0, 0)
    assert ended.code == 1
    assert "line 3: data.properties.hs_total_price: 12,5 is no number" in ended.err
    assert "3 of 4 lines are no order events, or would be refused by HubSpot" in ended.err


def test_a_column_is_named_as_the_person_knows_it(run: Run, tmp_path: Path) -> None:
    sheet = tmp_path / "orders.csv"
    sheet.write_text(
        "type,id,source,subject,time,Total\n"
        "upsert,1,/s,A-1,2026-11-22T10:00:00Z,much\n"
    )  # fmt: skip

    ended = run("publish", "--dry-run", "--check-account", sheet, "--map", "Total=hs_total_price")

    assert ended.code == 1
    assert "data.properties.hs_total_price (column Total): much is no number" in ended.err


def test_unchecked_and_checked_are_opposites(run: Run, files: tuple[Path, Path]) -> None:
    assert run("publish", "--unchecked", "--check-account", files[0]).code == 2


def test_the_exported_schema_refuses_what_validate_does(
    run: Run, files: tuple[Path, Path], tmp_path: Path
) -> None:
    printed = run("schema", "export", "--account")
    to_a_folder = run("schema", "export", "--account", "--to", tmp_path / "out")

    schema = json.loads(printed.out)
    assert json.loads((tmp_path / "out" / "order-event.account.json").read_text()) == schema
    assert to_a_folder.code == 0
    Draft202012Validator.check_schema(schema)
    lines = [json.loads(line) for line in files[1].read_text().splitlines()]
    assert [Draft202012Validator(schema).is_valid(line) for line in lines] == [True, *[False] * 3]
    orders = schema["$defs"]["account_order_properties"]["properties"]
    assert orders["hs_object_id"]["readOnly"] is True
    assert "red" in orders["colour"]["anyOf"][0]["enum"]


def test_the_schema_of_an_account_has_no_other_name(run: Run) -> None:
    assert run("schema", "export", "order-event.v1", "--account").code == 2


@pytest.mark.parametrize("words", [("export",), ("validate", "good.ndjson")])
def test_a_token_that_may_not_read_definitions_exits_77(
    command: CommandLine, files: tuple[Path, Path], words: tuple[str, ...]
) -> None:
    named = [files[0] if word.endswith("ndjson") else word for word in words]
    with running_twin(TwinOptions(faults=(parse_fault("403 operation=properties"),))) as twin:
        given = {"HUBSPOT__BASE_URL": twin.url, "HUBSPOT__TOKEN": "t"}
        ended = command("schema", *named, "--account", **given)

    assert ended.code == 77
    assert "lacks a scope" in ended.err


def test_without_a_token_there_is_nobody_to_ask(command: CommandLine) -> None:
    assert command("schema", "export", "--account").code == 78
