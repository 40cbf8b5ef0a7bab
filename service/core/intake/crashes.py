"""Which message may be the one that kills its process, and when it has killed often enough.

Law: a message is condemned alone. The broker counts how often a message went back, and a crash counts for
all that were held, so the count alone proves nothing: but it says that there is a killer among them. From
SUSPECTED on, messages are therefore taken in their order, one at a time at first, so that what kills is in
front when it kills: its neighbours before it are settled, those behind it not even read. Whatever is in
front when a process begins, and went back CONDEMNED times, is dead-lettered without another try, long
before the broker's own limit (50) would take it and its neighbours with it.

One at a time means taken one at a time, not delivered so: a quorum queue puts what is returned behind all
that was returned before, so that a window narrower than that would change the order of events.

Returns that this process has lived through (lost connections, pauses) are not held against anybody.
"""

from typing import Final

from service.core.events.events import Contribution
from service.core.hubspot.verdicts import Cause, Retryable
from service.core.reasons import Code, Reason

SUSPECTED: Final = 3  # returns that nobody is known to have lived through
CONDEMNED: Final = 20  # a bad night's restarts and pauses stay below; the broker's limit is 50
CALM: Final = (
    10  # suspects survived one at a time, before as many are taken at once as were survived
)


class Crashes:
    """What the counts say."""

    def __init__(self) -> None:
        self._lived = 0  # times that what we held went back while we lived
        self._survived = 0  # suspects
        self._condemned = False

    @property
    def room(self) -> int:
        """How many suspects may be held at once."""
        return 1 if self._survived < CALM else self._survived

    def suspects(self, returns: int) -> bool:
        """Whether a message that went back so often may be, or be held beside, a killer."""
        return returns - self._lived >= SUSPECTED

    def condemns(self, returns: int) -> bool:
        """Whether the next suspect is a killer: it was in front when we began. Says so once."""
        guilty = returns - self._lived >= CONDEMNED and not self._survived and not self._condemned
        self._condemned |= guilty
        return guilty

    def survived(self, messages: int) -> None:
        """So many suspects are settled, and we live."""
        self._survived += messages

    def returned(self) -> None:
        """What we held went back, and we live."""
        self._lived += 1


def accused(event: Contribution) -> Retryable:
    """The reason for a dead letter without another try."""
    message = (
        f"the process died again and again while it held this message ({event.delivery.returns} "
        "returns): it is set aside without another try"
    )
    return Retryable(Reason(Code.CRASH_SUSPECT, message), Cause.RECORD)
