"""Which records a call is about: what faults are matched on and what the journal shows as keys.

A tolerant reading: a body that operations will refuse yields no subjects.
"""

from collections import ChainMap
from typing import Any

import orjson

from service.twin.account.portal import Portal
from service.twin.account.records import Table
from service.twin.faults.when import Subject
from service.twin.operations.call import Call


def subjects_of(portal: Portal, call: Call) -> tuple[Subject, ...]:
    """The records, or the links, of a call in the order of its inputs."""
    if call.kind is None:
        return ()
    table = portal.table(call.kind)
    document = _document(call)
    inputs = document.get("inputs")
    listed = [each for each in inputs if isinstance(each, dict)] if isinstance(inputs, list) else []
    if call.end is not None:
        asked = listed or [{"from": {"id": call.params.get("id")}, "to": [call.params]}]
        return tuple(_link(table, portal.table(call.end), each) for each in asked)
    if listed:
        shared = document.get("idProperty")
        return tuple(_subject(table, each, shared) for each in listed)
    if record_id := call.params.get("id"):
        one = {"id": record_id, "properties": document.get("properties")}
        return (_subject(table, one, call.one("idProperty") or None),)
    return (_subject(table, document, None),) if call.method == "POST" and document else ()


def _document(call: Call) -> dict[str, Any]:
    if call.document is None and call.body:
        try:
            call.document = orjson.loads(call.body)
        except orjson.JSONDecodeError:
            return {}
    return call.document if isinstance(call.document, dict) else {}


def _link(table: Table, end: Table, asked: dict[str, Any]) -> Subject:
    """A link by the names of both its ends; what is stored at either counts."""
    to = asked.get("to")
    targets: list[Any] = to if isinstance(to, list) else [to]
    met = [_known(table, asked.get("from", asked)), *(_known(end, each) for each in targets)]
    return Subject(
        tuple(key for each in met for key in each.keys),
        ChainMap(*(dict(each.properties) for each in met)),
    )


def _known(table: Table, end: Any) -> Subject:
    given = end.get("id", end.get("to_id")) if isinstance(end, dict) else None
    if given is None:
        return Subject((), {})
    record = table.find(given, None)
    if record is None:
        return Subject((str(given),), {})
    return Subject((table.key_of(record), record.id), record.properties)


def _subject(table: Table, asked: dict[str, Any], shared: Any) -> Subject:
    given = asked.get("id")
    properties = asked.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    id_property = asked.get("idProperty", shared)
    if given is not None and id_property is not None:
        return Subject((str(given),), properties or _stored(table, given, str(id_property)))
    if given is None:
        named = (str(properties[name]) for name in table.holders if properties.get(name))
        return Subject((next(named, ""),), properties)
    record = table.find(given, None)
    if record is None:
        return Subject((str(given),), properties)
    return Subject((table.key_of(record), record.id), properties or record.properties)


def _stored(table: Table, given: object, id_property: str) -> dict[str, str]:
    record = table.find(given, id_property)
    return record.properties if record else {}
