"""Which message may be the one that kills its process, and when it has killed often enough.

Law: a message is condemned alone. The broker counts how often a message went back; a crash counts for all
that were held, so the count alone proves nothing. From SUSPECTED on, messages are therefore taken one at a
time: then a crash counts for the culprit only, and its neighbours are settled before it or behind it. At
CONDEMNED it is dead-lettered, long before the broker's own limit (50) would take it, and neighbours with it.

Returns that this process has lived through (lost connections, pauses) are not held against anybody.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from service.core.events import Contribution
from service.core.reasons import Code, Reason
from service.core.verdicts import Cause, Retryable

SUSPECTED: Final = 3  # returns that nobody has lived through
CONDEMNED: Final = 20  # a bad night's restarts stay below; the broker's limit is 50
CALM: Final = 20  # messages above suspicion, one at a time, before many are taken again


class Step(Enum):
    """What to do with a delivery, before anything of it is read."""

    TAKE = auto()
    ISOLATE = auto()  # give everything back, and take one at a time
    CONDEMN = auto()
    RELEASE = auto()  # take it, and many at a time again when it is settled


def accused(event: Contribution) -> Retryable:
    """The reason for a dead letter without another try."""
    message = (
        f"the process died {event.delivery.returns} times or more while it held this message: "
        "it is set aside without another try"
    )
    return Retryable(Reason(Code.CRASH_SUSPECT, message), Cause.RECORD)


@dataclass(slots=True)
class Crashes:
    """What the counts say."""

    _lived: int = 0  # times that what we held went back while we lived
    _calm: int = 0

    def judge(self, returns: int, *, alone: bool) -> Step:
        """What to do with a delivery that went back `returns` times; `alone`: nothing else is held."""
        unexplained = returns - self._lived
        if not alone:
            return Step.ISOLATE if unexplained >= SUSPECTED else Step.TAKE
        if unexplained >= CONDEMNED:
            return Step.CONDEMN
        self._calm = 0 if unexplained >= SUSPECTED else self._calm + 1
        if self._calm < CALM:
            return Step.TAKE
        self._calm = 0
        return Step.RELEASE

    def returned(self) -> None:
        """What we held went back, and we live."""
        self._lived += 1
