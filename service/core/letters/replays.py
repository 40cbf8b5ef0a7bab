"""Replaying: what is sent for a dead letter, in which steps, and when to stop.

Laws. A replay is the original event, mended where the operator says so, with its count of replays one
higher: that count is what makes its outcome a new one and ends loops. What the broker would act on
(`x-*`, CC, BCC, expiration) never goes along: a copied x-death makes RabbitMQ <= 3.13 drop the message as
a cycle. The steps grow, and the first one is a single event: whether the cause is mended is found out
with one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.core.events.deliveries import Delivery, Properties
from service.core.events.events import Contribution, parse
from service.core.letters.dead_letters import HISTORY_MAX
from service.core.letters.letters import Letter
from service.core.letters.mends import CHANGE_MAX, Mend, mended

RAMP: Final = (1, 5, 25, 100)
LARGEST: Final = 500  # events a step, from then on
FAILED: Final = frozenset({"rejected", "exhausted", "malformed"})
SILENT: Final = "no outcome"  # within the time that was waited


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """One message to publish."""

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    like: (
        Properties  # what else it takes over: content type and encoding, correlation id, app id, …
    )


def obstacle(letter: Letter, max_replays: int, *, addressed: bool) -> str | None:
    """Why a letter is not replayed; None = it may be. `addressed`: the operator says where to."""
    if letter.replays >= max_replays:
        return f"replayed {letter.replays} times already (--max-replays)"
    if not addressed and not letter.queue and not letter.routing_key:
        return "nothing says where it came from (--to-queue)"
    return None


def event_of(sent: Delivery, mend: Mend, id_property: str | None) -> Contribution | str:
    """The order event that the service will read, or why it will read none: it would be malformed again."""
    parsed = parse(sent, id_property or "")
    if isinstance(parsed, Contribution):
        return parsed
    if mend:
        return f"mended, it is still no order event: {parsed.message[:CHANGE_MAX]}"
    return f"no order event ({parsed.code}): mend it (--set, --unset), or have it sent anew"


def replay(  # noqa: PLR0913  (what an operator says is a lot)
    delivery: Delivery,
    letter: Letter,
    mend: Mend,
    *,
    name: str,
    by: str,
    at: str,
    force: bool,
    queue: str | None = None,
) -> Replay:
    """What is published for a letter: `name` is unique to it, `by` and `at` go into its history.

    To the exchange and with the routing key that the producer used, or straight to `queue`.

    Raises:
        MendError: the change does not fit the event.
    """
    body, headers = mended(delivery, mend)
    number = letter.replays + 1
    headers |= {
        "ordersync-replays": number,
        "ordersync-replay": name,
        "ordersync-history": _history(
            letter, f"replay {number} at {at} by {by}", mend, force=force
        ),
    }
    if letter.first_failed_at is not None:
        headers["ordersync-first-failed-at"] = letter.first_failed_at
    if force:
        headers["ordersync-force"] = True
    exchange, key = ("", queue) if queue else (letter.exchange, letter.routing_key)
    return Replay(exchange, key, body, headers, delivery.properties)


def steps(limit: int | None) -> Iterator[int]:
    """How many to send at once: 1, 5, 25, 100, then 500 at a time, `limit` in all."""
    left = limit if limit is not None else -1
    number = 0
    while left:
        size = RAMP[number] if number < len(RAMP) else LARGEST
        size = size if left < 0 else min(size, left)
        yield size
        left -= size if left > 0 else 0
        number += 1


@dataclass(slots=True)
class Report:
    """What became of the replayed events."""

    sent: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None  # why it ended before its time

    def step(self, fates: Mapping[str, str], max_failures: int) -> bool:
        """Take in one step's fates (replay -> status); whether to go on."""
        self.fates.update(fates.values())
        failed = sum(fate in FAILED for fate in fates.values())
        silent = sum(fate == SILENT for fate in fates.values())
        if failed > max_failures:
            self.stopped = f"{failed} of {len(fates)} failed again, more than {max_failures}"
        elif silent:
            self.stopped = f"{silent} of {len(fates)} have no outcome yet: is the service running?"
        return self.stopped is None


def _history(letter: Letter, what: str, mend: Mend, *, force: bool) -> str:
    """One line more; the oldest go where they do not fit."""
    line = f"{letter.failed_at or '?'} {letter.reason}; {what}"
    line += f"; {mend.told}" if mend else ""
    line += "; forced" if force else ""
    lines = [*letter.history, line]
    while len(lines) > 1 and len("\n".join(lines).encode()) > HISTORY_MAX:
        lines.pop(0)
    return "\n".join(lines).encode()[:HISTORY_MAX].decode(errors="ignore")
