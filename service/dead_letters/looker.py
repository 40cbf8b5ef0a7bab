"""The dead-letter queue, read from its front: held unacknowledged, given back in place.

Laws. One looker at a time: an exclusive queue beside the dead letters is the lock, and the broker takes it
away with its owner's connection, however that ends. Nothing read is kept here but its tag: the broker
holds the messages, so fifty thousand of them cost no memory. What is not taken goes back by nacks when
looking ends, in its order (RabbitMQ 4.3 does not count that as a delivery); killed, the connection's end
gives it back, counts one of a million deliveries, and the broker shuffles what comes back in that way.

No letter is held for longer than `hold`, so that the broker never takes one back (`consumer_timeout`, which
AMQP does not tell). A look that is not at the queue's end by then ends there, and says so (`cut_short`). Who
moves letters may sweep instead, which ends for a queue of any length: what is not taken goes to the back of
the queue, window by window, until each letter has been seen once and the order is as it was.

    look    front [1 2 3 4 5] back   hold 1, hold 2, ...         give all back        [1 2 3 4 5]
    sweep   front [1 2 3 4 5] back   move 1 and 2 to the back    [3 4 5 1 2]   ...    [1 2 3 4 5]

A sweep that is killed leaves at most a window of letters twice; the next one meets both and drops one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

import structlog

from service.core.events.deliveries import Delivery
from service.core.letters import letters
from service.core.letters.letters import Letter
from service.rabbitmq.connection import Channel, DeliveredMessage

log = structlog.get_logger(__name__)

# Seconds for any answer of the broker.
TIMEOUT: Final = 30.0
# A quorum queue handles what comes back in one command as an Erlang map, and those of more than 32 keys
# have no order: sixty letters given back by one nack came back shuffled (3.10.8, 4.0, 4.3). From 32
# commands on that are not yet applied, its client in the broker lumps them together.
TOGETHER: Final = 32
# Letters that one consumer holds; a quorum queue gives no more.
PAGE: Final = 2_000
# seconds; half of the consumer_timeout that RabbitMQ comes with.
HOLD: Final = 900.0
# Seconds without a delivery, after which the queue is asked.
SILENCE: Final = 0.05
# That it must say to be empty.
SILENCES: Final = 2
UNANSWERED: Final = 8
# seconds, until the queue is asked again.
MOMENT: Final = 0.002
# Letters that a sweep holds, and as many are on their way.
SWEPT: Final = 500
PARKED: Final = ".parked"  # after the queue's name


class DeadLettersError(Exception):
    """The dead letters cannot be looked at. The message says why and what to do."""


class LockedOutError(DeadLettersError):
    """The broker's user may not declare the lock."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundLetter:
    """One dead letter on the queue."""

    delivery: Delivery
    letter: Letter

    @property
    def key(self) -> int:
        """The same for copies of one letter."""
        return letters.key(self.delivery, self.letter)


Move = Callable[[list[FoundLetter]], Awaitable[None]]


class Looker:
    """Reads one queue from its front. Use `looking`."""

    def __init__(self, channel: Channel, queue: str, id_property: str | None, hold: float) -> None:
        self._channel, self.queue, self._id_property = channel, queue, id_property
        self.hold = hold  # seconds
        self.most_delivered = 0  # of any letter read
        # The last look ended before the queue did.
        self.cut_short = False
        self._arrived: asyncio.Queue[Delivery] = asyncio.Queue()
        self._held: set[int] = set()  # tags
        # When the first of them came.
        self._since: float | None = None
        self._consumers: list[str] = []
        self._page = PAGE
        self._numbers = count(1)
        # Deliveries that the consumers may still bring.
        self._room = 0
        # What was returned before stands ahead of what never was.
        self._behind_returned = True

    async def read(self, limit: int | None = None) -> AsyncIterator[FoundLetter]:
        """The letters from where reading stands, until the queue is empty or `limit` are read."""
        read, self.cut_short = 0, False
        while limit is None or read < limit:
            if self._is_time():
                self.cut_short = True
                return
            if (delivery := await self._next()) is None:
                return
            read += 1
            yield FoundLetter(delivery, letters.read(delivery, self._id_property))

    async def sweep(self, to_the_back: Move, size: int = SWEPT) -> AsyncIterator[list[FoundLetter]]:
        """Every letter that is on the queue now, once, `size` together, held for a moment.

        What is not taken until the next ones are asked for goes to the back, and a second copy goes away.
        """
        await self.give_back()
        self._page, left, seen = 2 * size, await self._ready(), set[int]()
        while left > 0 and (window := await self._some(min(size, left))):
            left -= len(window)
            new = list({found.key: found for found in window if found.key not in seen}.values())
            seen.update(found.key for found in new)
            yield new
            await to_the_back([found for found in new if self._movable(found)])
            await self._take_all([found for found in window if self._movable(found)])
        await self.give_back()

    async def _some(self, most: int) -> list[FoundLetter]:
        some: list[FoundLetter] = []
        while len(some) < most and (delivery := await self._next()) is not None:
            some.append(FoundLetter(delivery, letters.read(delivery, self._id_property)))
        return some

    async def _take_all(self, window: Sequence[FoundLetter]) -> None:
        """Take them with one word where nothing else is held before the last of them."""
        if not window:
            return
        last, tags = window[-1].delivery.tag, {found.delivery.tag for found in window}
        if any(tag <= last and tag not in tags for tag in self._held):
            for found in window:
                await self.take(found)
            return
        self._held -= tags
        self._room += len(tags)
        await self._channel.basic_ack(last, multiple=True, wait=True)

    def _movable(self, found: FoundLetter) -> bool:
        """Whether it was not taken yet, and is here as a whole; what is too large to be read stays."""
        return found.delivery.tag in self._held and found.delivery.unread is None

    def _is_time(self) -> bool:
        """Whether what is held has been held for long enough."""
        return self._since is not None and _now() - self._since >= self.hold

    async def take(self, found: FoundLetter) -> None:
        """Off the queue for good: it is elsewhere, confirmed."""
        self._held.discard(found.delivery.tag)
        self._room += 1
        await self._channel.basic_ack(found.delivery.tag, wait=True)

    async def give_back(self) -> None:
        """Everything read and not taken returns to its place; reading starts at the front again.

        A quorum queue keeps what was returned before in a line of its own, ahead of the rest, and puts
        what is returned at its end (measured on 3.10.8: a look at the first four of ten put them last).
        So all that stands in that line is read before anything goes back, and it goes back in its
        order: few at a time (see TOGETHER), and no faster than the queue takes it. And the consumers have
        all that they may: a delivery that is on its way to one that is cancelled is returned by the
        broker, ahead of the rest.
        """
        while self._behind_returned and not self._is_time() and await self._next() is not None:
            pass
        while self._consumers and self._room > 0 and await self._next() is not None:
            pass
        # Or what goes back comes here again.
        for consumer in self._consumers:
            await self._channel.basic_cancel(consumer, timeout=TIMEOUT)
        held = sorted(self._held)
        self._begin_anew()
        before, returned = await self._ready(), 0
        while some := held[returned : returned + TOGETHER * (UNANSWERED if returned else 1)]:
            for tag in dict.fromkeys([*some[TOGETHER - 1 :: TOGETHER], some[-1]]):
                await self._channel.basic_nack(tag, multiple=True, requeue=True, wait=True)
            returned += len(some)
            await self._until_ready(before + returned)

    async def _until_ready(self, letters: int) -> None:
        """Return when so many letters wait: the queue answers before it has applied what it was told.

        A busy 3.10.8 was 32 commands behind its answers, and shuffled a tenth of 3,000 letters. What
        was taken before are commands, too: that the first few are back says that those are applied.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                while await self._ready() < letters:  # noqa: ASYNC110  (the queue tells nobody)
                    await asyncio.sleep(MOMENT)

    def _begin_anew(self) -> None:
        self._arrived, self._held, self._consumers = asyncio.Queue(), set(), []
        self._room, self._since, self._behind_returned = 0, None, True

    async def _next(self) -> Delivery | None:
        """The next delivery; None = the queue has no more."""
        silent = 0
        while silent < SILENCES:
            if self._arrived.empty() and self._room <= 0:
                await self._consume()
            try:
                async with asyncio.timeout(SILENCE):
                    return self._seen(await self._arrived.get())
            except TimeoutError:
                silent = 0 if await self._ready() else silent + 1
        self._behind_returned = False
        return None

    async def _consume(self) -> None:
        """One more consumer: a quorum queue delivers only so many to each that settles nothing."""
        tag = f"look-{next(self._numbers)}"
        self._room += self._page
        self._consumers.append(tag)
        await self._channel.basic_qos(prefetch_count=self._page, timeout=TIMEOUT)
        await self._channel.basic_consume(
            self.queue, _never_called, consumer_tag=tag, timeout=TIMEOUT
        )

    def arrived(self, delivery: Delivery) -> None:
        """One more is held."""
        self._hold_one(delivery.tag)
        self._arrived.put_nowait(delivery)

    def _hold_one(self, tag: int) -> None:
        self._held.add(tag)
        self._room -= 1
        if self._since is None:
            self._since = _now()

    def _seen(self, delivery: Delivery) -> Delivery:
        self._behind_returned = delivery.redelivered
        self.most_delivered = max(self.most_delivered, delivery.returns)
        return delivery

    async def _ready(self) -> int:
        """How many letters wait; asked of the queue, so that what it was told before has come to it."""
        declared = await self._channel.queue_declare(self.queue, passive=True, timeout=TIMEOUT)
        return declared.message_count or 0


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _never_called(message: DeliveredMessage) -> None:
    """The callback that aiormq asks for: the inbox is before it."""
    raise AssertionError(message)
