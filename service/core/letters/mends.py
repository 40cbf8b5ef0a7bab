"""Mends: what the operator changes in an event before it is replayed.

Law: a mend that would do nothing is no mend. A path names a field that ordersync reads; of each change
core.letters.effects knows whether it makes a difference to any letter.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from dataclasses import replace as changed
from decimal import Decimal
from typing import Any, Final

import orjson

from service.core.events.deliveries import Delivery
from service.core.events.order_event import STRUCTURED, Envelope, Written
from service.core.headers import producers
from service.core.letters import splices
from service.core.misspelt import did_you_mean

# Characters of a change, as the history tells it.
CHANGE_MAX: Final = 200
_DATA: Final = "data."
PROPERTIES: Final = "data.properties."
LINES: Final = "data.line_items."
_ABSENT: Final = object()
_PLACES: Final = (
    "type",
    *Envelope.model_fields,
    *(f"data.{name}" for name in Written.model_fields if name != "properties"),
)


_PARTS: Final = frozenset({"data.line_items", "data.associations", "data.dissociations"})


class MendError(Exception):
    """The event cannot be changed like this. The message says why."""


@dataclass(frozen=True, slots=True)
class Mend:
    """Changes to the event: path -> value, and paths to take out.

    A path is `properties.NAME` (short for `data.properties.NAME`), `line_items.KEY.NAME` for a property
    of the line with this key, or a field that ordersync reads.
    """

    set: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return bool(self.set or self.unset)

    @property
    def told(self) -> str:
        """In words, for the history."""
        changes = [f"set {p}={text_of(v).decode()}"[:CHANGE_MAX] for p, v in self.set.items()]
        return ", ".join([*changes, *(f"unset {path}" for path in self.unset)])


def as_sent(delivery: Delivery, mend: Mend) -> Delivery:
    """The delivery that its replay will be, as far as an event is read from it.

    Raises:
        MendError: the change does not fit the event.
    """
    if not mend:
        return delivery
    body, headers = mended(delivery, mend)
    properties = copy(delivery.properties)
    properties.headers = headers
    return changed(delivery, body=body, properties=properties)


def parse_set(text: str) -> tuple[str, Any]:
    """`path=value`; a value that reads as JSON's number, true, false, null or "text" is that, else text.

    Raises:
        MendError: there is no `=`, or no such place in an event.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise MendError(f"{text!r} is not PATH=VALUE")
    checked = checked_path(path)
    if checked in _PARTS:
        return checked, _part(checked, value)
    if not checked.startswith((PROPERTIES, LINES)):
        return checked, value
    return checked, value_of(value)


def value_of(text: str) -> Any:
    """What a text is that reads as JSON's number, true, false, null or "text"; else the text itself."""
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if isinstance(read, int | float) and not isinstance(read, bool):
        exact = Decimal(orjson.dumps(read).decode()) == Decimal(text)
        return read if exact else Exactly(text.strip())
    return text if isinstance(read, dict | list) else read


class Exactly(str):
    """A number that neither a 64-bit integer nor a double holds: its digits as they were typed."""

    __slots__ = ()


def text_of(value: Any) -> bytes:
    """A value as JSON."""
    return value.encode() if isinstance(value, Exactly) else orjson.dumps(value)


def _part(path: str, text: str) -> Any:
    """A list or an object of an order's parts, which no text can stand for."""
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict | list):
        raise MendError(f"{path} takes JSON, as the event has it; {text!r} is none")
    return read


def checked_path(path: str) -> str:
    """The path in full.

    Raises:
        MendError: no such place in an event.
    """
    full = f"data.{path}" if path.startswith(("properties.", "line_items.")) else path
    if full in _PLACES or (full.startswith(PROPERTIES) and full != PROPERTIES):
        return full
    if full.startswith(LINES) and all(key_and_name(full)):
        return full
    guess = _as_line(path) or did_you_mean(full.lower(), _PLACES, cutoff=0.8) or _as_property(path)
    raise MendError(
        f"{path!r} is neither properties.NAME nor line_items.KEY.NAME nor a field of an event "
        f"({', '.join(_PLACES)}): nothing would be changed{guess}"
    )


def _as_line(path: str) -> str:
    *above, _ = path.removeprefix(_DATA).split(".")
    meant = above and "line" in above[0].lower()
    return (
        "; did you mean line_items.KEY.NAME, a property of the line with this key?" if meant else ""
    )


def _as_property(path: str) -> str:
    *_, name = path.split(".")
    return f"; did you mean properties.{name}?" if name not in {"", "data", "properties"} else ""


def key_and_name(path: str) -> tuple[str, str]:
    """Of the path of a line's property: the line's key, which may hold dots, and the property."""
    key, _, name = path.removeprefix(LINES).rpartition(".")
    return key, name


def mended(delivery: Delivery, mend: Mend) -> tuple[bytes, dict[str, Any]]:
    """Body and producer's headers with the change in them; all that is not changed stays as it is.

    Raises:
        MendError: the change does not fit the event.
    """
    headers = producers(delivery.headers)
    if not mend:
        return delivery.body, headers
    _object(delivery.body)
    if _is_structured(delivery):
        return _spliced(delivery.body, mend, 0), headers
    data = Mend(
        {path: value for path, value in mend.set.items() if path.startswith(_DATA)},
        tuple(path for path in mend.unset if path.startswith(_DATA)),
    )
    attributes = {f"ce-{path}": value for path, value in mend.set.items() if path not in data.set}
    gone = {f"ce-{path}" for path in mend.unset}
    kept = {name: value for name, value in headers.items() if name not in gone}
    body = _spliced(delivery.body or b"{}", data, 1) if data else delivery.body
    return body, kept | attributes


def _spliced(body: bytes, mend: Mend, above: int) -> bytes:
    """The document with the change in it; `above` steps of each path lead to the document itself."""
    for path, value in mend.set.items():
        if steps := _steps_in(body, path, above):
            body = splices.put(body, steps, text_of(value))
    for path in mend.unset:
        if steps := _steps_in(body, path, above):
            body = splices.drop(body, steps)
    return body


def _steps_in(body: bytes, path: str, above: int) -> list[splices.Step]:
    if not path.startswith(LINES):
        return _steps({}, path)[above:]
    document = _object(body)
    return _steps({"data": document} if above else document, path)[above:]


def _steps(document: Mapping[str, Any], path: str) -> list[splices.Step]:
    """Where a path leads; nowhere, to a line that the event does not have. A property's name may hold dots."""
    if not path.startswith(LINES):
        return [*path.split(".", 2)] if path.startswith(_DATA) else [path]
    key, name = key_and_name(path)
    for number, line in enumerate(lines_of(document)):
        if line.get("key") == key:
            return ["data", "line_items", "items", number, "properties", name]
    return []


def lines_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines of an event; none where anything but objects stands among them."""
    items = object_at(document, "line_items").get("items")
    lines = items if isinstance(items, list) else []
    return lines if all(isinstance(line, dict) for line in lines) else []


def object_at(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """This object of the event's data; an empty one where it is not there."""
    found = held(document, f"{_DATA}{name}")
    return found if isinstance(found, dict) else {}


def _is_structured(delivery: Delivery) -> bool:
    content_type = (delivery.properties.content_type or "").partition(";")[0]
    return content_type.strip().lower() == STRUCTURED


def document_of(delivery: Delivery, headers: Mapping[str, Any]) -> dict[str, Any]:
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


def held(document: Mapping[str, Any], path: str) -> Any:
    """What stands there; `_ABSENT` where nothing does."""
    steps = _steps(document, path)
    place: Any = document if steps else _ABSENT
    for step in steps:
        if isinstance(step, int):
            place = place[step]
        else:
            place = place.get(step, _ABSENT) if isinstance(place, Mapping) else _ABSENT
    return place
