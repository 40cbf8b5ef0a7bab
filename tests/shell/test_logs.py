"""The log: JSON lines from one chain, and no secret in any of them."""

import io
import logging
import subprocess
import sys
import textwrap

import orjson
import pytest
import structlog

from service.settings.sections import Log
from service.watch import logs
from service.watch.logs import BLOT


class Terminal(io.TextIOWrapper):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def written():
    """Configure for a stream and get what was written to it."""
    buffer = io.BytesIO()
    streams = []  # kept: a wrapper that is collected closes its buffer

    def configure(*, terminal: bool = False, **given) -> None:
        streams.append((Terminal if terminal else io.TextIOWrapper)(buffer, write_through=True))
        logs.configure(Log(**given), streams[-1])

    def lines() -> list[str]:
        return buffer.getvalue().decode().splitlines()

    return configure, lines


def test_a_line_is_json_with_its_level_time_and_fields(written):
    configure, lines = written
    configure()

    structlog.get_logger().info("call_sent", endpoint="upsert", records=100, seconds=0.25)

    (line,) = lines()
    event = orjson.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "call_sent",
        "level": "info",
        "endpoint": "upsert",
        "records": 100,
        "seconds": 0.25,
    }


def test_the_libraries_logs_pass_the_same_chain(written):
    configure, lines = written
    configure()

    logging.getLogger("aiormq.connection").warning("lost %s", "amqp://guest:guest@h/")
    logging.getLogger("httpx").info("HTTP Request: POST https://api.hubapi.com")

    (line,) = lines()
    event = orjson.loads(line)
    assert event["logger"] == "aiormq.connection"
    assert event["event"] == f"lost amqp://guest:{BLOT}@h/"
    assert event["level"] == "warning"


def test_below_the_level_nothing_is_written(written):
    configure, lines = written
    configure(level="warning")

    structlog.get_logger().info("call_sent")
    logging.getLogger("anybody").info("hello")

    assert lines() == []


def test_bound_context_is_on_every_line(written):
    configure, lines = written
    configure()

    with structlog.contextvars.bound_contextvars(replica="a"):
        structlog.get_logger().warning("channel_lost")

    assert orjson.loads(lines()[0])["replica"] == "a"


def test_on_a_terminal_it_is_for_people_unless_json_is_asked_for(written):
    configure, lines = written
    configure(terminal=True)
    structlog.get_logger().info("call_sent")
    configure(terminal=True, format="json")
    structlog.get_logger().info("call_sent")

    for_people, for_programs = lines()

    assert "call_sent" in for_people
    assert not for_people.startswith("{")
    assert orjson.loads(for_programs)["event"] == "call_sent"


TOKEN = "pat-eu1-0a1b2c3d-1111-2222-3333-444455556666"
SECRETS = [
    ("a field of that name", {"token": "hush-hush"}),
    ("another", {"client_secret": "hush-hush", "amqp_password": "hush-hush"}),
    ("a header", {"headers": {"Authorization": "Bearer hush-hush"}}),
    ("a list of headers", {"headers": [("authorization", "Bearer hush-hush")]}),
    ("a bearer in a sentence", {"why": "sent 'Bearer hush-hush'"}),
    ("a password in a URL", {"url": "amqps://user:hush-hush@broker:5671/v"}),
    ("an encoded password", {"url": "amqp://user:hush%2Fhush@broker/"}),
    (
        "a form",
        {"body": "grant_type=refresh_token&refresh_token=hush-hush&client_secret=hush-hush"},
    ),
    ("a JSON body", {"body": '{"access_token": "hush-hush", "expires_in": 1800}'}),
    ("bytes", {"body": b'{"access_token": "hush-hush"}'}),
    ("HubSpot's own form of token", {"why": f"the key {TOKEN} is wrong"}),
    ("an exception as a field", {"error": ValueError("amqp://u:hush-hush@h/")}),
]


@pytest.mark.parametrize("format_", ["json", "console"])
@pytest.mark.parametrize("fields", [f for _, f in SECRETS], ids=[name for name, _ in SECRETS])
def test_no_secret_in_a_field(written, fields, format_):
    configure, lines = written
    configure(format=format_)

    structlog.get_logger().info("said", **fields)

    text = "\n".join(lines())
    assert BLOT in text
    assert "hush" not in text
    assert TOKEN[8:] not in text


@pytest.mark.parametrize("format_", ["json", "console"])
def test_no_secret_in_a_traceback_and_no_locals(written, format_):
    configure, lines = written
    configure(format=format_)

    def call(headers: dict[str, str]) -> None:
        raise ValueError(f"refused: {headers}")

    def connect() -> None:
        local = "hush-hush"
        try:
            call({"Authorization": "Bearer hush-hush"})
        except ValueError as error:
            raise ConnectionError(f"amqp://guest:{local}@h/") from error

    try:
        connect()
    except ConnectionError:
        structlog.get_logger().exception("crashed")
        logging.getLogger("aiormq").exception("crashed")

    text = "\n".join(lines())
    assert "ConnectionError" in text
    assert "test_logs.py" in text
    assert "hush" not in text


def test_what_is_not_secret_is_left_as_it_is(written):
    configure, lines = written
    configure()
    fields = {
        "url": "https://api.hubapi.com/crm/v3/objects/orders/batch/upsert",
        "message": "the token expired: ask for a new one",
        "order": "A-10023",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "mail": "mailto:somebody@example.org",
        "event_ids": ["a", "b"],
    }

    structlog.get_logger().info("said", **fields)

    event = orjson.loads(lines()[0])
    assert {name: event[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2**70, str(2**70)),
        (-(2**70), str(-(2**70))),
        ("\ud800 ä", "\\ud800 ä"),
        (
            {"\ud800": [2**70, None, 1.5, (True, 2)]},
            {"\\ud800": [str(2**70), None, 1.5, [True, 2]]},
        ),
        ({1: 2}, {"1": 2}),
        (float("nan"), None),
    ],
)
def test_nothing_that_is_logged_can_end_the_service(written, value, shown):
    configure, lines = written
    configure()

    structlog.get_logger().info("said", value=value, other=object())

    (line,) = lines()
    assert orjson.loads(line)["value"] == shown


def test_what_goes_round_in_a_circle_is_cut():
    configure, lines = logs.configure, io.BytesIO()
    circle: list[object] = ["\ud800"]
    circle.append(circle)
    stream = io.TextIOWrapper(lines, write_through=True)
    configure(Log(format="json"), stream)

    structlog.get_logger().info("said", value=circle)

    assert orjson.loads(lines.getvalue())["event"] == "said"


@pytest.mark.parametrize(
    "beside",
    [{}, {"token": "hush"}, {"number": 2**70}, {"why": "Bearer hush"}, {"half": "\ud800"}],
    ids=["nothing", "a secret", "a large number", "a bearer", "half a pair"],
)
def test_one_search_finds_an_event_whatever_stands_beside_it(written, beside):
    """An id is written the same way in each line: no space, no escape, in no line alone."""
    configure, lines = written
    configure()

    structlog.get_logger().info(
        "events_settled", applied=["b-Größe-1"], event_id="b-Größe-1", **beside
    )

    assert '"applied":["b-Größe-1"],"event_id":"b-Größe-1"' in lines()[0]


def test_a_command_whose_stdout_is_data_logs_to_stderr_and_only_warnings(capsys):
    logs.for_command(Log(format="json"))

    structlog.get_logger().info("not_this")
    structlog.get_logger().warning("but_this")

    out, err = capsys.readouterr()
    assert out == ""
    assert [orjson.loads(line)["event"] for line in err.splitlines()] == ["but_this"]


def test_a_process_says_it_all_on_stdout_line_by_line():
    """The real streams: bytes and text go through one file descriptor and do not overtake."""
    program = """
        import logging, structlog
        from service.watch import logs
        from service.settings.sections import Log
        logs.configure(Log())
        for number in range(3):
            structlog.get_logger().info("ours", number=number)
            logging.getLogger("theirs").warning("%s", number)
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=True
    )

    assert [orjson.loads(line)["event"] for line in done.stdout.splitlines()] == [
        "ours", "0", "ours", "1", "ours", "2",
    ]  # fmt: skip
    assert done.stderr == b""
