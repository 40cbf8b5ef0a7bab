"""The columns of a spreadsheet: which is what, because its name or somebody says so.

Law: nothing is guessed. Each column is a field of the event, a property of the order or of one of its lines,
or left out; a column that is none of these is named before the first row is read.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from service.contract.cells import Form
from service.contract.filed import ANY_ITEM, FileError
from service.core.misspelt import did_you_mean

Path = tuple[str, ...]  # of a value in an event

REQUIRED: Final = ("type", "id", "source", "subject", "time")
PLACES: Final[Mapping[str, Path]] = {
    **{name: (name,) for name in (*REQUIRED, "sequence", "traceparent", "tracestate")},
    **{name: ("data", name) for name in ("id_property", "pipeline", "stage")},
}
PROPERTIES: Final = ("data", "properties")
# Before a property that is called like one of the fields.
_PREFIX: Final = "properties."
# HubSpot's guide to properties: an internal name has lower-case letters, digits and underscores.
_PROPERTY: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
LEFT_OUT: Final = "-"
REST: Final = "*"
# Before what belongs to a line of the order.
_LINE: Final = "line."
LINE_KEY: Final = "line.key"


class ColumnsError(FileError):
    """A file that is not CSV, or not with these columns. The message goes on after the file's name."""


class SheetError(ValueError):
    """What was said about the columns makes no sense. The message says why."""


class Column(NamedTuple):
    """Where a column goes, and how its cells are written."""

    name: str  # a field, a property, `-`
    form: Form | None = None

    @property
    def path(self) -> Path:
        """In the event; of what belongs to a line, in the line."""
        if self.name == LINE_KEY:
            return ("key",)
        if self.of_line:
            return ("properties", self.name.removeprefix(_LINE))
        return PLACES.get(self.name) or (*PROPERTIES, self.name.removeprefix(_PREFIX))

    @property
    def of_line(self) -> bool:
        """Whether it belongs to a line of the order."""
        return self.name.startswith(_LINE)

    @property
    def is_property(self) -> bool:
        """Whether HubSpot gets its value."""
        return self.name not in PLACES and self.name not in {LEFT_OUT, LINE_KEY}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What somebody said about the file."""

    delimiter: str = ","
    targets: Mapping[str, Column] = field(default_factory=dict)  # by column
    constants: Mapping[str, str] = field(default_factory=dict)  # by field or property
    make_ids: bool = False
    zone: ZoneInfo | None = None


def read_target(text: str) -> tuple[str, Column]:
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
    return column, Column(_known(name), Form(form) if colon else None)


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
    if name == LINE_KEY:
        raise SheetError(f"{text!r}: lines with one key are one line; --make-ids numbers them")
    if name == "id":
        raise SheetError(f"{text!r}: rows with one id are one event; --make-ids makes one for each")
    return _known(name), value


def _known(name: str) -> str:
    if name == LEFT_OUT or _possible(name):
        return name
    guess = did_you_mean(name.lower(), PLACES)
    raise SheetError(
        f"{name!r} is neither a field ({', '.join(PLACES)}), nor line.key or line.NAME of a line, nor a "
        f"property's internal name{guess}"
    )


# --- the header ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column goes where; a column without a target is left out."""

    columns: tuple[tuple[str, Column | None], ...]
    sheet: Sheet
    names: Mapping[str, str]  # path of a fault -> column

    @property
    def has_lines(self) -> bool:
        """Whether a row is a line, and the rows of an order one event."""
        return any(target is not None and target.of_line for _, target in self.columns)


def plan(header: Sequence[str], sheet: Sheet) -> Layout:
    """Read the first row.

    Raises:
        ColumnsError: a column is missing, unknown or there twice.
    """
    if not any(header):
        raise ColumnsError("has an empty first row: that is where the names of the columns stand")
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
    names = {_of_event(target): name for name, target in kept if target is not None}
    made = Layout(kept, sheet, names)
    _lines_have_keys(made)
    return made


def _of_event(target: Column) -> str:
    """Where a fault of the column is told."""
    path = ".".join(target.path)
    return f"{ANY_ITEM}{path}" if target.of_line else path


def _target(name: str, sheet: Sheet) -> Column | None:
    """None: a column without a name, left out as long as nothing stands in it."""
    if name in sheet.targets:
        return sheet.targets[name]
    if not name:
        return None
    if name not in PLACES and REST in sheet.targets:
        return sheet.targets[REST]
    return Column(name)


def _possible(name: str) -> bool:
    if name in PLACES or name == LEFT_OUT or name.startswith(_PREFIX):
        return True
    return _PROPERTY.fullmatch(name.removeprefix(_LINE)) is not None


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
    header: Sequence[str], columns: Sequence[tuple[str, Column | None]], sheet: Sheet
) -> None:
    given = {target.name for _, target in columns if target} | set(sheet.constants)
    missing = [n for n in REQUIRED if n not in given and not (n == "id" and sheet.make_ids)]
    if not missing:
        return
    others = [name for name in header if name not in PLACES]
    guess = did_you_mean(missing[0], others) if len(missing) == 1 else ""
    first, *others = missing
    same = "--make-ids makes one for each row"
    if first != "id":
        more = ", or --make-ids" if "id" in others else ""
        same = f"--constant {first}=VALUE what it is in each row{more}"
    raise ColumnsError(
        f"has no column {', '.join(missing)}{guess}; its columns are {', '.join(header)}; "
        f"--map 'COLUMN={first}' says which one it is, {same}"
    )


def _lines_have_keys(made: Layout) -> None:
    named = {target.name for _, target in made.columns if target is not None}
    if made.has_lines and LINE_KEY not in named and not made.sheet.make_ids:
        raise ColumnsError(
            "has lines without a key: --map 'COLUMN=line.key' says what names a line within its order, "
            "--make-ids numbers them"
        )


def _one_each(columns: Sequence[tuple[str, Column | None]], sheet: Sheet) -> None:
    taken = {_place(Column(name)): "--constant" for name in sheet.constants}
    for name, target in columns:
        if target is None or target.name == LEFT_OUT:
            continue
        place = _place(target)
        if (other := taken.get(place)) is not None:
            raise ColumnsError(f"{other} and column {name} both say {target.name}")
        taken[place] = f"column {name}"


def _place(target: Column) -> tuple[bool, Path]:
    return target.of_line, target.path
