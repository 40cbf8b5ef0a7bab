"""`send`: the event goes as any other, and its own outcome comes back; every exit code."""

import asyncio
from typing import Any

import aiormq
import orjson
import pytest

from service.broker import PrivateBroker
from service.core.events.order_event import Operation
from service.orders import sending
from service.orders.draft import Typed, drafted
from service.rabbitmq import topology
from service.settings.rabbitmq import RabbitMQ
from service.twin import TwinOptions
from service.twin.pytest_plugin import running_twin
from tests.end_to_end.running import Running, running
from tests.orders.commands import Ended, ordersync

LINE_ID = "shop_line_id"
UNIQUE = ("shop_order_id", f"line_items.{LINE_ID}")
COMPLETE = (
    "--set", "hs_order_name=Camping", "--stage", "processed",
    "--line", "1:name=Tent,quantity=3,price=19.90", "--line", "2:name=Rope,quantity=1",
    "--link", "contact:email=mia@example.com,on_missing=create,firstname=Mia",
)  # fmt: skip


@pytest.fixture
async def service(amqp_url: str) -> Any:
    async with running(amqp_url, TwinOptions(calls=0, unique=UNIQUE), LINE_ID) as on:
        yield on


async def send(on: Running, *arguments: str) -> Ended:
    return await ordersync("send", *arguments, RABBITMQ__URL=on.url)


async def test_a_complete_order_its_outcome_and_every_part(service: Running) -> None:
    done = await send(service, "upsert", "A-1", *COMPLETE)

    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["part", "status", "record_id", "reason"]
    assert [(line[:-2], line[-2]) for line in lines[1:]] == [
        (["order", "A-1", "applied,"], "created"),
        (["line", "1"], "created"),
        (["line", "2"], "created"),
        (["contact", "email", "mia@example.com"], "linked"),
    ]
    assert "its outcome is awaited" in done.err
    held = service.twin.state(by="shop_order_id")["A-1"]
    assert held["properties"]["hs_order_name"] == "Camping"


async def test_the_outcome_as_it_was_published(service: Running) -> None:
    done = await send(service, "create", "A-2", "--set", "hs_order_name=x", "-o", "json")
    line = await send(service, "create", "A-2", "--set", "hs_order_name=x", "-o", "ndjson")

    assert (done.code, line.code) == (0, 1)
    assert done.document == service.outcomes[0]
    assert done.document["data"]["event"]["source"] == "/ordersync/send"
    assert line.out.count("\n") == 1
    assert line.document["data"]["reason"]["code"] == "order_exists"
    assert f"dlq show {line.document['correlationid']}" in line.err


async def test_update_and_archive(service: Running) -> None:
    await send(service, "upsert", "A-3", *COMPLETE)
    done = await send(
        service, "update", "A-3", "--remove-line", "2", "--unlink", "contact:email=mia@example.com"
    )
    gone = await send(service, "archive", "A-3")
    missing = await send(service, "update", "A-3", "--set", "hs_order_name=y")

    assert (done.code, gone.code, missing.code) == (0, 0, 1)
    assert "removed" in done.out
    assert "unlinked" in done.out
    assert "order_not_found" in missing.out


async def test_a_superseded_event_is_done(amqp_url: str) -> None:
    """Two that wait together: one write answers both, and one sender hears by whom it was overtaken."""
    options = TwinOptions(calls=0, latency=4.0)
    async with running(amqp_url, options, batch={"linger": 8.0}) as on:
        # While it is in flight, its order's later events wait.
        first = drafted(Operation.UPSERT, "A-4", Typed(), "e1", "2026-11-22T10:00:00Z")
        await on.publish(orjson.dumps(first))
        async with asyncio.TaskGroup() as tasks:
            both = [
                tasks.create_task(send(on, "upsert", "A-4", "--set", f"hs_order_name={name}"))
                for name in "ab"
            ]
        ended = [task.result() for task in both]

    assert [each.code for each in ended] == [0, 0]
    (overtaken,) = (each.out for each in ended if "superseded" in each.out)
    winner = [o for o in on.outcomes if o["data"]["status"] == "applied"][-1]
    assert f"by event {winner['correlationid']}" in overtaken


async def test_only_its_own_outcome_is_taken_for_its_outcome(amqp_url: str) -> None:
    """An enemy answers first with the same id of another source, and with an outcome that only names it."""
    rabbitmq = RabbitMQ(url=amqp_url)
    await topology.declare(amqp_url, topology.Topology.of(rabbitmq))
    event = drafted(Operation.UPSERT, "A-1", Typed(), "e1", "2026-11-22T10:00:00Z")
    connection = await aiormq.connect(amqp_url)
    channel = await connection.channel()

    async def answer(_: Any) -> None:
        for source, number, more in (
            ("/others", "e1", {"status": "rejected"}),
            (event["source"], "e0", {"status": "superseded", "superseded_by": "e1"}),
            (event["source"], "e1", {"status": "applied"}),
        ):
            told = {"data": {"event": {"source": source, "id": number}} | more}
            await channel.basic_publish(
                orjson.dumps(told), exchange="orders.outcomes", routing_key="outcome.applied"
            )

    await channel.basic_consume("orders.events", answer, no_ack=True)
    outcome = await sending.send(rabbitmq, event, 20.0, lambda: None)
    await connection.close()

    assert outcome["data"]["status"] == "applied"


async def test_the_broker_goes_while_the_outcome_is_awaited(
    private_broker: PrivateBroker,
) -> None:
    url = private_broker.url
    rabbitmq = RabbitMQ(url=url)
    await topology.declare(url, topology.Topology.of(rabbitmq))
    event = drafted(Operation.UPSERT, "A-1", Typed(), "e1", "2026-11-22T10:00:00Z")
    sent = asyncio.Event()
    task = asyncio.create_task(sending.send(rabbitmq, event, 60.0, sent.set))
    await sent.wait()
    await asyncio.to_thread(private_broker.stop)

    async with asyncio.timeout(30):
        with pytest.raises(ConnectionError):
            await task


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["upsrt", "A-1"],
            "'upsrt' is not one of create, upsert, update, archive; did you mean upsert?",
        ),
        (["upsert", "A-1", "--link", "contat:email=a@b.c"], "did you mean contact?"),
        (["upsert", "A-1", "--lin", "1:a=b"], "--line"),
        (["upsert", "A-1", "--pipeline", "x"], "data.pipeline: needs a stage beside it"),
        (["upsert", "A-1", "--id-property", "hs_object_id"], "needs a property of yours"),
        (["upsert", ""], "subject: must not be empty"),
        (["update", "A-1"], "nothing to change"),
        (["upsert"], "Missing argument"),
    ],
)
async def test_what_is_no_event_is_not_sent(arguments: list[str], told: str) -> None:
    done = await ordersync("send", *arguments, RABBITMQ__URL="amqp://127.0.0.1:1")

    assert (done.code, done.out) == (2, "")
    assert told in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "hs_ordr_name=x"], "did you mean hs_order_name?"),
        (["--stage", "Shiped"], "there is no stage Shiped"),
        (["--set", "hs_total_price=soon"], "data.properties.hs_total_price"),
    ],
)
async def test_what_the_account_would_refuse_is_not_sent_where_that_is_asked(
    arguments: list[str], told: str
) -> None:
    with running_twin(TwinOptions(calls=0, unique=UNIQUE)) as twin:
        done = await ordersync(
            "send", "upsert", "A-1", *arguments, "--check-account",
            RABBITMQ__URL="amqp://127.0.0.1:1", HUBSPOT__BASE_URL=twin.url, HUBSPOT__TOKEN="t",
            HUBSPOT__ID_PROPERTY="shop_order_id",
        )  # fmt: skip

    assert (done.code, done.out) == (2, "")
    assert told in " ".join(done.err.split())


async def test_a_dry_run_prints_the_event_and_needs_no_broker() -> None:
    done = await ordersync("send", "upsert", "A-1", "--set", "a=1", "--dry-run")
    line = await ordersync("send", "archive", "A-1", "--dry-run", "-o", "ndjson")

    assert (done.code, line.code) == (0, 0)
    assert done.document["type"] == "ordersync.order.upsert.v1"
    assert done.document["data"] == {"properties": {"a": "1"}}
    assert line.out.count("\n") == 1


async def test_nobody_carries_events_out(amqp_url: str) -> None:
    await topology.declare(amqp_url, topology.Topology.of(RabbitMQ(url=amqp_url)))

    done = await ordersync(
        "send", "upsert", "A-1", "--set", "a=1", "--timeout", "0.5", RABBITMQ__URL=amqp_url
    )

    assert (done.code, done.out) == (69, "")
    assert "there was none within 0.5 s" in done.err
    assert (
        "nobody reads the queue orders.events, in which 1 wait: does `ordersync run` run?"
        in done.err
    )


async def test_somebody_reads_and_says_nothing(amqp_url: str) -> None:
    twin = TwinOptions(calls=0, unique=UNIQUE, latency=5.0)
    async with running(amqp_url, twin) as on:
        done = await send(on, "upsert", "A-1", "--set", "hs_order_name=a", "--timeout", "0.5")

    assert done.code == 69
    assert "orders.events is read, and 0 wait in it" in done.err


async def test_there_is_no_topology(amqp_url: str) -> None:
    done = await ordersync("send", "upsert", "A-1", "--set", "a=1", RABBITMQ__URL=amqp_url)

    assert done.code == 1
    assert "NOT_FOUND - no exchange 'orders.outcomes'" in done.err


async def test_nothing_is_bound_to_the_input_exchange(amqp_url: str) -> None:
    await topology.declare(amqp_url, topology.Topology.of(RabbitMQ(url=amqp_url)))
    connection = await aiormq.connect(amqp_url)
    channel = await connection.channel()
    await channel.queue_unbind("orders.events", "orders.events", "#")
    await connection.close()

    done = await ordersync("send", "upsert", "A-1", "--set", "a=1", RABBITMQ__URL=amqp_url)

    assert done.code == 1
    assert "was not published to exchange orders.events: no queue is bound there" in done.err


async def test_the_broker_cannot_be_reached() -> None:
    done = await ordersync(
        "send", "upsert", "A-1", "--set", "a=1", RABBITMQ__URL="amqp://127.0.0.1:1"
    )

    assert done.code == 69
    assert "RabbitMQ cannot be reached" in done.err


async def test_the_configuration_is_wrong() -> None:
    done = await ordersync("send", "upsert", "A-1", "--set", "a=1")

    assert done.code == 78
    assert "ORDERSYNC_RABBITMQ__URL" in done.err
