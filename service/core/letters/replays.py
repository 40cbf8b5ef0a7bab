"""Replaying: what is sent for a dead letter, in which steps, and when to stop.

Laws. A replay is the original event, mended where the operator says so, with its count of replays one
higher: that count is what makes its outcome a new one and ends loops. What the broker would act on
(`x-*`, CC, BCC, expiration) never goes along: a copied x-death makes RabbitMQ <= 3.13 drop the message as
a cycle. The steps grow, and the first one is a single event: whether the cause is mended is found out
with one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import Any, Final

import orjson

from service.core.events.deliveries import Delivery, Properties
from service.core.events.events import Contribution, parse
from service.core.events.order_event import STRUCTURED
from service.core.letters.dead_letters import HISTORY_MAX
from service.core.letters.letters import Letter

RAMP: Final = (1, 5, 25, 100)
LARGEST: Final = 500  # events a step, from then on
FAILED: Final = frozenset({"rejected", "exhausted", "malformed"})
SILENT: Final = "no outcome"  # within the time that was waited
_CHANGE_MAX: Final = 200  # characters of a change, as the history tells it


class MendError(Exception):
    """The event cannot be changed like this. The message says why."""


@dataclass(frozen=True, slots=True)
class Mend:
    """Changes to the event: path -> value, and paths to take out.

    A path is `properties.NAME` (short for `data.properties.NAME`), `data.id_property`, or an attribute.
    """

    set: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return bool(self.set or self.unset)

    @property
    def told(self) -> str:
        """In words, for the history."""
        changes = [f"set {p}={orjson.dumps(v).decode()}"[:_CHANGE_MAX] for p, v in self.set.items()]
        return ", ".join([*changes, *(f"unset {path}" for path in self.unset)])


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


def as_sent(delivery: Delivery, mend: Mend) -> Delivery:
    """The delivery that its replay will be, as far as an event is read from it.

    Raises:
        MendError: the change does not fit the event.
    """
    if not mend:
        return delivery
    body, headers = _mended(delivery, mend)
    properties = copy(delivery.properties)
    properties.headers = headers
    return changed(delivery, body=body, properties=properties)


def changes(delivery: Delivery, mend: Mend) -> bool:
    """Whether the mend changes anything in it."""
    before = _document(delivery, producers(delivery.headers))
    after = deepcopy(before)
    _change(after, mend.set, mend.unset)
    return after != before


def event_of(sent: Delivery, mend: Mend, id_property: str | None) -> Contribution | str:
    """The order event that the service will read, or why it will read none: it would be malformed again."""
    parsed = parse(sent, id_property or "")
    if isinstance(parsed, Contribution):
        return parsed
    if mend:
        return f"mended, it is still no order event: {parsed.message[:_CHANGE_MAX]}"
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
    body, headers = _mended(delivery, mend)
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


def producers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers that the producer set, as far as they may travel."""
    return {
        name: value
        for name, value in headers.items()
        if not name.lower().startswith(("x-", "ordersync-")) and name.lower() not in {"cc", "bcc"}
    }


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


def parse_set(text: str) -> tuple[str, Any]:
    """`path=value`; a value that reads as JSON's number, true, false, null or "text" is that, else text.

    Raises:
        MendError: there is no `=`, or no such place in an event.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise MendError(f"{text!r} is not PATH=VALUE")
    checked = checked_path(path)
    if not checked.startswith("data.properties."):
        return checked, value
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        return checked, value
    return checked, value if isinstance(read, dict | list) else read


def checked_path(path: str) -> str:
    """The path in full.

    Raises:
        MendError: no such place in an event.
    """
    full = f"data.{path}" if path.startswith("properties.") else path
    head, _, rest = full.partition(".")
    known = full == "data.id_property" or (
        full.startswith("data.properties.") and len(full) > len("data.properties.")
    )
    if not known and (rest or not head or head == "data"):
        raise MendError(
            f"{path!r} is neither properties.NAME nor data.id_property nor an attribute"
        )
    return full


def _mended(delivery: Delivery, mend: Mend) -> tuple[bytes, dict[str, Any]]:
    headers = producers(delivery.headers)
    if not mend:
        return delivery.body, headers
    document = _document(delivery, headers)
    _change(document, mend.set, mend.unset)
    if _is_structured(delivery):
        return orjson.dumps(document), headers
    data = document.pop("data")
    others = {name: v for name, v in headers.items() if not name.startswith("ce-")}
    return orjson.dumps(data), others | {f"ce-{name}": v for name, v in document.items()}


def _is_structured(delivery: Delivery) -> bool:
    content_type = (delivery.properties.content_type or "").partition(";")[0]
    return content_type.strip().lower() == STRUCTURED


def _document(delivery: Delivery, headers: Mapping[str, Any]) -> dict[str, Any]:
    """The whole event, in whichever mode it came."""
    document = _object(delivery.body)
    if _is_structured(delivery):
        return document
    return {n[3:]: v for n, v in headers.items() if n.startswith("ce-")} | {"data": document}


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        raise MendError("the body is not JSON: there is nothing in it to mend") from None
    if not isinstance(document, dict):
        raise MendError("the body is not a JSON object: there is nothing in it to mend")
    return document


def _change(document: dict[str, Any], changes: Mapping[str, Any], gone: tuple[str, ...]) -> None:
    for path, value in changes.items():
        place, name = _place(document, path)
        place[name] = value
    for path in gone:
        place, name = _place(document, path)
        place.pop(name, None)


def _place(document: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """Where a path leads; objects on the way are made. A property's name may hold dots."""
    place = document
    *above, name = path.split(".", 2) if path.startswith("data.") else [path]
    for step in above:
        if not isinstance(place.get(step), dict):
            place[step] = {}
        place = place[step]
    return place, name


def _history(letter: Letter, what: str, mend: Mend, *, force: bool) -> str:
    """One line more; the oldest go where they do not fit."""
    line = f"{letter.failed_at or '?'} {letter.reason}; {what}"
    line += f"; {mend.told}" if mend else ""
    line += "; forced" if force else ""
    lines = [*letter.history, line]
    while len(lines) > 1 and len("\n".join(lines).encode()) > HISTORY_MAX:
        lines.pop(0)
    return "\n".join(lines).encode()[:HISTORY_MAX].decode(errors="ignore")
