"""Answers of HubSpot -> what it holds of an order: values, lines of ours, links.

Law: what an answer does not speak of is not known (`None` beside `Missing`), never taken for missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.core.events.graph import Target
from service.core.graph.lines import key_within
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.associations import LinkType
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.lookups import Found, Missing, read_keys


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """One record's id and the values that were asked for; what has no value is not among them."""

    id: str
    values: Mapping[str, str]


# Of a link's other end: its types.
HeldLinks = Mapping[str, frozenset[LinkType]]


@dataclass(slots=True)
class HeldParts:
    """What HubSpot holds of one order. Filled answer by answer, then only read."""

    record: HeldRecord | Missing | None = None
    # By the line's key; None: they could not be read.
    lines: dict[str, HeldRecord] | None = field(default_factory=dict)
    # By object type; None: they could not be read.
    links: dict[str, HeldLinks | None] = field(default_factory=dict)
    # Record id of every record that a link names; Missing: there is none.
    targets: dict[Target, str | Missing | None] = field(default_factory=dict)

    @property
    def id(self) -> str | None:
        """Its record id, where it is there."""
        return self.record.id if isinstance(self.record, HeldRecord) else None


def records_of(call: BatchCall, reply: BatchReply) -> tuple[HeldRecord | Missing | None, ...]:
    """What a batch/read says of every key, in the call's order; None: nothing."""
    held: dict[int, HeldRecord] = {}
    for result in reply.results:
        if (at := call.index.result(result)) is not None:
            held[at] = HeldRecord(str(result["id"]), dict(_values(result.get("properties"))))
    return tuple(_one(known, held.get(at)) for at, known in enumerate(read_keys(call, reply)))


def _one(known: object, record: HeldRecord | None) -> HeldRecord | Missing | None:
    if isinstance(known, Found):
        return record
    return known if isinstance(known, Missing) else None


def _values(properties: Any) -> Mapping[str, str]:
    given = properties if isinstance(properties, dict) else {}
    return {name: str(value) for name, value in given.items() if value not in (None, "")}


def own_line(order_key: str, record: HeldRecord, line_id_property: str) -> str | None:
    """The key within its order of a line that is ours; None where it is not."""
    return key_within(order_key, record.values.get(line_id_property, ""))
