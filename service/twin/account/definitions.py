"""Property definitions: which properties a type has, their types, and which identify a record.

HubSpot's own properties here are those that its orders guide, recorded answers and public order
integrations use; a portal's custom ones come from the options or from the properties API.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from service.twin.account.kinds import CONTACTS, LINE_ITEMS, ORDERS, Kind
from service.twin.account.values import READERS, Reader, options_reader, refusing_reader

# Active ISO 4217 codes of the currencies that shops commonly price in.
_CODES = """
AED ARS AUD BDT BGN BHD BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DOP EGP EUR GBP GEL GHS GTQ
HKD HNL HUF IDR ILS INR ISK JMD JOD JPY KES KRW KWD KZT LBP LKR MAD MXN MYR NGN NIO NOK NZD OMR
PAB PEN PHP PKR PLN PYG QAR RON RSD RUB SAR SEK SGD THB TND TRY TTD TWD TZS UAH UGX USD UYU VND
XAF XOF ZAR
"""
CURRENCIES = tuple(_CODES.split())

FIELD_TYPES = {
    "string": "text",
    "number": "number",
    "bool": "booleancheckbox",
    "date": "date",
    "datetime": "date",
    "enumeration": "select",
    "phone_number": "phonenumber",
    "email": "text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyDefinition:
    """One property of one type. `type` is HubSpot's, plus `email` for the contacts' address."""

    name: str
    type: str = "string"
    label: str = ""
    group: str = ""
    field_type: str = ""
    description: str = ""
    unique: bool = False
    read_only: bool = False
    hubspot_defined: bool = False
    options: tuple[str, ...] = ()

    def reader(self) -> Reader:
        """What turns a sent value of this property into the stored text."""
        if self.read_only:
            return refusing_reader(self.name)
        if self.type == "enumeration":
            return options_reader(self.options, several=self.field_type == "checkbox")
        return READERS[self.type]


def parse_property(text: str) -> tuple[str, PropertyDefinition]:
    """`[kind.]name:type[:option|option]` → (kind's name, definition); orders without a kind.

    Raises `ValueError` with a sentence when the type is unknown or options are missing.
    """
    name, _, rest = text.partition(":")
    type_name, _, options = rest.partition(":")
    kind, dot, short = name.partition(".")
    kind, short = (kind, short) if dot else (ORDERS.name, name)
    if type_name not in FIELD_TYPES:
        raise ValueError(f"{text!r}: write name:type with a type of {', '.join(FIELD_TYPES)}")
    if (type_name == "enumeration") != bool(options):
        raise ValueError(f"{text!r}: an enumeration, and only that, ends in :one|two|three")
    listed = tuple(filter(None, options.split("|")))
    return kind, PropertyDefinition(name=short, type=type_name, options=listed)


def standard_definitions(kind: Kind, stages: Iterable[str]) -> dict[str, PropertyDefinition]:
    """HubSpot's own properties of a type; `stages` are the ids its pipelines know."""
    definitions = dict(_SYSTEM)
    for type_name, names in _WRITABLE.get(kind.name, {}).items():
        definitions |= {name: _own(name, type_name) for name in names.split()}
    if kind in (ORDERS, LINE_ITEMS):
        currency = "hs_currency_code" if kind is ORDERS else "hs_line_item_currency_code"
        definitions[currency] = _own(currency, "enumeration", CURRENCIES)
    if stages := tuple(stages):
        definitions["hs_pipeline_stage"] = _own("hs_pipeline_stage", "enumeration", stages)
        definitions["hs_pipeline"] = _own("hs_pipeline", "string")
    if kind is CONTACTS:
        definitions["email"] = PropertyDefinition(
            name="email", type="email", unique=True, hubspot_defined=True
        )
    return definitions


def _own(name: str, type_name: str, options: tuple[str, ...] = ()) -> PropertyDefinition:
    return PropertyDefinition(name=name, type=type_name, options=options, hubspot_defined=True)


_SYSTEM = {
    name: PropertyDefinition(name=name, type=type_name, read_only=True, hubspot_defined=True)
    for name, type_name in {
        "hs_object_id": "number",
        "hs_createdate": "datetime",
        "createdate": "datetime",
        "hs_lastmodifieddate": "datetime",
        "lastmodifieddate": "datetime",
        "hs_object_source": "string",
        "hs_object_source_id": "string",
        "hs_object_source_label": "string",
        "hs_created_by_user_id": "number",
        "hs_updated_by_user_id": "number",
        "hs_merged_object_ids": "string",
        "hs_unique_creation_key": "string",
    }.items()
}

_WRITABLE: dict[str, dict[str, str]] = {
    "orders": {
        "string": "hs_order_name hs_order_note hs_source_store hs_external_order_id "
        "hs_external_order_url hs_external_order_status hs_fulfillment_status hs_payment_status "
        "hs_payment_processing_method hs_shipping_method hs_shipping_status_url "
        "hs_shipping_tracking_number hs_discount_codes hs_tags hs_landing_site hs_referring_site "
        "hs_cancellation_reason hs_billing_address_name hs_billing_address_email "
        "hs_billing_address_phone hs_billing_address_street hs_billing_address_city "
        "hs_billing_address_state hs_billing_address_postal_code hs_billing_address_country "
        "hs_shipping_address_name hs_shipping_address_phone hs_shipping_address_street "
        "hs_shipping_address_city hs_shipping_address_state hs_shipping_address_postal_code "
        "hs_shipping_address_country hubspot_owner_id",
        "number": "hs_total_price hs_subtotal_price hs_tax hs_shipping_cost hs_order_discount "
        "hs_refund_amount hs_exchange_rate",
        "datetime": "hs_external_created_date hs_processed_date hs_cancelled_date "
        "hs_fulfillment_date",
        "bool": "hs_buyer_accepts_marketing",
    },
    "line_items": {
        "string": "name description hs_sku hs_product_id hs_url hs_images hs_external_id "
        "hs_variant_id recurringbillingfrequency",
        "number": "price quantity discount hs_discount_percentage tax amount hs_cost_of_goods_sold",
    },
    "contacts": {
        "string": "firstname lastname company website address city state zip country "
        "lifecyclestage hubspot_owner_id",
        "phone_number": "phone mobilephone",
    },
    "companies": {"string": "name domain city state country industry", "phone_number": "phone"},
    "deals": {
        "string": "dealname pipeline dealstage dealtype",
        "number": "amount",
        "datetime": "closedate",
    },
    "products": {"string": "name description hs_sku", "number": "price"},
    "tickets": {"string": "subject content hs_ticket_priority hs_ticket_category"},
}
