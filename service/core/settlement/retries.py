"""Verdicts of a batch -> Finish | PutBack for every slot: the one place that decides on retries.

Blame needs solitude: a merged write that is refused is separated and tried event by event; a refused
call first sets aside the records that the answer points at, then is tried part by part
(service/core/waiting/poison.py). Giving up needs it too: a slot
that no answer names is exhausted only after a call of its own failed. A throttle counts for nothing,
and what travels together under suspicion stays together through it. Chance is drawn once an answer, so
that what failed together shares its next call.

A call that says nothing about its records (it failed again and again, or was halted) is taken apart from the
first on: the first record goes alone, the rest in halves. So a single call shows soon whether it is everybody's
(service/core/hubspot/suspicion.py). What isolating costs is bounded: taking n records apart takes at
most 2n calls, 3n with the first alone, separating m events m.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, assert_never

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
from service.core.waiting.batch import Batch
from service.core.waiting.slots import Slot, separate

# seconds; doubles with every failure.
BASE: Final = 0.5
# Seconds between two tries at the most.
CEILING: Final = 60.0
# whole-call failures after which a batch is taken apart.
SUSPECT_AFTER: Final = 2
# Seconds to wait after a throttle that names no time; the budget knows more.
THROTTLED: Final = 1.0
# Seconds to wait in company after a Halted: a probe is on its way.
HALTED: Final = 0.5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to give up."""

    attempts: int = 8  # failures of one slot
    # Seconds from its first failure to its last try.
    patience: float = 300.0


# While a pause stands nobody is given up: what fails then fails for the pause's reason.
NEVER: Final = RetryPolicy(attempts=10**9, patience=float("inf"))


def whole(number: int) -> Sequence[int]:
    """One piece."""
    return (number,)


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
    pieces: Callable[[int], Sequence[int]] = whole,
) -> tuple[Step, ...]:
    """What becomes of every slot of a batch, in the batch's order.

    `jitter` gives numbers in [0, 1), `company` a new number for each group that is to travel together,
    `pieces` the sizes into which a refused call of so many falls.
    """
    tried = [
        _tried(slot, verdict, now) for slot, verdict in zip(batch.slots, verdicts, strict=True)
    ]
    apart = _apart(tried, verdicts, company, pieces)
    # One draw: a hundred records with a hundred delays would be a hundred calls.
    trial = _Trial(
        policy=policy, now=now, chance=jitter(), alone=len(batch.slots) == 1, company=company
    )
    return tuple(
        trial.step(before, apart[at].of(slot) if at in apart else slot, verdict)
        for at, (before, slot, verdict) in enumerate(zip(batch.slots, tried, verdicts, strict=True))
    )


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
            # Patience is for failures: a throttle or a pause uses none of it.
            first_sent = now
    # Every slot passes here: `replace` costs three times as much.
    return Slot(
        order=slot.order,
        operation=slot.operation,
        contributions=slot.contributions,
        born=slot.born,
        attempts=slot.attempts + 1,
        failures=failures,
        first_sent=first_sent,
        not_before=slot.not_before,
        company=slot.company,
        sealed=slot.sealed,
        ambiguous=ambiguous,
        checked=slot.checked,
        progress=slot.progress,
        suspected=slot.suspected,
    )


# --- one slot: what next ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trial:
    """What all slots of one answer share."""

    policy: RetryPolicy
    now: float
    chance: float
    alone: bool
    company: Callable[[], int]

    def step(self, before: Slot, slot: Slot, verdict: Verdict) -> Step:
        """`before` as it left, `slot` as it was tried, in the company that it is to travel in."""
        match verdict:
            case Applied() | Stale():
                return Finish(slot, verdict)
            case Rejected():
                one = len(slot.contributions) == 1
                return Finish(slot, verdict) if one else PutBack(before, separate(slot))
            case Refused():
                return PutBack(before, (replace(slot, not_before=0.0),))
            case Retryable():
                return self._retry(before, slot, verdict)
            case Halted(after=after):
                wait = (after or THROTTLED) if self.alone else HALTED
                return PutBack(before, (replace(slot, not_before=self.now + wait),))
            case _:
                assert_never(verdict)

    def _retry(self, before: Slot, slot: Slot, failed: Retryable) -> Step:
        again = replace(slot, not_before=self.now + self._delay(slot, failed))
        if not self._given_up(slot, failed):
            return PutBack(before, (again,))
        if self.alone or failed.cause in {Cause.RECORD, Cause.MISSING}:
            return self._exhausted(before, slot, failed)
        # No answer names it: its last try is its own.
        if failed.cause is Cause.SILENCE:
            return PutBack(before, (replace(again, company=self.company()),))
        # On its way to solitude already.
        return PutBack(before, (again,))

    def _delay(self, slot: Slot, failed: Retryable) -> float:
        if failed.cause is Cause.THROTTLE:
            return THROTTLED if failed.after is None else failed.after
        first = self.now if slot.first_sent is None else slot.first_sent
        left = max(0.0, first + self.policy.patience - self.now)
        return max(failed.after or 0.0, min(backoff(slot.failures, self.chance), left))

    def _given_up(self, slot: Slot, failed: Retryable) -> bool:
        if failed.cause is Cause.THROTTLE:
            return False
        # It may come for as long as patience lasts.
        if failed.cause is Cause.MISSING:
            return self._impatient(slot)
        return slot.failures >= self.policy.attempts or self._impatient(slot)

    def _impatient(self, slot: Slot) -> bool:
        return slot.first_sent is not None and self.now - slot.first_sent >= self.policy.patience

    def _exhausted(self, before: Slot, slot: Slot, failed: Retryable) -> Step:
        """The end of a slot; of merged events each gets a last try of its own while patience lasts."""
        if len(slot.contributions) == 1 or self._impatient(slot):
            return Finish(slot, Exhausted(failed))
        last = self.policy.attempts - 1
        return PutBack(before, tuple(replace(s, failures=last) for s in separate(slot)))


# --- all slots: who travels with whom ---------------------------------------------------------------------

Places = Sequence[int]


class _Group(NamedTuple):
    """A company to be. `suspected`: somebody in it is at fault, and nobody knows who."""

    company: int
    suspected: bool

    def of(self, slot: Slot) -> Slot:
        """The slot in this company."""
        return replace(slot, company=self.company, suspected=self.suspected)


def _apart(
    slots: Sequence[Slot],
    verdicts: Sequence[Verdict],
    company: Callable[[], int],
    pieces: Callable[[int], Sequence[int]],
) -> dict[int, _Group]:
    """Place in the batch -> its new company; who is not in it keeps the one it has."""
    refused = [at for at, v in enumerate(verdicts) if isinstance(v, Refused)]
    failed = [at for at, v in enumerate(verdicts) if _call_failed(v)]
    halted = [at for at, v in enumerate(verdicts) if isinstance(v, Halted)]
    groups: dict[int, _Group] = {}
    accused = [*_accused(refused, verdicts, pieces)]
    for group in (*accused, *_failing(failed, slots), *_sampled(halted)):
        if group:
            # The guilty are out, and nobody else was pointed at.
            cleared = _guilty_out(verdicts) and not _named(group, verdicts)
            suspected = accused == [group] and not cleared
            groups |= dict.fromkeys(group, _Group(company(), suspected))
    return groups


def _guilty_out(verdicts: Sequence[Verdict]) -> bool:
    return any(isinstance(verdict, Rejected) for verdict in verdicts)


def _call_failed(verdict: Verdict) -> bool:
    return isinstance(verdict, Retryable) and verdict.cause is Cause.SERVER


def _accused(
    refused: Places, verdicts: Sequence[Verdict], pieces: Callable[[int], Sequence[int]]
) -> Iterator[Places]:
    """The records pointed at from the rest; where that tells nothing apart, pieces by the rate of refusals."""
    named = _named(refused, verdicts)
    if 0 < len(named) < len(refused):
        yield named
        yield [at for at in refused if at not in set(named)]
    elif not named and _guilty_out(verdicts):
        # The guilty are out: the others go on together.
        yield refused
    else:
        begin = 0
        for size in pieces(len(refused)):
            yield refused[begin : begin + size]
            begin += size


def _named(places: Places, verdicts: Sequence[Verdict]) -> list[int]:
    return [at for at in places if getattr(verdicts[at], "named", False)]


def _failing(failed: Places, slots: Sequence[Slot]) -> Iterator[Places]:
    """A call that fails as a whole, again and again, may have a record in it that makes it fail."""
    if failed and min(slots[at].failures for at in failed) >= SUSPECT_AFTER:
        yield from _sampled(failed)
    else:
        yield failed


def _sampled(places: Places) -> Iterator[Places]:
    """The first alone, to see whether it is everybody's; the rest in halves, to find the one whose it is."""
    yield places[:1]
    yield from _halves(places[1:])


def _halves(places: Places) -> Iterator[Places]:
    middle = (len(places) + 1) // 2
    yield places[:middle]
    yield places[middle:]
