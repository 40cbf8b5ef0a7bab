"""Whether a no that speaks of the set-up is everybody's or one order's. Blame needs solitude here, too.

Law: what HubSpot says of a scope, a token or an address may be met by one order alone (a property that needs
a scope of its own, a firewall that dislikes one value). It is everybody's when a call that no order is in
meets it as well, or when ALONE orders have met it, each in a call of its own, and nobody was written in
between. It is one order's when this order meets it alone again and again while others are written.

    a call is Halted ── several orders in it ──► the first goes alone, the rest in halves (settlement.retries)
         │
         │   Streak: such calls, and calls that fail, since HubSpot last said a word about an order
         ├── nothing written lately, or one alone, or the 4th ──► Doubt ──► a probe ── fails ──► Pause
         │                                                                      └── is answered: evidence
         ├── ALONE orders in calls of their own, nobody written since they are suspects ─► Pause
         │
         │   Suspect: an order whose calls say nothing of it
         ├── Halted alone once more, a probe answered since the last time: a proof.
         │   PROOFS of them, and others written since it became a suspect ────────────────► Rejected
         └── LONESOME of them, where nobody was written, and nobody else is in the row ────► Rejected

Why a probe between any two: a fault that meets every second call, whoever's, would meet one order three times in
a row soon enough; the probe meets it as well, and then it is a pause.

What it costs is bounded: isolating one order among n takes 3 calls for each halving, proving it a few more; a
probe is at most three calls, and a way is asked about once in QUIET seconds, or four calls.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeVar, assert_never

from service.core.events.order_event import ORDERS, Operation, Order
from service.core.hubspot.verdicts import (
    Applied,
    Cause,
    Halted,
    Refused,
    Rejected,
    Retryable,
    Stale,
    Verdict,
    Where,
)
from service.core.reasons import Code, Reason
from service.core.waiting.batch import Batch

# orders, each in a call of its own: then it is everybody's.
ALONE: Final = 4
# Times that a suspect is Halted alone though the way is open.
PROOFS: Final = 3
# The same where no other order is there to be written; about five minutes.
LONESOME: Final = 8
# Seconds without evidence after which a single call asks for a probe.
QUIET: Final = 5.0
# Seconds until a suspect's next call, doubled each time ….
FIRST: Final = 1.0
# … up to this, whatever HubSpot asks for.
LAST: Final = 60.0
# suspects; kinds of orders and requests.
_REMEMBERED: Final = 5000
_DOUBLINGS: Final = 6
NEVER: Final = float("-inf")

K = TypeVar("K")
V = TypeVar("V")


class Likeness(NamedTuple):
    """What is written in the same way: where one of these orders is written, so may the others be."""

    operation: Operation
    id_property: str
    # With lines, links or a stage.
    complete: bool


def kind_of(batch: Batch) -> Likeness:
    """The kind of a batch's orders."""
    return Likeness(batch.operation, batch.id_property, batch.complete)


@dataclass(slots=True)
class Streak:
    """Calls for one kind of orders in a row that said nothing about any order."""

    calls: int = 0
    # The orders that had one of these calls to themselves, nobody written since they are suspects.
    alone: set[Order] = field(default_factory=set)
    # When an order of this kind was written.
    written: float = NEVER

    def end(self) -> None:
        """HubSpot said a word about an order, or a pause begins."""
        self.calls = 0
        self.alone.clear()


@dataclass(frozen=True, slots=True)
class _Suspect:
    # When it was Halted first, in company or alone.
    since: float
    # When it was Halted alone last.
    last: float = NEVER
    times: int = 0  # that it was Halted alone
    proofs: int = 0


class Suspicion:
    """The streaks of every kind, and the suspects."""

    def __init__(self) -> None:
        self._streaks: OrderedDict[Likeness, Streak] = OrderedDict()
        self._suspects: OrderedDict[Order, _Suspect] = OrderedDict()
        # When a probe was answered there.
        self._probed: OrderedDict[Where, float] = OrderedDict()

    def streak(self, batch: Batch) -> Streak:
        """The streak of a batch's kind."""
        kind = kind_of(batch)
        streak = self._streaks.get(kind) or Streak()
        _keep(self._streaks, kind, streak)
        return streak

    def quiet(self, batch: Batch, where: Where, now: float) -> bool:
        """Whether nothing has shown lately that orders get through; to one order alone only a probe does."""
        probed = self._probed.get(where, NEVER)
        alone = len(batch.slots) == 1
        return now - (probed if alone else max(self.streak(batch).written, probed)) > QUIET

    def passed(self, where: Where, now: float) -> None:
        """A probe was answered there."""
        _keep(self._probed, where, now)

    def drop(self) -> None:
        """A pause begins: it is everybody's, and whoever was suspected starts anew."""
        for streak in self._streaks.values():
            streak.end()
        self._suspects.clear()

    def note(self, batch: Batch, verdicts: Sequence[Verdict], now: float) -> None:
        """Take in one call's verdicts: whom they make a suspect, and whom they free."""
        streak = self.streak(batch)
        if any(_written(verdict) for verdict in verdicts):
            streak.written = now
        for slot, verdict in zip(batch.slots, verdicts, strict=True):
            if about_no_order(verdict):
                _keep(self._suspects, slot.order, self._suspects.get(slot.order) or _Suspect(now))
            elif not throttled(verdict):
                self._suspects.pop(slot.order, None)
        if not all(about_no_order(verdict) for verdict in verdicts):
            streak.end()
            return
        streak.calls += 1
        if len(batch.slots) == 1 and streak.written < self._suspects[batch.slots[0].order].since:
            streak.alone.add(batch.slots[0].order)

    def weigh(self, batch: Batch, verdicts: Sequence[Verdict], now: float) -> tuple[Verdict, ...]:
        """The verdicts, noted before; a lone Halted as what is proven makes it: Rejected, or again when."""
        match verdicts:
            case (Halted() as halted,):
                return (self._weigh_alone(batch, halted, now),)
            case _:
                return tuple(verdicts)

    def _weigh_alone(self, batch: Batch, halted: Halted, now: float) -> Halted | Rejected:
        order, streak = batch.slots[0].order, self.streak(batch)
        before = self._suspects.get(order) or _Suspect(now)  # a pause has just freed it
        probed = self._probed.get(where_of(batch, (halted,)), NEVER)
        proven = before.times > 0 and probed > before.last
        suspect = replace(before, last=now, times=before.times + 1, proofs=before.proofs + proven)
        among_others = streak.written >= suspect.since
        enough = PROOFS if among_others else LONESOME
        if suspect.proofs >= enough and (among_others or streak.alone <= {order}):
            self._suspects.pop(order, None)
            return Rejected(_refused_alone(halted.reason, among_others=among_others))
        _keep(self._suspects, order, suspect)
        doubled = FIRST * 2 ** min(suspect.times - 1, _DOUBLINGS)
        return Halted(halted.reason, min(LAST, max(doubled, halted.after or 0.0)))


def _keep(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def where_of(batch: Batch, verdicts: Sequence[Verdict]) -> Where:
    """Where calls of a batch met what they met; where none says so, at the orders themselves.

    An outage needs no more than a call at the same address; a gateway's no may be to what is in the call.
    """
    outage = True
    for verdict in verdicts:
        if isinstance(verdict, Halted) and verdict.where is not None:
            return verdict.where
        outage &= isinstance(verdict, Retryable) and (verdict.reason.http_status or 500) >= 500
    by = "" if outage else batch.id_property
    return Where("records", batch.operation, ORDERS, id_property=by)


def about_no_order(verdict: Verdict) -> bool:
    """Whether it says nothing of the record itself: the call failed, or the set-up is named."""
    match verdict:
        case Halted():
            return True
        case Retryable(cause=cause):
            return cause is Cause.SERVER
        case Applied() | Stale() | Rejected() | Refused():
            return False
        case _:
            assert_never(verdict)


def throttled(verdict: Verdict) -> bool:
    """Whether it is a limit: no word about anything else."""
    return isinstance(verdict, Retryable) and verdict.cause is Cause.THROTTLE


def _written(verdict: Verdict) -> bool:
    return isinstance(verdict, Applied) and verdict.record_id is not None


def _refused_alone(reason: Reason, *, among_others: bool) -> Reason:
    others = (
        "writes the orders beside it" if among_others else "answers a probe; no other order came"
    )
    message = f"HubSpot refuses this order alone and {others}: {reason.message}"
    return replace(reason, code=Code.REFUSED_ALONE, message=message)
