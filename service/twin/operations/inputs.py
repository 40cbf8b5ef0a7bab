"""Inputs of a batch: their shape, their number, and what identifies them.

All of it is judged before any value is, and refuses the batch as a whole.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from service.twin.account.records import Table
from service.twin.operations.answers import Refusal, bad_shape, validation
from service.twin.operations.call import Call, expect_list, expect_object, expect_text
from service.twin.operations.plans import Entry, read_properties

LARGEST_BATCH = 100
LARGEST_HISTORY_BATCH = 50


def read_inputs(call: Call, most: int = LARGEST_BATCH) -> list[Any] | None:
    """The inputs; None where HubSpot takes the body for an empty batch and says nothing.

    A missing `inputs` or one wrapped twice is such a body; more than `most` inputs are a 400.
    """
    inputs = call.read_object().get("inputs")
    if inputs is None or isinstance(inputs, dict):
        return None
    listed = expect_list(inputs, "`inputs`")
    if len(listed) > most:
        raise too_many(most)
    return listed


def too_many(most: int, what: str = "") -> Refusal:
    """400 for too many inputs; the text for 100 is modelled on the recorded one for 50."""
    return validation(
        f"The maximum number of inputs supported in a batch request{what} is {most}. "
        "Please reduce the number of items and try again"
    )


def read_entry(raw: Any, verb: str) -> Entry:
    """One input with its shape checked; a 400 for a missing or misshapen part."""
    given = expect_object(raw, "`inputs[]`")
    if "properties" not in given or (verb != "create" and given.get("id") is None):
        missing = "properties" if "properties" not in given else "id"
        raise bad_shape(f"some required attributes are not set: [{missing}]")
    trace, id_property = given.get("objectWriteTraceId"), given.get("idProperty")
    associations = given.get("associations")
    return Entry(
        "" if verb == "create" else expect_text(given["id"], "`id`"),
        None if id_property is None else expect_text(id_property, "`idProperty`"),
        None if trace is None else expect_text(trace, "`objectWriteTraceId`"),
        read_properties(given["properties"]),
        associations=() if associations is None else expect_list(associations, "`associations`"),
    )


def read_id(raw: Any) -> str:
    """The id of one input of a read or archive; a 400 where there is none."""
    given = expect_object(raw, "`inputs[]`")
    if given.get("id") is None:
        raise bad_shape("some required attributes are not set: [id]")
    return expect_text(given["id"], "`id`")


def read_names(document: Mapping[str, Any], name: str) -> list[str]:
    """A list of property names in the body; empty without it."""
    return [
        expect_text(each, f"`{name}[]`") for each in expect_list(document.get(name) or [], name)
    ]


def refuse_identity(table: Table, entries: Sequence[Entry], verb: str) -> None:
    """400 if an input is identified by a property that is not unique."""
    if verb != "create":
        for id_property in {entry.id_property for entry in entries} - {None}:
            refuse_non_unique(table, str(id_property), verb)
            if verb == "update" and id_property == table.kind.address:
                raise validation(f"Unable to perform update by {id_property}: use upsert")


def refuse_non_unique(table: Table, id_property: str, verb: str) -> None:
    """400 if `id_property` is not a unique property of the type."""
    if id_property not in table.holders:
        raise validation(
            f"Unable to perform {verb} by non-unique {table.kind.type_id} property {id_property}"
        )


def refuse_duplicates(table: Table, entries: Sequence[Entry], verb: str) -> None:
    """400 if two inputs mean one record, trace ids or not."""
    if verb == "create":
        return
    met: dict[str, str] = {}
    for entry in entries:
        name = entry.id_property
        record = table.find(entry.id, name)
        if record is not None:
            meant = record.id
        else:
            meant = f"{name}={entry.id if name is None else table.folded(name, entry.id)}"
        if meant in met:
            raise _duplicates(list(dict.fromkeys((met[meant], entry.id))))
        met[meant] = entry.id


def without_identical(entries: Sequence[Entry]) -> list[Entry]:
    """Inputs of a create that say the same are one (documented), whatever their trace ids."""
    kept: dict[tuple[bytes, bytes], Entry] = {}
    for entry in entries:
        said = orjson.dumps(entry.properties, option=orjson.OPT_SORT_KEYS)
        kept.setdefault((said, orjson.dumps(entry.associations)), entry)
    return list(kept.values())


def refuse_repeated(ids: Sequence[str]) -> None:
    """400 if an id occurs twice."""
    if len(set(ids)) < len(ids):
        raise _duplicates([given for given, times in Counter(ids).items() if times > 1])


def _duplicates(ids: list[str]) -> Refusal:
    return validation(
        f"Duplicate IDs found in batch input: [{', '.join(ids)}]. IDs must be unique",
        context={"ids": ids},
    )
