"""BatchReply bytes -> what HubSpot said, with every field optional.

HubSpot's error entries omit any field freely (its error-handling guide says so, and recordings agree), a
gateway's 5xx may be HTML, a 2xx may be empty. Nothing in here decides; it only finds things. A reply is
read once: whoever judges it asks the reply itself, and it keeps what it has read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import orjson

from service.core.hubspot.limits import Limits, limits_of

# Then a JSON array, inside `message`.
INVALID_VALUES = "Property values were not valid: "
# Whole sentences of HubSpot's: the value in the first is the event's, and may hold anything.
_COORDINATES = re.compile(
    r"Cannot set PropertyValueCoordinates\{.*?propertyName=(?P<name>[^,}]+), value=(?P<value>.*)\}"
    r" on \S+\. \S+ already has that value\.?",
    re.DOTALL,
)
# Of a number of seconds that is worth reading.
_DIGITS: Final = 9
_QUOTED = re.compile(r'Property "(?P<name>[^"]+)" does not exist\.?')


@dataclass(frozen=True, slots=True)
class NoReply:
    """No answer came, or not a whole one.

    `sent`: the request may have reached HubSpot, so the write may have happened.
    """

    message: str
    sent: bool


class Detail(NamedTuple):
    """One fault that a message or a nested error names."""

    property: str | None
    # PROPERTY_DOESNT_EXIST, INVALID_LONG, …; "" where none is given.
    error: str
    message: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """An error entry of a 2xx, or the body of a refusal."""

    message: str = ""
    category: str | None = None
    correlation_id: str | None = None
    traces: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()
    # Of a 429: DAILY, TEN_SECONDLY_ROLLING; in capitals, however it came.
    policy: str | None = None
    # Of a 403: one or more of these are needed.
    scopes: tuple[str, ...] = ()


# No slots: what was read is kept.
@dataclass(frozen=True, eq=False)
class BatchReply:
    """HubSpot's answer to one call, as it came. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def accepted(self) -> bool:
        """A 2xx: it speaks record by record."""
        return 200 <= self.status < 300

    @property
    def limited(self) -> bool:
        """A 429: more calls than allowed."""
        return self.status == 429

    @property
    def correlation_id(self) -> str | None:
        """What HubSpot's support asks for; the header and the body carry the same."""
        return self.headers.get("x-hubspot-correlation-id")

    @property
    def retry_after(self) -> float | None:
        """Seconds, where the answer holds them. Documented for 477 only; honoured wherever it stands."""
        value = self.headers.get("retry-after", "")
        read = value.isascii() and value.isdigit() and len(value) <= _DIGITS
        return float(value) if read else None

    @cached_property
    def limits(self) -> Limits:
        """What its headers say of HubSpot's limits."""
        return limits_of(self.headers)

    @cached_property
    def document(self) -> dict[str, Any] | None:
        """The body as an object; None where it is not one (HTML, empty, cut off)."""
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return body if isinstance(body, dict) else None

    @cached_property
    def results(self) -> tuple[dict[str, Any], ...]:
        """The records that a 2xx tells of."""
        return tuple(objects(self.document or {}, "results"))

    @cached_property
    def errors(self) -> tuple[Problem, ...]:
        """The error entries of a 2xx."""
        entries = objects(self.document or {}, "errors")
        return tuple(problem(entry, self.correlation_id) for entry in entries)

    @cached_property
    def refusal(self) -> Problem | None:
        """What it says of a call that HubSpot did not take; None where the body is none of its own."""
        return None if self.document is None else problem(self.document, self.correlation_id)


def objects(body: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """The objects in the list `name`, whatever else stands in it."""
    entries = body.get(name)
    if isinstance(entries, list):
        yield from (entry for entry in entries if isinstance(entry, dict))


def problem(entry: Mapping[str, Any], correlation: str | None) -> Problem:
    """One error entry, read for all that it holds. `context.existingId` is never read: it names the other record."""
    message = _text(entry.get("message")) or ""
    context = entry.get("context")
    context = context if isinstance(context, dict) else {}
    return Problem(
        message=message,
        category=_text(entry.get("category")) or _text(entry.get("errorType")),
        correlation_id=_text(entry.get("correlationId")) or correlation,
        traces=_texts(context.get("objectWriteTraceId")),
        ids=_texts(context.get("ids")) or _texts(context.get("id")),
        details=tuple(_details(message, entry)),
        policy=(_text(entry.get("policyName")) or "").upper() or None,
        scopes=tuple(dict.fromkeys(_scopes(entry))),
    )


def _scopes(entry: Mapping[str, Any]) -> Iterator[str]:
    """The scopes that a refusal asks for: in its own context (older) or in those of its nested errors."""
    for each in (entry, *objects(entry, "errors")):
        context = each.get("context")
        if isinstance(context, dict):
            yield from _texts(context.get("requiredGranularScopes"))


def _details(message: str, entry: Mapping[str, Any]) -> Iterator[Detail]:
    """The array inside the message first: the nested errors may be fewer (4 and 3 in one recording)."""
    if message.startswith(INVALID_VALUES):
        listed = tuple(_listed(message.removeprefix(INVALID_VALUES)))
        if listed:
            yield from listed
            return
    if taken := _COORDINATES.fullmatch(message):
        yield Detail(taken["name"], "VALUE_TAKEN", message, taken["value"])
        return
    nested = tuple(_nested(entry))
    if not nested and (quoted := _QUOTED.fullmatch(message)):
        yield Detail(quoted["name"], "", message)
    yield from nested


def _listed(array: str) -> Iterator[Detail]:
    """One fault for each entry. A hundred records' thousand properties may be in it: no call for each field."""
    try:
        faults = orjson.loads(array)
    except orjson.JSONDecodeError:
        return
    for fault in faults if isinstance(faults, list) else ():
        if isinstance(fault, dict):
            name, error, message = fault.get("name"), fault.get("error"), fault.get("message")
            yield Detail(
                name if isinstance(name, str) and name else None,
                error if isinstance(error, str) else "",
                message if isinstance(message, str) else "",
            )


def _nested(entry: Mapping[str, Any]) -> Iterator[Detail]:
    for nested in objects(entry, "errors"):
        context = nested.get("context")
        names = _texts(context.get("propertyName")) if isinstance(context, dict) else ()
        message = _text(nested.get("message")) or ""
        yield Detail(names[0] if names else None, _text(nested.get("code")) or "", message)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def name_of(value: Any) -> str | None:
    """What names a record: an id or a key, as text; numbers are taken for it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(name for v in values if (name := name_of(v)) is not None)
