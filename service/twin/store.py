"""The state file: records, links and definitions in SQLite, so that a twin survives a restart.

The twin works in memory; after each call what the call changed is written in one transaction.
Journals, tokens and used quota are not kept.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import orjson

from service.twin.account.definitions import PropertyDefinition
from service.twin.account.pipelines import Pipeline, Stage
from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.operations.call import Call

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, id TEXT NOT NULL, document BLOB NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;
"""
# The form of the documents: a file of another form is refused.
_VERSION = 2
# Actions that change links.
_LINKING = frozenset(("archived", "merged", "linked", "unlinked"))


class Store:
    """One SQLite file."""

    def __init__(self, path: str) -> None:
        """Open or create it; a `ValueError` for a file that another version wrote."""
        self._connection = sqlite3.connect(path)
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and version != _VERSION:
            self._connection.close()
            raise ValueError(f"{path} was written by another version of the twin: delete it")
        self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        # The file is the twin's alone and can be made again: speed over the last second's writes.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.executescript(_SCHEMA)

    def load(self, portal: Portal) -> None:
        """Fill a new portal with what the file holds."""
        facts = dict(self._connection.execute("SELECT name, document FROM facts"))
        if raw := facts.get("portal"):
            _restore_facts(portal, orjson.loads(raw))
        for row in orjson.loads(facts.get("links", b"[]")):
            portal.links.restore(tuple(row))
        for kind, document in self._connection.execute("SELECT kind, document FROM records"):
            if kind in portal.tables:
                portal.tables[kind].restore(_record(orjson.loads(document)))

    def save(self, portal: Portal, call: Call) -> None:
        """Write what a call changed."""
        if call.reads:
            return
        touched = {(written.kind, written.id) for written in call.writes}
        rows = [_row(portal.tables[kind], kind, record_id) for kind, record_id in touched]
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                [row for row in rows if row is not None],
            )
            if call.operation == "merge":
                self._rewrite(portal)
            if touched or call.group:
                self._keep("portal", _facts(portal))
            if not _LINKING.isdisjoint(each.action for each in call.writes):
                self._keep("links", list(portal.links.rows()))

    def rewrite(self, portal: Portal) -> None:
        """Make the file equal to the portal, whatever it held."""
        with self._connection:
            self._rewrite(portal)
            self._keep("portal", _facts(portal))
            self._keep("links", list(portal.links.rows()))

    def _rewrite(self, portal: Portal) -> None:
        self._connection.execute("DELETE FROM records")
        self._connection.executemany(
            "INSERT INTO records VALUES (?, ?, ?)",
            [
                (kind, record.id, orjson.dumps(_document(record)))
                for kind, table in portal.tables.items()
                for record in table.everything()
            ],
        )

    def _keep(self, name: str, document: Any) -> None:
        row = name, orjson.dumps(document)
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", row)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _row(table: Table, kind: str, record_id: str) -> tuple[str, str, bytes] | None:
    record = table.live.get(record_id) or table.archived.get(record_id)
    return None if record is None else (kind, record_id, orjson.dumps(_document(record)))


def _document(record: Record) -> dict[str, Any]:
    return asdict(record)


def _record(document: dict[str, Any]) -> Record:
    history = [(stamp, changed) for stamp, changed in document.pop("history")]
    return Record(**document, history=history)


def _facts(portal: Portal) -> dict[str, Any]:
    return {
        "last_id": portal.last_id,
        "aliases": {kind: table.aliases for kind, table in portal.tables.items() if table.aliases},
        "definitions": {
            kind: [asdict(each) for each in table.definitions.values() if not each.hubspot_defined]
            for kind, table in portal.tables.items()
        },
        "pipelines": {
            kind: [asdict(pipeline) for pipeline in pipelines.values()]
            for kind, pipelines in portal.pipelines.of.items()
        },
        "labels": portal.links.types.labels,
    }


def _restore_facts(portal: Portal, facts: dict[str, Any]) -> None:
    portal.last_id = facts["last_id"]
    for kind, aliases in facts["aliases"].items():
        portal.tables[kind].aliases.update(aliases)
    for kind, definitions in facts["definitions"].items():
        _restore_definitions(portal.tables[kind], definitions)
    portal.links.types.restore(facts["labels"])
    for kind, pipelines in facts["pipelines"].items():
        portal.pipelines.of[kind] = {each["id"]: _pipeline(each) for each in pipelines}


def _pipeline(document: dict[str, Any]) -> Pipeline:
    stages = {each["id"]: Stage(**each) for each in document.pop("stages").values()}
    return Pipeline(**document, stages=stages)


def _restore_definitions(table: Table, documents: Iterable[dict[str, Any]]) -> None:
    for document in documents:
        options = tuple(document.pop("options"))
        definition = PropertyDefinition(**document, options=options)
        # What the options of this start define wins over what the file remembers.
        if definition.name not in table.definitions:
            table.define(definition)
