"""Records of one object type: properties, unique values, archived state and property history.

Writes here never fail: judging a write is `plans`' part. A value is held by one live record per
unique property; archiving lets go of it, as far as live records are concerned.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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
        by_further: bool = True,
        history_depth: int = 20,
        same_value_history: bool = False,
    ) -> None:
        """Start empty; `fold` lowers the values of unique properties.

        `by_further` finds a record by its further addresses, too.
        """
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
        self.by_further = by_further
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
        if definition.type in ("email", "emails") or (self.fold and definition.unique):
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
        if (held := holders.get(id_property)) is None:
            return None
        value = self.folded(id_property, text)
        record = records.get(held.get(value, ""))
        if record is None or self.by_further or record.properties.get(id_property) == value:
            return record
        return None

    def claimed(self, name: str, properties: Mapping[str, str]) -> list[str]:
        """The values that such properties claim of a unique one: of an address, further ones too."""
        value = properties.get(name)
        if name != self.kind.address or not (further := properties.get(self.kind.further)):
            return [value] if value else []
        return [each for each in (value, *further.split(";")) if each]

    def key_of(self, record: Record) -> str:
        """The record's first unique value, or its id: what journals and faults know it by."""
        for name in self.holders:
            if value := record.properties.get(name):
                return value
        return record.id

    def key_of_id(self, record_id: str) -> str:
        """The key of a record that may be archived, or not there at all."""
        record = self.live.get(record_id) or self.archived.get(record_id)
        return record_id if record is None else self.key_of(record)

    def create(self, record_id: str, clean: Mapping[str, str], stamp: int) -> Record:
        """Make a record of values that were judged."""
        record = Record(record_id, stamp, stamp)
        self.live[record_id] = record
        self.write(record, clean, stamp)
        return record

    def write(self, record: Record, clean: Mapping[str, str], stamp: int) -> None:
        """Set judged values; the empty string clears."""
        properties = record.properties
        if not self.holders.keys().isdisjoint(clean) or self.kind.further in clean:
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
        further = self.kind.further
        after = {**record.properties, **clean} if further else clean
        for name, held in self.holders.items():
            if name not in clean and (name != self.kind.address or further not in clean):
                continue
            self._let_go(held, self.claimed(name, record.properties), record.id)
            for value in self.claimed(name, after):
                held[value] = record.id

    def _let_go(self, held: dict[str, str], values: Iterable[str], record_id: str) -> list[str]:
        """Free those of the values that a record holds; returns them."""
        own = [value for value in values if held.get(value) == record_id]
        for value in own:
            del held[value]
        return own

    def archive(self, record: Record, stamp: int) -> None:
        """Move a live record to the recycling bin; its unique values become free."""
        del self.live[record.id]
        record.archived_at = record.updated = stamp
        self.archived[record.id] = record
        for name, held in self.holders.items():
            own = self._let_go(held, self.claimed(name, record.properties), record.id)
            self.archived_holders[name].update(dict.fromkeys(own, record.id))

    def revive(self, record: Record) -> None:
        """Bring an archived record back, with its unique values."""
        del self.archived[record.id]
        record.archived_at = None
        self.live[record.id] = record
        for name, held in self.archived_holders.items():
            own = self._let_go(held, self.claimed(name, record.properties), record.id)
            self.holders[name].update(dict.fromkeys(own, record.id))

    def rename(self, record: Record, new_id: str) -> None:
        """Give a live record another id; the old one goes on meaning it."""
        old = record.id
        del self.live[old]
        record.id = new_id
        self.live[new_id] = record
        self.aliases |= {alias: new_id for alias, meant in self.aliases.items() if meant == old}
        self.aliases[old] = new_id
        for name, held in self.holders.items():
            held.update(dict.fromkeys(self.claimed(name, record.properties), new_id))

    def restore(self, record: Record) -> None:
        """Take a record from a state file."""
        live = record.archived_at is None
        (self.live if live else self.archived)[record.id] = record
        for name, held in (self.holders if live else self.archived_holders).items():
            held.update(dict.fromkeys(self.claimed(name, record.properties), record.id))

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
