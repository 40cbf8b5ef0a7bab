"""What each input of a batch write would do, judged before anything is written.

A plan is a pure reading of the table: properties against definitions, unique values against their
holders, earlier inputs of the same batch included. `batches` decides what becomes of the plans.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from service.twin.account.portal import Portal
from service.twin.account.records import Record, Table
from service.twin.account.values import BadValueError, read_string
from service.twin.operations.answers import Refusal
from service.twin.operations.call import expect_object, expect_text
from service.twin.operations.linking import wanted_links
from service.twin.operations.pairs import Pair


class Entry(NamedTuple):
    """One input of a batch, its shape checked; `id` as it was sent."""

    id: str
    id_property: str | None
    trace: str | None
    properties: Mapping[str, Any]
    associations: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Detail:
    """One property that was refused."""

    code: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class RecordRefusal:
    """Why one input is refused; `existing` is the *other* record, which holds the value."""

    category: str
    message: str
    details: tuple[Detail, ...] = ()
    existing: str | None = None
    missing: bool = False
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """One input, the record it means (None: to be created), and its values or its refusal."""

    entry: Entry
    record: Record | None = None
    clean: dict[str, str] = field(default_factory=dict)
    refusal: RecordRefusal | None = None
    revive: bool = False
    new_id: str = ""
    links: list[Pair] = field(default_factory=list)


def property_message(details: Sequence[Detail], portal_id: int) -> str:
    """HubSpot's sentence: the details are JSON inside the message."""
    listed = [
        {
            "isValid": False,
            "message": detail.message,
            "error": detail.code,
            "name": detail.name,
            "localizedErrorMessage": detail.message,
            "portalId": portal_id,
        }
        for detail in details
    ]
    return f"Property values were not valid: {orjson.dumps(listed).decode()}"


def read_properties(raw: Any) -> dict[str, Any]:
    """The `properties` of an input: an object of scalars; a 400 for any other shape."""
    properties = expect_object(raw, "`properties`")
    if not _SCALARS.issuperset(map(type, properties.values())):
        for name, value in properties.items():
            if value is not None:
                expect_text(value, f"`properties[{name}]`")
    return properties


_SCALARS = frozenset((str, int, float, bool, type(None)))


def judge_values(table: Table, sent: Mapping[str, Any]) -> tuple[dict[str, str], list[Detail]]:
    """Values by their definitions: (what would be stored, what is refused)."""
    clean: dict[str, str] = {}
    details: list[Detail] = []
    readers = table.readers
    for name, raw in sent.items():
        reader = readers.get(name)
        if reader is None:
            message = f'Property "{name}" does not exist'
            details.append(Detail("PROPERTY_DOESNT_EXIST", name, message))
            continue
        if reader is read_string and type(raw) is str:
            clean[name] = raw  # most properties are text: no call for those
            continue
        cleared = raw is None or raw == ""
        try:
            clean[name] = "" if cleared and name not in table.read_only else reader(raw)
        except BadValueError as error:
            details.append(Detail(error.code, name, str(error)))
    if table.folding:
        clean |= {name: table.folded(name, clean[name]) for name in table.folding & clean.keys()}
    return clean, details


class Planner:
    """Plans the inputs of one batch one after the other; later ones see the claims of earlier."""

    def __init__(self, portal: Portal, table: Table) -> None:
        self._portal = portal
        self._table = table
        self._options = portal.options
        self._claims: dict[tuple[str, str], str] = {}
        self.collided = False

    def settle(self, plan: Plan, values: Mapping[str, Any]) -> Plan:
        """Judge the values for a plan whose record is known (or to be made)."""
        clean, details = judge_values(self._table, values)
        plan.clean = clean
        refused = self._portal.pipelines.refused(self._table.kind, clean)
        details += [Detail("INVALID_OPTION", name, message) for name, message in refused]
        plan.clean |= self._portal.pipelines.assumed(self._table.kind, clean)
        if details:
            message = property_message(details, self._options.portal_id)
            plan.refusal = RecordRefusal("VALIDATION_ERROR", message, tuple(details))
        elif self._table.holders:
            plan.refusal = self._conflict(plan)
        if plan.entry.associations and plan.refusal is None:
            plan.refusal = self._linked(plan)
        return plan

    def _linked(self, plan: Plan) -> RecordRefusal | None:
        try:
            plan.links = wanted_links(self._portal, self._table.kind, plan.entry.associations)
        except Refusal as refused:
            envelope = refused.envelope
            context = envelope.get("context", {})
            return RecordRefusal("VALIDATION_ERROR", envelope["message"], context=context)
        return None

    def _conflict(self, plan: Plan) -> RecordRefusal | None:
        own = plan.record.id if plan.record else plan.new_id
        for name, held in self._table.holders.items():
            for value in self._table.claimed(name, plan.clean):
                holder = held.get(value, own)
                if holder == own:
                    holder = self._claims.setdefault((name, value), own)
                    self.collided = self.collided or holder != own
                if holder != own:
                    self._claims = {what: by for what, by in self._claims.items() if by != own}
                    return self.held(plan, name, value, holder)
        return None

    def held(self, plan: Plan, name: str, value: str, holder: str) -> RecordRefusal:
        """The refusal of a unique value that another record holds.

        Of an address a 409 where a record would be made (recorded on contacts), else the 400 that
        names coordinates (recorded on an order, and on the update of a contact).
        """
        kind, own = self._table.kind, plan.record.id if plan.record else plan.new_id
        known = plan.record is None and name == kind.address
        if known or self._options.conflicts == "conflict":
            message = f"{kind.label.capitalize()} already exists. Existing ID: {holder}"
            return RecordRefusal("CONFLICT", message, existing=holder)
        coordinates = (
            f"PropertyValueCoordinates{{portalId={self._options.portal_id}, "
            f"objectTypeId=ObjectTypeId{{legacyObjectType={kind.label}}}, "
            f"propertyName={name}, value={value}}}"
        )
        message = f"Cannot set {coordinates} on {own}. {holder} already has that value."
        return RecordRefusal("VALIDATION_ERROR", message, existing=holder)
