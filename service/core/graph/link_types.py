"""HubSpot's plain link types from an order, and the account's labels.

Type ids: the orders guide and the associations guide (reference: "Association type ID values"). Company has two: 934
is the plain link, 509 the *primary* company; only one company of an order can be primary, so that the plain one is sent
unless a label says otherwise.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from service.core.hubspot.answers import objects
from service.core.hubspot.associations import LinkType

HUBSPOT_DEFINED: Final = "HUBSPOT_DEFINED"
_IDS: Final[Mapping[str, int]] = {
    "contacts": 507,
    "companies": 934,
    "deals": 512,
    "line_items": 513,
    "subscriptions": 516,
    "invoices": 518,
    "discounts": 519,
    "discount_codes": 521,
    "commerce_payments": 523,
    "tickets": 525,
    "carts": 593,
    "tasks": 726,
    "quotes": 730,
}
PLAIN: Final[Mapping[str, LinkType]] = {
    name: LinkType(HUBSPOT_DEFINED, number) for name, number in _IDS.items()
}


def labels_of(body: Mapping[str, Any]) -> dict[str | None, LinkType]:
    """An account's link types for a pair of object types: label in lower case -> type, None = the plain one."""
    known: dict[str | None, LinkType] = {}
    for entry in objects(body, "results"):
        category, type_id, label = entry.get("category"), entry.get("typeId"), entry.get("label")
        if not isinstance(category, str) or type(type_id) is not int:
            continue
        name = label.strip().casefold() if isinstance(label, str) and label.strip() else None
        known.setdefault(name, LinkType(category, type_id))
    return known


def types_for(
    to: str, labels: Iterable[str], known: Mapping[str | None, LinkType]
) -> tuple[tuple[LinkType, ...], tuple[str, ...]]:
    """The plain type and the labels' types, and the labels that the account does not have."""
    plain = PLAIN.get(to) or known.get(None)
    wanted = {label: known.get(label.strip().casefold()) for label in labels}
    types = [each for each in (plain, *wanted.values()) if each is not None]
    return tuple(dict.fromkeys(types)), tuple(name for name, each in wanted.items() if each is None)
