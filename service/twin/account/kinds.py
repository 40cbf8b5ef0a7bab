"""The object types an account knows: one registry, as data. No code asks for a type by its name.

`orders`, `order`, `ORDER` and `0-123` are one type; an unknown name is a 400 without category.
Properties are those that HubSpot's guides, recorded answers and public integrations use.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_OWN_DATES = ("hs_createdate", "hs_lastmodifieddate")
_OLD_DATES = ("createdate", "hs_lastmodifieddate")


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One object type.

    name, singular, type_id: as in paths; `aliases` are further spellings.
    dates: names of the creation and the modification date.
    properties: type of property → names, separated by spaces.
    currency: the property that takes an ISO 4217 code.
    stages: the properties that hold pipeline and stage.
    address: a unique property that is an e-mail address: its holder is refused with a 409, it cannot
        identify an update, and one bad input refuses a whole upsert by it.
    further: the property that lists more addresses of the same record, separated by `;`.
    amounts: whether HubSpot computes amounts from price, quantity and discount.
    part: whether a record of it belongs to one other record, as a line to its order.
    scopes: what scopes call it, with `{}` for read or write.
    """

    name: str
    singular: str
    type_id: str
    aliases: tuple[str, ...] = ()
    dates: tuple[str, str] = _OWN_DATES
    properties: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""
    stages: tuple[str, str] | None = None
    address: str = ""
    further: str = ""
    amounts: bool = False
    part: bool = False
    scopes: str = ""

    @property
    def label(self) -> str:
        """`ORDER`, as HubSpot's messages call it."""
        return self.singular.upper()

    @property
    def names(self) -> frozenset[str]:
        """Every way to spell it in a path."""
        return frozenset((self.name, self.singular, self.type_id, *self.aliases))

    def scope(self, right: str) -> str:
        """The scope that gives `read` or `write`."""
        return (self.scopes or f"crm.objects.{self.name}.{{}}").format(right)


_ADDRESS = " ".join(
    f"hs_{use}_address_{part}"
    for use in ("billing", "shipping")
    for part in ["name", "email", "phone", "street", "city", "state", "postal_code", "country"]
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "orders",
        "order",
        "0-123",
        properties={
            "string": f"{_ADDRESS} hs_order_name hs_order_note hs_source_store hs_external_order_id "
            "hs_external_order_url hs_external_order_status hs_fulfillment_status "
            "hs_payment_status hs_payment_processing_method hs_shipping_method "
            "hs_shipping_status_url hs_shipping_tracking_number hs_discount_codes hs_tags "
            "hs_landing_site hs_referring_site hs_cancellation_reason hubspot_owner_id",
            "number": "hs_total_price hs_subtotal_price hs_tax hs_shipping_cost hs_order_discount "
            "hs_refund_amount hs_exchange_rate",
            "datetime": "hs_external_created_date hs_processed_date hs_cancelled_date "
            "hs_fulfillment_date",
            "bool": "hs_buyer_accepts_marketing",
        },
        currency="hs_currency_code",
        stages=("hs_pipeline", "hs_pipeline_stage"),
    ),
    Kind(
        "line_items",
        "line_item",
        "0-8",
        dates=_OLD_DATES,
        properties={
            "string": "name description hs_sku hs_product_id hs_url hs_images hs_external_id "
            "hs_variant_id recurringbillingfrequency",
            "number": "quantity discount hs_discount_percentage tax hs_cost_of_goods_sold "
            "hs_position_on_quote",
            "price": "price",
        },
        currency="hs_line_item_currency_code",
        amounts=True,
        part=True,
    ),
    Kind(
        "contacts",
        "contact",
        "0-1",
        dates=("createdate", "lastmodifieddate"),
        properties={
            "string": "firstname lastname company website address city state zip country "
            "lifecyclestage hubspot_owner_id",
            "phone_number": "phone mobilephone",
            "emails": "hs_additional_emails",
        },
        address="email",
        further="hs_additional_emails",
    ),
    Kind(
        "companies",
        "company",
        "0-2",
        dates=_OLD_DATES,
        properties={
            "string": "name domain address city state zip country industry",
            "phone_number": "phone",
        },
    ),
    Kind(
        "deals",
        "deal",
        "0-3",
        dates=_OLD_DATES,
        properties={"string": "dealname dealtype", "number": "amount", "datetime": "closedate"},
        stages=("pipeline", "dealstage"),
    ),
    Kind(
        "tickets",
        "ticket",
        "0-5",
        dates=_OLD_DATES,
        properties={"string": "subject content hs_ticket_priority hs_ticket_category"},
        stages=("hs_pipeline", "hs_pipeline_stage"),
        scopes="tickets",
    ),
    Kind(
        "products",
        "product",
        "0-7",
        dates=_OLD_DATES,
        properties={"string": "name description hs_sku", "price": "price"},
    ),
    Kind("quotes", "quote", "0-14", properties={"string": "hs_title"}),
    Kind("tasks", "task", "0-27", properties={"string": "hs_task_subject hs_task_body"}),
    Kind("invoices", "invoice", "0-53", properties={"string": "hs_number"}),
    Kind("subscriptions", "subscription", "0-69", properties={"string": "hs_name"}),
    Kind("discounts", "discount", "0-84", properties={"string": "hs_label"}),
    # Nobody publishes the type id of discount codes: this one is the twin's own.
    Kind("discount_codes", "discount_code", "0-9021", properties={"string": "hs_code"}),
    Kind(
        "commerce_payments",
        "commerce_payment",
        "0-101",
        aliases=("payments", "payment"),
        scopes="crm.objects.commercepayments.{}",
    ),
    Kind(
        "carts",
        "cart",
        "0-142",
        properties={"string": "hs_cart_name"},
        scopes="crm.objects.carts.{}",
    ),
)
# The type that options and look-ins mean where they name none.
DEFAULT = KINDS[0].name


class Kinds:
    """The types of one account, by every spelling."""

    def __init__(self, custom: Iterable[str] = ()) -> None:
        """HubSpot's own types, and custom ones: `2-123456`, or `2-123456:parcels`.

        Raises `ValueError` for a custom type without an id of that form.
        """
        self.all = (*KINDS, *map(_custom, custom))
        self._by_name = {spelling: kind for kind in self.all for spelling in kind.names}

    def named(self, name: str) -> Kind | None:
        """The type that a path segment means, or None."""
        return self._by_name.get(name) or self._by_name.get(name.lower())


def _custom(text: str) -> Kind:
    type_id, _, name = text.partition(":")
    portal, dash, number = type_id.partition("-")
    if portal != "2" or not dash or not number.isdecimal():
        raise ValueError(f"{text!r}: a custom object type is 2-NUMBER, or 2-NUMBER:name")
    name = name or f"p_{number}"
    properties = {"string": "name"}
    return Kind(name, name, type_id, properties=properties, scopes="crm.objects.custom.{}")
