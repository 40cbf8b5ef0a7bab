"""Property values: what HubSpot accepts for each type, and the text it gives back.

Every stored value is a string. A reader turns what was sent into that string or raises
`BadValueError` with HubSpot's error code. The empty string and null clear a property and never
reach a reader.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any

from service.twin.clock import iso, milliseconds

Reader = Callable[[Any], str]

_DAY = 86_400_000
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LONG = re.compile(r"-?\d{1,15}")


class BadValueError(ValueError):
    """A value that its property's type refuses."""

    def __init__(self, code: str, message: str) -> None:
        """Keep HubSpot's code (`INVALID_LONG`, …) beside the sentence."""
        super().__init__(message)
        self.code = code


def plain(raw: Any) -> str:
    """What Jackson makes of a JSON scalar in a map of strings: `true`, `12`, `1.5`."""
    if raw is True:
        return "true"
    if raw is False:
        return "false"
    return str(raw)


def read_string(raw: Any) -> str:
    """Any scalar, as text."""
    return raw if type(raw) is str else plain(raw)


def exact(raw: Any) -> str:
    """A scalar as text without white space around it: since April 2025 only text may have any."""
    text = plain(raw)
    if text != text.strip():
        message = f"{text!r} has leading or trailing whitespace"
        raise BadValueError("LEADING_TRAILING_WHITESPACE", message)
    return text


def read_number(raw: Any) -> str:
    """A finite number; the text is kept as sent."""
    text = exact(raw)
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number) or "_" in text:
        raise BadValueError("INVALID_INTEGER", f"{text} was not a valid number.")
    return text


def read_price(raw: Any) -> str:
    """A number that is not negative; whole ones get their cents, as recorded: `400` → `400.00`."""
    text = read_number(raw)
    if float(text) < 0:
        raise BadValueError("INVALID_PRICE", f"{text} is negative: a price must not be.")
    whole, point, cents = text.partition(".")
    if not whole.isdecimal() or (point and not cents.isdecimal()) or len(cents) > 1:
        return text
    return f"{whole}.{cents:0<2}"


def read_bool(raw: Any) -> str:
    """`true` or `false`, in any case."""
    text = exact(raw).lower()
    if text not in ("true", "false"):
        raise _not_an_option(plain(raw), ("true", "false"))
    return text


def read_email(raw: Any) -> str:
    """An address, lowercased: HubSpot normalises it before it is stored."""
    text = plain(raw).strip()
    if not _EMAIL.fullmatch(text):
        raise BadValueError("INVALID_EMAIL", f"Email address {text} is invalid")
    return text.lower()


def read_emails(raw: Any) -> str:
    """Addresses joined by `;`."""
    return ";".join(read_email(part) for part in plain(raw).split(";") if part.strip())


def read_datetime(raw: Any) -> str:
    """ISO 8601 or epoch milliseconds → `…Z` with milliseconds; naive moments count as UTC."""
    return iso(_moment(raw))


def read_date(raw: Any) -> str:
    """ISO date, or a moment that is midnight UTC → `YYYY-MM-DD`."""
    stamp = _moment(raw)
    if stamp % _DAY:
        clock = iso(stamp)[11:-1]
        raise BadValueError("INVALID_DATE", f"{plain(raw)} is at {clock} UTC, not midnight!")
    return iso(stamp)[:10]


def _moment(raw: Any) -> int:
    return _parsed(exact(raw))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> int:
    if _LONG.fullmatch(text):
        return _within_the_calendar(int(text), text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadValueError("INVALID_LONG", f"{text} was not a valid long.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return milliseconds(moment)


def _within_the_calendar(stamp: int, text: str) -> int:
    if not -62_135_596_800_000 <= stamp < 253_402_300_800_000:
        raise BadValueError("INVALID_LONG", f"{text} was not a valid long.")
    return stamp


def options_reader(options: tuple[str, ...], *, several: bool) -> Reader:
    """A reader for an enumeration: one internal value, or several joined by `;`."""
    known = frozenset(options)

    def read(raw: Any) -> str:
        text = exact(raw)
        chosen = [part for part in text.split(";") if part] if several else [text]
        for option in chosen:
            if option not in known:
                raise _not_an_option(option, options)
        return ";".join(chosen) if several else text

    return read


def refusing_reader(name: str) -> Reader:
    """A reader for a property that HubSpot alone writes."""

    def read(_: Any) -> str:
        raise BadValueError(
            "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.'
        )

    return read


def _not_an_option(text: str, options: tuple[str, ...]) -> BadValueError:
    listed = ", ".join(options[:20])
    return BadValueError("INVALID_OPTION", f"{text} was not one of the allowed options: [{listed}]")


READERS: dict[str, Reader] = {
    "string": read_string,
    "phone_number": read_string,
    "number": read_number,
    "bool": read_bool,
    "date": read_date,
    "datetime": read_datetime,
    "email": read_email,
    "emails": read_emails,
    "price": read_price,
    "stage": exact,
}
