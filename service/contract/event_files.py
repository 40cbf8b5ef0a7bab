"""Files of order events -> messages.

NDJSON: one structured event a line. CSV: one event a row (`spreadsheet`). JSON: one event, or one
whole message as RabbitMQ's management API takes it (`properties` and `payload`), which is how an
event in the binary content mode is written down.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from service.contract.columns import ColumnsError, Sheet
from service.contract.filed import Filed, FileError
from service.contract.spreadsheet import from_csv
from service.core.events.malformed import Fault
from service.core.letters.dead_letters import writable

# How `dlq export` starts a line.
_EXPORTED: Final = b'{"properties":{"content_type":'


def from_ndjson(stream: BinaryIO) -> Iterator[Filed]:
    """A structured event a line, or a line of `dlq export`; empty lines are passed over."""
    for number, line in enumerate(stream, start=1):
        if body := line.strip():
            where = f"line {number}"
            if body.startswith(_EXPORTED):
                yield replace(from_json(where, body), line=number)
            else:
                yield Filed(where, number, body)


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
    return Filed(
        where=where,
        line=0,
        body=_payload(where, document),
        content_type=content_type,
        headers=headers,
        broken=broken,
    )


def from_path(path: Path, sheet: Sheet | None = None) -> Iterator[Filed]:
    """Everything in a file, or in all of a folder's files: `.json`, `.csv`, else NDJSON.

    `sheet`: what somebody said about the columns of CSV.

    Raises:
        FileError: a file that cannot be read as what its ending says.
    """
    if not path.is_dir():
        yield from from_file(path, path.suffix.lower(), sheet)
        return
    for inner in sorted(path.rglob("*")):
        if inner.suffix.lower() in {".json", ".ndjson", ".jsonl", ".csv"}:
            yield from from_path(inner, sheet)


def from_file(
    path: Path, ending: str, sheet: Sheet | None = None, called: str = ""
) -> Iterator[Filed]:
    """Everything in a file, read as its ending says; `called`: its name for people.

    Raises:
        FileError: as `from_path` does.
    """
    called = called or str(path)
    if ending == ".json":
        yield from_json(called, path.read_bytes())
        return
    with path.open("rb") as stream:
        try:
            yield from from_csv(stream, sheet) if ending == ".csv" else from_ndjson(stream)
        except ColumnsError as error:
            raise FileError(f"{called} {error}") from None


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
