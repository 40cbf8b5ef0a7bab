"""Whatever a producer sends: an outcome and a dead letter with a sentence, or it is served. Nothing stops."""

import struct
from typing import Any, cast

import orjson
import pytest
from aiormq.abc import AbstractConnection, ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import marshal

from tests.end_to_end.running import running
from tests.stage import event

GOOD = orjson.loads(event("good", "A-1", hs_order_name="x"))


def _changed(**changes: Any) -> bytes:
    return orjson.dumps(GOOD | changes)


def _without(name: str) -> bytes:
    return orjson.dumps({key: value for key, value in GOOD.items() if key != name})


def _nested(depth: int) -> bytes:
    """A headers table with a table in it, and so on."""
    table = b""
    for _ in range(depth):
        table = b"\x01n" + b"F" + struct.pack(">I", len(table)) + table
    return struct.pack(">I", len(table)) + table


BAD: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "truncated JSON": (orjson.dumps(GOOD)[:80], {}, "invalid_json"),
    "empty": (b"", {}, "invalid_json"),
    "not UTF-8": (b'{"id":"\xff\xfe"}', {}, "invalid_json"),
    "deep nesting": (b"[" * 50_000, {}, "invalid_json"),
    "wrong types": (
        _changed(id=5, subject=[], data={"properties": {"a": [1]}}),
        {},
        "invalid_event",
    ),
    "missing id": (_without("id"), {}, "invalid_event"),
    "missing time": (_without("time"), {}, "invalid_event"),
    "wrong specversion": (_changed(specversion="0.3"), {}, "invalid_event"),
    "naive time": (_changed(time="2026-11-22T10:00:00"), {}, "invalid_event"),
    "unknown type": (_changed(type="com.example.other"), {}, "invalid_event"),
    "300 KB": (_changed(data={"properties": {"a": "x" * 300_000}}), {}, "oversized"),
    "no CloudEvent": (b"hello", {"content_type": "text/plain"}, "not_cloudevent"),
    "long headers": (b"{", {"headers": {"note": "x" * 100_000}}, "invalid_json"),
    "hostile headers": (
        b"{",
        {
            "headers": {
                "x-death": [{"queue": "orders.dead-letters", "reason": "expired", "count": 3}],
                "CC": ["orders.results"],
                "BCC": ["orders.results"],
                "ordersync-status": "applied",
                "mine": "kept",
            },
            "expiration": "600000",
            "user_id": "guest",
            "priority": 9,
            "message_id": "the producer's",
            "reply_to": "somewhere",
        },
        "invalid_json",
    ),
}


async def test_every_kind_of_bad_message_gets_an_outcome_and_a_dead_letter(amqp_url: str) -> None:
    async with running(amqp_url) as on:
        for body, properties, _ in BAD.values():
            await on.publish(body, **properties)
        await on.publish(orjson.dumps(GOOD))
        await on.until(
            lambda: len(on.outcomes) == len(BAD) + 1 and len(on.dead_letters) == len(BAD)
        )

    said = [(o["data"]["status"], (o["data"]["reason"] or {}).get("code")) for o in on.outcomes]
    assert sorted(said, key=str) == sorted(
        [("applied", None), *(("malformed", code) for _, _, code in BAD.values())], key=str
    )
    assert {letter.body for letter in on.dead_letters} == {body for body, _, _ in BAD.values()}
    for letter in on.dead_letters:
        headers = letter.header.properties.headers or {}
        assert headers["ordersync-message"]
        assert sum(len(k) + len(str(v)) for k, v in headers.items()) <= 8192


async def test_headers_that_would_steer_the_broker_stay_behind(amqp_url: str) -> None:
    body, properties, _ = BAD["hostile headers"]
    async with running(amqp_url) as on:
        await on.publish(body, **properties)
        await on.until(lambda: len(on.dead_letters) == 1 and len(on.outcomes) == 1)

    (letter,) = on.dead_letters
    copied = letter.header.properties
    headers = copied.headers or {}
    assert not {name for name in headers if name.lower().startswith("x-")} & {"x-death"}
    assert not {"CC", "BCC"} & set(headers)
    assert (headers["mine"], headers["ordersync-status"]) == ("kept", "malformed")
    assert (copied.expiration, copied.user_id, copied.priority) == (None, None, None)
    assert headers["ordersync-message-id"] == "the producer's"
    assert copied.message_id != "the producer's"


UNDECODABLE = {  # flags and values of properties that no client library of ours would send
    "a date outside the calendar": struct.pack(">HQ", 0x0040, 2**63),
    "a content type that is not text": struct.pack(">HBB", 0x8000, 1, 0xFF),
    "tables within tables": struct.pack(">H", 0x2000) + _nested(3_000),
}


@pytest.mark.parametrize("what", UNDECODABLE)
async def test_properties_that_nobody_can_decode_are_one_messages_fault(
    amqp_url: str, what: str
) -> None:
    async with running(amqp_url) as on:
        await on.publish(orjson.dumps(GOOD | {"id": "before", "subject": "A-0"}))
        await _publish_raw(
            on.channel.connection, UNDECODABLE[what], orjson.dumps(GOOD | {"id": "fault"})
        )
        await on.publish(orjson.dumps(GOOD | {"id": "after"}))
        await on.until(lambda: len(on.outcomes) == 3 and len(on.dead_letters) == 1)

    became = {o["data"]["event"]["id"]: o["data"] for o in on.outcomes}
    assert {name: data["status"] for name, data in became.items()} == {
        "before": "applied",
        "fault": "malformed",
        "after": "applied",
    }
    assert became["fault"]["reason"]["code"] == "not_cloudevent"
    assert "AMQP properties cannot be read" in became["fault"]["reason"]["message"]
    assert orjson.loads(on.dead_letters[0].body)["id"] == "fault"


async def _publish_raw(connection: AbstractConnection, properties: bytes, body: bytes) -> None:
    """A message whose properties are these bytes."""
    channel = await connection.channel(publisher_confirms=False)
    header = struct.pack(">HHQ", 60, 0, len(body)) + properties
    payload = b"".join(
        [
            marshal(Basic.Publish(exchange="orders.events"), channel.number),
            struct.pack(">BHI", 2, channel.number, len(header)) + header + b"\xce",
            marshal(ContentBody(body), channel.number),
        ]
    )
    await connection.write_queue.put(ChannelFrame(payload, should_close=False))


@pytest.mark.parametrize("mode", ["structured", "binary"])
async def test_both_content_modes_are_served(amqp_url: str, mode: str) -> None:
    async with running(amqp_url) as on:
        if mode == "structured":
            await on.publish(orjson.dumps(GOOD))
        else:
            attributes = {f"ce-{k}": v for k, v in GOOD.items() if k != "data"}
            body = orjson.dumps(GOOD["data"])
            await on.publish(body, content_type="application/json", headers=attributes)
        await on.until(lambda: len(on.outcomes) == 1)

    (outcome,) = on.outcomes
    assert outcome["data"]["status"] == "applied"
    assert outcome["data"]["created"] is True
    assert on.twin.state(by="shop_order_id")["A-1"]["properties"]["hs_order_name"] == "x"


async def test_a_giant_is_an_outcome_here_and_a_dead_letter_of_the_brokers(amqp_url: str) -> None:
    """Twice the same 12 MB: never held here, byte for byte there; their neighbours are written."""
    giant = b"x" * (12 << 20)  # RabbitMQ 4 takes 16 MiB at most
    async with running(amqp_url) as on:
        for number in range(2):
            await on.publish(
                orjson.dumps(GOOD | {"id": f"beside-{number}", "subject": f"A-{number}"})
            )
            await on.publish(giant, message_id=f"giant-{number}")
        await on.until(lambda: len(on.outcomes) == 4 and len(on.dead_letters) == 2)
        left = await on.channel.queue_declare("orders.events", passive=True)

    said = [(o["data"]["status"], (o["data"]["reason"] or {}).get("code")) for o in on.outcomes]
    assert sorted(said, key=str) == [("applied", None)] * 2 + [("malformed", "oversized")] * 2
    assert len({outcome["id"] for outcome in on.outcomes}) == 4
    assert all(letter.body == giant for letter in on.dead_letters)
    deaths = [(letter.header.properties.headers or {})["x-death"] for letter in on.dead_letters]
    assert [death[0]["reason"] for death in cast("Any", deaths)] == ["rejected"] * 2
    assert left.message_count == 0
