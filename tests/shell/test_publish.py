"""Order events out of files: what is read, what is found wrong, what reaches the broker."""

import asyncio
import csv as csv_files
import io
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import aiormq
import orjson
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic

from service.cli.exits import Exit
from service.contract.event_files import from_json, from_path
from service.contract.filed import Filed, FileError, faults, read
from service.contract.publish import Destination, NotPublishedError, publish
from service.contract.spreadsheet import from_csv
from service.core.events.events import Contribution
from service.core.events.order_event import STRUCTURED
from service.rabbitmq.topology import Topology, declare
from service.settings.rabbitmq import RabbitMQ

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


def event(number: int, **changes: object) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "/tests",
        "type": "ordersync.order.upsert.v1",
        "subject": f"A-{number}",
        "time": "2026-11-22T10:00:00Z",
        "data": {"properties": {"hs_order_name": f"Order {number}"}},
    } | changes


def ndjson(*events: object) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in events)


def filed(number: int) -> Filed:
    return Filed(f"line {number}", number, orjson.dumps(event(number)))


def csv(text: str) -> list[Filed]:
    return list(from_csv(io.BytesIO(text.encode())))


HEAD = "type,id,source,subject,time"


def test_a_row_is_an_event():
    (row,) = csv(f"{HEAD},hs_order_name\nupsert,1,/x,A-1,2026-11-22T10:00:00Z,Tent\n")

    assert faults(row, None) == ()
    assert orjson.loads(row.body) == {
        "specversion": "1.0",
        "type": "ordersync.order.upsert.v1",
        "id": "1",
        "source": "/x",
        "subject": "A-1",
        "time": "2026-11-22T10:00:00Z",
        "data": {"properties": {"hs_order_name": "Tent"}},
    }


def test_an_empty_cell_leaves_its_property_alone():
    (row,) = csv(f"{HEAD},a,b\nupdate,1,/x,A-1,2026-11-22T10:00:00Z,,2\n")

    assert orjson.loads(row.body)["data"] == {"properties": {"b": "2"}}


def test_an_archive_has_no_properties_and_may_share_a_file():
    rows = csv(
        f"{HEAD},a\nupsert,1,/x,A-1,2026-11-22T10:00:00Z,1\narchive,2,/x,A-1,2026-11-22T11:00:00Z,\n"
    )

    assert [faults(row, None) for row in rows] == [(), ()]
    events = [read(row, None) for row in rows]
    assert [event.operation for event in events if isinstance(event, Contribution)] == [
        "upsert",
        "archive",
    ]


def test_an_archive_with_properties_is_told():
    (row,) = csv(f"{HEAD},a\narchive,1,/x,A-1,2026-11-22T10:00:00Z,1\n")

    assert [fault.path for fault in faults(row, None)] == ["data.properties"]


def test_a_property_may_be_called_like_a_column():
    (row,) = csv(
        f"{HEAD},properties.source,id_property\nupsert,1,/x,A-1,2026-11-22T10:00:00Z,web,no\n"
    )

    assert orjson.loads(row.body)["data"] == {"properties": {"source": "web"}, "id_property": "no"}


def test_quotes_line_breaks_and_a_byte_order_mark_are_csv():
    text = f'\ufeff{HEAD},a\nupsert,1,/x,"A-""1""",2026-11-22T10:00:00Z,"two\nlines, one cell"\n'

    (row,) = csv(text)

    document = orjson.loads(row.body)
    assert document["subject"] == 'A-"1"'
    assert document["data"]["properties"]["a"] == "two\nlines, one cell"
    assert row.where == "line 3"  # where the row ends: what an editor shows


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "has an empty first row: that is where the names of the columns stand"),
        ("a\n", "has no column type, id, source, subject, time"),
        ("type,id,source,subject\n", "has no column time"),
        (f"{HEAD},a,a\n", "has the column a twice"),
        (f"{HEAD}\n\x00\n", "line 2"),
    ],
)
def test_a_file_that_is_no_csv_of_events(text, fault):
    with pytest.raises(FileError, match=fault):
        rows = csv(text)
        raise FileError(rows[0].where)  # a NUL: refused or read, by the version of Python


def test_csv_in_another_encoding_is_told():
    with pytest.raises(FileError, match="UTF-8"):
        list(from_csv(io.BytesIO(f"{HEAD},a\nupsert,1,/x,A-1,t,Größe\n".encode("latin-1"))))


def test_too_many_and_too_few_cells():
    rows = csv(f"{HEAD},a\nupsert,1,/x,A-1,2026-11-22T10:00:00Z,1,2\nupsert,2,/x\n")

    assert [fault.message for fault in faults(rows[0], None)] == [
        "the row has more cells than the first row has columns"
    ]
    assert {fault.path for fault in faults(rows[1], None)} == {"subject", "time"}


@given(st.dictionaries(st.text("abc_", min_size=1, max_size=3), st.text(max_size=5), max_size=3))
def test_whatever_stands_in_cells_comes_out_as_text(properties):
    out = io.StringIO()
    writer = csv_files.writer(out)
    writer.writerow([*HEAD.split(","), *(f"properties.{name}" for name in properties)])
    writer.writerow(["upsert", "1", "/x", "A-1", "2026-11-22T10:00:00Z", *properties.values()])

    (row,) = csv(out.getvalue().replace("\x00", ""))

    expected = {name: value.replace("\x00", "") for name, value in properties.items()}
    assert orjson.loads(row.body)["data"]["properties"] == {
        name: value for name, value in expected.items() if value
    }


def test_json_may_be_an_event_or_a_whole_message():
    structured = from_json("a.json", orjson.dumps(event(1)))
    message = from_json("b.json", (EXAMPLES / "valid" / "binary-upsert.json").read_bytes())

    assert structured.content_type == STRUCTURED
    assert message.content_type == "application/json"
    assert message.headers["ce-subject"] == "A-10023"
    assert faults(structured, None) == faults(message, None) == ()
    assert message.routing_key() == structured.routing_key() == "ordersync.order.upsert.v1"


@pytest.mark.parametrize(
    ("properties", "fault"),
    [
        ([1], "properties is not an object"),
        ({"headers": "abc"}, "properties.headers is not an object"),
        ({"content_type": 5}, "properties.content_type is not a string"),
    ],
)
def test_a_message_whose_properties_are_none_is_told(properties, fault):
    with pytest.raises(FileError, match=f"a.json: {fault}"):
        from_json("a.json", orjson.dumps({"properties": properties, "payload": "{}"}))


def test_headers_of_a_message_are_what_a_client_can_write():
    headers = {"tenant": "eu", "ratio": 1e300, "number": 2**63}
    message = {"properties": {"headers": headers}, "payload": "{}"}

    filed = from_json("a.json", orjson.dumps(message))
    bare = from_json("b.json", orjson.dumps({"properties": {"headers": None}, "payload": "{}"}))

    assert filed.headers == {"tenant": "eu", "ratio": "1e+300"}
    assert "properties.headers" in [fault.path for fault in faults(filed, None)]
    assert bare.headers == {}


def test_the_identifying_property_must_agree_where_it_is_known():
    one = Filed("x", 0, orjson.dumps(event(1, data={"properties": {"shop_order_id": "other"}})))

    assert faults(one, None) == ()
    assert [fault.path for fault in faults(one, "shop_order_id")] == [
        "data.properties.shop_order_id"
    ]


def test_a_folder_is_all_of_its_files(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.ndjson").write_bytes(ndjson(event(1), event(2)))
    (tmp_path / "inner" / "b.json").write_bytes(orjson.dumps(event(3)))
    (tmp_path / "c.csv").write_text(f"{HEAD}\narchive,4,/x,A-4,2026-11-22T10:00:00Z\n")
    (tmp_path / "notes.txt").write_text("not an event")

    assert [faults(one, None) for one in from_path(tmp_path)] == [(), (), (), ()]


# --- on a broker -------------------------------------------------------------------------------


@asynccontextmanager
async def channel_of(url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aiormq.connect(url)
    yield await connection.channel()
    await connection.close()


async def declared(url: str) -> None:
    await declare(url, Topology.of(RabbitMQ.model_validate({"url": url})))


async def drained(url: str, queue: str = "orders.events") -> list[DeliveredMessage]:
    """All messages of a queue that nobody consumes, in their order, by a consumer of our own."""
    async with channel_of(url) as channel:
        count = (await channel.queue_declare(queue, passive=True)).message_count or 0
        found: list[DeliveredMessage] = []
        all_here = asyncio.Event()

        async def take(message: DeliveredMessage) -> None:
            found.append(message)
            if len(found) >= count:
                all_here.set()

        if count:
            await channel.basic_consume(queue, take, no_ack=True)
            await all_here.wait()
        return found


async def test_what_is_confirmed_is_there_in_order_with_a_message_id_of_its_own(amqp_url):
    await declared(amqp_url)
    steps: list[int] = []

    sent = await publish(
        amqp_url,
        [filed(number) for number in range(450)],
        Destination("orders.events"),
        progress=steps.append,
    )

    messages = await drained(amqp_url)
    assert sent == 450
    assert sum(steps) == 450
    assert [orjson.loads(message.body)["id"] for message in messages] == [
        f"e-{number}" for number in range(450)
    ]
    properties = [message.header.properties for message in messages]
    assert len({p.message_id for p in properties}) == 450
    assert {p.delivery_mode for p in properties} == {2}
    assert {p.content_type for p in properties} == {STRUCTURED}
    assert all(p.timestamp is not None for p in properties)


async def test_binary_events_keep_their_headers(amqp_url):
    await declared(amqp_url)
    message = from_json("x", (EXAMPLES / "valid" / "binary-upsert.json").read_bytes())

    await publish(amqp_url, [message], Destination("orders.events"))

    (found,) = await drained(amqp_url)
    assert isinstance(found.delivery, Basic.Deliver)
    assert found.delivery.routing_key == "ordersync.order.upsert.v1"
    assert found.header.properties.headers == message.headers
    assert found.body == message.body


async def test_what_nobody_takes_is_an_error_and_says_where_to_go_on(amqp_url):
    await declared(amqp_url)

    with pytest.raises(NotPublishedError, match=r"line 0 was not published to queue nowhere"):
        await publish(amqp_url, [filed(0)], Destination("orders.events", "nowhere"))


async def test_an_exchange_that_is_not_there_is_told(amqp_url):
    with pytest.raises(NotPublishedError, match="run `ordersync topology apply`"):
        await publish(
            amqp_url, [filed(number) for number in range(5)], Destination("orders.events")
        )


async def test_a_full_queue_is_told_and_what_is_confirmed_is_there(amqp_url):
    async with channel_of(amqp_url) as channel:
        await channel.queue_declare(
            "small", arguments={"x-max-length": 250, "x-overflow": "reject-publish"}
        )

    with pytest.raises(NotPublishedError, match="a queue is full") as caught:
        await publish(
            amqp_url,
            [filed(number) for number in range(1, 601)],
            Destination("", "small"),
            rate=None,
        )

    assert caught.value.confirmed == 200
    assert "all before line 201 are confirmed; go on with --from-line 201" in str(caught.value)
    assert len(await drained(amqp_url, "small")) >= 200


async def test_the_rate_is_kept(amqp_url):
    await declared(amqp_url)
    started = monotonic()

    await publish(
        amqp_url, [filed(number) for number in range(60)], Destination("orders.events"), rate=100
    )

    assert 0.5 <= monotonic() - started < 5


def test_the_command_publishes_a_file(command, tmp_path, amqp_url):
    path = tmp_path / "events.ndjson"
    path.write_bytes(ndjson(event(1), event(2)) + b"\n" + ndjson(event(3)))
    command("topology", "apply", RABBITMQ__URL=amqp_url)

    ended = command("publish", path)

    assert ended.code == 0
    assert ended.out == ""
    assert ended.err == "published 3 events\n"


async def test_what_the_command_published_is_what_the_file_said(amqp_url, tmp_path):
    """Byte for byte: nothing is reformatted on the way."""
    await declared(amqp_url)
    line = (
        b'{ "specversion":"1.0", "id":"1", "source":"/x", "subject":"A",'
        b' "type":"ordersync.order.archive.v1", "time":"2026-11-22T10:00:00Z" }'
    )
    path = tmp_path / "one.ndjson"
    path.write_bytes(line + b"\r\n")

    await publish(amqp_url, from_path(path), Destination("orders.events"))

    (message,) = await drained(amqp_url)
    assert message.body == line


def test_one_wrong_line_and_nothing_is_sent(command, tmp_path, amqp_url):
    path = tmp_path / "events.ndjson"
    path.write_bytes(ndjson(event(1), event(2, time="today", subject=None)) + b"{not json\n")
    command("topology", "apply", RABBITMQ__URL=amqp_url)

    ended = command("publish", path)

    assert ended.code == Exit.FAILED
    lines = ended.err.splitlines()
    assert lines[0] == "line 2: subject: must be a string"
    assert lines[1].startswith("line 2: time: must be RFC 3339")
    assert lines[2].startswith("line 3: the body is not JSON")
    assert lines[3] == "2 of 3 lines are no order events; nothing was published"
    assert command("publish", path, "--dry-run").code == Exit.FAILED


def test_faults_beyond_the_first_fifty_lines_are_counted(command, tmp_path):
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"{}\n" * 60)

    ended = command("publish", path, "--dry-run", RABBITMQ__URL="amqp://nobody/")

    assert "and 10 more lines with something wrong" in ended.err
    assert "line 50: id" in ended.err
    assert "line 51: id" not in ended.err


def test_lines_that_the_service_will_refuse_can_be_sent_on_purpose(command, tmp_path, amqp_url):
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"not json\n{}\n")
    command("topology", "apply", RABBITMQ__URL=amqp_url)

    ended = command("publish", path, "--unchecked")

    assert (ended.code, ended.err) == (0, "published 2 events\n")


def test_from_line_leaves_out_what_is_confirmed_already(command, tmp_path, amqp_url):
    path = tmp_path / "events.ndjson"
    path.write_bytes(ndjson(*(event(number) for number in range(10))))
    command("topology", "apply", RABBITMQ__URL=amqp_url)

    assert command("publish", path, "--from-line", 8).err == "published 3 events\n"


@pytest.mark.parametrize(("name", "code"), [("-", Exit.FAILED), ("given", 0)])
def test_where_nothing_can_be_written_a_file_is_still_published(tmp_path, name, code):
    """As in a container with a read-only file system: here the size of a file may not pass 0."""
    path = tmp_path / "events.ndjson"
    path.write_bytes(ndjson(event(1)))
    file = path if name == "given" else name
    program = f"ulimit -f 0; exec {sys.executable} -m service publish --dry-run {file}"

    ended = subprocess.run(
        ["sh", "-c", program], input=path.read_bytes(), capture_output=True, check=False
    )

    assert ended.returncode == code, ended.stderr
    assert (b"mount one at /tmp" in ended.stderr) == (code == Exit.FAILED)
    assert b"Traceback" not in ended.stderr


class Stdin:
    """What a pipe is to Python: bytes under text."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_a_json_file_is_one_event(command, tmp_path):
    path = tmp_path / "event.json"
    path.write_bytes(orjson.dumps(event(1), option=orjson.OPT_INDENT_2))

    ended = command("publish", path, "--dry-run")

    assert (ended.code, ended.err) == (0, "1 event would be published\n")


def test_checking_a_file_needs_no_broker(command, tmp_path):
    path = tmp_path / "events.ndjson"
    path.write_bytes(ndjson(event(1), event(2)))

    ended = command("publish", path, "--dry-run")

    assert (ended.code, ended.err) == (0, "2 events would be published\n")


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (ndjson(event(1)), []),
        (f"{HEAD}\narchive,1,/x,A-1,2026-11-22T10:00:00Z\n".encode(), ["--format", "csv"]),
    ],
    ids=["ndjson", "csv"],
)
def test_stdin_is_read_to_its_end_before_anything_is_sent(
    command, bare, amqp_url, content, options
):
    bare.setattr("sys.stdin", Stdin(content))
    command("topology", "apply", RABBITMQ__URL=amqp_url)

    assert command("publish", "-", *options).err == "published 1 event\n"


def test_a_format_can_be_told_where_the_ending_misleads(command, tmp_path):
    path = tmp_path / "export.txt"
    path.write_text(f"{HEAD}\narchive,1,/x,A-1,2026-11-22T10:00:00Z\n")

    ended = command("publish", path, "--format", "csv", "--dry-run", RABBITMQ__URL="amqp://nobody/")

    assert (ended.code, ended.err) == (0, "1 event would be published\n")


def test_straight_to_a_queue(command, tmp_path, amqp_url):
    path = tmp_path / "events.ndjson"
    path.write_bytes(ndjson(event(1)))
    command("topology", "apply", RABBITMQ__URL=amqp_url, RABBITMQ__QUEUES="orders.events,more")

    assert command("publish", path, "--queue", "more").code == 0
    assert command("publish", path, "--queue", "nowhere").code == Exit.FAILED
