"""What the headers of an answer say of HubSpot's limits. Any of it may be absent, or nonsense.

Burst limit: `X-HubSpot-RateLimit-Max`, `-Remaining` and `-Interval-Milliseconds` (not on searches). Day:
`-Daily` and `-Daily-Remaining` (not for OAuth apps). Sources: HubSpot's usage guidelines; recorded answers.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

# A header is believed within these bounds: one odd interval must not silence the service, or end its pacing.
SHORTEST: Final = 1.0  # seconds
LONGEST: Final = 60.0
_PREFIX: Final = "x-hubspot-ratelimit-"
_DIGITS: Final = 9


class Limits(NamedTuple):
    """Of one answer; None where it does not say."""

    calls: int | None  # in a window
    window: float | None  # seconds
    remaining: int | None  # calls, in the window
    daily: int | None  # calls
    daily_remaining: int | None


class News(NamedTuple):
    """The latest header that says what remains; `left` and `back` are its call's."""

    left: float
    back: float
    remaining: int
    uncounted: int  # calls of ours that it may not have counted


def limits_of(headers: Mapping[str, str]) -> Limits:
    """Read the headers of an answer, whose names are in lower case."""
    interval = _number(headers, "interval-milliseconds")
    return Limits(
        calls=_number(headers, "max") or None,
        window=min(max(interval / 1000, SHORTEST), LONGEST) if interval else None,
        remaining=_number(headers, "remaining"),
        daily=_number(headers, "daily") or None,
        daily_remaining=_number(headers, "daily-remaining"),
    )


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(_PREFIX + name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= _DIGITS else None
