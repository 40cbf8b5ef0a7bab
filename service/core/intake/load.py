"""What is held, in bytes, and what is not kept because it would be more than memory allows.

Theory of operation. RabbitMQ limits messages, not bytes: with a prefetch of 2000, events of 250 KB are
500 MB. A smaller prefetch is no way out. A quorum queue puts what is returned behind all that was returned
before, so a window narrower than what was returned, lost once, comes back behind its successors (measured
on 3.10.8: 100 of 600 lost came back after the other 500), and the order of events is gone. So the window
stays, and what is kept of it shrinks:

    below the limit       every body is kept
    full                  nothing is read until bodies are settled, for a moment: the broker waits
    overflowing           no body settles, or too late for the broker's word on the lease, which comes
                          behind the deliveries: read on and keep none. What is kept is the beginning
                          of the window, so order holds
    spent                 overflowing, and all that was kept is settled: the channel is closed and opened,
                          what was not kept comes back in its order, and the next part of it is kept

Law: at most `memory` bytes and one read are held, an event weighed with all that it takes until it is
settled; what was kept is settled, never dropped. Under suspicion of a crash a quarter is kept: where the
limit was too high for the process, it gets through.
"""

from collections.abc import Iterable
from typing import Final

from service.core.events.deliveries import Delivery
from service.core.intake.crashes import SUSPECTED

# Times its body: the body, what is read of it, and the call that carries it. Python keeps a text in which
# a single character is outside of Unicode's first plane in four bytes per character.
PLAIN: Final = 3
WIDE: Final = 6
# How many times less is kept while crash suspects are held.
WARY: Final = 4


class Load:
    """The books; `memory` in bytes."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._weights: dict[tuple[int, int], int] = {}  # epoch and tag -> bytes
        # Times that all of it went back while we lived.
        self._lived = 0
        self._wary = False
        self.held = 0  # bytes
        self.overflowing = False

    @property
    def full(self) -> bool:
        """Whether no more should be read."""
        return self.held >= (self._memory // WARY if self._wary else self._memory)

    @property
    def spent(self) -> bool:
        """Whether all is settled that was kept, and something was not kept."""
        return self.overflowing and not self._weights

    def takes(self, delivery: Delivery) -> bool:
        """Whether one more is kept."""
        if self.overflowing:
            return False
        self._wary |= delivery.redelivered and delivery.returns - self._lived >= SUSPECTED
        weight = _weight(delivery.body)
        self._weights[delivery.epoch, delivery.tag] = weight
        self.held += weight
        return True

    def overflow(self) -> None:
        """Read on, and keep nothing of it."""
        self.overflowing = True

    def settled(self, deliveries: Iterable[Delivery]) -> None:
        """These are acked."""
        for each in deliveries:
            self.held -= self._weights.pop((each.epoch, each.tag), 0)
        self._wary &= bool(self._weights)

    def lost(self) -> None:
        """Every channel has ended, and we live: all of it is the broker's again."""
        self._lived += 1
        self._weights.clear()
        self.held, self._wary, self.overflowing = 0, False, False


def _weight(body: bytes) -> int:
    """Bytes that an event takes until it is settled."""
    plain = body.isascii() and b"\\u" not in body
    return len(body) * (PLAIN if plain else WIDE)
