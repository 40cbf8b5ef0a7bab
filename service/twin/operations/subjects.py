"""Which records a call is about: what faults are matched on and what the journal shows as keys.

A tolerant reading: a body that operations will refuse yields no subjects.
"""

from typing import Any

import orjson

from service.twin.account.portal import Portal
from service.twin.account.records import Table
from service.twin.faults import Subject
from service.twin.operations.call import Call


def subjects_of(portal: Portal, call: Call) -> tuple[Subject, ...]:
    """The records of a call in the order of its inputs."""
    if call.kind is None:
        return ()
    table = portal.table(call.kind)
    document = _document(call)
    inputs = document.get("inputs")
    if isinstance(inputs, list):
        shared = document.get("idProperty")
        return tuple(_subject(table, each, shared) for each in inputs if isinstance(each, dict))
    if record_id := call.params.get("id"):
        asked = {"id": record_id, "properties": document.get("properties")}
        return (_subject(table, asked, call.one("idProperty") or None),)
    return (_subject(table, document, None),) if call.method == "POST" and document else ()


def _document(call: Call) -> dict[str, Any]:
    if call.document is None and call.body:
        try:
            call.document = orjson.loads(call.body)
        except orjson.JSONDecodeError:
            return {}
    return call.document if isinstance(call.document, dict) else {}


def _subject(table: Table, asked: dict[str, Any], shared: Any) -> Subject:
    given = asked.get("id")
    properties = asked.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    id_property = asked.get("idProperty", shared)
    if given is not None and id_property is not None:
        key = str(given)
        return Subject(key, properties or _stored(table, given, str(id_property)))
    if given is None:
        named = (str(properties[name]) for name in table.holders if properties.get(name))
        return Subject(next(named, ""), properties)
    record = table.find(given, None)
    if record is None:
        return Subject(str(given), properties)
    return Subject(table.key_of(record), properties or record.properties)


def _stored(table: Table, given: object, id_property: str) -> dict[str, str]:
    record = table.find(given, id_property)
    return record.properties if record else {}
