"""Replaying: what is sent for a dead letter, in which steps, and when to stop.

Laws. A replay is the original event, mended where the operator says so, with its count of replays one
higher: that count is what makes its outcome a new one and ends loops. Unless the operator names a queue,
it reaches an input queue and nothing else, whatever address a letter gives: what a producer wrote does
not choose where we publish. What the broker would act on (`x-*`, CC, BCC, expiration) never goes along:
a copied x-death makes RabbitMQ <= 3.13 drop the message as a cycle. The steps grow, and the first one is
a single event: whether the cause is mended is found out with one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from service.core.events.deliveries import Delivery, Properties
from service.core.events.events import Contribution, parse
from service.core.headers import FIRST_FAILED_AT, FORCE, HISTORY, REPLAY, REPLAYS
from service.core.letters.failure import HISTORY_MAX
from service.core.letters.letters import READABLE, Letter
from service.core.letters.mends import CHANGE_MAX, Mend, mended

RAMP: Final = (1, 5, 25, 100)
# Events a step, from then on.
LARGEST: Final = 500
FAILED: Final = frozenset({"rejected", "exhausted", "malformed"})
# Within the time that was waited.
SILENT: Final = "no outcome"


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """One message to publish."""

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    like: (
        # What else it takes over: content type and encoding, correlation id, app id, ….
        Properties
    )


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where order events go in: the exchange, which is bound to the first queue, and the queues."""

    exchange: str
    queues: tuple[str, ...]


class Address(NamedTuple):
    """Where a replay is published. The exchange "" leads straight to the queue that the key names."""

    exchange: str
    routing_key: str


def obstacle(letter: Letter, max_replays: int, to: Inputs | Address) -> str | None:
    """Why a letter is not replayed; None = it may be. `to`: the inputs, or where the operator says."""
    if letter.replays >= max_replays:
        return f"replayed {letter.replays} times already (--max-replays)"
    if letter.size > READABLE:
        return f"its body has {letter.size} bytes: too large to be read, and no order event"
    where = address(letter, to)
    return where if isinstance(where, str) else None


def address(letter: Letter, to: Inputs | Address) -> Address | str:
    """Where a letter's replay goes, or why it goes nowhere.

    Back to the input queue that it came from: as its producer sent it where that was through our
    exchange, straight to the queue otherwise.
    """
    if isinstance(to, Address):
        return to
    if not letter.queue:
        return "nothing says where it came from (--to-queue)"
    if letter.queue not in to.queues:
        return (
            f"it came from {letter.queue}, which is no input queue (ORDERSYNC_RABBITMQ__QUEUES); "
            "--to-queue sends it to a queue all the same"
        )
    if letter.exchange == to.exchange and letter.queue == to.queues[0]:
        return Address(letter.exchange, letter.routing_key)
    return Address("", letter.queue)


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
    to: Address,
) -> Replay:
    """What is published for a letter: `name` is unique to it, `by` and `at` go into its history.

    Raises:
        MendError: the change does not fit the event.
    """
    body, headers = mended(delivery, mend)
    number = letter.replays + 1
    headers |= {
        REPLAYS: number,
        REPLAY: name,
        HISTORY: _history(letter, f"replay {number} at {at} by {by}", mend, force=force),
    }
    if letter.first_failed_at is not None:
        headers[FIRST_FAILED_AT] = letter.first_failed_at
    if force:
        headers[FORCE] = True
    return Replay(
        exchange=to.exchange,
        routing_key=to.routing_key,
        body=body,
        headers=headers,
        like=delivery.properties,
    )


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
    # Why it ended before its time.
    stopped: str | None = None

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
    lines = [*letter.lines, line]
    while len(lines) > 1 and len("\n".join(lines).encode()) > HISTORY_MAX:
        lines.pop(0)
    return "\n".join(lines).encode()[:HISTORY_MAX].decode(errors="ignore")
