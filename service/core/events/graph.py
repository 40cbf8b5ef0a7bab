"""All that an event asks for beyond its order's own properties, as the core's values.

Values are HubSpot's text, as in `Contribution.values`; what the event leaves out is not in here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from service.core.events.order_event import Written
from service.core.events.order_graph import RecordName, as_named, object_type
from service.core.events.scalars import as_hubspot

OnMissing = Literal["wait", "skip", "fail", "create"]


class Target(NamedTuple):
    """Another record, however an event spells it: the one whose unique property `by` holds `value`."""

    object: str
    by: str
    value: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage by label or id; `pipeline` None = the account's default one."""

    pipeline: str | None
    stage: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines by key. `replaces`: these are all of them, others of ours go."""

    replaces: bool
    items: Mapping[str, Mapping[str, str]]
    remove: frozenset[str]


@dataclass(frozen=True, slots=True)
class Link:
    """A link to make. `labels` None = those that are there stay; `spelt` = to, by and value as the event has them."""

    target: Target
    spelt: tuple[str, str, str]
    labels: tuple[str, ...] | None
    on_missing: OnMissing
    properties: Mapping[str, str]
    exclusive: bool


@dataclass(frozen=True, slots=True)
class Unlink:
    """A link to remove."""

    target: Target
    spelt: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Graph:
    """The parts of one event. `links`: associations first, then dissociations, in the event's order."""

    stage: Stage | None
    lines: Lines | None
    links: tuple[Link | Unlink, ...]


def graph_of(data: Written) -> Graph:
    """The parts that an event carries."""
    unlinks = (Unlink(_target(each), _spelt(each)) for each in data.dissociations or ())
    return Graph(_stage(data), _lines(data), (*_links(data), *unlinks))


def _stage(data: Written) -> Stage | None:
    return None if data.stage is None else Stage(data.pipeline, data.stage)


def _lines(data: Written) -> Lines | None:
    lines = data.line_items
    if lines is None:
        return None
    items = {line.key: _texts(line.properties) for line in lines.items or ()}
    return Lines(lines.mode == "replace", items, frozenset(lines.remove or ()))


def _links(data: Written) -> tuple[Link, ...]:
    return tuple(
        Link(
            _target(each),
            _spelt(each),
            labels=None if each.labels is None else tuple(dict.fromkeys(each.labels)),
            on_missing=each.on_missing,
            properties=_texts(each.properties or {}),
            exclusive=each.exclusive,
        )
        for each in data.associations or ()
    )


def _texts(properties: Mapping[str, str | int | float | bool | None]) -> dict[str, str]:
    return {name: as_hubspot(value) for name, value in properties.items()}


def _target(named: RecordName) -> Target:
    return Target(object_type(named.to), named.by, as_named(named.by, named.value))


def _spelt(named: RecordName) -> tuple[str, str, str]:
    return named.to, named.by, named.value
