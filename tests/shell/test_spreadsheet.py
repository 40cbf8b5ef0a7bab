"""A shop's CSV: what is said about its columns, what comes of its cells, what is told before HubSpot would."""

import io
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cli.exits import Exit
from service.contract.cells import CellError, Form, as_written, doubt
from service.contract.checking import Checked, check
from service.contract.columns import (
    Column,
    ColumnsError,
    Sheet,
    SheetError,
    read_constant,
    read_target,
)
from service.contract.filed import Filed, faults
from service.contract.spreadsheet import from_csv

SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "bestellungen.csv"
BERLIN = ZoneInfo("Europe/Berlin")
SHOP = Sheet(
    delimiter=";",
    targets={
        "Nr": Column("subject"),
        "Datum": Column("time", Form.DATE),
        "Summe": Column("hs_total_price", Form.COMMA),
    },
    constants={"type": "upsert", "source": "/shops/eu-1"},
    make_ids=True,
    zone=BERLIN,
)
MAPPED = ("--constant", "type=upsert", "--constant", "source=/shops/eu-1", "--make-ids", "--zone",
    "Europe/Berlin", "--delimiter", ";", "--map", "Bestellnummer=subject", "--map", "Datum=time:date",
    "--map", "Bezeichnung=hs_order_name")  # fmt: skip


def rows(text: str, sheet: Sheet | None = None) -> list[Filed]:
    return list(from_csv(io.BytesIO(text.encode()), sheet))


def document(filed: Filed) -> dict[str, Any]:
    assert faults(filed, None) == ()
    found: dict[str, Any] = orjson.loads(filed.body)
    return found


def test_a_shops_row_is_an_event():
    (row,) = rows("Nr;Datum;Summe\nA-1;24.11.2026 09:12;1.299,90\n", SHOP)

    event = document(row)
    assert event.pop("id").startswith("A-1/2-")
    assert event == {
        "specversion": "1.0",
        "type": "ordersync.order.upsert.v1",
        "source": "/shops/eu-1",
        "subject": "A-1",
        "time": "2026-11-24T09:12:00+01:00",
        "data": {"properties": {"hs_total_price": "1299.90"}},
    }


# --- ids -------------------------------------------------------------------------------------------

LINES = ("A-1;24.11.2026;1,00\n", "A-1;24.11.2026;2,00\n", "A-1;24.11.2026;1,00\n")


def made(*lines: str) -> list[str]:
    return [document(row)["id"] for row in rows("Nr;Datum;Summe\n" + "".join(lines), SHOP)]


def test_a_file_that_is_published_twice_has_the_same_ids_and_each_row_its_own():
    assert made(*LINES) == made(*LINES)
    assert len(set(made(*LINES))) == 3  # a value that goes back to what it was is not a repeat


def test_a_corrected_row_is_another_event():
    assert made("A-1;24.11.2026;1,00\n") != made("A-1;24.11.2026;1,01\n")


def test_a_key_of_any_length_makes_an_id_of_at_most_255_characters():
    (row,) = rows(f"Nr;Datum;Summe\n{'K' * 1024};24.11.2026;1,00\n", SHOP)

    assert len(document(row)["id"]) <= 255


def test_a_column_of_ids_comes_first():
    (row,) = rows("id;Nr;Datum;Summe\n7;A-1;24.11.2026;1,00\n", SHOP)

    assert document(row)["id"] == "7"


# --- the header ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected", "found"),
    [
        ("type;id;source;subject;time", ",", ";"),
        ("type\tid\tsource\tsubject\ttime", ",", "tab"),
        ("type|id|source|subject|time", ",", "|"),
        ("type,id,source,subject,time", ";", ","),
        ("\ufeffNr;Datum;Gesamt, netto", ",", ";"),
    ],
)
def test_another_delimiter_is_told(header, expected, found):
    with pytest.raises(ColumnsError, match="is not separated as expected") as caught:
        rows(f"{header}\n", Sheet(delimiter=expected))

    assert f"found `{found}`, expected `{expected}`; say --delimiter '{found}'" in str(caught.value)


@pytest.mark.parametrize(
    ("header", "sheet", "told"),
    [
        ("", None, "has an empty first row: that is where the names of the columns stand"),
        ("type,Nr,source,subject,time", None, ("no column id; its columns are type, Nr, source, subject, time; "
         "--map 'COLUMN=id' says which one it is, --make-ids makes one for each row")),
        ("Nr", Sheet(targets={"Nr": Column("subject")}, constants={"type": "upsert"}),
         "--map 'COLUMN=id' says which one it is, --make-ids makes one for each row"),
        ("id,source,subject,time", None, "--constant type=VALUE what it is in each row"),
        ("source,subject,time", None, "--constant type=VALUE what it is in each row, or --make-ids"),
        ("type,id,source,subjekt,time", None, "no column subject; did you mean subjekt?; its columns are"),
        ("Nr;Summe", SHOP, "has no column Datum, which --map names; its columns are Nr, Summe"),
        ("Nr;Datun;Summe", SHOP, "has no column Datum, which --map names; did you mean Datun?"),
        (
            "Nr;Datum;Summe;Kundenname;PLZ",
            SHOP,
            "digits and _): Kundenname, PLZ; --map 'Kundenname=FIELD' says what it is, --map 'Kund",
        ),
        ("Nr;Datum;Summe;subject", SHOP, "column Nr and column subject both say subject"),
        ("Nr;Datum;Summe;source", SHOP, "--constant and column source both say source"),
        ("Nr;Datum;Summe;Summe", SHOP, "has the column Summe twice"),
        (",".join(f"C{n}" for n in range(20)) + ",type,id,source,subject,time", None, "C9, …; --map"),
    ],
)  # fmt: skip
def test_columns_that_nobody_can_place_are_named(header, sheet, told):
    with pytest.raises(ColumnsError) as caught:
        rows(f"{header}\n", sheet)

    assert told in str(caught.value)


def test_columns_are_left_out_by_name_or_all_that_no_map_names():
    text = "Nr;Datum;Summe;Kunde;PLZ\nA-1;24.11.2026;1,00;Mia;0815\n"
    one_by_one = {"Kunde": Column("-"), "PLZ": Column("-")}

    for left_out in (one_by_one, {"*": Column("-")}):
        targets = {**SHOP.targets, **left_out}
        sheet = Sheet(";", targets, SHOP.constants, make_ids=True, zone=BERLIN)
        (row,) = rows(text, sheet)
        assert document(row)["data"] == {"properties": {"hs_total_price": "1.00"}}


def test_a_column_without_a_name_may_stand_at_the_end_while_it_is_empty():
    empty, odd = rows("Nr;Datum;Summe;\nA-1;24.11.2026;1,00;\nA-2;24.11.2026;1,00;x\n", SHOP)

    assert document(empty)
    assert [fault.message for fault in faults(odd, None)] == [
        "column 4 has no name, and x stands in it"
    ]


def test_rows_of_empty_cells_are_passed_over():
    assert len(rows("Nr;Datum;Summe\n;;\nA-1;24.11.2026;1,00\n;;\n\n", SHOP)) == 1


def test_a_quote_that_is_never_closed_is_told_and_swallows_nothing():
    with pytest.raises(ColumnsError, match="is not CSV: line 3: unexpected end of data"):
        rows('Nr;Datum;Summe\nA-1;24.11.2026;"1,00\nA-2;24.11.2026;1,00\n', SHOP)


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("cp1252", ("byte 0xf6 stands after `Nr;Gr`; it may be WINDOWS-1252: save it as CSV UTF-8, or "
                   "convert it: iconv -f WINDOWS-1252 -t UTF-8")),
        ("utf-16", "byte 0xff; it may be UTF-16: save it as CSV UTF-8, or convert it: iconv -f UTF-16 -t UTF-8"),
    ],
)  # fmt: skip
def test_an_export_in_another_encoding_says_how_to_convert_it(encoding, told):
    with pytest.raises(ColumnsError) as caught:
        list(from_csv(io.BytesIO("Nr;Größe\n".encode(encoding))))

    assert str(caught.value) == f"is not CSV in UTF-8: {told}"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_line_that_names_the_separator_is_passed_over(mark):
    (row,) = rows(f"{mark}sep=;\nNr;Datum;Summe\nA-1;24.11.2026;1,00\n", SHOP)

    assert (document(row)["subject"], row.where) == ("A-1", "line 3")
    with pytest.raises(ColumnsError, match="found `;`, expected `,`; say --delimiter ';'"):
        rows(f"{mark}sep=;\nNr;Datum;Summe\nA-1;24.11.2026;1,00\n")


@pytest.mark.parametrize(("name", "wrong"), [("SHOP.CSV", False), ("shop.txt", True)])
def test_a_file_is_csv_by_its_ending_in_any_letters_or_where_that_is_said(
    command, tmp_path, name, wrong
):
    file = tmp_path / name
    file.write_text("type,id,source,subject,time\nupsert,1,/x,A-1,2026-11-24T00:00:00Z\n")

    by_ending = command("publish", file, "--dry-run")
    said = command("publish", file, "--dry-run", "--format", "csv")

    assert ("if it is CSV: --format csv reads it so" in by_ending.err) == wrong
    assert by_ending.code == (Exit.FAILED if wrong else Exit.DONE)
    assert "1 event would be published" in said.err


def test_an_archive_gets_no_property_that_is_the_same_in_each_row():
    sheet = Sheet(constants={"source": "/x", "hs_currency_code": "EUR"})
    text = (
        "type,id,subject,time\narchive,1,A,2026-11-24T00:00:00Z\nupsert,2,A,2026-11-24T00:00:00Z\n"
    )

    archive, upsert = rows(text, sheet)

    assert document(archive)["data"] == {}
    assert document(upsert)["data"] == {"properties": {"hs_currency_code": "EUR"}}


@pytest.mark.parametrize(
    "text", ["subject", "=subject", "Nr=", "Nr=subject:german", "Nr=Summe", "*=subject"]
)
def test_a_map_that_is_none_is_refused(text):
    with pytest.raises(SheetError):
        read_target(text)


@pytest.mark.parametrize("text", ["type", "=upsert", "type=", "-=x", "id=1", "Typ=upsert"])
def test_a_constant_that_is_none_is_refused(text):
    with pytest.raises(SheetError):
        read_constant(text)


def test_a_column_may_have_an_equals_sign_in_its_name():
    assert read_target("a=b=properties.time:text") == ("a=b", Column("properties.time", Form.TEXT))


# --- the cells -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "text", "written"),
    [
        (Form.COMMA, "129,90", "129.90"),
        (Form.COMMA, "1.299,90", "1299.90"),
        (Form.COMMA, "1.299", "1299"),
        (Form.COMMA, "1 299 000,5", "1299000.5"),
        (Form.COMMA, "-0,5", "-0.5"),
        (Form.COMMA, "+7", "7"),
        (Form.POINT, "1,299.90", "1299.90"),
        (Form.POINT, "1'299.90", "1299.90"),
        (Form.POINT, "1,299", "1299"),
        (Form.DATE, "24.11.2026", "2026-11-24"),
        (Form.DATE, "1.2.2026", "2026-02-01"),
        (Form.DATE, "2026-11-24", "2026-11-24"),
        (Form.DATE, "24.11.2026 14:30", "2026-11-24T14:30:00+01:00"),
        (Form.DATE, "24.07.2026, 14:30:15", "2026-07-24T14:30:15+02:00"),
        (Form.DATE, "2026-07-24 14:30", "2026-07-24T14:30:00+02:00"),
        (Form.DATE, "2026-07-24T14:30:00Z", "2026-07-24T14:30:00+00:00"),
        (Form.TEXT, "129,90", "129,90"),
        (None, "129,90", "129,90"),
    ],
)
def test_a_cell_is_read_in_the_form_that_was_named(form, text, written):
    assert as_written(text, form, BERLIN, moment=False) == written


def test_an_events_time_that_is_a_day_is_its_first_moment():
    assert as_written("24.11.2026", Form.DATE, BERLIN, moment=True) == "2026-11-24T00:00:00+01:00"


@pytest.mark.parametrize(
    ("form", "text", "told"),
    [
        (Form.COMMA, "129.90", "129.90 is no number as 1.299,90"),
        (Form.COMMA, "1,299.90", "is no number as 1.299,90"),
        (Form.COMMA, "129,90 €", "is no number as 1.299,90"),
        (Form.POINT, "129,90", "129,90 is no number as 1,299.90"),
        (Form.DATE, "31.02.2026", "31.02.2026 is no date as 24.11.2026"),
        (Form.DATE, "11/24/2026", "is no date as 24.11.2026"),
        (Form.DATE, "tomorrow", "is no date as 24.11.2026"),
    ],
)
def test_a_cell_that_is_not_of_its_form_is_told(form, text, told):
    with pytest.raises(CellError) as caught:
        as_written(text, form, BERLIN, moment=False)

    assert told in str(caught.value)


def test_a_moment_without_an_offset_needs_a_zone():
    with pytest.raises(CellError, match="has no offset: say the zone, as --zone Europe/Berlin"):
        as_written("24.11.2026 14:30", Form.DATE, None, moment=False)


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_a_number_written_the_german_way_is_the_same_number(number):
    german = f"{number:,}".translate(str.maketrans(",.", ".,"))

    assert as_written(german, Form.COMMA, None, moment=False) == str(number)
    assert as_written(f"{number:,}", Form.POINT, None, moment=False) == str(number)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "129,90",
            "HubSpot takes no comma in a number; --map 'S=total:comma' reads it as 129.90; ",
        ),
        ("1,299.90", "--map 'S=total:point' reads it as 1299.90; "),
        (
            "1,299",
            "--map 'S=total:comma' reads it as 1.299, --map 'S=total:point' reads it as 1299",
        ),
        ("1,299", "--map 'S=total:text' leaves it as it is"),
        ("24.11.2026", "HubSpot takes dates as 2026-11-24; --map 'S=total:date' reads it so; "),
        ("24.11.2026 14:30", "HubSpot takes dates as 2026-11-24"),
        ("11/24/2026", "it may be one of two dates, and HubSpot takes neither"),
    ],
)
def test_what_hubspot_would_refuse_is_doubted_with_the_way_out(text, told):
    assert told in str(doubt(text, "S=total"))


@pytest.mark.parametrize(
    "text", ["129.90", "129", "Tent, red", "1,2,3", "2026-11-24", "1.0.3", "", "A/B"]
)
def test_what_hubspot_takes_is_not_doubted(text):
    assert doubt(text, "S=total") is None


def test_doubts_are_told_once_a_column_with_the_first_of_them():
    events = rows("Nr;Datum;Summe;tax\n" + "A-1;24.11.2026;1,00;0,19\n" * 60, SHOP)
    checked = Checked()

    assert list(check(events, None, checked)) == []
    (told,) = checked.told()
    assert told.startswith("line 2: column tax: 0,19 (and 59 more): HubSpot takes no comma")
    assert (checked.total, checked.wrong, checked.doubtful) == (60, 0, 60)


def test_a_fault_names_the_column_as_the_file_does():
    no_key, no_offset, no_number = rows(
        "Nr;Datum;Summe\n;24.11.2026;1\nA-1;heute;1\nA-1;24.11.2026;viel\n", SHOP
    )

    assert [fault.path for fault in faults(no_key, None)] == ["subject (column Nr)"]
    assert [fault.path for fault in faults(no_offset, None)] == ["time (column Datum)"]
    assert [fault.path for fault in faults(no_number, None)] == [
        "data.properties.hs_total_price (column Summe)"
    ]


# --- lines, a row each -----------------------------------------------------------------------------

LINES_HEAD = "Nr;Datum;Summe;Pos;Artikel;Preis\n"
LINES_MAP = {
    **SHOP.targets,
    "Pos": Column("line.key"),
    "Artikel": Column("line.name"),
    "Preis": Column("line.price", Form.COMMA),
}


def lines_sheet(*left_out: str, **constants: str) -> Sheet:
    targets = {column: target for column, target in LINES_MAP.items() if column not in left_out}
    said = {**SHOP.constants, **{name.replace("__", "."): v for name, v in constants.items()}}
    return Sheet(";", targets, said, make_ids=True, zone=BERLIN)


def test_the_rows_of_an_order_are_one_event_with_all_of_its_lines():
    one, other = rows(
        f"{LINES_HEAD}A-1;24.11.2026;3,00;a;Zelt;1,00\nA-1;24.11.2026;;b;Kocher;2,00\n"
        "A-2;24.11.2026;4,00;a;Seil;4,00\n",
        lines_sheet(line__hs_sku="X"),
    )

    assert document(one)["data"] == {
        "properties": {"hs_total_price": "3.00"},
        "line_items": {
            "mode": "replace",
            "items": [
                {"key": "a", "properties": {"name": "Zelt", "price": "1.00", "hs_sku": "X"}},
                {"key": "b", "properties": {"name": "Kocher", "price": "2.00", "hs_sku": "X"}},
            ],
        },
    }
    assert (one.where, one.line, other.where) == ("lines 2 to 3", 2, "line 4")
    assert document(one)["id"] != document(other)["id"]


def test_lines_without_a_key_are_numbered_within_their_order_where_that_is_said():
    text = "Nr;Datum;Summe;Artikel;Preis\nA-1;24.11.2026;1;Zelt;1\nA-1;24.11.2026;1;Kocher;2\n"

    (event,) = rows(text, lines_sheet("Pos"))

    assert [item["key"] for item in document(event)["data"]["line_items"]["items"]] == ["1", "2"]
    unnumbered = Sheet(
        ";", lines_sheet("Pos").targets, {**SHOP.constants, "sequence": "1"}, zone=BERLIN
    )
    with pytest.raises(ColumnsError, match="lines without a key: --map 'COLUMN"):
        rows(f"id;{text}", unnumbered)


def test_an_order_whose_row_has_no_line_says_nothing_of_its_lines():
    (event,) = rows(f"{LINES_HEAD}A-1;24.11.2026;3,00;;;\n", lines_sheet())

    assert "line_items" not in document(event)["data"]


def test_rows_of_an_order_that_stand_apart_are_a_fault():
    text = "A-1;24.11.2026;3,00;a;Zelt;1,00\nA-2;24.11.2026;3,00;a;Seil;1,00\nA-1;24.11.2026;3,00;b;Kocher;1\n"

    first, second, third = rows(LINES_HEAD + text, lines_sheet())

    assert faults(first, None) == faults(second, None) == ()
    assert [tuple(fault) for fault in faults(third, None)] == [
        ("subject (column Nr)", "has rows from line 2 on: put the rows of an order together")
    ]


def test_rows_of_an_order_that_contradict_each_other_are_a_fault():
    (event,) = rows(
        f"{LINES_HEAD}A-1;24.11.2026;3,00;a;Zelt;1,00\nA-1;24.11.2026;4,00;b;Kocher;1,00\n",
        lines_sheet(),
    )

    assert [tuple(fault) for fault in faults(event, None)] == [
        (
            "data.properties.hs_total_price (column Summe)",
            "line 3 says 4.00, line 2 says 3.00: it is the order's",
        )
    ]


def test_a_cell_of_a_line_that_is_not_of_its_form_is_told_with_its_column():
    (event,) = rows(f"{LINES_HEAD}A-1;24.11.2026;3,00;a;Zelt;viel\n", lines_sheet())

    assert [tuple(fault) for fault in faults(event, None)] == [
        ("column Preis", "viel is no number as 1.299,90")
    ]


def test_a_fault_of_a_line_names_the_column_as_the_file_does():
    (event,) = rows(
        f"{LINES_HEAD}A-1;24.11.2026;3,00;a;Zelt;1,00\nA-1;24.11.2026;3,00;a;Kocher;1,00\n",
        lines_sheet(),
    )

    assert [fault.path for fault in faults(event, None)] == [
        "data.line_items.items.1.key (column Pos)"
    ]


def test_the_sample_with_lines_is_two_events(command):
    maps = ("Bestellnummer=subject", "Datum=time:date", "Summe=hs_total_price:comma", "Pos.=line.key",
        "Artikel=line.name", "SKU=line.hs_sku", "Menge=line.quantity", "Einzelpreis=line.price:comma")  # fmt: skip
    words = [word for given in maps for word in ("--map", given)]

    ended = command(
        "publish", SAMPLE.with_name("bestellpositionen.csv"), "--dry-run", *MAPPED[:9], *words
    )

    assert (ended.code, ended.err) == (0, "2 events would be published\n")
    items = orjson.loads(ended.out)["data"]["line_items"]["items"]
    assert [(item["key"], item["properties"]["price"]) for item in items] == [
        ("1", "899.90"),
        ("2", "200.00"),
    ]


# --- the command -----------------------------------------------------------------------------------


def test_the_samples_separator_is_told(command):
    ended = command("publish", SAMPLE, "--dry-run")

    assert ended.code == Exit.FAILED
    assert "bestellungen.csv is not separated as expected: found `;`, expected `,`" in ended.err


def test_a_value_that_hubspot_would_refuse_keeps_the_file_from_being_sent(command):
    others = ("--map", "Gesamt (EUR)=hs_total_price", "--map", "*=-")

    ended = command("publish", SAMPLE, "--dry-run", *MAPPED, *others)

    assert ended.code == Exit.FAILED
    assert "line 2: column Gesamt (EUR): 1.299,90 (and 3 more): HubSpot takes no comma" in ended.err
    assert "--map 'Gesamt (EUR)=hs_total_price:comma' reads it as 1299.90" in ended.err
    assert ended.err.endswith(
        "4 of 4 lines hold what HubSpot will probably refuse; nothing was published "
        "(--unchecked sends them as they are)\n"
    )
    assert command("publish", SAMPLE, "--dry-run", "--unchecked", *MAPPED, *others).code == 0


def test_the_sample_mapped_is_four_events_and_the_first_is_shown(command):
    others = ("--map", "Gesamt (EUR)=hs_total_price:comma", "--map", "*=-")

    ended = command("publish", SAMPLE, "--dry-run", *MAPPED, *others)

    assert (ended.code, ended.err) == (0, "4 events would be published\n")
    assert orjson.loads(ended.out)["data"]["properties"] == {
        "hs_order_name": "Zelt und Schlafsack",
        "hs_total_price": "1299.90",
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--map", "Bestellnummer=Subjekt"), "did you mean subject?"),
        (("--map", "A=subject", "--map", "A=time"), "A is said twice"),
        (("--constant", "id=1"), "--make-ids makes one for each"),
        (("--delimiter", ";;"), "';;' is not one character, or tab"),
        (("--make-ids", "--zone", "Berlin"), "there is no time zone 'Berlin'"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(command, options, told):
    ended = command("publish", SAMPLE, "--dry-run", *options)

    assert ended.code == Exit.USAGE
    assert told in ended.err


def test_columns_of_a_file_that_has_none_are_refused(command, tmp_path):
    path = tmp_path / "events.ndjson"
    path.write_text("{}\n")

    ended = command("publish", path, "--dry-run", "--make-ids")

    assert ended.code == Exit.USAGE
    assert "--format csv reads it so" in ended.err
