"""A batch on its way: the calls that it takes, and what became of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from service.core.graph.steps import Step as Calls
from service.core.hubspot.pauses import Doubt, Pause
from service.core.hubspot.verdicts import Fate, Partly, Verdict
from service.core.settlement.closing import Closing
from service.core.settlement.retries import Step
from service.core.waiting.batch import Batch

# Seconds. A call takes its timeout at most, a closed budget opens after a minute, a lease that is not
# renewed ends its channel: nothing takes a tenth of this, unless nobody wakes who waits for it.
STUCK: Final = 600.0


@dataclass(frozen=True, slots=True, eq=False)
class Departure:
    """A batch on its way, and the calls that it takes."""

    number: int
    batch: Batch
    flow: Calls[tuple[Fate, ...]]
    since: float


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What became of a batch."""

    # One for each slot, in the batch's order.
    verdicts: tuple[Verdict, ...]
    steps: tuple[Step, ...]  # likewise
    # Of the slots that are finished.
    closing: Closing | None
    # A pause that begins, or a doubt, for the gate to act on.
    trouble: Pause | Doubt | None


def progressed(batch: Batch, fates: Sequence[Fate]) -> tuple[Batch, tuple[Verdict, ...]]:
    """The batch with what is known of its slots' parts, and the verdicts that they come to."""
    verdicts = tuple(fate.rest if isinstance(fate, Partly) else fate for fate in fates)
    slots = tuple(
        replace(slot, progress=fate.progress) if isinstance(fate, Partly) else slot
        for slot, fate in zip(batch.slots, fates, strict=True)
    )
    return replace(batch, slots=slots), verdicts


class UnderWay(StrEnum):
    """What may be under way."""

    CALLS = "calls to HubSpot"
    SETTLEMENT = "a settlement"


@dataclass(frozen=True, slots=True)
class Stuck:
    """Something that has been under way for longer than anything may be: it will not end by itself."""

    what: UnderWay
    seconds: float


def stuck(
    departures: Iterable[Departure], closings: Iterable[Closing], now: float
) -> Iterator[Stuck]:
    """What began STUCK seconds ago or before; both in the order of their beginning."""
    for what, under_way in ((UnderWay.CALLS, departures), (UnderWay.SETTLEMENT, closings)):
        seconds = oldest(under_way, now)
        if seconds is not None and seconds >= STUCK:
            yield Stuck(what, seconds)


def oldest(under_way: Iterable[Departure | Closing], now: float) -> float | None:
    """Seconds since the first began; None = there is none."""
    first = next(iter(under_way), None)
    return None if first is None else now - first.since
