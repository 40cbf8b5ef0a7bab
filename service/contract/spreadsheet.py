"""A spreadsheet, saved as CSV -> order events, a row each.

Law: nothing is guessed. Each column is a field of the event, a property, or left out, because its
name or `--map` says so; a column that is none of these is named before the first row is read, and
a row of the same file gets the same id each time. `docs/csv.md` is the page for people.

    header row  -> Plan: which column goes where, what is the same in each row
    row + Plan  -> Filed: an event, with what is wrong or doubtful about its cells
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, BinaryIO, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from service.contract.cells import CellError, Form, as_written, doubt, without_offset
from service.contract.filed import Doubt, Filed, FileError
from service.core.events.malformed import Fault
from service.core.events.order_event import OPERATIONS, Operation
from service.core.misspelt import did_you_mean

Path = tuple[str, ...]  # of a value in an event

REQUIRED: Final = ("type", "id", "source", "subject", "time")
PLACES: Final[Mapping[str, Path]] = {
    **{name: (name,) for name in (*REQUIRED, "sequence", "traceparent", "tracestate")},
    "id_property": ("data", "id_property"),
}
_PROPERTIES: Final = ("data", "properties")
_PREFIX: Final = "properties."  # before a property that is called like one of the fields
# HubSpot's guide to properties: an internal name has lower-case letters, digits and underscores.
_PROPERTY: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
LEFT_OUT: Final = "-"
REST: Final = "*"
_DELIMITERS: Final = (",", ";", "\t", "|")
_SHORT_TYPES: Final[Mapping[str, str]] = {
    str(operation): type_ for type_, operation in OPERATIONS.items()
}
_KEY_SHOWN: Final = 200  # characters of a key in an id, which has 255 at most


class ColumnsError(FileError):
    """A file that is not CSV, or not with these columns. The message goes on after the file's name."""


class SheetError(ValueError):
    """What was said about the columns makes no sense. The message says why."""


class Target(NamedTuple):
    """Where a column goes, and how its cells are written."""

    name: str  # a field, a property, `-`
    form: Form | None = None

    @property
    def path(self) -> Path:
        """In the event."""
        return PLACES.get(self.name) or (*_PROPERTIES, self.name.removeprefix(_PREFIX))

    @property
    def is_property(self) -> bool:
        """Whether HubSpot gets its value."""
        return self.name not in PLACES and self.name != LEFT_OUT


@dataclass(frozen=True, slots=True)
class Sheet:
    """What somebody said about the file."""

    delimiter: str = ","
    targets: Mapping[str, Target] = field(default_factory=dict)  # by column
    constants: Mapping[str, str] = field(default_factory=dict)  # by field or property
    make_ids: bool = False
    zone: ZoneInfo | None = None


def read_target(text: str) -> tuple[str, Target]:
    """`COLUMN=FIELD` or `COLUMN=FIELD:FORM`.

    Raises:
        SheetError: it is not of that shape.
    """
    column, equals, meant = text.rpartition("=")
    name, colon, form = meant.partition(":")
    if not (equals and column and name):
        raise SheetError(f"{text!r} is not COLUMN=FIELD, such as 'Order no.=subject'")
    if colon and form not in list(Form):
        raise SheetError(f"{text!r}: there is no form {form!r}, only {', '.join(Form)}")
    if column == REST and name != LEFT_OUT:
        raise SheetError(f"{text!r}: all other columns can only be left out: '*=-'")
    return column, Target(_known(name), Form(form) if colon else None)


def read_constant(text: str) -> tuple[str, str]:
    """`FIELD=VALUE`.

    Raises:
        SheetError: it is not of that shape.
    """
    name, equals, value = text.partition("=")
    if not (equals and name and value):
        raise SheetError(f"{text!r} is not FIELD=VALUE, such as type=upsert")
    if name == LEFT_OUT:
        raise SheetError(f"{text!r}: only a column can be left out")
    if name == "id":
        raise SheetError(f"{text!r}: rows with one id are one event; --make-ids makes one for each")
    return _known(name), value


def _known(name: str) -> str:
    if name in PLACES or name == LEFT_OUT or name.startswith(_PREFIX) or _PROPERTY.fullmatch(name):
        return name
    guess = did_you_mean(name.lower(), PLACES)
    raise SheetError(
        f"{name!r} is neither a field ({', '.join(PLACES)}) nor a property's internal name{guess}"
    )


# --- the header ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """Which column goes where; a column without a target is left out."""

    columns: tuple[tuple[str, Target | None], ...]
    sheet: Sheet
    names: Mapping[str, str]  # path of a fault -> column


def plan(header: Sequence[str], sheet: Sheet) -> Plan:
    """Read the first row.

    Raises:
        ColumnsError: a column is missing, unknown or there twice.
    """
    _each_once(header)
    _mapped_are_there(header, sheet)
    columns = tuple((name, _target(name, sheet)) for name in header)
    _all_required(header, columns, sheet)
    unknown = [name for name, target in columns if target and not _possible(target.name)]
    if unknown:
        shown = ", ".join(unknown[:10]) + (", …" if len(unknown) > 10 else "")
        raise ColumnsError(
            f"has a column that is neither a field of the event nor a property (HubSpot's names have "
            f"lower-case letters, digits and _): {shown}; --map '{unknown[0]}=FIELD' says what it is, "
            f"--map '{unknown[0]}=-' leaves it out, --map '*=-' leaves out all that no --map names"
        )
    _one_each(columns, sheet)
    kept = tuple((n, t if t and t.name != LEFT_OUT else None) for n, t in columns)
    return Plan(kept, sheet, {".".join(target.path): name for name, target in kept if target})


def _target(name: str, sheet: Sheet) -> Target | None:
    """None: a column without a name, left out as long as nothing stands in it."""
    if name in sheet.targets:
        return sheet.targets[name]
    if not name:
        return None
    if name not in PLACES and REST in sheet.targets:
        return sheet.targets[REST]
    return Target(name)


def _possible(name: str) -> bool:
    if name in PLACES or name == LEFT_OUT or name.startswith(_PREFIX):
        return True
    return _PROPERTY.fullmatch(name) is not None


def _each_once(header: Sequence[str]) -> None:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ColumnsError(f"has the column {', '.join(twice)} twice")


def _mapped_are_there(header: Sequence[str], sheet: Sheet) -> None:
    for name in sheet.targets:
        if name != REST and name not in header:
            guess = did_you_mean(name, header) or f"; its columns are {', '.join(header)}"
            raise ColumnsError(f"has no column {name}, which --map names{guess}")


def _all_required(
    header: Sequence[str], columns: Sequence[tuple[str, Target | None]], sheet: Sheet
) -> None:
    given = {target.name for _, target in columns if target} | set(sheet.constants)
    missing = [n for n in REQUIRED if n not in given and not (n == "id" and sheet.make_ids)]
    if not missing:
        return
    others = [name for name in header if name not in PLACES]
    guess = did_you_mean(missing[0], others) if len(missing) == 1 else ""
    ids = ", or --make-ids" if "id" in missing else ""
    raise ColumnsError(
        f"has no column {', '.join(missing)}{guess}; its columns are {', '.join(header) or 'none'}; "
        f"--map 'COLUMN={missing[0]}' says which one it is, --constant {missing[0]}=VALUE what it is "
        f"in each row{ids}"
    )


def _one_each(columns: Sequence[tuple[str, Target | None]], sheet: Sheet) -> None:
    taken: dict[Path, str] = {Target(name).path: "--constant" for name in sheet.constants}
    for name, target in columns:
        if target is None or target.name == LEFT_OUT:
            continue
        if (other := taken.get(target.path)) is not None:
            raise ColumnsError(f"{other} and column {name} both say {target.name}")
        taken[target.path] = f"column {name}"


# --- the rows --------------------------------------------------------------------------------------


def from_csv(stream: BinaryIO, sheet: Sheet | None = None) -> Iterator[Filed]:
    """A structured event a row, under a header row.

    Columns `type` (or just upsert, update, archive), `id`, `source`, `subject`, `time`, and as
    needed `id_property`, `sequence`, `traceparent`, `tracestate`. Every other column is a
    property of that name; `properties.X` is the property X whatever X is called. What `sheet` says
    of a column comes first. An empty cell leaves its property as it is in HubSpot; to clear one,
    write NDJSON with null. A row of empty cells is passed over.

    Raises:
        ColumnsError: no UTF-8, or the columns are not what is needed.
    """
    sheet = sheet or Sheet()
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    rows = csv.reader(text, delimiter=sheet.delimiter, strict=True)
    try:
        planned = _planned(next(rows, []), sheet)
        for cells in rows:
            if any(cells):
                yield _from_row(rows.line_num, cells, planned)
    except UnicodeDecodeError as error:
        raise ColumnsError(
            f"is not CSV in UTF-8: {error}; save it as CSV UTF-8, or convert it: "
            "iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
    except csv.Error as error:
        raise ColumnsError(f"is not CSV: line {rows.line_num}: {error}") from None
    finally:
        text.detach()  # closing the stream is its owner's


def _planned(header: list[str], sheet: Sheet) -> Plan:
    try:
        return plan(header, sheet)
    except ColumnsError:
        found = _found_delimiter(header, sheet.delimiter)
        if found is None:
            raise
        shown = "tab" if found == "\t" else found
        expected = "tab" if sheet.delimiter == "\t" else sheet.delimiter
        raise ColumnsError(
            f"is not separated as expected: found `{shown}`, expected `{expected}`; "
            f"say --delimiter '{shown}'"
        ) from None


def _found_delimiter(header: Sequence[str], expected: str) -> str | None:
    """What splits the first row into more columns than the expected delimiter does."""
    row = expected.join(header)
    others = [mark for mark in _DELIMITERS if mark != expected]
    best = max(others, key=row.count)
    return best if row.count(best) >= max(1, len(header)) else None


def _from_row(line: int, cells: Sequence[str], planned: Plan) -> Filed:
    event: dict[str, Any] = {"specversion": "1.0"}
    broken, doubts = [*_odd_cells(cells, planned)], list[Doubt]()
    for (column, target), text in zip(planned.columns, cells, strict=False):
        if target is None or not text:
            continue
        doubts += _doubts(column, target, text)
        try:
            _put(event, target.path, _value(column, target, text, planned.sheet))
        except CellError as error:
            broken.append(Fault(".".join(target.path), str(error)))
    _complete(event, line, planned.sheet)
    body = orjson.dumps(event)
    return Filed(
        f"line {line}",
        line,
        body,
        broken=tuple(broken),
        doubts=tuple(doubts),
        columns=planned.names,
    )


def _value(column: str, target: Target, text: str, sheet: Sheet) -> str:
    is_time = target.name == "time"
    if is_time and target.form is None and without_offset(text):
        raise CellError(
            f"{text} has no offset; --map '{column}=time:{Form.DATE}' and the zone, as "
            "--zone Europe/Berlin, give it one"
        )
    return as_written(text, target.form, sheet.zone, moment=is_time)


def _doubts(column: str, target: Target, text: str) -> Iterator[Doubt]:
    if target.is_property and target.form is None:
        advice = doubt(text, f"{column}={target.name}")
        if advice is not None:
            yield Doubt(column, text, advice)


def _odd_cells(cells: Sequence[str], planned: Plan) -> Iterator[Fault]:
    if any(cells[len(planned.columns) :]):
        yield Fault("", "the row has more cells than the first row has columns")
    for number, ((name, _), text) in enumerate(zip(planned.columns, cells, strict=False), start=1):
        if text and not name:
            yield Fault("", f"column {number} has no name, and {text} stands in it")


def _put(event: dict[str, Any], path: Path, value: str) -> None:
    *steps, last = path
    for step in steps:
        event = event.setdefault(step, {})
    event[last] = value


def _complete(event: dict[str, Any], line: int, sheet: Sheet) -> None:
    """What is the same in each row, the type in full, the id where it is to be made."""
    constants = [(Target(name), value) for name, value in sheet.constants.items()]
    for target, value in constants:
        if not target.is_property:
            _put(event, target.path, value)
    if "type" in event:
        event["type"] = _SHORT_TYPES.get(event["type"], event["type"])
    data = event.setdefault("data", {})
    if OPERATIONS.get(event.get("type", "")) != Operation.ARCHIVE:
        data.setdefault("properties", {})
        for target, value in constants:
            if target.is_property:
                _put(event, target.path, value)
    if sheet.make_ids and "id" not in event:
        event["id"] = _made_id(event, line)


def _made_id(event: Mapping[str, Any], line: int) -> str:
    """The same for the same row at the same place, another for any other.

    The row's place alone would give a corrected row the id of the wrong one, and its words alone
    would make one event of a value that goes back to what it was.
    """
    digest = sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    return f"{event.get('subject', '')[:_KEY_SHOWN]}/{line}-{digest}"
