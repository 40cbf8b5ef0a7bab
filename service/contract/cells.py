"""How a cell is written: `129,90` and `24.11.2026` -> what HubSpot takes.

Law: a cell is read in the form that somebody named for its column, or left as it is. Nothing is
guessed; `doubt` only says what HubSpot would refuse. It takes a number with a point and without
thousands marks, and a date as ISO 8601 or in milliseconds since 1970 (its guide to properties).
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo


class Form(StrEnum):
    """What a column's cells are, said by `--map 'COLUMN=FIELD:FORM'`."""

    COMMA = "comma"  # 1.299,90
    POINT = "point"  # 1,299.90
    # 24.11.2026, 24.11.2026 14:30, 2026-11-24 14:30.
    DATE = "date"
    TEXT = "text"  # as it stands


class CellError(Exception):
    """A cell that is not of its column's form. The message says what it should look like."""


_GAP: Final = r" '\u2019\u00a0\u202f"
_COMMA: Final = re.compile(rf"([+-]?)(\d+|\d{{1,3}}(?:[.{_GAP}]\d{{3}})+)(?:,(\d+))?", re.ASCII)
_POINT: Final = re.compile(rf"([+-]?)(\d+|\d{{1,3}}(?:[,{_GAP}]\d{{3}})+)(?:\.(\d+))?", re.ASCII)
_DOTTED: Final = re.compile(
    r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,? +(\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII
)
_ISO_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SLASHED: Final = re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}( .*)?", re.ASCII)


def as_written(text: str, form: Form | None, zone: ZoneInfo | None, *, moment: bool) -> str:
    """The cell as HubSpot takes it; `moment`: a day alone is not enough, it is midnight then.

    Raises:
        CellError: it is not of that form.
    """
    match form:
        case Form.COMMA:
            return _number(text, _COMMA, "1.299,90")
        case Form.POINT:
            return _number(text, _POINT, "1,299.90")
        case Form.DATE:
            return _date(text, zone, moment=moment)
        case Form.TEXT | None:
            return text


def doubt(text: str, mapped: str) -> str | None:
    """What HubSpot has against it, and how to have it read; None = nothing.

    `mapped`: the column's mapping without a form, as `Gesamt=hs_total_price`.
    """
    text = text.strip()
    if "," in text and (reads := list(_numbers(text, mapped))):
        told = f"HubSpot takes no comma in a number; {', '.join(reads)}"
    elif _DOTTED.fullmatch(text):
        told = f"HubSpot takes dates as 2026-11-24; --map '{mapped}:{Form.DATE}' reads it so"
    elif _SLASHED.fullmatch(text):
        told = "it may be one of two dates, and HubSpot takes neither: write it as 2026-11-24"
    else:
        return None
    return f"{told}; --map '{mapped}:{Form.TEXT}' leaves it as it is"


def without_offset(text: str) -> bool:
    """Whether it is a day or a moment of which nobody knows where on Earth."""
    read = _day_or_moment(text.strip())
    return read is not None and getattr(read, "tzinfo", None) is None


def _numbers(text: str, mapped: str) -> Iterator[str]:
    for form, pattern in ((Form.COMMA, _COMMA), (Form.POINT, _POINT)):
        if pattern.fullmatch(text):
            yield f"--map '{mapped}:{form}' reads it as {_number(text, pattern, '')}"


def _number(text: str, pattern: re.Pattern[str], example: str) -> str:
    found = pattern.fullmatch(text.strip())
    if found is None:
        raise CellError(f"{text} is no number as {example}")
    sign, whole, fraction = found.groups()
    digits = re.sub(r"\D", "", whole)
    return f"{sign.removeprefix('+')}{digits}" + (f".{fraction}" if fraction else "")


def _date(text: str, zone: ZoneInfo | None, *, moment: bool) -> str:
    read = _day_or_moment(text.strip())
    if read is None:
        raise CellError(f"{text} is no date as 24.11.2026, 24.11.2026 14:30 or 2026-11-24")
    if not isinstance(read, datetime):
        if not moment:
            return read.isoformat()
        read = datetime(read.year, read.month, read.day)  # noqa: DTZ001  (its zone comes next)
    if read.tzinfo is None:
        if zone is None:
            raise CellError(f"{text} has no offset: say the zone, as --zone Europe/Berlin")
        read = read.replace(tzinfo=zone)
    return read.isoformat(timespec="seconds")


def _day_or_moment(text: str) -> date | datetime | None:
    try:
        if dotted := _DOTTED.fullmatch(text):
            day, month, year, hour, minute, second = (int(part or 0) for part in dotted.groups())
            moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
            return moment if dotted[4] else moment.date()
        return (
            date.fromisoformat(text) if _ISO_DAY.fullmatch(text) else datetime.fromisoformat(text)
        )
    except ValueError:
        return None
