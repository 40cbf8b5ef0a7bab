"""Records of one object type: properties, unique values, archived state and property history.

Writes here never fail: judging a write is `plans`' part. A value is held by one live record per
unique property; archiving lets go of it, as far as live records are concerned.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from service.twin.account.definitions import PropertyDefinition
from service.twin.account.kinds import Kind
from service.twin.account.values import Reader, plain

# When, and which values became what: one entry a write, so that a write costs one tuple.
Change = tuple[int, Mapping[str, str]]


@dataclass(slots=True)
class Record:
    """One CRM record; times are milliseconds since 1970, history is oldest first."""

    id: str
    created: int
    updated: int
    properties: dict[str, str] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    archived_at: int | None = None


class Table:
    """All records of one type, live and archived, with the definitions they obey."""

    def __init__(
        self,
        kind: Kind,
        definitions: Mapping[str, PropertyDefinition],
        *,
        fold: bool = False,
        history_depth: int = 20,
        same_value_history: bool = False,
    ) -> None:
        """Start empty; `fold` lowers the values of unique properties."""
        self.kind = kind
        self.definitions: dict[str, PropertyDefinition] = {}
        self.archived_definitions: dict[str, PropertyDefinition] = {}
        self.readers: dict[str, Reader] = {}
        self.holders: dict[str, dict[str, str]] = {}
        self.archived_holders: dict[str, dict[str, str]] = {}
        self.live: dict[str, Record] = {}
        self.archived: dict[str, Record] = {}
        self.aliases: dict[str, str] = {}
        self.fold = fold
        self.folding: set[str] = set()
        self.read_only: set[str] = set()
        self.history_depth = history_depth
        self.same_value_history = same_value_history
        for definition in definitions.values():
            self.define(definition)

    def define(self, definition: PropertyDefinition) -> None:
        """Add or replace a property definition."""
        self.definitions[definition.name] = definition
        self.readers[definition.name] = definition.reader()
        if definition.read_only:
            self.read_only.add(definition.name)
        if definition.type == "email" or (self.fold and definition.unique):
            self.folding.add(definition.name)
        if definition.unique:
            self.holders.setdefault(definition.name, {})
            self.archived_holders.setdefault(definition.name, {})

    def undefine(self, name: str) -> None:
        """Archive a property definition: writes to it are refused from now on."""
        if (definition := self.definitions.pop(name, None)) is not None:
            self.archived_definitions[name] = definition
        for known in (self.readers, self.holders, self.archived_holders):
            known.pop(name, None)
        self.folding.discard(name)

    def folded(self, name: str, value: str) -> str:
        """The value under which a unique property is held."""
        return value.strip().lower() if name in self.folding else value

    def find(self, given: object, id_property: str | None) -> Record | None:
        """The live record that an id or a unique value means; None if there is none."""
        return self._seek(given, id_property, self.live, self.holders)

    def find_archived(self, given: object, id_property: str | None) -> Record | None:
        """The archived record that an id or a unique value means; the latest of several."""
        return self._seek(given, id_property, self.archived, self.archived_holders)

    def _seek(
        self,
        given: object,
        id_property: str | None,
        records: dict[str, Record],
        holders: dict[str, dict[str, str]],
    ) -> Record | None:
        text = given if type(given) is str else plain(given)
        if id_property is None or id_property == "hs_object_id":
            return records.get(self.aliases.get(text, text))
        held = holders.get(id_property)
        return None if held is None else records.get(held.get(self.folded(id_property, text), ""))

    def holder(self, name: str, value: str) -> str | None:
        """The id of the live record that holds a unique value."""
        return self.holders[name].get(value)

    def key_of(self, record: Record) -> str:
        """The record's first unique value, or its id: what journals and faults know it by."""
        for name in self.holders:
            if value := record.properties.get(name):
                return value
        return record.id

    def create(self, record_id: str, clean: Mapping[str, str], stamp: int) -> Record:
        """Make a record of values that were judged."""
        record = Record(record_id, stamp, stamp)
        self.live[record_id] = record
        self.write(record, clean, stamp)
        return record

    def write(self, record: Record, clean: Mapping[str, str], stamp: int) -> None:
        """Set judged values; the empty string clears."""
        properties = record.properties
        if not self.holders.keys().isdisjoint(clean):
            self._move_holds(record, clean)
        changed: Mapping[str, str] = clean
        if not self.same_value_history and (properties or "" in clean.values()):
            changed = {
                name: value for name, value in clean.items() if properties.get(name, "") != value
            }
        record.updated = stamp
        if not changed:
            return
        properties.update(changed)
        if "" in changed.values():
            record.properties = {name: value for name, value in properties.items() if value}
        record.history.append((stamp, changed))
        if len(record.history) > 4 * self.history_depth:
            record.history = compacted(record.history, self.history_depth)

    def _move_holds(self, record: Record, clean: Mapping[str, str]) -> None:
        for name, held in self.holders.items():
            if name not in clean:
                continue
            if (old := record.properties.get(name)) and held.get(old) == record.id:
                del held[old]
            if new := clean[name]:
                held[new] = record.id

    def archive(self, record: Record, stamp: int) -> None:
        """Move a live record to the recycling bin; its unique values become free."""
        del self.live[record.id]
        record.archived_at = record.updated = stamp
        self.archived[record.id] = record
        for name, held in self.holders.items():
            value = record.properties.get(name)
            if value and held.get(value) == record.id:
                del held[value]
                self.archived_holders[name][value] = record.id

    def forget(self, record: Record) -> None:
        """Drop an archived record for good."""
        del self.archived[record.id]
        for held in self.archived_holders.values():
            for value in [value for value, held_by in held.items() if held_by == record.id]:
                del held[value]

    def revive(self, record: Record) -> None:
        """Bring an archived record back, with its unique values."""
        del self.archived[record.id]
        record.archived_at = None
        self.live[record.id] = record
        for name, held in self.archived_holders.items():
            value = record.properties.get(name)
            if value and held.get(value) == record.id:
                del held[value]
                self.holders[name][value] = record.id

    def restore(self, record: Record) -> None:
        """Take a record from a state file."""
        live = record.archived_at is None
        (self.live if live else self.archived)[record.id] = record
        for name, held in (self.holders if live else self.archived_holders).items():
            if value := record.properties.get(name):
                held[value] = record.id

    def everything(self) -> Iterator[Record]:
        """Every record, archived ones last."""
        yield from self.live.values()
        yield from self.archived.values()

    def clear(self) -> None:
        """Forget all records; definitions stay."""
        for group in (self.live, self.archived, self.aliases):
            group.clear()
        for held in (*self.holders.values(), *self.archived_holders.values()):
            held.clear()


def compacted(history: list[Change], depth: int) -> list[Change]:
    """The history with at most `depth` entries for each property, the newest of them."""
    seen: Counter[str] = Counter()
    kept: list[Change] = []
    for stamp, changed in reversed(history):
        seen.update(changed.keys())
        if recent := {name: value for name, value in changed.items() if seen[name] <= depth}:
            kept.append((stamp, recent))
    return kept[::-1]


def history_of(record: Record, name: str, depth: int) -> list[tuple[int, str]]:
    """When a property got which value, newest first, at most `depth` of them."""
    entries = [(stamp, changed[name]) for stamp, changed in record.history if name in changed]
    return entries[: -depth - 1 : -1]
