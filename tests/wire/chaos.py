"""What may happen to the wire, to the broker and to HubSpot while events are carried: each for a while, then over."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from service.twin import Twin, parse_fault
from tests.wire.broker import Broker
from tests.wire.session import Session

OUTCOMES, DEAD_LETTERS = "orders.outcomes", "orders.dead-letters"
# None of them is a reason to condemn an event, and none lasts as long as the patience.
SCRIPTS: Final = (
    ("503",),
    ("429 rate=0.7",),
    ("cut every=3",),
    ("502 every=3 written=true",),
    ("truncate every=4",),
    ("hang every=4 seconds=30 operation=upsert,update",),
)


@dataclass(eq=False)
class Chaos:
    """Strikes a broker and a twin; `losing` says whether a connection or a confirm was lost by it."""

    broker: Broker
    twin: Twin
    chance: Random
    losing: bool = False

    async def reign(self) -> None:
        """A few strikes, one beside another, and then peace."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.chance.randint(1, 6)):
                await asyncio.sleep(self.chance.random() * 4.0)
                tasks.create_task(self.chance.choice(STRIKES)(self))

    async def lasts(self, most: float) -> None:
        await asyncio.sleep(self.chance.random() * most)

    def some(self) -> list[Session]:
        """Connections: the consuming, the publishing, or all."""
        consuming, publishing = self.broker.consuming(), self.broker.publishing()
        return self.chance.choice((consuming, publishing, list(self.broker.sessions.values())))

    async def alarm(self) -> None:
        self.broker.alarm(on=True)
        await self.lasts(45.0)
        self.broker.alarm(on=False)

    async def cut(self) -> None:
        self.losing = True
        self.broker.cut(self.some())

    async def closed(self) -> None:
        """By the broker, with a FIN."""
        self.losing = True
        self.broker.finish(self.some())

    async def refused(self) -> None:
        """The broker restarts."""
        self.losing = True
        self.broker.refusing = True
        self.broker.cut(list(self.broker.sessions.values()))
        await self.lasts(8.0)
        self.broker.refusing = False

    async def black_hole(self) -> None:
        self.losing = True
        self.broker.silence(self.some())

    async def stall(self) -> None:
        """Nothing passes for a while, and then all of it."""
        stalled = self.some()
        self.broker.silence(stalled)
        await self.lasts(4.0)
        for session in stalled:
            session.transport.pass_again()

    async def slow_confirms(self) -> None:
        self.broker.confirms_within = 4.0
        await self.lasts(20.0)
        self.broker.confirms_within = 0.01

    async def refusing_queue(self) -> None:
        state = self.chance.choice((self.broker.full, self.broker.unbound))
        exchange = self.chance.choice((OUTCOMES, DEAD_LETTERS))
        state.add(exchange)
        await self.lasts(30.0)
        state.discard(exchange)

    async def channel_closed(self) -> None:
        """As where an ack comes after the broker's consumer_timeout."""
        self.losing = True
        for session in self.broker.consuming():
            for channel in session.channels.values():
                session.close_channel(channel, 406, "PRECONDITION_FAILED - too late")

    async def cancelled(self) -> None:
        self.losing = True
        for session in self.broker.consuming():
            session.cancel()

    async def hubspot(self) -> None:
        self.twin.arm([parse_fault(rule) for rule in self.chance.choice(SCRIPTS)])
        await self.lasts(12.0)
        self.twin.arm([])


Strike = Callable[[Chaos], Coroutine[Any, Any, None]]
STRIKES: Final[tuple[Strike, ...]] = (
    Chaos.alarm,
    Chaos.cut,
    Chaos.closed,
    Chaos.refused,
    Chaos.black_hole,
    Chaos.stall,
    Chaos.slow_confirms,
    Chaos.refusing_queue,
    Chaos.channel_closed,
    Chaos.cancelled,
    Chaos.hubspot,
)
