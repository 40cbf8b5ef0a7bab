"""A spreadsheet, saved as CSV -> order events.

Law: a row is an event, and gets the same id each time the file is published. Where columns belong to lines of
an order, a row is a line, and the rows of an order that follow each other are one event: all of its lines.
Rows of an order that stand apart would each replace the other's lines, and are a fault. `docs/csv.md` is the
page for people.

    header row  -> Layout (columns)
    row + Layout  -> SheetRow
    Rows        -> Filed: an event, with what is wrong or doubtful about its cells
"""

import csv
import io
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any, BinaryIO, Final

import orjson

from service.contract.cells import CellError, Form, as_written, doubt, without_offset
from service.contract.columns import Column, ColumnsError, Layout, Path, Sheet, plan
from service.contract.filed import Doubtful, Filed
from service.core.events.malformed import Fault
from service.core.events.order_event import OPERATIONS, Operation

_SAYS_DELIMITER: Final = "sep="
_DELIMITERS: Final = (",", ";", "\t", "|")
_SHORT_TYPES: Final[Mapping[str, str]] = {
    str(operation): type_ for type_, operation in OPERATIONS.items()
}
# Characters of a key in an id, which has 255 at most.
_KEY_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row, read."""

    line: int  # of the file
    # What its columns say of the event.
    event: dict[str, Any]
    # And of a line of the order; {} = no line.
    item: dict[str, Any]
    broken: tuple[Fault, ...]
    doubts: tuple[Doubtful, ...]

    @property
    def key(self) -> str:
        """The order's."""
        return str(self.event.get("subject", ""))


def from_csv(stream: BinaryIO, sheet: Sheet | None = None) -> Iterator[Filed]:
    """A structured event a row, under a header row.

    Columns `type` (or just upsert, update, archive), `id`, `source`, `subject`, `time`, and as
    needed the other fields of `columns.PLACES`. Every other column is a
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
        planned = _planned(_header(rows, sheet.delimiter), sheet)
        read = (_row(rows.line_num, cells, planned) for cells in rows if any(cells))
        yield from _by_order(read, planned) if planned.has_lines else _by_row(read, planned)
    except UnicodeDecodeError as error:
        raise ColumnsError(_encoded(error)) from None
    except csv.Error as error:
        raise ColumnsError(f"is not CSV: line {rows.line_num}: {error}") from None
    finally:
        # Closing the stream is its owner's.
        text.detach()


def _encoded(error: UnicodeDecodeError) -> str:
    encoding = "UTF-16" if error.object.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "WINDOWS-1252"
    stands = f"byte {error.object[error.start]:#04x}"
    if before := error.object[: error.start].decode("utf-8-sig").splitlines():
        stands += f" stands after `{before[-1][-20:]}`"
    return (
        f"is not CSV in UTF-8: {stands}; it may be {encoding}: save it as CSV UTF-8, or convert it: "
        f"iconv -f {encoding} -t UTF-8"
    )


def _header(rows: Iterator[list[str]], delimiter: str) -> list[str]:
    """The first row, after the line `sep=;` that spreadsheets write for each other."""
    header = next(rows, [])
    line = delimiter.join(header)
    if not (line.startswith(_SAYS_DELIMITER) and len(line) == len(_SAYS_DELIMITER) + 1):
        return header
    if line[-1] != delimiter:
        raise ColumnsError(_separated(line[-1], delimiter))
    return next(rows, [])


def _planned(header: list[str], sheet: Sheet) -> Layout:
    try:
        return plan(header, sheet)
    except ColumnsError:
        found = _found_delimiter(header, sheet.delimiter)
        if found is None:
            raise
        raise ColumnsError(_separated(found, sheet.delimiter)) from None


def _separated(found: str, expected: str) -> str:
    shown, wanted = ("tab" if mark == "\t" else mark for mark in (found, expected))
    return (
        f"is not separated as expected: found `{shown}`, expected `{wanted}`; "
        f"say --delimiter '{shown}'"
    )


def _found_delimiter(header: Sequence[str], expected: str) -> str | None:
    """What splits the first row into more columns than the expected delimiter does."""
    row = expected.join(header)
    others = [mark for mark in _DELIMITERS if mark != expected]
    best = max(others, key=row.count)
    return best if row.count(best) >= max(1, len(header)) else None


def _row(line: int, cells: Sequence[str], planned: Layout) -> SheetRow:
    event: dict[str, Any] = {}
    item: dict[str, Any] = {}
    broken, doubts = [*_odd_cells(cells, planned)], list[Doubtful]()
    for (column, target), text in zip(planned.columns, cells, strict=False):
        if target is None or not text:
            continue
        doubts += _doubts(column, target, text)
        try:
            value = _value(column, target, text, planned.sheet)
        except CellError as error:
            path = f"column {column}" if target.of_line else ".".join(target.path)
            broken.append(Fault(path, str(error)))
        else:
            _put(item if target.of_line else event, target.path, value)
    if item:
        for target, value in _constants(planned.sheet, of_line=True):
            _put(item, target.path, value)
    return SheetRow(line=line, event=event, item=item, broken=tuple(broken), doubts=tuple(doubts))


def _by_row(rows: Iterable[SheetRow], planned: Layout) -> Iterator[Filed]:
    for row in rows:
        yield _filed([row], planned, row.event, row.broken)


def _by_order(rows: Iterable[SheetRow], planned: Layout) -> Iterator[Filed]:
    # Order -> its first line in the file.
    seen: dict[str, int] = {}
    for key, group in groupby(rows, lambda row: row.key):
        together = list(group)
        broken = tuple(fault for row in together for fault in row.broken)
        if key in seen:
            apart = f"has rows from line {seen[key]} on: put the rows of an order together"
            broken += (Fault("subject", apart),)
        seen.setdefault(key, together[0].line)
        event, differing = _shared(together)
        if items := _items(together, make_keys=planned.sheet.make_ids):
            _put(event, ("data", "line_items"), {"mode": "replace", "items": items})
        yield _filed(together, planned, event, broken + differing)


def _shared(rows: Sequence[SheetRow]) -> tuple[dict[str, Any], tuple[Fault, ...]]:
    """What the rows say of their order, each once; a cell that is empty further down says nothing else."""
    event: dict[str, Any] = {}
    faults: list[Fault] = []
    for row in rows:
        for path, value in _leaves(row.event):
            held = _got(event, path)
            if held is None:
                _put(event, path, value)
            elif held != value:
                told = f"line {row.line} says {value}, line {rows[0].line} says {held}: it is the order's"
                faults.append(Fault(".".join(path), told))
    return event, tuple(faults)


def _items(rows: Sequence[SheetRow], *, make_keys: bool) -> list[dict[str, Any]]:
    """The lines of an order, in the order of its rows."""
    items = [row.item for row in rows if row.item]
    if not make_keys:
        return items
    return [{"key": str(number)} | item for number, item in enumerate(items, start=1)]


def _filed(
    rows: Sequence[SheetRow], planned: Layout, event: dict[str, Any], broken: tuple[Fault, ...]
) -> Filed:
    first, last = rows[0].line, rows[-1].line
    _complete(event, first, planned.sheet)
    return Filed(
        f"line {first}" if first == last else f"lines {first} to {last}",
        first,
        orjson.dumps({"specversion": "1.0"} | event),
        broken=broken,
        doubts=tuple(doubt for row in rows for doubt in row.doubts),
        columns=planned.names,
    )


def _value(column: str, target: Column, text: str, sheet: Sheet) -> str:
    is_time = target.name == "time"
    if is_time and target.form is None and without_offset(text):
        raise CellError(
            f"{text} has no offset; --map '{column}=time:{Form.DATE}' and the zone, as "
            "--zone Europe/Berlin, give it one"
        )
    return as_written(text, target.form, sheet.zone, moment=is_time)


def _doubts(column: str, target: Column, text: str) -> Iterator[Doubtful]:
    if target.is_property and target.form is None:
        advice = doubt(text, f"{column}={target.name}")
        if advice is not None:
            yield Doubtful(column, text, advice)


def _odd_cells(cells: Sequence[str], planned: Layout) -> Iterator[Fault]:
    if any(cells[len(planned.columns) :]):
        yield Fault("", "the row has more cells than the first row has columns")
    for number, ((name, _), text) in enumerate(zip(planned.columns, cells, strict=False), start=1):
        if text and not name:
            yield Fault("", f"column {number} has no name, and {text} stands in it")


def _leaves(document: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, str]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _got(document: Any, path: Path) -> Any:
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _put(event: dict[str, Any], path: Path, value: Any) -> None:
    *steps, last = path
    for step in steps:
        event = event.setdefault(step, {})
    event[last] = value


def _complete(event: dict[str, Any], line: int, sheet: Sheet) -> None:
    """What is the same in each row, the type in full, the id where it is to be made."""
    constants = list(_constants(sheet, of_line=False))
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


def _constants(sheet: Sheet, *, of_line: bool) -> Iterator[tuple[Column, str]]:
    for name, value in sheet.constants.items():
        if (target := Column(name)).of_line == of_line:
            yield target, value


def _made_id(event: Mapping[str, Any], line: int) -> str:
    """The same for the same row at the same place, another for any other.

    The row's place alone would give a corrected row the id of the wrong one, and its words alone
    would make one event of a value that goes back to what it was.
    """
    digest = sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    return f"{event.get('subject', '')[:_KEY_SHOWN]}/{line}-{digest}"
