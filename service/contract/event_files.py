"""Files of order events -> messages, and what is wrong with them, before anything is sent.

NDJSON: one structured event a line. CSV: one event a row, for people with a spreadsheet. JSON:
one event, or one whole message as RabbitMQ's management API takes it (`properties` and
`payload`), which is how an event in the binary content mode is written down. The verdict is the
service's own: the same `parse` reads a line here and a delivery there.
"""

import csv
import io
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
from pamqp.commands import Basic

from service.core.events.deliveries import Delivery
from service.core.events.events import Contribution, parse
from service.core.events.malformed import Fault, Malformed
from service.core.events.order_event import OPERATIONS, STRUCTURED
from service.core.letters.dead_letters import writable

COLUMNS: Final = ("type", "id", "source", "subject", "time")
_OPTIONAL: Final = ("id_property", "sequence", "traceparent", "tracestate")
_EXPORTED: Final = b'{"properties":{"content_type":'  # how `dlq export` starts a line
_PROPERTY: Final = "properties."  # before a property that is called like one of the columns
_SHORT_TYPES: Final[Mapping[str, str]] = {
    str(operation): type_ for type_, operation in OPERATIONS.items()
}


class FileError(Exception):
    """The file as a whole cannot be read. The message says why."""


@dataclass(frozen=True, slots=True)
class Filed:
    """One message as it stands in a file."""

    where: str  # "line 7", "orders/first.json"
    line: int  # 0 where it is a file of its own
    body: bytes
    content_type: str | None = STRUCTURED
    headers: Mapping[str, Any] = field(default_factory=dict)
    broken: tuple[Fault, ...] = ()  # what is wrong with the line, whatever stands in it

    def routing_key(self) -> str:
        """The event's type, "" where it cannot be read."""
        if "ce-type" in self.headers:
            return str(self.headers["ce-type"])
        try:
            event = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return ""
        kind = event.get("type") if isinstance(event, dict) else None
        return kind if isinstance(kind, str) and len(kind.encode()) <= 255 else ""


def faults(filed: Filed, id_property: str | None) -> tuple[Fault, ...]:
    """All that the service would find wrong; () = nothing.

    `id_property`: the service's default, None = unknown, then what depends on it is not looked at.
    """
    match read(filed, id_property):
        case Malformed(faults=found):
            return filed.broken + found
        case Contribution():
            return filed.broken


def read(filed: Filed, id_property: str | None) -> Contribution | Malformed:
    """What the service would make of it."""
    properties = Basic.Properties(
        content_type=filed.content_type, headers=dict(filed.headers) or None
    )
    delivery = Delivery(
        epoch=0,
        tag=0,
        queue="",
        exchange="",
        routing_key="",
        redelivered=False,
        properties=properties,
        body=filed.body,
        received_at=datetime.fromtimestamp(0, UTC),
    )
    return parse(delivery, id_property or "")


def from_ndjson(stream: BinaryIO) -> Iterator[Filed]:
    """A structured event a line, or a line of `dlq export`; empty lines are passed over."""
    for number, line in enumerate(stream, start=1):
        if body := line.strip():
            where = f"line {number}"
            if body.startswith(_EXPORTED):
                yield replace(from_json(where, body), line=number)
            else:
                yield Filed(where, number, body)


def from_csv(stream: BinaryIO) -> Iterator[Filed]:
    """A structured event a row, under a header row.

    Columns `type` (or just upsert, update, archive), `id`, `source`, `subject`, `time`, and as
    needed `id_property`, `sequence`, `traceparent`, `tracestate`. Every other column is a
    property of that name; `properties.X` is the property X whatever X is called. An empty cell
    leaves its property as it is in HubSpot; to clear one, write NDJSON with null.

    Raises:
        FileError: no UTF-8, or a column is missing or there twice.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        rows = csv.DictReader(text)
        _check_columns(list(rows.fieldnames or ()))
        for row in rows:
            yield _from_row(rows.line_num, row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"is not CSV in UTF-8: {error}") from None
    finally:
        text.detach()  # closing the stream is its owner's


def from_json(where: str, text: bytes) -> Filed:
    """One event, or one message as the management API takes it.

    Raises:
        FileError: such a message with properties that are none.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Filed(where, 0, text)
    if not isinstance(document, dict) or "payload" not in document:
        return Filed(where, 0, text)
    properties = _object(where, "properties", document.get("properties"))
    content_type = properties.get("content_type")
    if not isinstance(content_type, str | None):
        raise FileError(f"{where}: properties.content_type is not a string")
    given = _object(where, "properties.headers", properties.get("headers"))
    headers = {name: value for name, value in writable(given).items() if name in given}
    unwritable = Fault("properties.headers", "has what no AMQP header can hold")
    broken = () if len(headers) == len(given) else (unwritable,)
    return Filed(where, 0, _payload(where, document), content_type, headers, broken)


def from_path(path: Path) -> Iterator[Filed]:
    """Everything in a file, or in all of a folder's files: `.json`, `.csv`, else NDJSON.

    Raises:
        FileError: as `from_csv` does.
    """
    if path.is_dir():
        for inner in sorted(path.rglob("*")):
            if inner.suffix in {".json", ".ndjson", ".jsonl", ".csv"}:
                yield from from_path(inner)
    elif path.suffix == ".json":
        yield from_json(str(path), path.read_bytes())
    else:
        with path.open("rb") as stream:
            yield from from_csv(stream) if path.suffix == ".csv" else from_ndjson(stream)


def _object(where: str, path: str, value: Any) -> Mapping[str, Any]:
    """An object; {} where it is missing or null."""
    if value is not None and not isinstance(value, dict):
        raise FileError(f"{where}: {path} is not an object")
    return value or {}


def _payload(where: str, document: Mapping[str, Any]) -> bytes:
    payload = str(document["payload"])
    if document.get("payload_encoding", "string") == "string":
        return payload.encode(errors="surrogatepass")
    try:
        return b64decode(payload, validate=True)
    except ValueError:
        raise FileError(f"{where}: payload is not base64") from None


def _check_columns(names: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise FileError(f"has no column {', '.join(missing)}; its first row must name the columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileError(f"has the column {', '.join(twice)} twice")


def _from_row(line: int, row: dict[str | None, Any]) -> Filed:
    too_many = row.pop(None, None) is not None
    cells = {name: value for name, value in row.items() if name is not None and value}
    data: dict[str, Any] = {}
    event: dict[str, Any] = {"specversion": "1.0"}
    properties: dict[str, str] = {}
    for name, value in cells.items():
        if name == "type":
            event[name] = _SHORT_TYPES.get(value, value)
        elif name == "id_property":
            data[name] = value
        elif name in COLUMNS or name in _OPTIONAL:
            event[name] = value
        else:
            properties[name.removeprefix(_PROPERTY)] = value
    if properties or OPERATIONS.get(event.get("type", "")) != "archive":
        data["properties"] = properties
    broken = (Fault("", "the row has more cells than the first row has columns"),)
    return Filed(
        f"line {line}",
        line,
        orjson.dumps(event | {"data": data}),
        broken=broken if too_many else (),
    )
