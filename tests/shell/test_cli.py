"""The command line: exit codes, what goes to which stream, and never a traceback for a user's mistake."""

import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path

import orjson
import pytest
from aiormq.exceptions import (
    AMQPConnectionError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from service.__main__ import main
from service.broker import NoBroker
from service.cli.exits import Exit
from service.cli.refusals import explain
from service.cli.replay import operator
from service.dead_letters.looker import DeadLettersError, LockedOutError
from service.rabbitmq.topology import NotPermittedError, TopologyError
from service.settings.config import ALL
from service.settings.misconfiguration import ConfigurationError
from service.watch.probes import ProbesError

ROOT = Path(__file__).parents[2]
NEEDED = {
    "RABBITMQ__URL": "amqp://guest:hidden@127.0.0.1:1/",
    "HUBSPOT__TOKEN": "hidden",
    "HUBSPOT__ID_PROPERTY": "shop_order_id",
}
COMMANDS = (
    ["run", "demo", "check-config", "publish", "hubspot-twin", "topology", "schema"]
    + ["topology show", "topology apply", "schema export", "schema validate"]
    + ["dlq", "dlq stats", "dlq ls", "dlq show", "dlq replay", "dlq export", "dlq park"]
)  # fmt: skip


def test_help_names_every_command(command):
    ended = command("--help")

    assert ended.code == 0
    for name in COMMANDS:
        assert name.split()[0] in ended.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_without_a_configuration(command, name):
    ended = command(*name.split(), "--help")

    assert ended.code == 0
    assert "Usage: ordersync" in ended.out


def test_help_waits_for_no_client_library():
    """Completion and help must be quick: what a command needs is imported when it runs."""
    program = "import sys, service.cli.tree; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    loaded = set(done.stdout.decode().split())
    assert not {"aiormq", "httpx", "pydantic", "structlog", "prometheus_client", "uvicorn"} & loaded


def test_the_installed_command_is_this_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["scripts"] == {"ordersync": f"{main.__module__}:{main.__name__}"}


def test_version(command):
    ended = command("--version")

    assert ended.code == 0
    assert ended.out.startswith("ordersync ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["publish"],
        ["publish", "no-such-file"],
        ["topology", "show", "-o", "xml"],
        ["--no"],
    ],
)
def test_wrong_usage_exits_2(command, arguments):
    ended = command(*arguments, **NEEDED)

    assert ended.code == Exit.USAGE
    assert ended.out == ""
    assert "--help" in ended.err


def test_no_arguments_print_the_help(command):
    assert "Usage: ordersync" in (ended := command()).out + ended.err


@pytest.mark.parametrize("name", ["run", "check-config", "publish", "topology apply"])
def test_a_wrong_configuration_exits_78_with_a_line_for_every_fault(command, tmp_path, name):
    events = tmp_path / "events.ndjson"
    events.write_text("")
    arguments = [*name.split(), events] if name == "publish" else name.split()

    ended = command(*arguments, HUBSPOT__TOKE="x", RABBITMQ__PREFETCH="0")

    assert ended.code == Exit.CONFIGURATION
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert "ORDERSYNC_RABBITMQ__URL: is required" in lines
    assert "ORDERSYNC_RABBITMQ__PREFETCH: must be at least 1, not 0" in lines
    assert lines[0].startswith("ORDERSYNC_HUBSPOT__TOKE: is not a setting")


def test_check_config_prints_everything_but_secrets(command):
    ended = command("check-config", "-o", "json", **NEEDED, BATCH__SIZE="7")

    rows = {row["setting"]: row for row in orjson.loads(ended.out)}
    assert ended.code == 0
    assert rows.keys() == {setting.name for setting in ALL}
    assert rows["ORDERSYNC_BATCH__SIZE"] == {
        "setting": "ORDERSYNC_BATCH__SIZE",
        "value": 7,
        "from": "given",
    }
    assert rows["ORDERSYNC_HUBSPOT__TOKEN"]["value"] == "(set)"
    assert rows["ORDERSYNC_HUBSPOT__REFRESH_TOKEN"]["value"] is None
    assert "hidden" not in ended.out + ended.err


def test_check_config_connects_to_nothing(command):
    """The broker of NEEDED is not there."""
    assert command("check-config", **NEEDED).code == 0


def test_a_table_in_a_pipe_is_not_cut_off(command):
    ended = command("topology", "show", **NEEDED)

    assert '"x-dead-letter-strategy":"at-least-once"' in ended.out
    assert ended.out.splitlines()[0].split() == ["kind", "name", "details"]
    assert "\x1b[" not in ended.out


def test_a_table_on_a_terminal_folds_and_cuts_nothing_off_either(command, bare):
    bare.setattr("sys.stdout.isatty", lambda: True, raising=False)
    bare.setenv("COLUMNS", "80")
    bare.setenv("NO_COLOR", "1")

    ended = command("topology", "show", **NEEDED, RABBITMQ__EXCHANGE="a[bold]b")

    assert "…" not in ended.out
    assert "at-least-once" in "".join(ended.out.split())
    assert "a[bold]b" in ended.out
    assert "\x1b[3" not in ended.out  # no colour


def test_rows_are_json_or_ndjson(command):
    as_json = command("topology", "show", "-o", "json", **NEEDED)
    as_lines = command("topology", "show", "-o", "ndjson", **NEEDED)

    rows = orjson.loads(as_json.out)
    assert rows == [orjson.loads(line) for line in as_lines.out.splitlines()]
    assert {row["kind"] for row in rows} == {"exchange", "queue", "binding"}


def test_no_broker_exits_69(command):
    ended = command("topology", "apply", RABBITMQ__URL=NEEDED["RABBITMQ__URL"])

    assert ended.code == Exit.UNREACHABLE
    line, advice = ended.err.splitlines()
    assert line.startswith("RabbitMQ cannot be reached: ")
    assert "ORDERSYNC_RABBITMQ__URL" in advice


def test_run_without_a_broker_exits_69(command):
    ended = command("run", **NEEDED, HTTP__HOST="127.0.0.1", HTTP__PORT="0")

    assert ended.code == Exit.UNREACHABLE
    assert "RabbitMQ cannot be reached" in ended.err


def test_a_wrong_password_exits_77(command, amqp_url):
    scheme, _, address = amqp_url.partition("//")
    wrong = f"{scheme}//guest:wrong@{address.partition('@')[2]}"

    ended = command("topology", "apply", RABBITMQ__URL=wrong)

    assert ended.code == Exit.NOT_AUTHORISED
    assert "does not let this user in" in ended.err
    assert "wrong" not in ended.err


def test_a_virtual_host_that_is_not_there_exits_77(command, amqp_url):
    ended = command("dlq", "ls", RABBITMQ__URL=f"{amqp_url}-not")

    assert ended.code == Exit.NOT_AUTHORISED
    assert "not to the virtual host" in ended.err
    assert "object at" not in ended.err


def test_topology_apply_declares_and_says_so(command, amqp_url):
    before = command("topology", "apply", "--dry-run", "-o", "json", RABBITMQ__URL=amqp_url)
    applied = command("topology", "apply")
    after = command("topology", "apply", "--dry-run", "-o", "json")

    assert {row["state"] for row in orjson.loads(before.out)} == {"would be declared"}
    assert applied.code == 0
    assert applied.out == ""
    assert {row["state"] for row in orjson.loads(after.out)} == {"is there"}


def test_hubspot_twin_is_the_twins_own_command(command):
    ended = command("hubspot-twin", "--help")

    assert "--fault" in ended.out
    assert command("hubspot-twin", "--no-such-option").code == Exit.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError(["a", "b"]), 78),
        (TopologyError("x"), 1),
        (NotPermittedError("x"), 77),
        (ProbesError("x"), 1),
        (ProbableAuthenticationError("x"), 77),
        (ChannelAccessRefused("x"), 77),
        (InvalidFrameError("x"), 77),
        (ChannelNotFoundEntity("x"), 1),
        (ChannelPreconditionFailed("x"), 1),
        (LockedOutError("x"), 77),
        (DeadLettersError("{x}"), 1),
        (AMQPConnectionError("x"), 69),
        (ChannelInvalidStateError("<Channel> closed"), 69),
        (ConnectionResetError("x"), 69),
        (TimeoutError(), 69),
        (NoBroker("install one"), 69),
        (ExceptionGroup("g", [ValueError(), ExceptionGroup("h", [TopologyError("x")])]), 1),
    ],
)
def test_what_a_user_can_mend_is_told_in_a_sentence(error, code):
    refusal = explain(error)

    assert refusal is not None
    assert refusal.code == code
    assert all(refusal.lines)


@pytest.mark.parametrize("error", [ValueError("bug"), ExceptionGroup("g", [KeyError("bug")])])
def test_a_bug_is_not_explained_away(error):
    assert explain(error) is None


def test_a_bug_keeps_its_traceback():
    program = """if True:
        import sys
        from service.cli import topology
        topology.show = None  # what a bug is made of
        sys.argv = ["ordersync", "topology", "show"]
        from service.__main__ import main
        main()
    """
    environment = {"ORDERSYNC_RABBITMQ__URL": "amqp://h/", "PYTHONPATH": ".", "PATH": ""}

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, env=environment
    )

    assert done.returncode == Exit.FAILED
    assert b"TypeError: 'NoneType' object is not callable" in done.stderr


def test_schema_export_prints_or_writes(command, tmp_path):
    printed = command("schema", "export", "outcome.v1")
    written = command("schema", "export", "--to", tmp_path / "new")

    assert orjson.loads(printed.out)["$id"] == "urn:ordersync:schemas:outcome.v1"
    assert written.out == ""
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "order-event.v1.json",
        "outcome.v1.json",
        "dead-letter.v1.json",
    }
    assert command("schema", "export", "no-such").code == Exit.USAGE


def test_what_is_needed_is_shown_before_anybody_knows_the_broker(command):
    ended = command("topology", "show", "-o", "json", RABBITMQ__RESULTS_QUEUE="elsewhere")

    assert ended.code == 0
    assert "elsewhere" in {row["name"] for row in orjson.loads(ended.out)}


def test_a_wide_table_tears_no_id_apart_on_a_narrow_terminal():
    """What is long stands under its row; a pipe gets it all in one line."""
    ours, theirs = pty.openpty()
    program = (
        "from service.cli.printing import Output, show\n"
        "show([{'id': 'a' * 32, 'since': '2026-11-22T10:00:00.000Z', 'message': 'long ' * 20}], "
        "Output.TABLE)"
    )

    subprocess.run(
        [sys.executable, "-c", program], stdout=theirs, check=True, env=os.environ | {"COLUMNS": "80"}
    )  # fmt: skip
    os.close(theirs)
    printed = os.read(ours, 10_000).decode()
    os.close(ours)
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert "a" * 32 in printed
    assert "2026-11-22T10:00:00.000Z" in printed
    assert "    message: long long" in printed
    assert len(piped.stdout.splitlines()) == 2


def test_a_user_without_a_name_is_told_by_number(monkeypatch):
    """As containers have: no entry in /etc/passwd. Python 3.11 and 3.12 raise KeyError, later ones OSError."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987_654)

    assert operator().startswith("uid 987654@")
