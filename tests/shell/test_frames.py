"""A publish on the wire says what pamqp would have said."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import FrameTypes, marshal
from pamqp.header import ContentHeader

from service.core.outgoing import Outgoing
from service.rabbitmq.frames import published

short = st.text(min_size=1, max_size=60)  # 240 bytes at most; pamqp takes "" for nothing
maybe = st.none() | short
dates = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
outgoing = st.builds(
    Outgoing,
    exchange=st.just("outcomes"),
    routing_key=short,
    body=st.binary(max_size=50),
    content_type=maybe,
    correlation_id=maybe,
    headers=st.none() | st.dictionaries(short, st.text() | st.integers(-5, 5) | st.booleans()),
    content_encoding=maybe,
    reply_to=maybe,
    timestamp=st.none() | dates,
    message_type=maybe,
    app_id=maybe,
)


@given(message=outgoing, message_id=short, channel=st.integers(1, 2047), most=st.integers(1, 60))
def test_the_frames_are_those_of_pamqp(
    message: Outgoing, message_id: str, channel: int, most: int
) -> None:
    body = message.body
    properties = Basic.Properties(
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        headers=None if message.headers is None else dict(message.headers),
        delivery_mode=2,
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        message_id=message_id,
        timestamp=message.timestamp,
        message_type=message.message_type,
        app_id=message.app_id,
    )
    method = Basic.Publish(
        exchange="orders.outcomes", routing_key=message.routing_key, mandatory=True
    )
    parts = [ContentBody(body[start : start + most]) for start in range(0, len(body), most)]
    frames: list[FrameTypes] = [method, ContentHeader(0, len(body), properties), *parts]

    written = b"".join(published(message, "orders.outcomes", message_id, channel, most))

    assert written == b"".join(marshal(frame, channel) for frame in frames)
