"""Why an event was not applied: the stable list of reason codes.

A code is a promise: it is the routing key of a dead letter, a metric's label, a log field and a heading
of docs/runbook.md. Codes are added, never renamed. The sentence belongs to the occurrence (`Reason`),
the explanation to the code.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Kind(StrEnum):
    """What a cause does to an event, or to the intake."""

    MALFORMED = "malformed"  # the event itself
    # HubSpot refused this record.
    REJECTED = "rejected"
    EXHAUSTED = "exhausted"  # given up
    # nobody's fault: intake pauses until it is over, no dead letter carries it.
    PAUSE = "pause"
    # A pause that whoever runs this has to end.
    SET_UP = "set-up"

    @property
    def pauses(self) -> bool:
        """Whether it is no event's fault, and intake pauses."""
        return self in {Kind.PAUSE, Kind.SET_UP}


class Code(StrEnum):
    """Every cause that ordersync can name, and its kind."""

    kind: Kind

    def __new__(cls, code: str, kind: Kind) -> Self:
        """One cause: its code is what it is equal to, its kind goes with it."""
        member = str.__new__(cls, code)
        member._value_, member.kind = code, kind
        return member

    NOT_CLOUDEVENT = "not_cloudevent", Kind.MALFORMED
    INVALID_JSON = "invalid_json", Kind.MALFORMED
    INVALID_EVENT = "invalid_event", Kind.MALFORMED
    OVERSIZED = "oversized", Kind.MALFORMED
    PROPERTY_UNKNOWN = "property_unknown", Kind.REJECTED
    PROPERTY_INVALID = "property_invalid", Kind.REJECTED
    PROPERTY_READ_ONLY = "property_read_only", Kind.REJECTED
    VALUE_TAKEN = "value_taken", Kind.REJECTED
    ORDER_NOT_FOUND = "order_not_found", Kind.REJECTED
    CONFLICT = "conflict", Kind.REJECTED
    REFUSED = "refused", Kind.REJECTED
    REFUSED_ALONE = "refused_alone", Kind.REJECTED
    ORDER_EXISTS = "order_exists", Kind.REJECTED
    STAGE_UNKNOWN = "stage_unknown", Kind.REJECTED
    LINE_ITEM_REJECTED = "line_item_rejected", Kind.REJECTED
    LINE_ITEMS_NOT_CONFIGURED = "line_items_not_configured", Kind.REJECTED
    ASSOCIATION_REFUSED = "association_refused", Kind.REJECTED
    ASSOCIATION_TARGET_AMBIGUOUS = "association_target_ambiguous", Kind.REJECTED
    UNCONFIRMED = "unconfirmed", Kind.EXHAUSTED
    SERVER_ERROR = "server_error", Kind.EXHAUSTED
    NO_REPLY = "no_reply", Kind.EXHAUSTED
    LOCKED = "locked", Kind.EXHAUSTED
    UNRECOGNISED = "unrecognised", Kind.EXHAUSTED
    CRASH_SUSPECT = "crash_suspect", Kind.EXHAUSTED
    LINE_ITEMS_UNRESOLVED = "line_items_unresolved", Kind.EXHAUSTED
    ASSOCIATION_TARGET_MISSING = "association_target_missing", Kind.EXHAUSTED
    ASSOCIATION_UNRESOLVED = "association_unresolved", Kind.EXHAUSTED
    THROTTLED = "throttled", Kind.PAUSE
    DAILY_LIMIT = "daily_limit", Kind.PAUSE
    UNAUTHENTICATED = "unauthenticated", Kind.SET_UP
    SCOPE_MISSING = "scope_missing", Kind.SET_UP
    ID_PROPERTY_NOT_UNIQUE = "id_property_not_unique", Kind.SET_UP
    ENDPOINT_UNKNOWN = "endpoint_unknown", Kind.SET_UP
    MIGRATING = "migrating", Kind.PAUSE
    OUTAGE = "outage", Kind.PAUSE


@dataclass(frozen=True, slots=True)
class Reason:
    """One occurrence of a cause, as it is written on outcomes and dead letters."""

    code: Code
    # One sentence that a person understands.
    message: str
    http_status: int | None = None
    category: str | None = None  # HubSpot's
    # HubSpot's: what its support asks for.
    correlation_id: str | None = None
    # The property at fault, where the answer holds it.
    property: str | None = None
