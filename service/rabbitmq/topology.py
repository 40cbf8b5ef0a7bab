"""Exchanges, queues and bindings as data; declare them, or check passively that they are there.

One law: nothing the broker does may lose an event, an outcome or a dead letter. Hence quorum
queues everywhere, dead-lettering at least once (which needs reject-publish), and a delivery limit
said aloud on every queue: RabbitMQ 4 has a default of 20, -1 means "unlimited" there and "delete on the first
requeue" on 3.10. The same arguments are valid on 3.10 ... 4.3.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from service.core.settlement.journal import JOURNAL
from service.rabbitmq.connection import Session, session, virtual_host
from service.rabbitmq.errors import (
    AMQPConnectionError,
    ChannelAccessRefused,
    ChannelClosed,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    InvalidFrameError,
)
from service.settings.rabbitmq import JournalSettings, Named

# Every return of a held message counts, and a crash returns a whole prefetch window: the limit is
# what ends a message that kills its process, far above what restarts and pauses of a bad night
# can cost.
_INPUT_LIMIT: Final = 50
# A stream drops whole segments of its log, and none that it still writes to (rabbitmq.com/docs/streams#retention):
# of bytes, a hundredth of all, so that age and bytes are kept to a hundredth; RabbitMQ's own is the most.
_SEGMENTS: Final = 100
_SEGMENT_BYTES: Final = (1_000_000, 500_000_000)
# Looking through dead letters returns them too: no number of looks may drop one.
KEPT_LIMIT: Final = 1_000_000
# seconds, to connect and for each declaration.
_TIMEOUT: Final = 10.0
_DIFFERENCE: Final = re.compile(
    r"inequivalent arg '(?P<name>[^']+)' .*received (?:the value )?'?(?P<wanted>[^']+)'?.* "
    r"but current is (?:the value )?'?(?P<found>[^']+)"
)


class TopologyError(Exception):
    """The broker does not hold what ordersync needs. The message says what to run or to mend."""


class NotPermittedError(TopologyError):
    """The broker's user may not do it."""


Argument = str | int | bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable topic exchange. `optional`: nothing is lost without it."""

    name: str
    optional: bool = False
    kind: str = "exchange"

    @property
    def details(self) -> Mapping[str, Argument]:
        """What else there is to say of it."""
        return {"type": "topic"}

    async def declare(self, channel: AbstractChannel, *, passive: bool) -> None:
        """Declare it, or with `passive` only ask for it."""
        await channel.declare_exchange(
            self.name, ExchangeType.TOPIC, durable=True, passive=passive, timeout=_TIMEOUT
        )


@dataclass(frozen=True, slots=True, eq=False)
class Queue:
    """A durable queue."""

    name: str
    arguments: Mapping[str, Argument]
    kind: str = "queue"

    @property
    def details(self) -> Mapping[str, Argument]:
        """What else there is to say of it."""
        return self.arguments

    async def declare(self, channel: AbstractChannel, *, passive: bool) -> None:
        """Declare it, or with `passive` only ask for it."""
        await channel.declare_queue(
            self.name,
            durable=True,
            arguments=dict(self.arguments),
            passive=passive,
            timeout=_TIMEOUT,
        )


@dataclass(frozen=True, slots=True)
class Binding:
    """What of an exchange goes to a queue."""

    exchange: str
    queue: str
    routing_key: str
    kind: str = "binding"

    @property
    def name(self) -> str:
        """For people: `exchange -> queue`."""
        return f"{self.exchange} -> {self.queue}"

    @property
    def details(self) -> Mapping[str, Argument]:
        """What else there is to say of it."""
        return {"routing_key": self.routing_key}

    async def declare(self, channel: AbstractChannel, *, passive: bool) -> None:
        """Bind; AMQP has no passive way to ask."""
        if not passive:
            queue = await channel.get_queue(self.queue, ensure=False)
            await queue.bind(self.exchange, self.routing_key, timeout=_TIMEOUT)


Part = Exchange | Queue | Binding


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that must be on the broker, in an order in which it can be declared."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of it."""
        return (*self.exchanges, *self.queues, *self.bindings)

    @classmethod
    def of_journal(cls, journal: JournalSettings | None) -> Self:
        """The journal alone: nothing that must not be lost is in it, so that it may let its oldest go."""
        if journal is None or not journal.enabled:
            return cls((), (), ())
        least, most = _SEGMENT_BYTES
        arguments: Mapping[str, Argument] = {
            "x-queue-type": "stream",
            "x-max-age": journal.max_age,
            "x-max-length-bytes": journal.most_bytes,
            "x-stream-max-segment-size-bytes": min(
                most, max(least, journal.most_bytes // _SEGMENTS)
            ),
        }
        return cls((), (Queue(JOURNAL, arguments),), ())

    @classmethod
    def of(cls, names: Named, journal: JournalSettings | None = None) -> Self:
        """What the settings call for.

        The first input queue is bound to the input exchange and takes everything. Further ones are
        declared and left unbound: what they take is for whoever added them to decide; so are those of
        bulk, to which events are published by the queue's name. The journal is
        written by its name (docs/adr/0024).
        """
        kept: Mapping[str, Argument] = {"x-queue-type": "quorum", "x-delivery-limit": KEPT_LIMIT}
        taken: Mapping[str, Argument] = {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": _INPUT_LIMIT,
            "x-dead-letter-exchange": names.dead_letters_exchange,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        return cls(
            exchanges=(
                Exchange(names.dead_letters_exchange),
                Exchange(names.outcomes_exchange),
                Exchange(names.exchange),
                Exchange(names.operations_exchange, optional=True),
            ),
            queues=(
                Queue(names.dead_letters_queue, kept),
                Queue(names.results_queue, kept),
                *(Queue(name, taken) for name in (*names.queues, *names.backfill_queues)),
                *cls.of_journal(journal).queues,
            ),
            bindings=(
                Binding(names.dead_letters_exchange, names.dead_letters_queue, "#"),
                Binding(names.outcomes_exchange, names.results_queue, "outcome.#"),
                Binding(names.exchange, names.queues[0], "#"),
            ),
        )


async def declare(url: str, wanted: Topology) -> None:
    """Create what is missing; what is there with the same arguments is left as it is.

    Raises:
        TopologyError: with every difference; what could be declared is declared.
        AMQPConnectionError: the broker cannot be reached.
    """
    faults = [fault for _, fault in await _each(url, wanted, passive=False) if fault is not None]
    _raise(faults)


async def check(url: str, wanted: Topology) -> None:
    """Ask for every exchange and queue without changing anything; needs no configure permission.

    Raises:
        TopologyError: with everything that is missing, and what to run.
        AMQPConnectionError: the broker cannot be reached.
    """
    answers = await _each(url, wanted, passive=True)
    refused = [fault for _, fault in answers if isinstance(fault, NotPermittedError)]
    _raise(refused)
    missing = [
        f"{part.kind} {part.name}"
        for part, fault in answers
        if fault is not None and not (isinstance(part, Exchange) and part.optional)
    ]
    if missing:
        raise TopologyError(
            f"missing on the broker: {', '.join(missing)}; run `ordersync topology apply` with a "
            "user that may configure, or set ORDERSYNC_RABBITMQ__DECLARE=true"
        )


async def survey(url: str, wanted: Topology) -> Mapping[Exchange | Queue, bool]:
    """Each exchange and queue -> whether one of that name is there. Changes nothing.

    Raises:
        AMQPConnectionError: the broker cannot be reached.
    """
    answers = await _each(url, wanted, passive=True)
    return {part: fault is None for part, fault in answers if not isinstance(part, Binding)}


async def _each(
    url: str, wanted: Topology, *, passive: bool
) -> list[tuple[Part, TopologyError | None]]:
    """Every part with its fault. A refusal closes the channel, so each part has one of its own."""
    try:
        async with session(url, "ordersync topology", within=_TIMEOUT) as opened:
            return [(part, await _one(opened, part, passive=passive)) for part in wanted.parts]
    except InvalidFrameError:  # what the client makes of "vhost not found" and "access refused"
        raise AMQPConnectionError(
            f"the broker let the user in, but not to the virtual host {virtual_host(url)!r}"
        ) from None


async def _one(opened: Session, part: Part, *, passive: bool) -> TopologyError | None:
    channel = await opened.channel()
    try:
        await part.declare(channel, passive=passive)
    except ChannelClosed as error:
        return _fault(part, error)
    await channel.close()
    return None


def _fault(part: Part, error: ChannelClosed) -> TopologyError:
    """The broker's refusal in a sentence with a way out."""
    said = str(error.args[-1]) if error.args else str(error)
    match error:
        case ChannelAccessRefused():
            return NotPermittedError(
                f"the broker's user may not declare {part.kind} {part.name} ({said}); give it the "
                "permission, or let an administrator run `ordersync topology apply` and set "
                "ORDERSYNC_RABBITMQ__DECLARE=false"
            )
        case ChannelNotFoundEntity():
            return TopologyError(f"{part.kind} {part.name} cannot be made: {said}")
        case ChannelPreconditionFailed():
            return TopologyError(_difference(part, said))
        case _:
            return TopologyError(f"the broker refused {part.kind} {part.name}: {said}")


def _difference(part: Part, said: str) -> str:
    found = _DIFFERENCE.search(said)
    what = (
        f"its {found['name']} is {found['found']}, ordersync needs {found['wanted']}"
        if found
        else said
    )
    return (
        f"{part.kind} {part.name} differs: {what}; it cannot be changed in place: empty and delete "
        "it and run `ordersync topology apply`, or choose another name"
    )


def _raise(faults: Sequence[TopologyError]) -> None:
    if not faults:
        return
    kind = NotPermittedError if isinstance(faults[0], NotPermittedError) else TopologyError
    raise kind("; ".join(str(fault) for fault in faults))
