"""Property definitions: which properties a type has, their types, and which identify a record.

HubSpot's own come from the registry of types; custom ones from the options or the properties API.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.twin.account.kinds import DEFAULT, Kind
from service.twin.account.values import READERS, Reader, options_reader, refusing_reader

# Active ISO 4217 codes of the currencies that shops commonly price in.
_CODES = """
AED ARS AUD BDT BGN BHD BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DOP EGP EUR GBP GEL GHS GTQ
HKD HNL HUF IDR ILS INR ISK JMD JOD JPY KES KRW KWD KZT LBP LKR MAD MXN MYR NGN NIO NOK NZD OMR
PAB PEN PHP PKR PLN PYG QAR RON RSD RUB SAR SEK SGD THB TND TRY TTD TWD TZS UAH UGX USD UYU VND
XAF XOF ZAR
"""
CURRENCIES = tuple(_CODES.split())

# HubSpot's types and the field type that goes with each.
FIELD_TYPES = {
    "string": "text",
    "number": "number",
    "bool": "booleancheckbox",
    "date": "date",
    "datetime": "date",
    "enumeration": "select",
    "phone_number": "phonenumber",
}
# Types of the twin alone, for HubSpot's own properties with rules of their own, and what they show.
SHOWN_AS = {"email": "string", "emails": "string", "price": "number", "stage": "enumeration"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyDefinition:
    """One property of one type; `type` is HubSpot's, or one of the twin's own (`SHOWN_AS`)."""

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

    @property
    def shown_type(self) -> str:
        """The type as the properties API shows it."""
        return SHOWN_AS.get(self.type, self.type)

    def reader(self) -> Reader:
        """Turns a sent value of this property into the stored text."""
        if self.read_only:
            return refusing_reader(self.name)
        if self.type == "enumeration":
            return options_reader(self.options, several=self.field_type == "checkbox")
        return READERS[self.type]


def parse_property(text: str) -> tuple[str, PropertyDefinition]:
    """`[kind.]name:type[:option|option]` → (kind's name, definition); the default kind without one.

    Raises `ValueError` with a sentence when the type is unknown or options are missing.
    """
    name, _, rest = text.partition(":")
    type_name, _, options = rest.partition(":")
    kind, dot, short = name.rpartition(".")
    kind, short = (kind, short) if dot else (DEFAULT, name)
    if type_name not in FIELD_TYPES:
        raise ValueError(f"{text!r}: write name:type with a type of {', '.join(FIELD_TYPES)}")
    if (type_name == "enumeration") != bool(options):
        raise ValueError(f"{text!r}: an enumeration, and only that, ends in :one|two|three")
    listed = tuple(filter(None, options.split("|")))
    return kind, PropertyDefinition(name=short, type=type_name, options=listed)


def standard_definitions(kind: Kind) -> Mapping[str, PropertyDefinition]:
    """HubSpot's own properties of a type."""
    definitions = dict(_SYSTEM)
    for type_name, names in kind.properties.items():
        definitions |= {name: _own(name, type_name) for name in names.split()}
    if kind.currency:
        definitions[kind.currency] = _own(kind.currency, "enumeration", CURRENCIES)
    if kind.stages:
        pipeline, stage = kind.stages
        definitions |= {pipeline: _own(pipeline, "stage"), stage: _own(stage, "stage")}
    if kind.address:
        definitions[kind.address] = _own(kind.address, "email", unique=True)
    if kind.amounts:
        definitions |= {name: _computed(name, "number") for name in AMOUNTS}
    return definitions


def _own(
    name: str, type_name: str, options: tuple[str, ...] = (), *, unique: bool = False
) -> PropertyDefinition:
    return PropertyDefinition(
        name=name, type=type_name, options=options, unique=unique, hubspot_defined=True
    )


def _computed(name: str, type_name: str) -> PropertyDefinition:
    return PropertyDefinition(name=name, type=type_name, read_only=True, hubspot_defined=True)


# Some of those that come back from the creation of a line item (recorded).
AMOUNTS = ("amount", "hs_pre_discount_amount", "hs_total_discount")
_SYSTEM = {
    name: _computed(name, type_name)
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
