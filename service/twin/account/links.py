"""Links between live records: of which types, seen from both ends.

    order 1 --513--> line item 7        one row of `Links`,
    order 1 <--514-- line item 7        entered with it, under the opposite type

A link carries its plain type and any number of labels. At most one link of a record to another object
type is the primary one.
"""

from collections.abc import Collection, Iterator

from service.twin.account.link_types import LinkType, LinkTypes

# Start and end type, the records' ids, category and number: one direction of one type of a link.
Row = tuple[str, str, str, str, str, int]


class Links:
    """All links of an account."""

    def __init__(self, types: LinkTypes) -> None:
        """No links; `types` says what the opposite of a type is."""
        self.types = types
        self._ends: dict[tuple[str, str], dict[str, dict[str, set[LinkType]]]] = {}

    def of(self, start: str, end: str, start_id: str) -> dict[str, set[LinkType]]:
        """The records of type `end` linked to one record, with the types of the links."""
        return self._ends.get((start, end), {}).get(start_id, {})

    def held(self, ends: tuple[str, str], ids: tuple[str, str]) -> frozenset[LinkType]:
        """The types that link two records."""
        return frozenset(self.of(ends[0], ends[1], ids[0]).get(ids[1], ()))

    def add(
        self, ends: tuple[str, str], ids: tuple[str, str], wanted: Collection[LinkType]
    ) -> None:
        """Link two records by further types; a new primary link takes the old one's place."""
        start, end = ends
        for kind in wanted:
            if kind == self.types.primary(start, end):
                self._clear_primary(ends, ids, kind)
            back = self.types.between(start, end)[kind].back
            self._set(start, end, ids).add(kind)
            self._set(end, start, ids[::-1]).add(back)

    def _clear_primary(
        self, ends: tuple[str, str], ids: tuple[str, str], primary: LinkType
    ) -> None:
        linked = self.of(ends[0], ends[1], ids[0])
        for other in [end for end, kinds in linked.items() if primary in kinds and end != ids[1]]:
            self.drop(ends, (ids[0], other), (primary,))

    def _set(self, start: str, end: str, ids: tuple[str, str]) -> set[LinkType]:
        ends = self._ends.setdefault((start, end), {}).setdefault(ids[0], {})
        return ends.setdefault(ids[1], set())

    def drop(
        self, ends: tuple[str, str], ids: tuple[str, str], kinds: Collection[LinkType]
    ) -> None:
        """Take types away from a link; without any left there is no link."""
        start, end = ends
        meanings = self.types.between(start, end)
        backs = [meanings[kind].back for kind in kinds if kind in meanings]
        self._discard(start, end, ids, kinds)
        self._discard(end, start, ids[::-1], backs)

    def _discard(
        self, start: str, end: str, ids: tuple[str, str], kinds: Collection[LinkType]
    ) -> None:
        linked = self.of(start, end, ids[0])
        left = linked.get(ids[1], set())
        left.difference_update(kinds)
        if not left:
            linked.pop(ids[1], None)

    def forget(self, kind: str, record_id: str) -> None:
        """Drop all links of a record."""
        for (start, end), starts in self._ends.items():
            if start == kind:
                for other in starts.pop(record_id, {}):
                    self._ends[end, start].get(other, {}).pop(record_id, None)

    def move(self, kind: str, old: str, new: str) -> None:
        """Give the links of one record to another one of its type."""
        for start, end in list(self._ends):
            if start != kind:
                continue
            for other, kinds in self._ends[start, end].pop(old, {}).items():
                self._ends[end, start].get(other, {}).pop(old, None)
                self.add((start, end), (new, other), kinds - self._surplus(start, end, new))

    def _surplus(self, start: str, end: str, start_id: str) -> set[LinkType]:
        """The primary type, where a record has such a link already."""
        primary = self.types.primary(start, end)
        linked = self.of(start, end, start_id).values()
        return {primary} if primary and any(primary in kinds for kinds in linked) else set()

    def rows(self) -> Iterator[Row]:
        """Every link, from both ends, as plain values for a state file."""
        for (start, end), starts in self._ends.items():
            for start_id, linked in starts.items():
                for end_id, kinds in linked.items():
                    for kind in kinds:
                        yield start, end, start_id, end_id, kind.category, kind.id

    def restore(self, row: Row) -> None:
        """Take a link from a state file."""
        start, end, start_id, end_id, category, number = row
        self._set(start, end, (start_id, end_id)).add(LinkType(category, number))

    def clear(self) -> None:
        """Forget all links."""
        self._ends.clear()
