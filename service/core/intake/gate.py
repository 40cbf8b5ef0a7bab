"""What stands in the way: of calls, and of deliveries.

Laws. A pause holds: no batch leaves, and what is held stays with us, because on RabbitMQ before 4.3 whatever
goes back, however it goes, costs each message one of its deliveries (50). So pauses cost nothing, however
many there are. Only what was held for `longest` goes back, a moment before the broker would fetch it
(consumer_timeout) by closing the channel on us. Intake then stays closed for as long as something stands in
its way: a pause, or a publish that hangs. And what has used up WORN of its deliveries is fetched again later
and later (`rest`): the broker's limit is out of reach, whatever fails for however long.

    calls       open ──── Pause noted, or Doubt confirmed ───► stopped ──── probe answered ───► open
    deliveries  open ──── the oldest is `longest` old ───────► closed ───── nothing is held,
                                                                            no pause, no publish,
                                                                            rested ───────────► open
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from service.core.hubspot.pauses import Doubt, Pause, Pulse
from service.core.hubspot.places import FOREVER
from service.core.hubspot.verdicts import Verdict, Where
from service.core.intake.custody import Custody
from service.core.reasons import Reason
from service.core.waiting.batch import Batch

# returns: a fifth of the broker's limit.
WORN: Final = 10
# seconds; doubles with every return beyond WORN.
REST: Final = 1800.0
# Seconds under way after which a publish is what keeps things from ending.
HANGING: Final = 300.0
# 2**24 half hours outlive everybody.
_DOUBLINGS: Final = 24


class Overdue(StrEnum):
    """Why something was held for so long that it goes back."""

    PAUSED = "the intake is paused"
    UNPUBLISHED = "outcomes cannot be published"
    HELD = "the broker would take it back soon"


@dataclass(frozen=True, slots=True)
class Close:
    """Close the channels: what is held goes back."""

    why: Overdue
    seconds: float  # that the oldest was held


@dataclass(frozen=True, slots=True)
class Open:
    """Consume again."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do for so many seconds, or until something happens."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A pause that stands: since when, and when the next probe is due."""

    reason: Reason
    where: Where  # what a probe asks for
    since: float
    probe_at: float
    probes: int = 0  # that failed


@dataclass(frozen=True, slots=True)
class Resumed:
    """A pause is over."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """A pause goes on; the next probe in `seconds`."""

    reason: Reason
    seconds: float


class Gate:
    """`reason` says why no call leaves, `closed` why nothing comes in; None = it does."""

    def __init__(self, longest: float) -> None:
        # Seconds that anything may be held.
        self._longest = longest
        self._pulse = Pulse()
        # Why no call leaves.
        self.reason: Reason | None = None
        self._trouble: Standing | Doubt | None = None
        self.closed: Overdue | None = None  # why intake is closed
        self._rest_until = 0.0
        self._draining = False

    def drain(self) -> None:
        """The service stops: the channels stay as they are, and nobody asks HubSpot any more."""
        self._draining = True

    # --- calls ----------------------------------------------------------------------------------------

    def note(self, batch: Batch, verdicts: Sequence[Verdict], now: float) -> Pause | Doubt | None:
        """Take in one call's verdicts; returns the trouble that begins with them."""
        trouble = self._pulse.note(batch, verdicts, now)
        if isinstance(trouble, Pause) and self.reason is None:
            return self._begin(trouble, now)
        if isinstance(trouble, Doubt) and self._trouble is None:
            self._trouble = trouble
            return trouble
        return None

    def weigh(self, batch: Batch, verdicts: Sequence[Verdict], now: float) -> tuple[Verdict, ...]:
        """The verdicts, noted before, as what is proven makes them: a Halted may be one order's refusal."""
        return self._pulse.weigh(batch, verdicts, now)

    def question(self, now: float) -> Standing | Doubt | float:
        """The trouble about which HubSpot is to be asked now, or the seconds until then."""
        trouble = self._trouble
        if trouble is None or self._draining:
            return FOREVER
        if isinstance(trouble, Standing) and now < trouble.probe_at:
            return trouble.probe_at - now
        return trouble

    def answered(
        self, question: Standing | Doubt, trouble: Reason | None, now: float
    ) -> Resumed | ProbeFailed | Pause | None:
        """A probe's answer; `trouble` None = HubSpot answers as it should."""
        if question is not self._trouble:
            # Something else has happened since.
            return None
        self._trouble = self.reason = None
        if isinstance(question, Doubt):
            if trouble is not None:
                return self._begin(self._pulse.confirmed(question), now)
            self._pulse.passed(question, now)
            return None
        if trouble is None:
            return Resumed(now - question.since)
        return self._fail(question, trouble, now)

    def _begin(self, pause: Pause, now: float) -> Pause:
        self.reason = pause.reason
        self._trouble = Standing(pause.reason, pause.where, now, now + pause.seconds)
        return pause

    def _fail(self, standing: Standing, trouble: Reason, now: float) -> ProbeFailed:
        probes = standing.probes + 1
        seconds = self._pulse.probe_failed(probes)
        self.reason = trouble
        self._trouble = replace(standing, reason=trouble, probe_at=now + seconds, probes=probes)
        return ProbeFailed(trouble, seconds)

    # --- deliveries -----------------------------------------------------------------------------------

    def move(self, custody: Custody, publishing: float | None, now: float) -> Close | Open | Wait:
        """What is to be done with the channels.

        `publishing`: seconds that the oldest publish under way has taken; None = none is under way.
        """
        if self._draining:
            return Wait(FOREVER)
        if self.closed is None:
            age = custody.age(now)
            if age < self._longest:
                return Wait(self._longest - age)
            return self._close(age, custody.returns, publishing or 0.0, now)
        if not custody.empty or publishing is not None or self.reason is not None:
            return Wait(FOREVER)
        if now < self._rest_until:
            return Wait(self._rest_until - now)
        self.closed = None
        return Open()

    def _close(self, age: float, returns: int, publishing: float, now: float) -> Close:
        if self.reason is not None:
            why = Overdue.PAUSED
        else:
            why = Overdue.UNPUBLISHED if publishing >= HANGING else Overdue.HELD
        self.closed = why
        self._rest_until = now if why is Overdue.HELD else now + rest(returns)
        return Close(why, age)


def rest(returns: int) -> float:
    """Seconds for which what went back so often stays in the queue."""
    return REST * 2 ** min(returns - WORN, _DOUBLINGS) if returns >= WORN else 0.0
