"""Verdicts of a batch -> Finish | PutBack for every slot: the one place that decides on retries.

Blame needs solitude: a merged write that is refused is separated and tried event by event; a refused
call first sets aside the records that the answer points at, then halves. Giving up needs it too: a slot
that no answer names is exhausted only after a call of its own failed. A throttle counts for nothing,
and what travels together under suspicion stays together through it. Chance is drawn once an answer, so
that what failed together shares its next call. What isolating costs is bounded: halving n records
takes at most 2n calls, separating m events m.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from service.core.hubspot.verdicts import (
    Applied,
    Cause,
    Halted,
    Refused,
    Rejected,
    Retryable,
    Stale,
    Verdict,
)
from service.core.waiting.backlog import Batch
from service.core.waiting.slots import Slot, separate

BASE: Final = 0.5  # seconds; doubles with every failure
CEILING: Final = 60.0  # seconds between two tries at the most
SUSPECT_AFTER: Final = 2  # whole-call failures after which a batch is halved
THROTTLED: Final = 1.0  # seconds to wait after a throttle that names no time; the budget knows more


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to give up."""

    attempts: int = 8  # failures of one slot
    patience: float = 300.0  # seconds from its first failure to its last try


# While a pause stands nobody is given up: what fails then fails for the pause's reason.
NEVER: Final = RetryPolicy(attempts=10**9, patience=float("inf"))


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Gave up: no verdict of HubSpot's, the last failure's reason."""

    last: Retryable


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """The slot's fate is known."""

    slot: Slot
    verdict: Applied | Stale | Rejected | Exhausted


@dataclass(frozen=True, slots=True, eq=False)
class PutBack:
    """The slot waits again: itself, or its events apart."""

    slot: Slot
    slots: tuple[Slot, ...]


Step = Finish | PutBack


def decide(
    batch: Batch,
    verdicts: Sequence[Verdict],
    policy: RetryPolicy,
    now: float,
    jitter: Callable[[], float],
    company: Callable[[], int],
) -> tuple[Step, ...]:
    """What becomes of every slot of a batch, in the batch's order.

    `jitter` gives numbers in [0, 1), `company` a new number for each group that is to travel together.
    """
    tried = [
        _tried(slot, verdict, now) for slot, verdict in zip(batch.slots, verdicts, strict=True)
    ]
    refused = [
        slot for slot, verdict in zip(tried, verdicts, strict=True) if isinstance(verdict, Refused)
    ]
    failed = [
        slot for slot, verdict in zip(tried, verdicts, strict=True) if _whole_call_failed(verdict)
    ]
    groups = dict(_apart(refused, verdicts, tried, company)) | dict(
        _halved_failures(failed, company)
    )
    chance = jitter()  # one draw: a hundred records with a hundred delays would be a hundred calls
    steps: list[Step] = []
    for before, slot, verdict in zip(batch.slots, tried, verdicts, strict=True):
        match verdict:
            case Applied() | Stale():
                steps.append(Finish(slot, verdict))
            case Rejected():
                steps.append(_condemned(before, slot, Finish(slot, verdict)))
            case Refused():
                steps.append(
                    PutBack(before, (replace(slot, company=groups[id(slot)], not_before=0.0),))
                )
            case Retryable():
                placed = replace(slot, company=groups.get(id(slot), slot.company))
                again = replace(
                    placed, not_before=now + _delay(placed, verdict, chance, policy, now)
                )
                if not _given_up(placed, verdict, policy, now):
                    steps.append(PutBack(before, (again,)))
                elif len(batch.slots) == 1 or verdict.cause in {Cause.RECORD, Cause.MISSING}:
                    steps.append(_exhausted(before, placed, verdict, policy, now))
                elif verdict.cause is Cause.SILENCE:  # no answer names it: its last try is its own
                    steps.append(PutBack(before, (replace(again, company=company()),)))
                else:  # halved already
                    steps.append(PutBack(before, (again,)))
            case Halted(_, after):  # pragma: no branch  (the union is closed)
                steps.append(
                    PutBack(before, (replace(slot, not_before=now + (after or THROTTLED)),))
                )
    return tuple(steps)


def backoff(failures: int, jitter: float) -> float:
    """Full jitter: anything from nothing to the doubled base, in seconds."""
    return float(min(CEILING, BASE * 2 ** min(failures, 10))) * jitter


def _tried(slot: Slot, verdict: Verdict, now: float) -> Slot:
    failures, ambiguous, first_sent = slot.failures, slot.ambiguous, slot.first_sent
    if isinstance(verdict, Retryable | Refused):
        ambiguous |= verdict.ambiguous
    if isinstance(verdict, Retryable):
        failures += verdict.cause is not Cause.THROTTLE
        if first_sent is None and verdict.cause is not Cause.THROTTLE:
            first_sent = now  # patience is for failures: a throttle or a pause uses none of it
    return Slot(  # every slot passes here: `replace` costs three times as much
        slot.order,
        slot.operation,
        slot.contributions,
        slot.born,
        slot.attempts + 1,
        failures,
        first_sent,
        slot.not_before,
        slot.company,
        slot.sealed,
        ambiguous,
        slot.checked,
        slot.progress,
    )


def _whole_call_failed(verdict: Verdict) -> bool:
    return isinstance(verdict, Retryable) and verdict.cause is Cause.SERVER


def _apart(
    refused: Sequence[Slot],
    verdicts: Sequence[Verdict],
    tried: Sequence[Slot],
    company: Callable[[], int],
) -> Iterator[tuple[int, int]]:
    """Slot -> company: the records pointed at from the rest; where that tells nothing apart, halves."""
    if not refused:
        return
    named = {
        id(s) for s, v in zip(tried, verdicts, strict=True) if isinstance(v, Refused) and v.named
    }
    some_proven = any(isinstance(verdict, Rejected) for verdict in verdicts)
    if 0 < len(named) < len(refused):
        suspects, rest = company(), company()
        yield from ((id(s), suspects if id(s) in named else rest) for s in refused)
    elif some_proven and not named:
        rest = company()  # the guilty are out: the others go on together
        yield from ((id(s), rest) for s in refused)
    else:
        yield from _halves(refused, company)


def _halves(slots: Sequence[Slot], company: Callable[[], int]) -> Iterator[tuple[int, int]]:
    middle = (len(slots) + 1) // 2
    for half in (slots[:middle], slots[middle:]):
        if half:
            number = company()
            yield from ((id(slot), number) for slot in half)


def _halved_failures(
    failed: Sequence[Slot], company: Callable[[], int]
) -> Iterator[tuple[int, int]]:
    """A call that fails as a whole, again and again, may have a record in it that makes it fail."""
    if not failed:
        return
    if len(failed) > 1 and min(slot.failures for slot in failed) >= SUSPECT_AFTER:
        yield from _halves(failed, company)
    else:
        number = company()
        yield from ((id(slot), number) for slot in failed)


def _condemned(before: Slot, slot: Slot, finish: Finish) -> Step:
    return finish if len(slot.contributions) == 1 else PutBack(before, separate(slot))


def _delay(slot: Slot, verdict: Retryable, chance: float, policy: RetryPolicy, now: float) -> float:
    if verdict.cause is Cause.THROTTLE:
        return THROTTLED if verdict.after is None else verdict.after
    left = 0.0 if slot.first_sent is None else slot.first_sent + policy.patience - now
    return max(verdict.after or 0.0, min(backoff(slot.failures, chance), max(0.0, left)))


def _given_up(slot: Slot, verdict: Retryable, policy: RetryPolicy, now: float) -> bool:
    if verdict.cause is Cause.THROTTLE:
        return False
    if verdict.cause is Cause.MISSING:  # it may come for as long as patience lasts
        return _impatient(slot, policy, now)
    return slot.failures >= policy.attempts or _impatient(slot, policy, now)


def _impatient(slot: Slot, policy: RetryPolicy, now: float) -> bool:
    return slot.first_sent is not None and now - slot.first_sent >= policy.patience


def _exhausted(
    before: Slot, slot: Slot, verdict: Retryable, policy: RetryPolicy, now: float
) -> Step:
    """The end of a slot; of merged events each gets a last try of its own while patience lasts."""
    if len(slot.contributions) == 1 or _impatient(slot, policy, now):
        return Finish(slot, Exhausted(verdict))
    return PutBack(before, tuple(replace(s, failures=policy.attempts - 1) for s in separate(slot)))
