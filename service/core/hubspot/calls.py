"""Batch -> BatchCall: one encoder for each operation, the same for first tries and retries.

A retry path with an encoder of its own once sent a shape that HubSpot answered with COMPLETE and wrote
nothing (rudder-transformer#5147). So there is none: a retry is the same slots encoded again.

Every write carries an attempt-unique `objectWriteTraceId`: without it one bad record refuses the whole
batch. The key is repeated inside `properties`: HubSpot returns only what was set, and without the key a
result could not be matched to its record (HubSpot's order of results is not the order of inputs): which
record an answer means is found by trace id, by key, by record id, never by position.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any, Final, Literal, NamedTuple, TypeVar

import orjson

from service.core.events.order_event import ORDERS, RECORD_ID, Operation
from service.core.hubspot.answers import Problem, name_of
from service.core.hubspot.associations import LinkType
from service.core.hubspot.verdicts import Where
from service.core.waiting.batch import Batch

T = TypeVar("T")
WriteEndpoint = Literal["create", "upsert", "update"]
Endpoint = Literal["create", "upsert", "update", "archive", "read"]
# Operation -> the endpoint that writes its values; an archive writes none.
WRITES: Final[Mapping[Operation, WriteEndpoint]] = {
    Operation.CREATE: "create",
    Operation.UPSERT: "upsert",
    Operation.UPDATE: "update",
}


def portions(things: Iterable[T], at_most: int) -> Iterator[list[T]]:
    """All of them, as many at a time as one call takes."""
    left = iter(things)
    while some := list(islice(left, at_most)):
        yield some


class Input(NamedTuple):
    """One record of a call: what we sent of it, to recognise it in the answer."""

    # As sent in `id`: the key, or HubSpot's record id.
    id: str
    key: str  # the order's key
    # "" where the endpoint takes none.
    trace: str
    values: dict[str, str]


class Index:
    """Where in a call a record stands, by all that an answer may name it by.

    HubSpot may have normalised a key before it gives it back.
    """

    def __init__(self, inputs: Sequence[Input], id_property: str, endpoint: Endpoint) -> None:
        self._id_property, self._endpoint = id_property, endpoint
        self._by_trace = {i.trace: at for at, i in enumerate(inputs) if i.trace}
        self._by_id = {i.id: at for at, i in enumerate(inputs)}
        self._inputs = inputs
        self._by_folded: dict[str, int | None] | None = None

    def named(self, said: Problem) -> list[int]:
        """Every input that an error names; one entry may name many."""
        if said.traces:
            return [self._by_trace[t] for t in said.traces if t in self._by_trace]
        return [at for at in (self._key(i) for i in said.ids) if at is not None]

    def result(self, result: Mapping[str, Any]) -> int | None:
        """The input that a result answers; None for a stranger or a result without an id."""
        record_id = name_of(result.get("id"))
        if record_id is None:
            return None
        # Any JSON: what is no text is no trace.
        trace = result.get("objectWriteTraceId")
        if isinstance(trace, str) and (at := self._by_trace.get(trace)) is not None:
            return at
        if self._id_property == RECORD_ID or self._endpoint == "archive":
            return self._by_id.get(record_id)
        properties = result.get("properties")
        key = name_of(properties.get(self._id_property)) if isinstance(properties, dict) else None
        return None if key is None else self._key(key)

    def _key(self, key: str) -> int | None:
        at = self._by_id.get(key)
        return at if at is not None else self._folded().get(_fold(key))

    def _folded(self) -> Mapping[str, int | None]:
        """Keys as HubSpot may have normalised them; those that fold to one value identify nobody."""
        if self._by_folded is None:
            self._by_folded = {}
            for at, sent in enumerate(self._inputs):
                folded = _fold(sent.id)
                self._by_folded[folded] = None if folded in self._by_folded else at
        return self._by_folded


def _fold(key: str) -> str:
    return key.strip().casefold()


# No slots: the index is made once.
@dataclass(frozen=True, eq=False)
class BatchCall:
    """One HTTP request as data: POST …/batch/<endpoint> with `body`."""

    endpoint: Endpoint
    id_property: str
    inputs: tuple[Input, ...]
    body: bytes
    object: str = field(kw_only=True)  # HubSpot's type of record
    # Of a read: look among the archived records (`?archived=true`).
    archived: bool = False
    # Whether an event chose the identifying property, and not the set-up.
    asked_by_event: bool = False

    @property
    def size(self) -> int:
        """How many records it is about."""
        return len(self.inputs)

    @property
    def name(self) -> str:
        """Its kind, in metrics and logs."""
        return self.endpoint

    @cached_property
    def index(self) -> Index:
        """Its records, by all that an answer may name them by."""
        return Index(self.inputs, self.id_property, self.endpoint)

    @property
    def by_record_id(self) -> bool:
        """Whether a write names its records by HubSpot's id."""
        return self.id_property == RECORD_ID and self.endpoint == "update"

    @property
    def where(self) -> Where:
        """Where it asks."""
        return Where(
            "records",
            self.endpoint,
            self.object,
            id_property=self.id_property,
            chosen=self.asked_by_event,
        )


def write(batch: Batch, name: str) -> BatchCall:
    """The batch's orders, written; `name` is unique to this attempt and starts every trace id."""
    wanted = [Record(slot.order.key, slot.merged()) for slot in batch.slots]
    return records(ORDERS, WRITES[batch.operation], batch.id_property, wanted, name)


def chosen(call: BatchCall, *, by_event: bool) -> BatchCall:
    """The call, where an event chose its identifying property."""
    return replace(call, asked_by_event=True) if by_event else call


def find(
    object_type: str,
    keys: Sequence[str],
    id_property: str,
    *,
    properties: Collection[str] = (),
    histories: Collection[str] = (),
    archived: bool = False,
) -> BatchCall:
    """`batch/read`: which records hold these keys. At most 100, missing ones are named in a 207.

    `properties` are returned beside the key; `histories` with all that they were, at most 50 keys then.
    `archived` looks among the archived records, and only there.
    """
    inputs = tuple(Input(key, key, "", {}) for key in keys)
    body = {
        "inputs": [{"id": key} for key in keys],
        "properties": [id_property, *(name for name in properties if name != id_property)],
        "propertiesWithHistory": list(histories),
        "idProperty": id_property,
    }
    if id_property == RECORD_ID:
        del body["idProperty"]
    return BatchCall(
        "read", id_property, inputs, orjson.dumps(body), archived=archived, object=object_type
    )


def archive(object_type: str, found: Sequence[tuple[str, str]], id_property: str) -> BatchCall:
    """`batch/archive` of (key, record id) pairs: the endpoint takes record ids only and answers 204."""
    inputs = tuple(Input(record_id, key, "", {}) for key, record_id in found)
    body = {"inputs": [{"id": record_id} for _, record_id in found]}
    return BatchCall("archive", id_property, inputs, orjson.dumps(body), object=object_type)


# --- records of any type ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """One record to write: `id` is its key, or HubSpot's record id."""

    id: str
    values: Mapping[str, str]
    # Of a create, which alone takes any: record ids to link to.
    links: Sequence[tuple[str, LinkType]] = ()


def records(
    object_type: str,
    endpoint: WriteEndpoint,
    id_property: str,
    wanted: Sequence[Record],
    name: str,
) -> BatchCall:
    """`batch/create`, `upsert` or `update` of records; `name` is unique to this call and starts its trace ids."""
    inputs = []
    for at, record in enumerate(wanted):
        values = dict(record.values)
        if id_property != RECORD_ID:
            values[id_property] = record.id
        inputs.append(Input(record.id, record.id, f"{name}.{at}", values))
    body = [
        _document(each, endpoint, id_property) | _associations(record)
        for each, record in zip(inputs, wanted, strict=True)
    ]
    return BatchCall(
        endpoint, id_property, tuple(inputs), orjson.dumps({"inputs": body}), object=object_type
    )


def _document(sent: Input, endpoint: Endpoint, id_property: str) -> dict[str, Any]:
    document: dict[str, Any] = {"properties": sent.values, "objectWriteTraceId": sent.trace}
    if endpoint == "create":
        return document
    document["id"] = sent.id
    # An update by record id must leave idProperty out (segment/action-destinations#3957).
    return document if id_property == RECORD_ID else document | {"idProperty": id_property}


def _associations(record: Record) -> dict[str, Any]:
    if not record.links:
        return {}
    return {
        "associations": [{"to": {"id": to}, "types": [kind.shown]} for to, kind in record.links]
    }


def look_up(
    object_type: str,
    id_property: str,
    keys: Sequence[str],
    properties: Collection[str] = (),
    *,
    histories: Collection[str] = (),
    archived: bool = False,
) -> BatchCall:
    """`batch/read` of records of any type."""
    return find(
        object_type,
        keys,
        id_property,
        properties=properties,
        histories=histories,
        archived=archived,
    )


def discard(object_type: str, ids: Sequence[str]) -> BatchCall:
    """`batch/archive` of records of any type, by record id."""
    return archive(object_type, [(each, each) for each in ids], RECORD_ID)


# --- calls that write nothing -----------------------------------------------------------------------------


def touch(object_type: str, id_property: str, key: str) -> BatchCall:
    """`batch/update` of a key that no record has, with no value: updates create nothing."""
    body = {"inputs": [_document(Input(key, key, "", {}), "update", id_property)]}
    inputs = (Input(key, key, "", {}),)
    return BatchCall("update", id_property, inputs, orjson.dumps(body), object=object_type)


def nothing(object_type: str, endpoint: Endpoint) -> BatchCall:
    """A write of no records."""
    return BatchCall(endpoint, "", (), b'{"inputs":[]}', object=object_type)
