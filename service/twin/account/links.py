"""Links between records: association types, and which records are linked, seen from both ends."""

from collections.abc import Iterator
from dataclasses import dataclass

from service.twin.account.kinds import Kind


@dataclass(frozen=True, slots=True, order=True)
class LinkType:
    """An association type: category and number."""

    category: str
    id: int


# Default types from order, from HubSpot's orders guide; the opposite ones are one off, as far as
# they are public (508, 510, 511, 514); an opposite nobody has shown takes the same number.
_DEFAULTS = {
    ("orders", "contacts"): 507,
    ("orders", "companies"): 509,
    ("orders", "deals"): 512,
    ("orders", "line_items"): 513,
    ("orders", "subscriptions"): 516,
    ("orders", "invoices"): 518,
    ("orders", "discounts"): 519,
    ("orders", "commerce_payments"): 523,
    ("orders", "tickets"): 525,
    ("orders", "carts"): 593,
    ("orders", "tasks"): 726,
    ("orders", "quotes"): 730,
    ("contacts", "orders"): 508,
    ("companies", "orders"): 510,
    ("deals", "orders"): 511,
    ("line_items", "orders"): 514,
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
}


def default_type(start: Kind, end: Kind) -> LinkType | None:
    """The unlabelled type between two object types; None if the twin knows none."""
    pair = (start.name, end.name)
    number = _DEFAULTS.get(pair) or _DEFAULTS.get((end.name, start.name))
    return None if number is None else LinkType("HUBSPOT_DEFINED", number)


def type_name(start: Kind, end: Kind) -> str:
    """`order_to_contact`, as v3 names the default type."""
    return f"{start.singular}_to_{end.singular}"


class Links:
    """All links of a portal."""

    def __init__(self) -> None:
        """No links."""
        self._ends: dict[tuple[str, str], dict[str, dict[str, set[LinkType]]]] = {}

    def link(self, start: Kind, start_id: str, end: Kind, end_id: str, kind: LinkType) -> None:
        """Link two records, from both ends."""
        back = kind
        if kind == default_type(start, end):
            back = default_type(end, start) or kind
        self._set(start, start_id, end, end_id).add(kind)
        self._set(end, end_id, start, start_id).add(back)

    def _set(self, start: Kind, start_id: str, end: Kind, end_id: str) -> set[LinkType]:
        ends = self._ends.setdefault((start.name, end.name), {})
        return ends.setdefault(start_id, {}).setdefault(end_id, set())

    def unlink(
        self, start: Kind, start_id: str, end: Kind, end_id: str, kind: LinkType | None = None
    ) -> None:
        """Drop one type of link between two records, or all of them."""
        opposite = default_type(end, start) if kind == default_type(start, end) else kind
        self._drop(start, start_id, end, end_id, kind)
        self._drop(end, end_id, start, start_id, opposite)

    def _drop(
        self, start: Kind, start_id: str, end: Kind, end_id: str, kind: LinkType | None
    ) -> None:
        linked = self._ends.get((start.name, end.name), {}).get(start_id, {})
        kinds = linked.get(end_id, set())
        if kind is None:
            kinds.clear()
        else:
            kinds.discard(kind)
        if not kinds:
            linked.pop(end_id, None)

    def of(self, start: str, end: str, start_id: str) -> dict[str, set[LinkType]]:
        """The records linked to one, with the types of the links."""
        return self._ends.get((start, end), {}).get(start_id, {})

    def rows(self) -> Iterator[tuple[str, str, str, str, str, int]]:
        """Every link, from both ends, as plain values for a state file."""
        for (start, end), starts in self._ends.items():
            for start_id, linked in starts.items():
                for end_id, kinds in linked.items():
                    for kind in kinds:
                        yield start, end, start_id, end_id, kind.category, kind.id

    def restore(self, row: tuple[str, str, str, str, str, int]) -> None:
        """Take a link from a state file."""
        start, end, start_id, end_id, category, number = row
        ends = self._ends.setdefault((start, end), {}).setdefault(start_id, {})
        ends.setdefault(end_id, set()).add(LinkType(category, number))

    def clear(self) -> None:
        """Forget all links."""
        self._ends.clear()
