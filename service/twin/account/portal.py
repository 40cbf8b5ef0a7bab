"""The portal: everything one HubSpot account holds, and the chance and time it lives by."""

from random import Random
from uuid import UUID

from service.twin.account.definitions import (
    PropertyDefinition,
    parse_property,
    standard_definitions,
)
from service.twin.account.kinds import KINDS, Kind, kind_named
from service.twin.account.links import Links
from service.twin.account.pipelines import Pipelines
from service.twin.account.records import Table
from service.twin.clock import Clock
from service.twin.options import TwinOptions

_FIRST_ID = 395_000_000_000
_SOME_DAY = 1_735_689_600_000  # 2025-01-01: when the default pipelines were made


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
        self.pipelines = Pipelines()
        self.links = Links()
        self.tables = {kind.name: self._table(kind) for kind in KINDS}
        for kind, definition in _custom(options):
            self.tables[kind.name].define(definition)

    def _table(self, kind: Kind) -> Table:
        options = self.options
        return Table(
            kind,
            standard_definitions(kind, self.pipelines.stage_ids(kind)),
            fold=options.key_case == "fold",
            history_depth=options.history_depth,
            same_value_history=options.same_value_history,
        )

    def table(self, kind: Kind) -> Table:
        """The records of a type."""
        return self.tables[kind.name]

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


def _custom(options: TwinOptions) -> list[tuple[Kind, PropertyDefinition]]:
    named = [parse_property(text) for text in options.properties]
    for text in options.unique:
        kind_name, dot, short = text.partition(".")
        name = short if dot else text
        definition = PropertyDefinition(name=name, unique=True)
        named.append((kind_name if dot else "orders", definition))
    return [(_known(kind_name), definition) for kind_name, definition in named]


def _known(name: str) -> Kind:
    if kind := kind_named(name):
        return kind
    raise ValueError(f"no object type is called {name!r}")
