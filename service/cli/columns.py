"""What a person says about the columns of a CSV file: options -> `Sheet`."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from service.contract.columns import Sheet

T = TypeVar("T")

Delimiter = Annotated[
    str, typer.Option("--delimiter", help="CSV: the character between columns; tab = a tabulator.")
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="COLUMN=FIELD[:FORM]",
        help="CSV: what a column is, a field or a property; - leaves it out. FORM: comma, point, date, text.",
    ),
]
Constant = Annotated[
    list[str] | None,
    typer.Option("--constant", metavar="FIELD=VALUE", help="CSV: what is the same in each row."),
]
MakeIds = Annotated[
    bool, typer.Option("--make-ids", help="CSV: make each event's id from its key and its row.")
]
Zone = Annotated[
    str | None,
    typer.Option("--zone", help="CSV: of times without an offset, such as Europe/Berlin."),
]


def sheet(
    delimiter: str,
    maps: list[str] | None,
    constants: list[str] | None,
    *,
    make_ids: bool,
    zone: str | None,
) -> "Sheet | None":
    """What the options mean; None where nothing was said.

    Raises:
        typer.BadParameter: one of them is none.
    """
    from service.contract.columns import Sheet, read_constant, read_target

    if delimiter == "," and not (maps or constants or make_ids or zone):
        return None
    return Sheet(
        delimiter=_character(delimiter),
        targets=_pairs(maps or [], read_target, "--map"),
        constants=_pairs(constants or [], read_constant, "--constant"),
        make_ids=make_ids,
        zone=_known_zone(zone) if zone else None,
    )


def _character(delimiter: str) -> str:
    if delimiter in {"tab", "\\t"}:
        return "\t"
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise typer.BadParameter(
            f"{delimiter!r} is not one character, or tab", param_hint="--delimiter"
        )
    return delimiter


def _pairs(given: list[str], read: "Callable[[str], tuple[str, T]]", option: str) -> dict[str, T]:
    from service.contract.columns import SheetError

    found: dict[str, T] = {}
    for text in given:
        try:
            name, meant = read(text)
        except SheetError as error:
            raise typer.BadParameter(str(error), param_hint=option) from None
        if name in found:
            raise typer.BadParameter(f"{name} is said twice", param_hint=option)
        found[name] = meant
    return found


def _known_zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(
            f"there is no time zone {name!r}; it is named as Europe/Berlin", param_hint="--zone"
        ) from None
