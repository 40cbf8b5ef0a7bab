"""What the shell needs of the world, as callables: who makes them knows AMQP and HTTP, nobody here does."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.core.events.deliveries import Delivery
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.requests import Call
from service.core.outgoing import Outgoing
from service.core.settlement.outcomes import Settlement
from service.core.waiting.batch import Batch


async def _at_once() -> None:
    pass


def _unheard(_: Outgoing) -> None:
    pass


def _not_kept(settlements: Sequence[Settlement]) -> None:
    del settlements


@dataclass(frozen=True, slots=True)
class Shell:
    """The world, as the pipeline needs it."""

    send: Callable[[Call], Awaitable[BatchReply | NoReply]]
    renew: Callable[[], Awaitable[bool]]
    # Returns when all are confirmed.
    publish: Callable[[Sequence[Outgoing]], Awaitable[None]]
    ack: Callable[[Iterable[Delivery]], Awaitable[None]]
    open_intake: Callable[[], None]
    close_intake: Callable[[], None]
    now: Callable[[], float]  # monotonic seconds
    stamp: Callable[[], datetime]
    jitter: Callable[[], float]
    # Unique to this process: it starts every trace id.
    name: str
    # Never waits and never fails.
    journal: Callable[[Sequence[Settlement]], None] = _not_kept
    # Returns while the broker knows us as the owner.
    leased: Callable[[], Awaitable[None]] = _at_once
    # People are told; returns at once.
    announce: Callable[[Outgoing], None] = _unheard
    traced: Callable[[Batch, Awaitable[None]], Coroutine[Any, Any, None]] | None = None
