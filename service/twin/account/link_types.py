"""The types of links between two object types: plain ones, HubSpot's labelled ones, an account's own.

A type has a number for each direction. Numbers of HubSpot's own types are the same everywhere, those
of an account's labels and of custom objects are not: clients have to ask for them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from service.twin.account.kinds import Kinds

HUBSPOT, USER = "HUBSPOT_DEFINED", "USER_DEFINED"
PRIMARY = "Primary"


@dataclass(frozen=True, slots=True, order=True)
class LinkType:
    """An association type as bodies name it: category and number."""

    category: str
    id: int


@dataclass(frozen=True, slots=True)
class TypeMeaning:
    """A type between two object types: its label (None if plain), and its opposite's type."""

    label: str | None
    back: LinkType


# From, to, label, number there, number back. Sources: HubSpot's orders guide and the list of the
# associations guide; 934 and 935 by two integrations in production, 341 and 5 as recorded.
# 0: the number back is not published, so the twin takes one of its own.
_HUBSPOT_TYPES: tuple[tuple[str, str, str | None, int, int], ...] = (
    ("orders", "contacts", None, 507, 508),
    ("orders", "companies", None, 934, 935),
    ("orders", "companies", PRIMARY, 509, 510),
    ("orders", "deals", None, 512, 511),
    ("orders", "line_items", None, 513, 514),
    ("orders", "subscriptions", None, 516, 515),
    ("orders", "invoices", None, 518, 517),
    ("orders", "discounts", None, 519, 520),
    ("orders", "discount_codes", None, 521, 0),
    ("orders", "commerce_payments", None, 523, 524),
    ("orders", "tickets", None, 525, 526),
    ("orders", "carts", None, 593, 592),
    ("orders", "tasks", None, 726, 0),
    ("orders", "quotes", None, 730, 731),
    ("contacts", "companies", None, 279, 280),
    ("contacts", "companies", PRIMARY, 1, 2),
    ("deals", "companies", None, 341, 342),
    ("deals", "companies", PRIMARY, 5, 6),
    ("deals", "contacts", None, 3, 4),
    ("deals", "line_items", None, 19, 20),
    ("quotes", "line_items", None, 67, 68),
)
_UNPUBLISHED = 9_000
_FIRST_OWN = 40


class LinkTypes:
    """The link types of one account."""

    def __init__(self, kinds: Kinds, labels: Iterable[str] = ()) -> None:
        """HubSpot's types, plain ones of custom objects, and labels as `from.to:label[|label]`.

        A label with another one for the way back is written `there/back`. Raises `ValueError` for
        an unknown object type.
        """
        self._between: dict[tuple[str, str], dict[LinkType, TypeMeaning]] = {}
        self._last = _FIRST_OWN
        # From, to, label, label back, number, number back.
        self.labels: list[tuple[str, str, str, str, int, int]] = []
        for place, (start, end, label, there, back) in enumerate(_HUBSPOT_TYPES):
            types = LinkType(HUBSPOT, there), LinkType(HUBSPOT, back or _UNPUBLISHED + place)
            self._enter(start, end, types, (label, label))
        for custom in (kind.name for kind in kinds.all if kind.type_id.startswith("2-")):
            for other in (kind.name for kind in kinds.all):
                if self.plain(custom, other) is None:
                    self._enter(custom, other, (self._next(), self._next()), (None, None))
        for text in labels:
            self._parse(kinds, text)

    def _parse(self, kinds: Kinds, text: str) -> None:
        pair, _, labels = text.partition(":")
        start, _, end = pair.partition(".")
        first, second = kinds.named(start), kinds.named(end)
        if first is None or second is None or not labels:
            raise ValueError(f"{text!r}: write from.to:label, with the names of two object types")
        for label in labels.split("|"):
            there, _, back = label.partition("/")
            self.define(first.name, second.name, there, back or there)

    def define(self, start: str, end: str, label: str, inverse: str) -> LinkType:
        """Make a label of the account; one number serves both ways where both bear one label."""
        there = self._next()
        back = there if label == inverse else self._next()
        self._enter(start, end, (there, back), (label, inverse))
        self.labels.append((start, end, label, inverse, there.id, back.id))
        return there

    def restore(self, labels: Iterable[Sequence[Any]]) -> None:
        """Take labels from a state file."""
        self.labels = [
            (start, end, label, inverse, there, back)
            for start, end, label, inverse, there, back in labels
        ]
        for start, end, label, inverse, there, back in self.labels:
            self._enter(start, end, (LinkType(USER, there), LinkType(USER, back)), (label, inverse))
            self._last = max(self._last, there, back)

    def remove(self, start: str, end: str, kind: LinkType) -> None:
        """Forget a label, both ways."""
        if meaning := self._between.get((start, end), {}).pop(kind, None):
            self._between.get((end, start), {}).pop(meaning.back, None)
            self.labels = [each for each in self.labels if kind.id not in each[4:]]

    def _enter(
        self,
        start: str,
        end: str,
        types: tuple[LinkType, LinkType],
        labels: tuple[str | None, str | None],
    ) -> None:
        there, back = types
        self._between.setdefault((start, end), {})[there] = TypeMeaning(labels[0], back)
        self._between.setdefault((end, start), {})[back] = TypeMeaning(labels[1], there)

    def _next(self) -> LinkType:
        self._last += 1
        return LinkType(USER, self._last)

    def between(self, start: str, end: str) -> dict[LinkType, TypeMeaning]:
        """All types from one object type to another."""
        return self._between.get((start, end), {})

    def plain(self, start: str, end: str) -> LinkType | None:
        """The type without a label; None if the two cannot be linked, as far as is known."""
        return self._labelled(start, end, None)

    def primary(self, start: str, end: str) -> LinkType | None:
        """The type of which a record has one at most."""
        return self._labelled(start, end, PRIMARY)

    def _labelled(self, start: str, end: str, label: str | None) -> LinkType | None:
        types = self.between(start, end).items()
        return next((kind for kind, meaning in types if meaning.label == label), None)

    def ends_of(self, start: str, kind: LinkType) -> list[str]:
        """The object types that a type of link can lead to, by name."""
        return [
            end for (begin, end), types in self._between.items() if begin == start and kind in types
        ]
