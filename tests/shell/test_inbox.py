"""The consuming connection's bytes: however they are cut, the same deliveries, and the rest for aiormq."""

import asyncio
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import pytest
from aiormq.exceptions import InvalidFrameError
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import marshal
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from service.core.events.deliveries import Delivery
from service.rabbitmq.inbox import Inbox
from service.rabbitmq.wire import Wire

HEARTBEAT = Heartbeat().marshal()
QOS = marshal(Basic.QosOk(), 1)
A_DATE_NOBODY_KNOWS = struct.pack(">HHQHQ", 60, 0, 4, 0x0040, 2**63)


def _frames(tag: int, *parts: bytes, header: bytes | None = None, channel: int = 1) -> bytes:
    """A delivery as a broker sends it."""
    method = Basic.Deliver("consumer", tag, True, "orders.events", "order.é")
    properties = Basic.Properties(content_type="text/plain", headers={"n": tag})
    full = header or marshal(ContentHeader(0, sum(map(len, parts)), properties), channel)[7:-1]
    framed = struct.pack(">BHI", 2, channel, len(full)) + full + b"\xce"
    return b"".join(
        [marshal(method, channel), framed, *(marshal(ContentBody(p), channel) for p in parts)]
    )


STREAM = b"".join(
    [
        QOS,
        _frames(1, b"one"),
        _frames(2),  # no body, no body frame
        _frames(3, b"th", b"ree"),
        HEARTBEAT,
        _frames(4, b"four", header=A_DATE_NOBODY_KNOWS),
        _frames(5, b"not ours", channel=2),
        _frames(6, b"six"),
        QOS,
    ]
)

METHOD = len(_frames(1)) - len(_frames(1).partition(b"\xce\x02")[2]) - 1


class _Arriving:
    """What has arrived, in exactly these pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    async def read(self, _size: int) -> bytes:
        return next(self._pieces, b"")


def _read(pieces: list[bytes]) -> tuple[list[Delivery], bytes]:
    """The deliveries, and what is left for aiormq."""
    inbox, deliveries, others = Inbox(), list[Delivery](), bytearray()
    wire = Wire(inbox)
    wire._reader = cast("Any", _Arriving(iter(pieces)))
    inbox.read(1, epoch=7, queue="orders.events", deliver=deliveries.append)

    async def drain() -> None:
        while True:
            others.extend(await wire.readexactly(1))

    with pytest.raises(asyncio.IncompleteReadError):
        asyncio.run(drain())
    return deliveries, bytes(others)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_cut_gives_the_same_deliveries_and_loses_nothing_of_the_rest(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(at) if a < b]

    deliveries, others = _read(pieces)

    said = [(d.tag, d.body, d.epoch, d.redelivered, d.routing_key) for d in deliveries]
    assert said == [
        (tag, body, 7, True, "order.é")
        for tag, body in [(1, b"one"), (2, b""), (3, b"three"), (4, b"four"), (6, b"six")]
    ]
    assert [d.properties.headers for d in deliveries if d.tag != 4] == [
        {"n": tag} for tag in (1, 2, 3, 6)
    ]
    rest = others.replace(HEARTBEAT, b"")
    assert rest == QOS + _frames(5, b"not ours", channel=2) + QOS


def test_a_connection_that_only_delivers_shows_aiormq_that_it_lives() -> None:
    _, others = _read([_frames(1, b"one"), _frames(2, b"two")])
    assert others == HEARTBEAT * 2


def test_properties_that_cannot_be_decoded_are_the_fault_of_one_message() -> None:
    (delivery,), _ = _read([_frames(4, b"four", header=A_DATE_NOBODY_KNOWS)])
    assert delivery.fault is not None
    assert (delivery.body, delivery.properties.content_type) == (b"four", None)


@pytest.mark.parametrize(
    "broken",
    [
        _frames(1, b"one")[:-1] + b"\x00",  # no end
        _frames(1, b"o", b"ne")[: -len(marshal(ContentBody(b"ne"), 1))] + QOS,  # a method inside
        _frames(1)[:METHOD] + marshal(ContentBody(b"one"), 1),  # no header
    ],
)
def test_content_out_of_turn_ends_the_connection(broken: bytes) -> None:
    inbox = Inbox()
    wire = Wire(inbox)
    wire._reader = cast("Any", _Arriving(iter([broken])))
    inbox.read(1, epoch=7, queue="orders.events", deliver=lambda _: None)
    with pytest.raises(InvalidFrameError):
        asyncio.run(wire.readexactly(1))


def test_a_peer_that_does_not_speak_amqp_is_left_to_aiormq() -> None:
    _, others = _read([b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 400"])
    assert others == b"AMQP\x00\x00\x09\x01HTTP/1.1 400"
