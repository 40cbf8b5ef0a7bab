"""Object types the twin knows, and every name a path may call them by.

`orders`, `order`, `ORDER` and `0-123` are one type; an unknown name is a 400 without category.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One object type: plural as in paths, singular, object type id, and its label in messages."""

    name: str
    singular: str
    type_id: str

    @property
    def label(self) -> str:
        """`ORDER`, as HubSpot's messages call it."""
        return self.singular.upper()

    @property
    def names(self) -> frozenset[str]:
        """Every way to spell it in a path."""
        return frozenset((self.name, self.singular, self.type_id))

    @property
    def scope(self) -> str:
        """What it is called in the names of scopes."""
        return self.name


ORDERS = Kind("orders", "order", "0-123")
LINE_ITEMS = Kind("line_items", "line_item", "0-8")
CONTACTS = Kind("contacts", "contact", "0-1")

KINDS: tuple[Kind, ...] = (
    ORDERS,
    LINE_ITEMS,
    CONTACTS,
    Kind("companies", "company", "0-2"),
    Kind("deals", "deal", "0-3"),
    Kind("tickets", "ticket", "0-5"),
    Kind("products", "product", "0-7"),
    Kind("quotes", "quote", "0-14"),
    Kind("tasks", "task", "0-27"),
    Kind("invoices", "invoice", "0-53"),
    Kind("subscriptions", "subscription", "0-69"),
    Kind("discounts", "discount", "0-84"),
    Kind("commerce_payments", "commerce_payment", "0-101"),
    Kind("carts", "cart", "0-142"),
)

_BY_NAME = {
    spelling: kind for kind in KINDS for spelling in (kind.name, kind.singular, kind.type_id)
}


def kind_named(name: str) -> Kind | None:
    """The type a path segment means, or None."""
    return _BY_NAME.get(name) or _BY_NAME.get(name.lower())
