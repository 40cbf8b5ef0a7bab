"""Pairs of records in bodies and paths: their ids, the types of their link, and what is wrong with them.

An error entry names one id, or none, never the pair: as recorded.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.twin.account.kinds import Kind
from service.twin.account.link_types import HUBSPOT, USER, LinkType
from service.twin.account.portal import Portal
from service.twin.operations.answers import Refusal, bad_shape, validation
from service.twin.operations.call import Call, expect_list, expect_object, expect_text

_CATEGORIES = frozenset((HUBSPOT, USER, "INTEGRATOR_DEFINED", "WORK"))
INVALID = "One or more associations are invalid"
# Made up, but for the name, which two third-party notes give.
TOO_MANY = "ASSOCIATIONS_LIMIT_EXCEEDED: the record has as many associations as are allowed"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records to be linked or unlinked, and the types of the link; `ids` as they were sent."""

    start: Kind
    end: Kind
    ids: tuple[str, str]
    types: tuple[LinkType, ...] = ()

    @property
    def names(self) -> tuple[str, str]:
        """The names of the two object types."""
        return self.start.name, self.end.name


def ends(call: Call) -> tuple[Kind, Kind]:
    """The two object types in a path; routes guarantee them."""
    if call.end is None:
        raise LookupError("this route names one object type only")
    return call.table_kind, call.end


def read_end(given: Any, where: str) -> str:
    """The id in `{"id": …}`; a 400 for any other shape."""
    return expect_text(expect_object(given, where).get("id"), f"`{where}.id`")


def read_types(given: Any) -> tuple[LinkType, ...]:
    """Association types in a body: a list of category and number."""
    types = []
    for each in expect_list(given, "`types`"):
        spec = expect_object(each, "`types[]`")
        category, number = spec.get("associationCategory"), spec.get("associationTypeId")
        if not isinstance(category, str) or category not in _CATEGORIES or type(number) is not int:
            raise bad_shape("Cannot deserialize an association type")
        types.append(LinkType(category, number))
    return tuple(types)


def refuse_types(portal: Portal, start: Kind, end: Kind, types: Iterable[LinkType]) -> None:
    """400 for a type that does not lead from one object type to the other."""
    known = portal.links.types
    for kind in types:
        if kind in known.between(start.name, end.name):
            continue
        if kind in known.between(end.name, start.name):
            raise validation(
                f"{kind.category}={kind.id} is invalid from object type {start.type_id} for "
                f"associations to be created. expected: {end.type_id}"
            )
        raise unknown_type(kind)


def unknown_type(kind: LinkType) -> Refusal:
    """400 for a type that the account does not know."""
    named = f"{kind.category}={kind.id}"
    context = {
        "associationSpec": [named],
        "INVALID_ASSOCIATION_TYPE_ID": [f"{named} is not a valid association definition id"],
    }
    return validation(INVALID, context=context)


def faults_of(portal: Portal, pair: Pair) -> list[dict[str, Any]]:
    """The error entries of a pair: two where both records are missing."""
    return [*_bad_ids(pair)] or [*_missing(portal, pair)] or [*_itself(pair)]


def _bad_ids(pair: Pair) -> Iterator[dict[str, Any]]:
    for given in pair.ids:
        if not (given.isascii() and given.isdecimal()):
            yield {
                **entry("VALIDATION_ERROR", f"Invalid identifier: {given[:80]}", {"id": [given]}),
                "subCategory": "crm.associations.INVALID_IDENTIFIER",
            }


def _missing(portal: Portal, pair: Pair) -> Iterator[dict[str, Any]]:
    for side, kind, given in (
        ("FROM", pair.start, pair.ids[0]),
        ("TO", pair.end, pair.ids[1]),
    ):
        if not exists(portal, kind, given):
            message = f"No {kind.singular} with ID {given} exists"
            context = {"objectType": [kind.singular], "id": [given]}
            yield {
                **entry("OBJECT_NOT_FOUND", message, context),
                "subCategory": f"crm.associations.{side}_OBJECT_NOT_FOUND",
            }


def _itself(pair: Pair) -> Iterator[dict[str, Any]]:
    if pair.start is pair.end and pair.ids[0] == pair.ids[1]:
        message = f"Cannot associate object with itself: {pair.ids[0]} and {pair.ids[1]}"
        yield entry("VALIDATION_ERROR", message)


def beyond_limit(portal: Portal, pairs: Sequence[Pair]) -> set[int]:
    """The places of the pairs that an administrator's cap on links per record refuses.

    What HubSpot answers to them is UNKNOWN: by the switch a 400 for all, or entries.
    """
    seen: dict[tuple[tuple[str, str], str], set[str]] = {}
    beyond = set()
    for place, pair in enumerate(pairs):
        for names, (first, second) in ((pair.names, pair.ids), (pair.names[::-1], pair.ids[::-1])):
            most = portal.most_links.get(names)
            if most is None:
                continue
            linked = seen.setdefault((names, first), {*portal.links.of(*names, first)})
            if second not in linked and len(linked) >= most:
                beyond.add(place)
            else:
                linked.add(second)
    if beyond and portal.options.limit_refusal == "400":
        raise validation(TOO_MANY)
    return beyond


def exists(portal: Portal, kind: Kind, given: str) -> bool:
    """Whether an id can be linked: of a live record, and of a merged one if that is allowed."""
    record = portal.table(kind).find(given, None)
    return record is not None and (record.id == given or portal.options.link_by_merged_id)


def entry(
    category: str, message: str, context: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    """One error entry of a 207."""
    made: dict[str, Any] = {"status": "error", "category": category, "message": message}
    return made if context is None else {**made, "context": context}


def bad_target(kind: Kind, given: str, **more: list[str]) -> Refusal:
    """400 for a record that is not there, in a call about one link or in a create."""
    context = {"INVALID_OBJECT_IDS": [f"{kind.label}={given} is not valid"], **more}
    return validation(INVALID, context=context)
