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
# What changes rarely and is small is kept whole, one document each.
_WHOLE = ("associations", "properties", "pipelines")
_LINKING = ("create", "create_one", "merge")


class Store:
    """One SQLite file."""

    def __init__(self, path: str) -> None:
        """Open or create it."""
        self._connection = sqlite3.connect(path)
        # The file is the twin's alone and can be made again: speed over the last second's writes.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.executescript(_SCHEMA)

    def load(self, portal: Portal) -> None:
        """Fill a new portal with what the file holds."""
        facts = dict(self._connection.execute("SELECT name, document FROM facts"))
        if raw := facts.get("portal"):
            _restore_facts(portal, orjson.loads(raw))
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
            if call.operation in ("merge", "forget"):
                self._rewrite(portal)
            if call.group in _WHOLE or call.operation in _LINKING or touched:
                self._save_facts(portal)

    def rewrite(self, portal: Portal) -> None:
        """Make the file equal to the portal, whatever it held."""
        with self._connection:
            self._rewrite(portal)
            self._save_facts(portal)

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

    def _save_facts(self, portal: Portal) -> None:
        document = orjson.dumps(_facts(portal))
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES ('portal', ?)", (document,))

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
        "links": list(portal.links.rows()),
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
    for row in facts["links"]:
        portal.links.restore(tuple(row))
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
