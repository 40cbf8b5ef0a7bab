"""RabbitMQ's promises, in virtual time: single-active-consumer queues, confirms late and out of order, alarms.

What it knows is kept for the books: what was published, on which connection; what was acked; tags that
it did not know. Chance is seeded: a seed is a run.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from tests.wire.session import Channel, Session
from tests.wire.transport import Transport


@dataclass(eq=False)
class Message:
    """One message on a queue; it keeps its place."""

    place: int
    body: bytes
    content_type: str | None
    headers: dict[str, Any] = field(default_factory=dict)
    redelivered: bool = False
    returns: int = 0

    def told(self) -> dict[str, Any]:
        """Its headers, the broker's own count included."""
        return (
            self.headers | {"x-delivery-count": self.returns} if self.redelivered else self.headers
        )


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """One publish that came in."""

    session: int
    exchange: str
    routing_key: str
    properties: spec.Basic.Properties
    body: bytes
    taken: bool


@dataclass(eq=False)
class _Queue:
    ready: deque[Message] = field(default_factory=deque)
    consumers: list[tuple[Session, Channel]] = field(default_factory=list)  # the first is active


class Broker:
    """`connected` is the loop's `create_connection`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int) -> None:
        self.loop, self.chance = loop, Random(seed)
        self.sessions: dict[int, Session] = {}
        self.arrivals: list[Published] = []
        self.acked: list[Message] = []
        self.rejected: list[Message] = []
        self.unknown_tags = 0  # acks of what was not unacked: 406, and the channel closed
        self.refusing = False  # new connections
        self.alarmed = False
        self.slowest = 0.01  # seconds that a chunk takes at most, on connections that begin now
        self.confirms_within = 0.01  # seconds
        self.unbound: set[str] = set()  # exchanges to which nothing is bound
        self.full: set[str] = set()  # exchanges behind which a queue is full
        self.silent: Callable[[Session], bool] = lambda _: False  # confirms of whom never come
        self._queues: dict[str, _Queue] = defaultdict(_Queue)
        self._places = self._connections = 0

    # --- connections ---

    async def connected(
        self, protocol_factory: Callable[[], asyncio.Protocol], *_: Any, **__: Any
    ) -> tuple[Transport, asyncio.Protocol]:
        """A client connects."""
        await asyncio.sleep(self.chance.random() * self.slowest)
        if self.refusing:
            raise ConnectionRefusedError(111, "refused")
        self._connections += 1
        session = Session(self, self._connections)
        protocol = protocol_factory()
        transport = Transport(self.loop, protocol, self.chance, session.receive)
        transport.slowest, transport.gone = self.slowest, session.end
        session.transport = transport
        self.sessions[session.number] = session
        return transport, protocol

    def consuming(self) -> list[Session]:
        """The connections that consume."""
        return [s for s in self.sessions.values() if any(c.consumers for c in s.channels.values())]

    def publishing(self) -> list[Session]:
        """The connections that publish."""
        return [s for s in self.sessions.values() if any(c.confirming for c in s.channels.values())]

    # --- queues ---

    def put(
        self,
        queue: str,
        bodies: Iterable[bytes],
        content_type: str | None = None,
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Messages at the end of a queue."""
        for body in bodies:
            self._places += 1
            message = Message(self._places, body, content_type, dict(headers or {}))
            self._queues[queue].ready.append(message)
        self._pump(queue)

    def held(self, queue: str) -> int:
        """Messages that are there, ready or unacknowledged."""
        on = self._queues[queue]
        return len(on.ready) + sum(len(channel.unacked) for _, channel in on.consumers)

    def consumes(self, session: Session, channel: Channel, queue: str) -> None:
        """A consumer stands in line; the first in line is the active one."""
        self._queues[queue].consumers.append((session, channel))
        self._pump(queue)

    def channel_ended(self, session: Session, channel: Channel) -> None:
        """What it held returns to its place, counted."""
        for name, queue in self._queues.items():
            if (session, channel) in queue.consumers:
                queue.consumers.remove((session, channel))
                back = sorted(channel.unacked.values(), key=lambda message: message.place)
                channel.unacked.clear()
                for message in back:
                    message.redelivered = True
                    message.returns += 1
                queue.ready.extendleft(reversed(back))
                self._pump(name)

    def settled(self, messages: list[Message], how: Any) -> None:
        """Acked, or rejected without requeueing."""
        (self.acked if isinstance(how, spec.Basic.Ack) else self.rejected).extend(messages)
        for name in tuple(self._queues):
            self._pump(name)

    def _pump(self, name: str) -> None:
        queue = self._queues[name]
        if not queue.consumers:
            return
        session, channel = queue.consumers[0]
        while queue.ready and not (channel.prefetch and len(channel.unacked) >= channel.prefetch):
            session.deliver(channel, queue.ready.popleft(), name, "k")

    # --- publishes ---

    def published(
        self,
        session: Session,
        channel: Channel,
        publish: spec.Basic.Publish,
        properties: spec.Basic.Properties,
        body: bytes,
    ) -> None:
        """One message; its confirm comes later, if the connection lives."""
        exchange, key = str(publish.exchange), str(publish.routing_key)
        taken = exchange not in self.unbound and exchange not in self.full
        self.arrivals.append(Published(session.number, exchange, key, properties, body, taken))
        tag = channel.published
        channel.unconfirmed[tag] = spec.Basic.Nack if exchange in self.full else spec.Basic.Ack
        if self.alarmed and not session.blocked:
            session.blocked = True
            session.transport.reading = False
            session.send(0, spec.Connection.Blocked("low on memory"))
        if self.silent(session):
            return
        if exchange in self.unbound:
            self._give_back(session, channel, publish, properties, body)
        late = self.chance.random() * self.confirms_within
        self.loop.call_later(late, self._confirm, session, channel, tag)

    def _give_back(
        self, session: Session, channel: Channel, publish: Any, properties: Any, body: bytes
    ) -> None:
        told = spec.Basic.Return(312, "NO_ROUTE", publish.exchange, publish.routing_key)
        parts = [ContentBody(body)] if body else []
        session.send(channel.number, told, ContentHeader(0, len(body), properties), *parts)

    def _confirm(self, session: Session, channel: Channel, tag: int) -> None:
        """Alone, or with all before it where they have the same word: as RabbitMQ likes."""
        if session.ended or tag not in channel.unconfirmed:
            return
        word = channel.unconfirmed[tag]
        before = [each for each in channel.unconfirmed if each <= tag]
        alike = all(channel.unconfirmed[each] is word for each in before)
        multiple = alike and len(before) > 1 and self.chance.random() < 0.5
        for each in before if multiple else [tag]:
            del channel.unconfirmed[each]
        session.send(channel.number, word(tag, multiple=multiple))

    # --- what is done to it ---

    def alarm(self, *, on: bool) -> None:
        """Memory or disk run short: whoever publishes is not read any more; or it is over."""
        self.alarmed = on
        if not on:
            for session in tuple(self.sessions.values()):
                if session.blocked:
                    session.blocked = False
                    session.send(0, spec.Connection.Unblocked())
                    session.transport.read_on()

    def cut(self, sessions: Iterable[Session]) -> None:
        """The network ends connections; both sides are told."""
        for session in list(sessions):
            session.transport.reset()
            session.end()

    def finish(self, sessions: Iterable[Session]) -> None:
        """The broker ends connections (FIN): what it has sent still arrives."""
        for session in list(sessions):
            session.end()
            session.transport.finish()

    def silence(self, sessions: Iterable[Session]) -> None:
        """A black hole: nobody is told. The broker gives the client up by its heartbeats."""
        for session in list(sessions):
            session.transport.passing = False
