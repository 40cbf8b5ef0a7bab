"""The portal: everything one HubSpot account holds, and the chance and time it lives by."""

from collections.abc import Iterator
from random import Random
from uuid import UUID

from service.twin.account.definitions import (
    PropertyDefinition,
    parse_property,
    standard_definitions,
)
from service.twin.account.kinds import DEFAULT, Kind, Kinds
from service.twin.account.link_types import LinkTypes
from service.twin.account.links import Links
from service.twin.account.pipelines import Pipelines
from service.twin.account.records import Record, Table
from service.twin.clock import Clock
from service.twin.options import TwinOptions

_FIRST_ID = 395_000_000_000
# 2025-01-01: when the default pipelines were made.
_SOME_DAY = 1_735_689_600_000


class Portal:
    """Tables, pipelines and links of one account."""

    def __init__(self, options: TwinOptions, clock: Clock) -> None:
        """An empty account with HubSpot's own definitions and those of the options."""
        self.options = options
        self.clock = clock
        self.random = Random(f"portal {options.seed}")  # noqa: S311
        self.last_id = _FIRST_ID
        self.began = options.start_ms or _SOME_DAY
        self.source_id = str(options.app_id)
        self.kinds = Kinds(options.custom)
        self.pipelines = Pipelines(self.kinds, options.pipelines)
        self.links = Links(LinkTypes(self.kinds, options.labels))
        self.tables = {kind.name: self._table(kind) for kind in self.kinds.all}
        self.most_links = dict(self._caps())
        for kind, definition in self._custom():
            self.tables[kind.name].define(definition)

    def _table(self, kind: Kind) -> Table:
        options = self.options
        return Table(
            kind,
            standard_definitions(kind),
            fold=options.key_case == "fold",
            by_further=options.secondary_lookup,
            history_depth=options.history_depth,
            same_value_history=options.same_value_history,
        )

    def _custom(self) -> Iterator[tuple[Kind, PropertyDefinition]]:
        for text in self.options.properties:
            kind_name, definition = parse_property(text)
            yield self.kind(kind_name), definition
        for text in self.options.unique:
            kind_name, _, name = text.rpartition(".")
            yield self.kind(kind_name or DEFAULT), PropertyDefinition(name=name, unique=True)

    def _caps(self) -> Iterator[tuple[tuple[str, str], int]]:
        for text in self.options.association_limits:
            pair, _, most = text.partition(":")
            start, _, end = pair.partition(".")
            yield (self.kind(start).name, self.kind(end).name), int(most)

    def kind(self, name: str) -> Kind:
        """A type by any of its names; a `ValueError` for one that nobody knows."""
        if kind := self.kinds.named(name):
            return kind
        raise ValueError(f"no object type is called {name!r}")

    def table(self, kind: Kind) -> Table:
        """The records of a type."""
        return self.tables[kind.name]

    def archive(self, table: Table, record: Record, stamp: int) -> None:
        """Move a live record to the recycling bin: its links are gone, its unique values free."""
        table.archive(record, stamp)
        self.links.forget(table.kind.name, record.id)

    def next_id(self) -> str:
        """A record id nobody had: numeric text, rising, with gaps."""
        self.last_id += self.random.randint(1, 37)
        return str(self.last_id)

    def uuid(self) -> str:
        """A correlation id; seeded."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def clear(self) -> None:
        """Forget records and links; definitions and pipelines stay."""
        for table in self.tables.values():
            table.clear()
        self.links.clear()
