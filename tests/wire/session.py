"""One connection as the broker sees it: the handshake, channels, frames in and out. Queues are the broker's."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pamqp import commands as spec
from pamqp import frame as frames
from pamqp.body import ContentBody
from pamqp.header import ContentHeader, ProtocolHeader
from pamqp.heartbeat import Heartbeat

from tests.faults.amqp import Frames
from tests.wire.transport import Transport

if TYPE_CHECKING:
    from tests.wire.broker import Broker

FRAME_MAX = 131072
HEARTBEATS = 2.5  # of silence, after which the broker gives a client up


@dataclass(eq=False)
class Channel:
    """One channel: what it holds unacknowledged, what it has published."""

    number: int
    prefetch: int = 0
    unacked: dict[int, Any] = field(default_factory=dict)  # tag -> the broker's message, in order
    tags: int = 0
    confirming: bool = False
    published: int = 0
    unconfirmed: dict[int, Any] = field(default_factory=dict)  # tag -> ack or nack, in order
    publish: spec.Basic.Publish | None = None
    header: ContentHeader | None = None
    body: bytes = b""
    dead: bool = False  # closed by us; what else comes on it is ignored until close-ok
    consumers: list[str] = field(default_factory=list)


class Session:
    """Drives one transport."""

    def __init__(self, broker: "Broker", number: int) -> None:
        self._broker, self.number = broker, number
        self.transport: Transport
        self.channels: dict[int, Channel] = {}
        self.name = ""
        self.blocked = self.ended = False
        self._frames = Frames()
        self._heartbeat = 0.0
        self._heard = broker.loop.time()

    # --- what comes ---

    def receive(self, data: bytes) -> None:
        """Bytes of the client."""
        self._heard = self._broker.loop.time()
        if data.startswith(b"AMQP"):
            self.send(
                0,
                spec.Connection.Start(
                    server_properties={
                        "version": "3.10.8",
                        "capabilities": {"publisher_confirms": True, "basic.nack": True},
                    },
                    mechanisms="PLAIN",
                ),
            )
            return
        for each in self._frames.feed(data):
            if self.ended:
                return
            _, channel, frame = frames.unmarshal(each.octets)
            self._take(channel, frame)

    def _take(self, number: int, frame: Any) -> None:
        channel = self.channels.get(number)
        match frame:
            case Heartbeat() | ProtocolHeader():
                pass
            case spec.Connection.StartOk():
                self.name = str((frame.client_properties or {}).get("connection_name", ""))
                self.send(0, spec.Connection.Tune(2047, FRAME_MAX, 10))
            case spec.Connection.TuneOk():
                self._heartbeat = float(frame.heartbeat or 0)
            case spec.Connection.Open():
                self.send(0, spec.Connection.OpenOk())
                self._beat()
            case spec.Connection.Close():
                self.send(0, spec.Connection.CloseOk())
                self.end()
                self.transport.finish()
            case spec.Connection.CloseOk():
                self.end()
                self.transport.finish()
            case spec.Channel.Open():
                self.channels[number] = Channel(number)
                self.send(number, spec.Channel.OpenOk())
            case spec.Channel.CloseOk():
                self.channels.pop(number, None)
            case _ if channel is not None and not channel.dead:
                self._on_channel(channel, frame)

    def _on_channel(self, channel: Channel, frame: Any) -> None:
        match frame:
            case spec.Channel.Close():
                self._broker.channel_ended(self, channel)
                self.channels.pop(channel.number)
                self.send(channel.number, spec.Channel.CloseOk())
            case spec.Confirm.Select():
                channel.confirming = True
                self.send(channel.number, spec.Confirm.SelectOk())
            case spec.Basic.Qos():
                channel.prefetch = frame.prefetch_count or 0
                self.send(channel.number, spec.Basic.QosOk())
            case spec.Basic.Consume():
                self.send(channel.number, spec.Basic.ConsumeOk(frame.consumer_tag))
                channel.consumers.append(str(frame.consumer_tag))
                self._broker.consumes(self, channel, str(frame.queue))
            case spec.Basic.Ack() | spec.Basic.Reject() | spec.Basic.Nack():
                self._settle(channel, frame)
            case spec.Basic.Publish():
                channel.publish, channel.header, channel.body = frame, None, b""
            case ContentHeader():
                channel.header = frame
                self._if_whole(channel)
            case ContentBody():
                channel.body += frame.value
                self._if_whole(channel)
            case _:
                raise AssertionError(f"the broker of the tests does not know {frame!r}")

    def _settle(self, channel: Channel, frame: Any) -> None:
        """As RabbitMQ does: a tag that is not unacked closes the channel, and everything goes back."""
        tag, multiple = frame.delivery_tag, getattr(frame, "multiple", False)
        if tag not in channel.unacked:
            self._broker.unknown_tags += 1
            self.close_channel(channel, 406, f"PRECONDITION_FAILED - unknown delivery tag {tag}")
            return
        tags = [t for t in channel.unacked if t <= tag] if multiple else [tag]
        settled = [channel.unacked.pop(t) for t in tags]
        self._broker.settled(settled, frame)

    def _if_whole(self, channel: Channel) -> None:
        header, publish = channel.header, channel.publish
        if header is None or publish is None or len(channel.body) < (header.body_size or 0):
            return
        channel.published += 1
        channel.publish = None
        self._broker.published(self, channel, publish, header.properties, channel.body)

    # --- what goes ---

    def send(self, number: int, *parts: Any) -> None:
        """Frames, whole."""
        self.transport.send(b"".join(frames.marshal(part, number) for part in parts))

    def deliver(self, channel: Channel, message: Any, exchange: str, key: str) -> None:
        """One message, unacknowledged from now on."""
        channel.tags += 1
        channel.unacked[channel.tags] = message
        properties = spec.Basic.Properties(
            content_type=message.content_type, headers=message.told() or None, delivery_mode=2
        )
        method = spec.Basic.Deliver(
            channel.consumers[0], channel.tags, message.redelivered, exchange, key
        )
        body = [
            ContentBody(message.body[at : at + FRAME_MAX - 8])
            for at in range(0, len(message.body), FRAME_MAX - 8)
        ]
        self.send(channel.number, method, ContentHeader(0, len(message.body), properties), *body)

    def _beat(self) -> None:
        """Heartbeats, and the end of a client that has shown none."""
        if self.ended or not self._heartbeat:
            return
        silent = self._broker.loop.time() - self._heard
        if silent > self._heartbeat * HEARTBEATS and not self.blocked:
            self.end()
            self.transport.finish()
            return
        self.send(0, Heartbeat())
        self._broker.loop.call_later(self._heartbeat / 2, self._beat)

    # --- ends ---

    def close_channel(self, channel: Channel, code: int, text: str) -> None:
        """The broker closes a channel."""
        channel.dead = True
        self._broker.channel_ended(self, channel)
        self.send(channel.number, spec.Channel.Close(code, text, 60, 80))

    def cancel(self) -> None:
        """The broker takes the consumers away: their queue was deleted, or an ack came too late (4.3)."""
        for channel in self.channels.values():
            for tag in channel.consumers:
                self.send(channel.number, spec.Basic.Cancel(tag, nowait=True))

    def end(self) -> None:
        """The connection is over for the broker: what it held goes back."""
        if not self.ended:
            self.ended = True
            for channel in self.channels.values():
                self._broker.channel_ended(self, channel)
            self._broker.sessions.pop(self.number, None)
