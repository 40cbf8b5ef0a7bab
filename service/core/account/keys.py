"""Which property is to identify orders, and which their lines: one that is there, or one to make.

    named by a person          there and unique -> taken        not there -> to be made
    nobody says                one unique of the account's own -> taken
                               none, but hs_external_order_id is unique -> taken
                               none at all -> to be made        several -> a person chooses

Uniqueness can be set when a property is made and never later; an object type has ten unique properties at most
(HubSpot's guide to properties). What cannot be written, or is archived, identifies nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.core.account.definitions import Definition, Definitions
from service.core.events.order_event import RECORD_ID
from service.core.misspelt import did_you_mean

# HubSpot's own, unique in some accounts: two integrations upsert by it; the account's definition says so or not.
READY: Final = "hs_external_order_id"
# HubSpot allows lower case, digits and underscores.
_NAMED: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


@dataclass(frozen=True, slots=True)
class KeyWanted:
    """One key that ordersync needs: of which records, what it is called where it is to be made."""

    object: str
    setting: str
    usual: str
    label: str
    description: str
    # A property that every account has: its group takes the new one.
    neighbour: str


ORDER_KEY: Final = KeyWanted(
    object="orders",
    setting="ORDERSYNC_HUBSPOT__ID_PROPERTY",
    usual="shop_order_id",
    label="Shop order id",
    description="The order's key in the shop. ordersync finds orders by it.",
    neighbour="hs_order_name",
)
LINE_KEY: Final = KeyWanted(
    object="line_items",
    setting="ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY",
    usual="shop_line_id",
    label="Shop line id",
    description="The line's key, as order/line. ordersync finds lines by it.",
    neighbour="name",
)


@dataclass(frozen=True, slots=True)
class Key:
    """A property for it: there already, or to be made."""

    wanted: KeyWanted
    name: str
    there: bool
    # Others that would do.
    others: tuple[str, ...] = ()
    # Just now, by us.
    made: bool = False

    def property(self, definitions: Definitions) -> Mapping[str, Any]:
        """The definition that makes it."""
        return {
            "name": self.name,
            "label": self.wanted.label,
            "description": self.wanted.description,
            "groupName": _group(self.wanted, definitions),
            "type": "string",
            "fieldType": "text",
            "hasUniqueValue": True,
        }


@dataclass(frozen=True, slots=True)
class NoKey:
    """Nothing can be chosen; `message` says why and what to do."""

    message: str


def choose(wanted: KeyWanted, named: str | None, definitions: Definitions) -> Key | NoKey:
    """The property that is to be the key; `named`: by a person, or a setting."""
    able = tuple(_able(definitions))
    if named is not None:
        return _named(wanted, named, definitions, able)
    own = [name for name in able if not name.startswith("hs_")]
    if len(own) > 1:
        return NoKey(
            f"{wanted.object} have {len(own)} unique properties ({', '.join(own)}): say which by "
            f"{wanted.setting} or {_option(wanted)}"
        )
    if own or READY in able:
        name = own[0] if own else READY
        return Key(wanted, name, there=True, others=tuple(o for o in able if o != name))
    return _named(wanted, wanted.usual, definitions, able)


def _named(
    wanted: KeyWanted, name: str, definitions: Definitions, able: tuple[str, ...]
) -> Key | NoKey:
    others = tuple(each for each in able if each != name)
    if name in able:
        return Key(wanted, name, there=True, others=others)
    if name in definitions:
        return NoKey(
            f"{wanted.object} have a property {name}, and it cannot identify them: it is "
            f"{_why_not(definitions[name])}; name another by {_option(wanted)}"
        )
    if not name or not set(name) <= _NAMED or name[0].isdigit() or name.startswith("hs_"):
        return NoKey(
            f"{name} is no name for a property of yours: lower case, digits and _ alone, and not "
            f"hs_{did_you_mean(name, able)}"
        )
    return Key(wanted, name, there=False, others=others)


def _option(wanted: KeyWanted) -> str:
    return "--id-property" if wanted is ORDER_KEY else "--line-id-property"


def _able(definitions: Definitions) -> Iterator[str]:
    for each in definitions.values():
        if each.unique and _writable(each) and each.type == "string" and each.name != RECORD_ID:
            yield each.name


def _writable(definition: Definition) -> bool:
    return not (definition.read_only or definition.archived)


def _why_not(definition: Definition) -> str:
    if not _writable(definition):
        return "read-only or archived"
    return (
        f"a {definition.type}"
        if definition.unique
        else "not unique, which it can only be made with"
    )


def _group(wanted: KeyWanted, definitions: Definitions) -> str:
    """The group of a neighbour; else the one that most properties are in."""
    if (neighbour := definitions.get(wanted.neighbour)) is not None and neighbour.group:
        return neighbour.group
    groups = Counter(each.group for each in definitions.values() if each.group)
    return (
        groups.most_common(1)[0][0] if groups else f"{wanted.object.removesuffix('s')}information"
    )
