"""Links between records: the calls that read, make and remove them, and the reading of their answers.

An answer about links has no trace ids, so that a link is known by its two ends, in either direction, as numbers or
as text (recorded: 201-associations-v4-create-labelled.json). An error names one end, not the link
(207-associations-v3-create-from-and-to-not-found.json): it accuses every link of the call with that end on that side.
A link that is in neither list is unresolved. "Nothing is associated" comes as an error and means an empty list
(207-associations-v4-read-no-associations.json).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import orjson

from service.core.hubspot.answers import name_of, objects, problem
from service.core.hubspot.verdicts import Applied, Cause, Rejected, Retryable, Verdict, Where
from service.core.reasons import Code, Reason

# Documented since 2025-02-10: create 2,000 pairs, read 1,000 records; archive 100 records.
MADE_AT_MOST: Final = 2_000
READ_AT_MOST: Final = 1_000
REMOVED_AT_MOST: Final = 100
NOTHING_THERE: Final = "NO_ASSOCIATIONS_FOUND"
_MISSING: Final = "OBJECT_NOT_FOUND"

LinkEndpoint = Literal["create", "read", "archive"]


class LinkType(NamedTuple):
    """One type of link: HubSpot's plain one, or a label of the account."""

    category: str
    type_id: int

    @property
    def shown(self) -> dict[str, Any]:
        """As HubSpot takes it."""
        return {"associationCategory": self.category, "associationTypeId": self.type_id}


class Pair(NamedTuple):
    """A link's two ends, as record ids."""

    origin: str
    target: str


class Linked(NamedTuple):
    """A link that is there, with its types."""

    target: str
    types: frozenset[LinkType]


@dataclass(frozen=True, slots=True, eq=False)
class LinkCall:
    """POST …/associations/<object>/<to>/batch/<endpoint>. Of a read, `pairs` have no target."""

    endpoint: LinkEndpoint
    object: str
    to: str
    pairs: tuple[Pair, ...]
    body: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """How many links or records it is about."""
        return len(self.pairs)

    @property
    def name(self) -> str:
        """Its kind, in metrics and logs."""
        return f"link/{self.endpoint}"

    @property
    def where(self) -> Where:
        """Where it asks."""
        return Where("links", self.endpoint, self.object, self.to)


@dataclass(frozen=True, slots=True)
class LinksFound:
    """The links of one record; `after`: where the next page begins, None = these are all."""

    links: tuple[Linked, ...]
    after: str | None = None


def make(origin: str, to: str, wanted: Sequence[tuple[Pair, Sequence[LinkType]]]) -> LinkCall:
    """Make links. On a link that is there its types become exactly these (HubSpot's v4 guide)."""
    inputs = [
        {
            "from": {"id": pair.origin},
            "to": {"id": pair.target},
            "types": [each.shown for each in types],
        }
        for pair, types in wanted
    ]
    pairs = tuple(pair for pair, _ in wanted)
    return LinkCall("create", origin, to, pairs, body=orjson.dumps({"inputs": inputs}))


def read(origin: str, to: str, wanted: Sequence[tuple[str, str | None]]) -> LinkCall:
    """Read the links of records: (record id, `after` of the page before or None)."""
    inputs = [
        {"id": each} if after is None else {"id": each, "after": after} for each, after in wanted
    ]
    pairs = tuple(Pair(each, "") for each, _ in wanted)
    return LinkCall("read", origin, to, pairs, body=orjson.dumps({"inputs": inputs}))


def remove(origin: str, to: str, pairs: Sequence[Pair]) -> LinkCall:
    """Remove links, every type of them; both records stay."""
    by_origin: dict[str, list[str]] = {}
    for pair in pairs:
        by_origin.setdefault(pair.origin, []).append(pair.target)
    inputs = [
        {"from": {"id": each}, "to": [{"id": target} for target in targets]}
        for each, targets in by_origin.items()
    ]
    return LinkCall("archive", origin, to, tuple(pairs), body=orjson.dumps({"inputs": inputs}))


def no_links(endpoint: LinkEndpoint, to: str, origin: str) -> LinkCall:
    """A call about no links."""
    return LinkCall(endpoint, origin, to, (), body=b'{"inputs":[]}')


# --- answers ---------------------------------------------------------------------------------------


def made(
    call: LinkCall, body: Mapping[str, Any], status: int, correlation: str | None
) -> tuple[Verdict, ...]:
    """A verdict for every link of a create."""
    done = set(_results(body))
    accused = _accused(call, body, status, correlation)
    return tuple(_of_link(pair, done, accused, status) for pair in call.pairs)


def found(call: LinkCall, body: Mapping[str, Any]) -> dict[str, LinksFound]:
    """Record id -> its links. A record that is in neither list is not in here: it is unresolved."""
    read_of: dict[str, LinksFound] = {}
    for error in objects(body, "errors"):
        if str(error.get("subCategory", "")).endswith(NOTHING_THERE):
            read_of |= {each: LinksFound(()) for each in _ends(error, "from")}
    for result in objects(body, "results"):
        origin = _end(result.get("from"))
        if origin is not None:
            links = tuple(_linked(result))
            read_of[origin] = LinksFound(links, _after(result))
    return {each.origin: read_of[each.origin] for each in call.pairs if each.origin in read_of}


def _of_link(pair: Pair, done: set[Pair], accused: Mapping[Pair, Verdict], status: int) -> Verdict:
    succeeded = pair in done or Pair(pair.target, pair.origin) in done
    fault = accused.get(pair)
    if succeeded and fault is None:
        return Applied(pair.target, None)
    if fault is not None and not succeeded:
        return fault
    said = "in both lists" if succeeded else "without a word about this link"
    reason = Reason(Code.ASSOCIATION_UNRESOLVED, f"HubSpot answered {said}", status)
    return Retryable(reason, Cause.SILENCE, ambiguous=True)


def _results(body: Mapping[str, Any]) -> Iterator[Pair]:
    for result in objects(body, "results"):
        origin = name_of(result.get("fromObjectId")) or _end(result.get("from"))
        target = name_of(result.get("toObjectId")) or _end(result.get("to"))
        if origin is not None and target is not None:
            yield Pair(origin, target)


def _accused(
    call: LinkCall, body: Mapping[str, Any], status: int, correlation: str | None
) -> dict[Pair, Verdict]:
    accused: dict[Pair, Verdict] = {}
    for error in objects(body, "errors"):
        verdict = _verdict(error, status, correlation)
        side = str(error.get("subCategory", ""))
        origins = () if ".TO_" in side else frozenset(_ends(error, "from"))
        targets = () if ".FROM_" in side else frozenset(_ends(error, "to"))
        for pair in call.pairs:
            if pair.origin in origins or pair.target in targets:
                accused.setdefault(pair, verdict)
    return accused


def _verdict(error: Mapping[str, Any], status: int, correlation: str | None) -> Verdict:
    said = problem(error, correlation)
    message = said.message or f"HubSpot refused the link ({status}) without a word"
    side = str(error.get("subCategory", ""))
    if said.category == _MISSING or side.endswith("_NOT_FOUND"):
        code = Code.ASSOCIATION_UNRESOLVED if ".FROM_" in side else Code.ASSOCIATION_TARGET_MISSING
        reason = Reason(
            code=code,
            message=message,
            http_status=status,
            category=said.category,
            correlation_id=said.correlation_id,
        )
        return Retryable(reason, Cause.RECORD)
    reason = Reason(
        code=Code.ASSOCIATION_REFUSED,
        message=message,
        http_status=status,
        category=said.category,
        correlation_id=said.correlation_id,
    )
    if said.category == "VALIDATION_ERROR":
        return Rejected(reason)
    return Retryable(reason, Cause.RECORD)


def _ends(error: Mapping[str, Any], side: Literal["from", "to"]) -> Iterator[str]:
    """The record ids that an error names; those that it puts on the other side are left out."""
    context = error.get("context")
    for name in ("id", "ids", f"{side}ObjectId"):
        value = context.get(name) if isinstance(context, dict) else None
        for each in value if isinstance(value, list) else [value]:
            if (named := name_of(each)) is not None:
                yield named


def _end(value: Any) -> str | None:
    return name_of(value.get("id")) if isinstance(value, dict) else name_of(value)


def _linked(result: Mapping[str, Any]) -> Iterator[Linked]:
    for to in objects(result, "to"):
        target = name_of(to.get("toObjectId")) or name_of(to.get("id"))
        if target is not None:
            yield Linked(target, frozenset(_types(objects(to, "associationTypes"))))


def _types(entries: Iterable[Mapping[str, Any]]) -> Iterator[LinkType]:
    for entry in entries:
        category, type_id = entry.get("category"), entry.get("typeId")
        if isinstance(category, str) and type(type_id) is int:
            yield LinkType(category, type_id)


def _after(result: Mapping[str, Any]) -> str | None:
    paging = result.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    return name_of(following.get("after")) if isinstance(following, dict) else None
