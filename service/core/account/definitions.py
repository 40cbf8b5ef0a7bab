"""The properties of an object type, as the account defines them: names, types, options, what cannot be written.

Source: `GET /crm/v3/properties/{objectType}` (HubSpot's OpenAPI file properties.v3.json). Every field may be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from service.core.hubspot.answers import objects

# Their values are compared as moments.
DATES = frozenset({"date", "datetime"})


class Option(NamedTuple):
    """One value that an enumeration takes, and how people know it."""

    value: str
    label: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """One property. `type`: string, number, bool, date, datetime, enumeration, phone_number."""

    name: str
    type: str = "string"
    label: str = ""
    description: str = ""
    group: str = ""
    # How it is entered; `checkbox` is an enumeration of several values at once.
    field_type: str = ""
    options: tuple[Option, ...] = field(default=())
    # The options are kept elsewhere, as stages are: the list is empty and says nothing (botpress#15354).
    external: bool = False
    unique: bool = False
    read_only: bool = False
    archived: bool = False

    @property
    def several(self) -> bool:
        """Whether it takes several options, with semicolons between."""
        return self.type == "enumeration" and self.field_type == "checkbox"


Definitions = Mapping[str, Definition]


def definitions_of(body: Mapping[str, Any]) -> dict[str, Definition]:
    """The properties in the answer to a list of them, by name."""
    read = (definition(each) for each in objects(body, "results"))
    return {each.name: each for each in read if each.name}


def definition(entry: Mapping[str, Any]) -> Definition:
    """One property out of its JSON."""
    modification = entry.get("modificationMetadata")
    metadata = modification if isinstance(modification, dict) else {}
    return Definition(
        name=_text(entry, "name"),
        type=_text(entry, "type") or "string",
        label=_text(entry, "label"),
        description=_text(entry, "description"),
        group=_text(entry, "groupName"),
        field_type=_text(entry, "fieldType"),
        options=tuple(
            Option(_text(each, "value"), _text(each, "label"), each.get("hidden") is True)
            for each in objects(entry, "options")
        ),
        external=entry.get("externalOptions") is True,
        unique=entry.get("hasUniqueValue") is True,
        read_only=metadata.get("readOnlyValue") is True or entry.get("calculated") is True,
        archived=entry.get("archived") is True,
    )


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""
