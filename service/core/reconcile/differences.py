"""What is wanted against what is held -> what differs, each with its place.

    missing    the order, a line or a link that is wanted is not there
    different  a value, or the labels of a link, are others
    extra      a line of ours, a link or an order that is not to be there
    unread     HubSpot did not say

Values are compared by what they mean to HubSpot: 12.5 is 12.50, a moment is a moment however it is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, assert_never

from service.core.account.definitions import Definition, Definitions
from service.core.account.preflight import AccountSchema, milliseconds
from service.core.events.graph import Link, Target
from service.core.graph.link_types import PLAIN, types_for
from service.core.graph.pipelines import OrderPipeline
from service.core.hubspot.associations import LinkType
from service.core.hubspot.lookups import Missing
from service.core.reconcile.held import HeldParts, HeldRecord
from service.core.reconcile.wanted import WantedOrder
from service.core.waiting.claims import STAGE_PROPERTIES

Kind = Literal["missing", "different", "extra", "unread"]
Place = Literal["order", "line", "link"]
# The primary company is a label of HubSpot's own making.
_PRIMARY = LinkType("HUBSPOT_DEFINED", 509)
_SILENT = "HubSpot did not say"
_NO_HISTORY = "links have no history: what is there may be newer"

Labels = Mapping[str, Mapping[str | None, LinkType]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. `name`: the line's key, or the link as the event spells it."""

    order: str
    difference: Kind
    place: Place
    name: str = ""
    property: str = ""
    wanted: str | None = None
    held: str | None = None
    # Of a value: since when it is held, and through what.
    since: str | None = None
    through: str | None = None
    # Why no event mends it; None: one does.
    stays: str | None = None

    def document(self) -> dict[str, Any]:
        """Its columns."""
        return asdict(self)


def differences(
    wanted: WantedOrder, held: HeldParts, account: AccountSchema, labels: Labels
) -> Iterator[Difference]:
    """All that differs of one order."""
    found = _differences(wanted, held, account, labels)
    return (replace(each, order=wanted.order.key) for each in found)


def _differences(
    wanted: WantedOrder, held: HeldParts, account: AccountSchema, labels: Labels
) -> Iterator[Difference]:
    match held.record:
        case None:
            yield Difference("", "unread", "order", stays=_SILENT)
        case Missing() if not wanted.gone:
            updates = None if wanted.makes else "the file only updates it"
            yield Difference("", "missing", "order", wanted="there", stays=updates)
        case HeldRecord() if wanted.gone:
            yield Difference("", "extra", "order", wanted="archived", held="there")
        case HeldRecord(values=values):
            yield from (
                Difference(
                    order="",
                    difference="different",
                    place="order",
                    name="",
                    property="stage",
                    stays=why,
                )
                for why in wanted.unknown
            )
            rows = _values("order", "", wanted.properties, values, account.orders)
            names = dict(_stage_names(account.pipelines))
            yield from (_named(row, names) for row in rows)
            if wanted.wants_lines:
                yield from _lines(wanted, held, account.lines)
            yield from _links(wanted, held, labels)
        case Missing():
            # Archived, as the file wants it.
            return
        case unreachable:
            assert_never(unreachable)


def _stage_names(pipelines: Sequence[OrderPipeline]) -> Iterator[tuple[str, str]]:
    for each in pipelines:
        yield each.name.id, each.name.label
        yield from ((stage.id, stage.label) for stage in each.stages)


def _named(row: Difference, names: Mapping[str, str]) -> Difference:
    """Stages and pipelines with their names beside their ids."""
    if row.property not in STAGE_PROPERTIES:
        return row
    wanted, held = (
        f"{names[v]} ({v})" if v in names else v for v in (row.wanted or "", row.held or "")
    )
    return replace(row, wanted=wanted or None, held=held or None)


def _values(
    place: Place,
    name: str,
    wanted: Mapping[str, str],
    held: Mapping[str, str],
    definitions: Definitions,
) -> Iterator[Difference]:
    for property_name, value in wanted.items():
        definition, has = definitions.get(property_name), held.get(property_name, "")
        if same(definition, value, has):
            continue
        stays = None
        if definition is None:
            stays = "there is no such property"
        elif definition.read_only:
            stays = "HubSpot keeps it itself"
        yield Difference(
            order="",
            difference="different",
            place=place,
            name=name,
            property=property_name,
            wanted=value or None,
            held=has or None,
            stays=stays,
        )


def same(definition: Definition | None, wanted: str, held: str) -> bool:
    """Whether two values mean the same to HubSpot; "" is no value."""
    if wanted == held:
        return True
    if not wanted or not held or definition is None:
        return False
    meaning = _several if definition.several else _MEANINGS.get(definition.type)
    left = meaning(wanted) if meaning is not None else None
    return left is not None and meaning is not None and left == meaning(held)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _several(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split(";")))


_MEANINGS: Final[Mapping[str, Callable[[str], Any]]] = {
    "number": _number,
    "date": milliseconds,
    "datetime": milliseconds,
    "bool": str.lower,
}


def _lines(wanted: WantedOrder, held: HeldParts, definitions: Definitions) -> Iterator[Difference]:
    if held.lines is None:
        yield Difference("", "unread", "line", stays="HubSpot did not say which lines there are")
        return
    for key, values in wanted.lines.items():
        record = held.lines.get(key)
        if record is None:
            yield Difference("", "missing", "line", key, wanted="there")
        else:
            yield from _values("line", key, values, record.values, definitions)
    for key in held.lines:
        if key in wanted.removed or (wanted.whole and key not in wanted.lines):
            yield Difference("", "extra", "line", key, held="there")


def _links(wanted: WantedOrder, held: HeldParts, labels: Labels) -> Iterator[Difference]:
    for name in sorted(wanted.objects):
        there = held.links.get(name)
        if there is None:
            yield Difference("", "unread", "link", name, stays=_SILENT)
            continue
        links = [link for target, link in wanted.links.items() if target.object == name]
        for link in links:
            yield from _link(link, held.targets.get(link.target), there, labels.get(name, {}))
        for target, unlink in wanted.unlinks.items():
            if target.object == name and held.targets.get(target) in there:
                yield _too_many(spelt(unlink.spelt))
        if name in wanted.only:
            known = {held.targets.get(link.target) for link in links}
            yield from (_too_many(f"{name} {each}") for each in sorted(there.keys() - known))


def _too_many(name: str) -> Difference:
    return Difference("", "extra", "link", name, held="there", stays=_NO_HISTORY)


def _link(
    link: Link,
    record: str | Missing | None,
    there: Mapping[str, frozenset[LinkType]],
    known: Mapping[str | None, LinkType],
) -> Iterator[Difference]:
    match record:
        case str() if record in there:
            yield from _labels(link, spelt(link.spelt), there[record], known)
        case None:
            yield Difference("", "unread", "link", spelt(link.spelt), stays=_SILENT)
        case Missing() if link.on_missing == "skip":
            return
        case _:
            yield Difference("", "missing", "link", spelt(link.spelt), wanted="there")


def _labels(
    link: Link,
    name: str,
    types: frozenset[LinkType],
    known: Mapping[str | None, LinkType],
) -> Iterator[Difference]:
    """Labels that are given are all that the link has; without any, those that are there stay."""
    if link.labels is None:
        return
    wanted, strange = types_for(link.target.object, link.labels, known)
    plain = {PLAIN.get(link.target.object), known.get(None), _PRIMARY}
    if strange or set(wanted) - types or types - set(wanted) - plain:
        names = {each: label for label, each in known.items() if label}
        has = sorted(names.get(each, str(each.type_id)) for each in types - plain)
        stays = f"the account has no label {strange[0]}" if strange else _NO_HISTORY
        yield Difference(
            order="",
            difference="different",
            place="link",
            name=name,
            property="labels",
            wanted=", ".join(link.labels),
            held=", ".join(has),
            stays=stays,
        )


def spelt(names: tuple[str, str, str]) -> str:
    """A link's other end, as an event writes it."""
    return " ".join(names)


def targets_of(wanted: WantedOrder) -> Iterator[Target]:
    """The records that its links name."""
    yield from wanted.links
    yield from wanted.unlinks
