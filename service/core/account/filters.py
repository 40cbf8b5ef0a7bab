"""Filters as one writes them -> HubSpot's filter groups.

    hs_total_price>100 hs_fulfillment_status=Packing or stage in:(Shipped,Delivered)
    '-----------------' '---------------------------'    '--------------------------'
         filter                filter                             filter
    '----------------- group: all of them ---------'    '- or all of this group --'

Law: every filter that HubSpot is sent names a property that the account has, an operator of HubSpot's and a value in
the form that the property's type asks for; whatever is wrong is said in a sentence before anything is sent.

Source: HubSpot's search guide (developers.hubspot.com/docs/api-reference/search/guide): five groups of six filters,
18 in all; IN and NOT_IN of texts take lower case; moments are milliseconds since 1970.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from service.core.account.definitions import DATES, Definition, Definitions
from service.core.graph.pipelines import Labelled, OrderPipeline
from service.core.misspelt import did_you_mean
from service.core.waiting.claims import STAGE_PROPERTIES

MOST_GROUPS: Final = 5
MOST_IN_GROUP: Final = 6
MOST_FILTERS: Final = 18
# A pseudo-property of HubSpot's, known on deals and tickets; which records it takes is the account's to say.
LINKED: Final = "associations."
# Words of ours for HubSpot's two properties.
PIPELINE, STAGE = STAGE_PROPERTIES
WORDS: Final = {"pipeline": PIPELINE, "stage": STAGE}

_OPERATORS: Final = {
    ">=": "GTE",
    "<=": "LTE",
    "!=": "NEQ",
    "!~": "NOT_CONTAINS_TOKEN",
    "~": "CONTAINS_TOKEN",
    ">": "GT",
    "<": "LT",
    "=": "EQ",
}
_LISTS: Final = {"in:": "IN", "!in:": "NOT_IN"}
_NAME: Final = re.compile(r"(?P<not>!?)(?P<name>[A-Za-z_][\w.]*)\s*")
_SIGN: Final = re.compile(r"(?P<sign>>=|<=|!=|!~|~|>|<|=)\s*|(?P<list>:?!?in:?)\s*\(|(?P<has>\?)")
_VALUE: Final = re.compile(
    r'"(?P<double>(?:[^"\\]|\\.)*)"|\'(?P<single>(?:[^\'\\]|\\.)*)\'|(?P<bare>[^\s"\'][^\s]*)'
)
_LISTED: Final = re.compile(
    r'\s*(?:"(?P<double>(?:[^"\\]|\\.)*)"|\'(?P<single>(?:[^\'\\]|\\.)*)\'|(?P<bare>[^,)"\']+))'
    r"\s*(?P<end>[,)])"
)
_OR: Final = re.compile(r"(?:or|OR)(?=\s|$)\s*")
_EXAMPLE: Final = "hs_total_price>100, hs_order_name~tent, hs_tags?, stage in:(Shipped,Delivered)"


class FilterError(ValueError):
    """What is written is no filter, or none that HubSpot takes. The message is a sentence."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one property; `operator` is HubSpot's."""

    property: str
    operator: str
    values: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As HubSpot takes it."""
        said: dict[str, Any] = {"propertyName": self.property, "operator": self.operator}
        if self.operator in {"IN", "NOT_IN"}:
            return said | {"values": list(self.values)}
        return said | {"value": self.values[0]} if self.values else said


Group = tuple[Filter, ...]
Groups = tuple[Group, ...]


def parse(text: str) -> Groups:
    """The groups of filters that a text says; () where it says nothing.

    Raises:
        FilterError: where it is no filter, or more of them than a search takes.
    """
    groups: list[list[Filter]] = [[]]
    rest = text.strip()
    while rest:
        if (parted := _OR.match(rest)) is not None:
            groups.append([])
            rest = rest[parted.end() :]
            continue
        found, rest = _filter(rest)
        groups[-1].append(found)
    if not text.strip():
        return ()
    if not all(groups):
        raise FilterError("`or` stands between filters: there is none on one side of it")
    return _few_enough(tuple(map(tuple, groups)))


def _few_enough(groups: Groups) -> Groups:
    total, most = sum(map(len, groups)), max(map(len, groups))
    if len(groups) > MOST_GROUPS or total > MOST_FILTERS or most > MOST_IN_GROUP:
        raise FilterError(
            f"HubSpot's search takes {MOST_GROUPS} groups of {MOST_IN_GROUP} filters, {MOST_FILTERS} in all; "
            f"here are {len(groups)} groups and {total} filters, {most} of them in one group"
        )
    return groups


def _filter(text: str) -> tuple[Filter, str]:
    """The first filter of a text, and what follows it."""
    name = _NAME.match(text)
    sign = _SIGN.match(text, name.end()) if name else None
    if name is None or sign is None:
        word = text.split(maxsplit=1)[0]
        raise FilterError(
            f"{word} is no filter: a value with spaces is written in quotes, a filter as {_EXAMPLE}"
        )
    if name["not"] and not sign["has"]:
        raise FilterError(f"! before {name['name']} goes with ? alone; else write != or !~ or !in:")
    if sign["has"]:
        operator = "NOT_HAS_PROPERTY" if name["not"] else "HAS_PROPERTY"
        return Filter(name["name"], operator), _next(text, sign.end(), name["name"])
    if sign["list"]:
        values, end = _list(text, sign.end(), name["name"])
        operator = "NOT_IN" if "!" in sign["list"] else "IN"
        return Filter(name["name"], operator, values), _next(text, end, name["name"])
    value = _VALUE.match(text, sign.end())
    if value is None:
        raise FilterError(f"{name['name']}{sign['sign']} has no value behind it")
    return (
        Filter(name["name"], _OPERATORS[sign["sign"]], (_unquoted(value),)),
        _next(text, value.end(), name["name"]),
    )


def _list(text: str, at: int, name: str) -> tuple[tuple[str, ...], int]:
    values: list[str] = []
    while (value := _LISTED.match(text, at)) is not None:
        values.append(_unquoted(value).strip())
        at = value.end()
        if value["end"] == ")":
            return tuple(values), at
    raise FilterError(f"the list of {name} is written as {name} in:(one,two)")


def _next(text: str, at: int, name: str) -> str:
    rest = text[at:]
    if rest and not rest[0].isspace():
        raise FilterError(f"behind the value of {name} stands {rest.split()[0]}: put a space there")
    return rest.lstrip()


def _unquoted(value: re.Match[str]) -> str:
    if value["bare"] is not None:
        return value["bare"]
    quoted = value["double"] if value["double"] is not None else value["single"]
    return re.sub(r"\\(.)", r"\1", quoted)


def checked(
    groups: Groups, definitions: Definitions | None, pipelines: Sequence[OrderPipeline]
) -> Groups:
    """The filters with stages by their ids and values in HubSpot's forms.

    `definitions` None: they may not be read, so names and types are HubSpot's to judge.

    Raises:
        FilterError: a property that the account has not, a stage or a moment that is none.
    """
    return tuple(tuple(_checked(group, definitions, pipelines)) for group in groups)


def _checked(
    group: Group, definitions: Definitions | None, pipelines: Sequence[OrderPipeline]
) -> Iterator[Filter]:
    named = [replace(each, property=WORDS.get(each.property, each.property)) for each in group]
    chosen = [v for f in named if f.property == PIPELINE and f.operator == "EQ" for v in f.values]
    within = [p for p in pipelines if not chosen or _is(chosen[0], p.name)]
    for each in named:
        if each.property == STAGE and each.values:
            yield _by_ids(each, [stage for p in within for stage in p.stages])
        elif each.property == PIPELINE and each.values:
            yield _by_ids(each, [p.name for p in pipelines])
        elif definitions is None or each.property.startswith(LINKED):
            yield each
        else:
            yield _formed(each, known(each.property, definitions))


_SEVERAL: Final = {"EQ": "IN", "NEQ": "NOT_IN", "IN": "IN", "NOT_IN": "NOT_IN"}


def _by_ids(each: Filter, there: Sequence[Labelled]) -> Filter:
    """A label may stand for several: stages of different pipelines share theirs."""
    ids = tuple(dict.fromkeys(id_ for value in each.values for id_ in _ids(value, there, each)))
    if len(ids) == 1 and each.operator in {"EQ", "NEQ"}:
        return replace(each, values=ids)
    if each.operator not in _SEVERAL:
        raise FilterError(f"{each.property} goes with =, != and in:(...) alone")
    return replace(each, operator=_SEVERAL[each.operator], values=ids)


def _ids(value: str, there: Sequence[Labelled], each: Filter) -> Iterator[str]:
    found = [one.id for one in there if _is(value, one)]
    if not found:
        noun = "stage" if each.property == STAGE else "pipeline"
        listed = ", ".join(f"{one.label} ({one.id})" for one in there) or "none"
        raise FilterError(f"there is no {noun} {value}; there are: {listed}")
    yield from found


def _is(value: str, one: Labelled) -> bool:
    return value == one.id or value.strip().casefold() == one.label.strip().casefold()


def known(name: str, definitions: Definitions) -> Definition:
    """The definition of a property.

    Raises:
        FilterError: the account has none of that name.
    """
    if (definition := definitions.get(name)) is not None:
        return definition
    by_label = [d.name for d in definitions.values() if d.label.casefold() == name.casefold()]
    advice = f"; did you mean {by_label[0]}?" if by_label else did_you_mean(name, definitions)
    raise FilterError(f"orders have no property {name}{advice}")


def _formed(each: Filter, definition: Definition) -> Filter:
    if definition.type in DATES and each.values and "TOKEN" not in each.operator:
        return replace(each, values=tuple(_milliseconds(v, each.property) for v in each.values))
    if each.operator in {"IN", "NOT_IN"} and definition.type == "string":
        return replace(each, values=tuple(v.lower() for v in each.values))
    return each


def _milliseconds(value: str, name: str) -> str:
    if value.isascii() and value.isdecimal():
        return value
    try:
        at = datetime.fromisoformat(value.upper())
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return str(int(at.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise FilterError(
            f"{name} is compared with a time such as 2026-11-22 or 2026-11-22T10:00Z, not with {value}"
        ) from None


def documents(groups: Groups) -> list[Mapping[str, Any]]:
    """`filterGroups` of a search."""
    return [{"filters": [each.document() for each in group]} for group in groups]
