"""The events of a file by order, what was found so far, and how far it is: one SQLite file.

Law: what is found of an order, its mend and the place behind it are written in one transaction, so that a run that is
cut off goes on behind the last order that is noted, and nothing is noted twice. Memory does not grow with the file:
SQLite sorts on disk.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import orjson

from service.contract.filed import Filed

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event (
    id_property TEXT NOT NULL, key TEXT NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (id_property, key, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS difference (number INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS mend (number INTEGER PRIMARY KEY, body BLOB NOT NULL, sent INTEGER NOT NULL DEFAULT 0);
"""
# Cached pages, in KB; the rest is on disk.
_CACHE: Final = 16_384


class ShelfError(Exception):
    """The file of an earlier run is not this one's. The message says why, and what to do."""


class Place(NamedTuple):
    """An order on the shelf; all before it in this order are done."""

    id_property: str
    key: str


START: Final = Place("", "")


class Shelf:
    """Open it with `with`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = sqlite3.connect(path, isolation_level=None)

    def __enter__(self) -> Self:
        self._database.executescript(
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-{_CACHE};"
            + _TABLES
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def is_of(self, mark: str) -> bool:
        """Whether it holds the events of a file already, `mark` being what is particular about the run.

        Raises:
            ShelfError: it holds those of another.
        """
        held = self._about("mark")
        if held is not None and held != mark:
            raise ShelfError(
                f"{self._path} is of another file or account: name another --state, or delete it to begin anew"
            )
        return held is not None

    def fill(self, events: Iterable[tuple[Place, Filed]], mark: str) -> None:
        """Put all events in; only then is it the shelf of this file."""
        self._database.execute("BEGIN")
        self._database.execute("DELETE FROM event")
        self._database.executemany(
            "INSERT INTO event VALUES (?, ?, ?, ?)",
            (
                (place.id_property, place.key, at, _packed(filed))
                for at, (place, filed) in enumerate(events)
            ),
        )
        self._note("mark", mark)
        self._database.execute("COMMIT")

    def orders(self) -> int:
        """How many orders there are."""
        counted = self._database.execute(
            "SELECT COUNT(*) FROM (SELECT DISTINCT id_property, key FROM event)"
        )
        return int(counted.fetchone()[0])

    def done(self) -> tuple[Place, int]:
        """The last order that is done, and how many are."""
        place = self._about("place")
        return (
            (START, 0)
            if place is None
            else (Place(*orjson.loads(place)), int(self._about("done") or 0))
        )

    def after(self, place: Place) -> Iterator[tuple[Place, list[Filed]]]:
        """The orders behind a place, each with its events in the order of the file."""
        rows = self._database.cursor().execute(
            "SELECT id_property, key, body FROM event WHERE (id_property, key) > (?, ?)"
            " ORDER BY id_property, key, place",
            place,
        )
        at, events = START, list[Filed]()
        for id_property, key, body in rows:
            if (id_property, key) != at:
                if events:
                    yield at, events
                at, events = Place(id_property, key), []
            events.append(_unpacked(body))
        if events:
            yield at, events

    def note(self, place: Place, done: int, rows: Sequence[bytes], mends: Sequence[bytes]) -> None:
        """What was found of the orders up to a place."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO difference (row) VALUES (?)", ((row,) for row in rows)
        )
        self._database.executemany(
            "INSERT INTO mend (body) VALUES (?)", ((body,) for body in mends)
        )
        self._note("place", orjson.dumps([*place]).decode())
        self._note("done", str(done))
        self._database.execute("COMMIT")

    def found(self) -> Iterator[dict[str, Any]]:
        """All differences so far."""
        for (row,) in self._database.cursor().execute("SELECT row FROM difference ORDER BY number"):
            yield orjson.loads(row)

    def mends(self, most: int) -> list[tuple[int, bytes]]:
        """The next events that mend and are not sent yet, with their numbers."""
        return list(
            self._database.execute(
                "SELECT number, body FROM mend WHERE NOT sent ORDER BY number LIMIT ?", (most,)
            )
        )

    def sent(self, last: int) -> None:
        """All mends up to a number are confirmed by the broker."""
        self._database.execute("UPDATE mend SET sent = 1 WHERE number <= ?", (last,))

    def _about(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _note(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))


def mark_of(path: Path, *more: str) -> str:
    """What tells a file, read in one way, from any other."""
    digest = sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    for each in more:
        digest.update(each.encode() + b"\n")
    return digest.hexdigest()


def _packed(filed: Filed) -> bytes:
    head = orjson.dumps(
        [filed.where, filed.line, filed.content_type, dict(filed.headers)], default=str
    )
    return head + b"\n" + filed.body


def _unpacked(packed: bytes) -> Filed:
    head, _, body = packed.partition(b"\n")
    where, line, content_type, headers = orjson.loads(head)
    return Filed(where=where, line=line, body=body, content_type=content_type, headers=headers)
