"""The doctor finds what is wrong, says how to mend it, and changes nothing; on a real broker and a twin's socket."""

import asyncio
import json
import re
from collections.abc import Iterator
from time import monotonic
from typing import Any

import aiormq
import pytest
from pamqp.commands import Basic
from typer.testing import CliRunner

from service.broker import PrivateBroker
from service.cli.tree import app
from service.core.events.order_event import STRUCTURED
from service.doctor import Finding, Trouble, examine
from service.rabbitmq.connection import virtual_host
from service.rabbitmq.topology import Topology, declare
from service.settings.config import BrokerSettings, Settings
from service.twin import parse_fault
from service.twin.options import TwinOptions
from service.twin.pytest_plugin import RunningTwin, running_twin
from tests.stage import event

TOKEN = "a-token-of-the-tests"
SCOPES = ("crm.objects.orders.read", "crm.objects.orders.write")


@pytest.fixture
def twin() -> Iterator[RunningTwin]:
    with running_twin(TwinOptions(tokens=(TOKEN,), scopes=SCOPES)) as started:
        yield started


def settings(
    amqp: str, hubspot: str, names: dict[str, Any] | None = None, **changes: Any
) -> Settings:
    given = {"base_url": hubspot, "token": TOKEN, "id_property": "shop_order_id"} | changes
    return Settings(rabbitmq={"url": amqp} | (names or {}), hubspot=given)


def looked(given: Settings, management: str | None = None) -> dict[str, Finding]:
    """By subject; of a subject with several findings the troubled one."""

    async def all_of_them() -> list[Finding]:
        return [finding async for finding in examine(given, management)]

    found: dict[str, Finding] = {}
    for finding in asyncio.run(all_of_them()):
        if finding.subject not in found or finding.trouble:
            found[finding.subject] = finding
    return found


def applied(url: str) -> Topology:
    given = BrokerSettings(rabbitmq={"url": url})
    wanted = Topology.of(given.rabbitmq, given.journal)
    asyncio.run(declare(url, wanted))
    return wanted


@pytest.mark.parametrize("version", ["v3", "2026-03"])
def test_all_is_well(amqp_url: str, twin: RunningTwin, version: str) -> None:
    applied(amqp_url)

    found = looked(settings(amqp_url, twin.url, api_version=version))

    assert {name for name, finding in found.items() if finding.trouble} == set()
    assert "RabbitMQ" in found["broker"].found
    assert found["property"].mark == found["arguments"].mark == found["clock"].mark == "ok"


def test_what_is_not_there_is_not_compared(amqp_url: str, twin: RunningTwin) -> None:
    found = looked(settings(amqp_url, twin.url))

    assert "missing" in found["topology"].found
    assert found["arguments"].mark == "unseen"


def test_it_writes_nothing(amqp_url: str, twin: RunningTwin) -> None:

    found = looked(settings(amqp_url, twin.url))

    assert found["topology"].trouble is Trouble.WRONG  # a fresh vhost: and it stays one
    assert looked(settings(amqp_url, twin.url))["topology"] == found["topology"]
    assert "topology apply" in str(found["topology"].fix)


@pytest.mark.parametrize(
    ("field", "name", "meant"),
    [
        ("queues", "orders.event", "orders.events"),
        ("queues", "order.events", "orders.events"),
        ("queues", "orders-events", "orders.events"),
        ("results_queue", "orders.result", "orders.results"),
        ("dead_letters_queue", "orders.dead-letter", "orders.dead-letters"),
        ("exchange", "orders.event", "orders.events"),
    ],
)
def test_a_name_that_is_nearly_right_is_said_before_creating_is_advised(
    amqp_url: str, twin: RunningTwin, field: str, name: str, meant: str
) -> None:
    """Without the management API: it is not enabled here."""
    applied(amqp_url)
    names = {field: [name] if field == "queues" else name}

    found = looked(settings(amqp_url, twin.url, names))["topology"]

    assert f"{name} (did you mean {meant}, which is there?)" in found.found
    assert str(found.fix).startswith("if that one is meant, correct the name")
    assert "; else run `ordersync topology apply`" in str(found.fix)


def test_a_name_like_nothing_that_is_there_is_to_be_created(
    amqp_url: str, twin: RunningTwin
) -> None:
    applied(amqp_url)

    found = looked(settings(amqp_url, twin.url, {"queues": ["shop.eu"]}))

    assert found["topology"].found == "missing: queue shop.eu"
    assert str(found["topology"].fix).startswith("run `ordersync topology apply`")


def test_a_queue_with_other_arguments(amqp_url: str, twin: RunningTwin) -> None:
    async def another() -> None:
        connection = await aiormq.connect(amqp_url)
        channel = await connection.channel()
        await channel.queue_declare("orders.results", durable=True)
        await connection.close()

    asyncio.run(another())

    found = looked(settings(amqp_url, twin.url))["arguments"]

    assert found.trouble is Trouble.WRONG
    assert "orders.results" in found.found


def test_a_broker_that_is_not_there(twin: RunningTwin) -> None:
    found = looked(settings("amqp://guest:guest@127.0.0.1:9/", twin.url))

    assert found["broker"].trouble is Trouble.UNREACHABLE
    assert "topology" not in found
    assert found["token"].mark == "ok"  # HubSpot is looked at all the same


def test_a_user_that_is_not_let_in(amqp_url: str, twin: RunningTwin) -> None:
    wrong = amqp_url.replace("guest:guest", "guest:wrong")

    assert looked(settings(wrong, twin.url))["broker"].trouble is Trouble.NOT_AUTHORISED


def test_a_vhost_that_is_not_there(amqp_url: str, twin: RunningTwin) -> None:
    found = looked(settings(f"{amqp_url.rpartition('/')[0]}/order", twin.url))["broker"]

    assert found.trouble is Trouble.NOT_AUTHORISED
    assert found.found.endswith("not to the virtual host 'order'")
    assert (found.fix or "").startswith("check the last part of ORDERSYNC_RABBITMQ__URL")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("amqp://h/orders", "orders"),
        ("amqp://h", "/"),
        ("amqp://h/", "/"),
        ("amqp://h/%2Forders", "/orders"),
    ],
)
def test_a_virtual_host_is_called_as_rabbitmq_calls_it(url: str, name: str) -> None:
    assert virtual_host(url) == name


def test_a_token_that_is_refused_and_not_shown(amqp_url: str, twin: RunningTwin) -> None:
    found = looked(settings(amqp_url, twin.url, token="not-the-token"))

    assert found["token"].trouble is Trouble.NOT_AUTHORISED
    assert "scope" not in found
    assert "not-the-token" not in "".join(f"{f.found}{f.fix}" for f in found.values())


def test_a_missing_scope(amqp_url: str) -> None:
    with running_twin(TwinOptions(scopes=SCOPES[:1])) as twin:
        found = looked(settings(amqp_url, twin.url))["scope"]

    assert found.trouble is Trouble.NOT_AUTHORISED
    assert "crm.objects.orders.write" in found.found


@pytest.mark.parametrize("version", ["v3", "2026-03"])
@pytest.mark.parametrize(
    ("name", "says"),
    [("no_such_property", "have no property"), ("hs_order_name", "need not be unique")],
)
def test_a_property_that_identifies_nothing(
    amqp_url: str, twin: RunningTwin, name: str, says: str, version: str
) -> None:
    found = looked(settings(amqp_url, twin.url, id_property=name, api_version=version))["property"]

    assert found.trouble is Trouble.WRONG
    assert says in found.found
    assert "hasUniqueValue" in str(found.fix)


def test_a_hubspot_that_is_not_there(amqp_url: str) -> None:
    found = looked(settings(amqp_url, "http://127.0.0.1:9"))

    assert found["hubspot"].trouble is Trouble.UNREACHABLE


@pytest.mark.parametrize("nth", ["", " nth=2", " nth=3"])
def test_a_throttle_is_told_with_its_limit_and_until_when_and_is_no_missing_scope(
    amqp_url: str, nth: str
) -> None:
    """Whichever of its calls is the first to be answered 429."""
    applied(amqp_url)
    storm = parse_fault(f"429{nth}")
    with running_twin(TwinOptions(faults=(storm,))) as twin:
        found = looked(settings(amqp_url, twin.url))

    limit = found["limit"]
    assert limit.trouble is Trouble.UNREACHABLE
    assert "429: You have reached your ten_secondly_rolling limit." in limit.found
    assert re.search(r"\(limit TEN_SECONDLY_ROLLING, until \d\d:\d\d:\d\d UTC", limit.found)
    assert "something else calls with this token or app" in str(limit.fix)
    assert not any("scope" in str(finding.fix) for finding in found.values())


def test_the_days_limit_is_told_until_midnight(amqp_url: str) -> None:
    with running_twin(TwinOptions(faults=(parse_fault("429 policy=DAILY"),))) as twin:
        limit = looked(settings(amqp_url, twin.url))["limit"]

    assert limit.trouble is Trouble.UNREACHABLE
    assert "limit DAILY, until midnight in the account's time zone" in limit.found
    assert "which app uses them" in str(limit.fix)


@pytest.mark.parametrize("fault", ["503", "423", "503 nth=3"])
def test_a_failure_of_hubspots_is_not_taken_for_health_or_a_missing_scope(
    amqp_url: str, fault: str
) -> None:
    with running_twin(TwinOptions(faults=(parse_fault(fault),))) as twin:
        found = looked(settings(amqp_url, twin.url))

    assert found["hubspot"].trouble is Trouble.UNREACHABLE
    assert f"answers {fault[:3]}" in found["hubspot"].found
    assert not any("scope" in str(finding.fix) for finding in found.values())


def test_a_throttled_token_endpoint_says_nothing_about_the_credentials(amqp_url: str) -> None:
    oauth: dict[str, Any] = {
        "token": None,
        "client_id": "c",
        "client_secret": "s",
        "refresh_token": "r",
    }
    with running_twin(TwinOptions(faults=(parse_fault("429"),))) as twin:
        found = looked(settings(amqp_url, twin.url, **oauth))

    assert {name for name, finding in found.items() if finding.trouble} >= {"limit"}
    assert "token" not in found


def test_oauth_credentials_that_are_refused(amqp_url: str, twin: RunningTwin) -> None:
    wrong: dict[str, Any] = {
        "token": None,
        "client_id": "c",
        "client_secret": "s",
        "refresh_token": "r",
    }

    assert looked(settings(amqp_url, twin.url, **wrong))["token"].trouble is Trouble.NOT_AUTHORISED


def dead_letter(url: str, **properties: str) -> None:
    async def put() -> None:
        connection = await aiormq.connect(url)
        channel = await connection.channel()
        headers: dict[str, Any] = {"ordersync-reason": "property_unknown"}
        written = Basic.Properties(content_type=STRUCTURED, headers=headers, delivery_mode=2)
        body = event(1, "A", **properties)
        await channel.basic_publish(
            body, exchange="orders.dead-letters", routing_key="property_unknown", properties=written
        )
        await connection.close()

    asyncio.run(put())


def test_properties_that_dead_letters_set_and_orders_do_not_have(
    amqp_url: str, twin: RunningTwin
) -> None:
    applied(amqp_url)
    dead_letter(amqp_url, hs_order_name="a tent")
    well = looked(settings(amqp_url, twin.url))
    dead_letter(amqp_url, hs_ordr_name="a tent")
    found = looked(settings(amqp_url, twin.url))
    again = looked(settings(amqp_url, twin.url))

    assert well["letters"].mark == "ok"
    assert found["letters"].trouble is Trouble.WRONG
    assert "hs_ordr_name" in found["letters"].found
    assert "hs_order_name" not in found["letters"].found
    assert again["letters"] == found["letters"]  # looking took nothing


async def bind_journal(url: str) -> None:
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    await channel.queue_bind("orders.journal", "orders.outcomes", "outcome.#")
    await connection.close()


def test_policies_bindings_and_queues_where_the_management_api_shows_them(
    request: pytest.FixtureRequest, twin: RunningTwin
) -> None:
    program = request.getfixturevalue("server")
    often = {"collect_statistics_interval": "500"}  # milliseconds
    with PrivateBroker(program=program, plugins=["rabbitmq_management"], settings=often) as node:
        applied(node.url)
        management = f"http://127.0.0.1:{node.management_port}"
        well = looked(settings(node.url, twin.url), management)
        asyncio.run(bind_journal(node.url))
        bound = looked(settings(node.url, twin.url), management)
        node.ctl("set_policy", "short", "^orders\\.results$", '{"message-ttl":60000}')
        deadline = monotonic() + 20  # the API tells what the queues said of themselves a while ago
        harmed = well
        while harmed["policies"].trouble is None and monotonic() < deadline:
            harmed = looked(settings(node.url, twin.url), management)
        node.ctl("delete_queue", "orders.results")
        own: Any = {"url": node.url, "queues": ["bestellungen.eu"]}
        asyncio.run(declare(node.url, Topology.of(BrokerSettings(rabbitmq=own).rabbitmq)))
        names = {"queues": ["bestellung.eu"]}
        misspelt = looked(settings(node.url, twin.url, names), management)

    assert bound["journal"].trouble is Trouble.WRONG
    assert "orders.journal is bound to orders.outcomes" in bound["journal"].found
    assert "orders.journal: 0 groups of outcomes; 7D and 2000000000 bytes" in well["journal"].found
    assert well["policies"].mark == well["bindings"].mark == well["queue"].mark == "ok"
    assert harmed["policies"].trouble is Trouble.WRONG
    assert "message-ttl on orders.results by policy short" in harmed["policies"].found
    # A name of one's own: only the API lists it.
    assert "(did you mean bestellungen.eu, which is there?)" in misspelt["topology"].found


def test_the_command_exits_with_69_while_hubspot_throttles(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(amqp_url)
    with running_twin(TwinOptions(faults=(parse_fault("429"),))) as storm:
        for name, value in {
            "RABBITMQ__URL": amqp_url,
            "HUBSPOT__BASE_URL": storm.url,
            "HUBSPOT__TOKEN": "t",
            "HUBSPOT__ID_PROPERTY": "shop_order_id",
        }.items():
            monkeypatch.setenv(f"ORDERSYNC_{name}", value)

        told = CliRunner().invoke(app, ["doctor"])

    assert told.exit_code == 69
    assert "HubSpot answers 429" in told.stdout
    assert "all is well" not in told.stderr


@pytest.mark.parametrize(
    ("token", "code"), [(TOKEN, 1), ("wrong", 77)], ids=["topology missing", "and token refused"]
)
def test_the_command_tells_all_and_exits_by_the_worst(
    amqp_url: str, twin: RunningTwin, monkeypatch: pytest.MonkeyPatch, token: str, code: int
) -> None:
    for name, value in {
        "RABBITMQ__URL": amqp_url,
        "HUBSPOT__BASE_URL": twin.url,
        "HUBSPOT__TOKEN": token,
        "HUBSPOT__ID_PROPERTY": "shop_order_id",
    }.items():
        monkeypatch.setenv(f"ORDERSYNC_{name}", value)

    told = CliRunner().invoke(app, ["doctor", "-o", "json"])

    rows = json.loads(told.stdout)
    assert told.exit_code == code
    assert {"broker", "topology", "token"} <= {row["subject"] for row in rows}
    assert all(row["fix"] for row in rows if row["state"] == "fault")


LINE_TWIN = ("shop_order_id", "line_items.shop_line_id")


@pytest.mark.parametrize(
    ("name", "mark", "words"),
    [
        (None, "unseen", "ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY"),
        ("shop_line_id", "ok", "is unique"),
        ("nothing", "fault", "have no property nothing"),
        ("name", "fault", "need not be unique"),
    ],
)
def test_the_key_of_lines_is_there_and_unique(amqp_url, name, mark, words):
    applied(amqp_url)
    with running_twin(TwinOptions(tokens=(TOKEN,), unique=LINE_TWIN)) as hubspot:
        found = looked(settings(amqp_url, hubspot.url, line_id_property=name))["lines"]

    assert found.mark == mark
    assert words in f"{found.found} {found.fix}"


GRANTED = ("line_items", "contacts", "companies", "orders")


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ("line_items.write", "line_items may not be written or linked: the lines of events"),
        ("line_items.read", "line_items may not be read: the lines of events"),
        (
            "contacts.write",
            "contacts may not be written or linked: links to contacts, and new ones,",
        ),
        ("companies.read", "companies may not be read: links to companies"),
    ],
)
def test_the_scopes_of_lines_and_links_for_reading_and_for_writing(amqp_url, left_out, words):
    """A batch of nothing is refused for the scope, and nothing is ever written."""
    applied(amqp_url)
    scopes = (f"crm.objects.{name}.{right}" for name in GRANTED for right in ("read", "write"))
    granted = tuple(scope for scope in scopes if not scope.endswith(left_out))
    options = TwinOptions(tokens=(TOKEN,), unique=LINE_TWIN, scopes=granted)
    with running_twin(options) as hubspot:
        found = looked(settings(amqp_url, hubspot.url, line_id_property="shop_line_id"))["scopes"]

    assert found.mark == "fault"
    assert words in found.found
    assert f"grant crm.objects.{left_out.split('.')[0]}.read and .write" in (found.fix or "")


@pytest.mark.parametrize("api_version", ["v3", "2026-03"])
def test_all_scopes_are_there_and_nothing_was_written(amqp_url, api_version):
    applied(amqp_url)
    with running_twin(TwinOptions(tokens=(TOKEN,), unique=LINE_TWIN)) as hubspot:
        given = settings(
            amqp_url, hubspot.url, line_id_property="shop_line_id", api_version=api_version
        )
        found = looked(given)["scopes"]
        held = hubspot.twin.state()

    assert (found.mark, held) == ("ok", {})
    assert "may be read, written and linked" in found.found
