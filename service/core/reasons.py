"""Why an event was not applied: the stable list of reason codes.

A code is a promise: it is the routing key of a dead letter, a metric's label, a log field and a heading
of docs/runbook.md. Codes are added, never renamed. The sentence belongs to the occurrence (`Reason`),
the explanation to the code.
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Every cause that ordersync can name."""

    # malformed: the event itself
    NOT_CLOUDEVENT = "not_cloudevent"
    INVALID_JSON = "invalid_json"
    INVALID_EVENT = "invalid_event"
    OVERSIZED = "oversized"
    # rejected: HubSpot refused this record
    PROPERTY_UNKNOWN = "property_unknown"
    PROPERTY_INVALID = "property_invalid"
    PROPERTY_READ_ONLY = "property_read_only"
    VALUE_TAKEN = "value_taken"
    ORDER_NOT_FOUND = "order_not_found"
    CONFLICT = "conflict"
    REFUSED = "refused"
    ORDER_EXISTS = "order_exists"
    STAGE_UNKNOWN = "stage_unknown"
    LINE_ITEM_REJECTED = "line_item_rejected"
    LINE_ITEMS_NOT_CONFIGURED = "line_items_not_configured"
    ASSOCIATION_REFUSED = "association_refused"
    ASSOCIATION_TARGET_AMBIGUOUS = "association_target_ambiguous"
    # exhausted: gave up
    UNCONFIRMED = "unconfirmed"
    SERVER_ERROR = "server_error"
    NO_REPLY = "no_reply"
    LOCKED = "locked"
    UNRECOGNISED = "unrecognised"
    CRASH_SUSPECT = "crash_suspect"
    LINE_ITEMS_UNRESOLVED = "line_items_unresolved"
    ASSOCIATION_TARGET_MISSING = "association_target_missing"
    ASSOCIATION_UNRESOLVED = "association_unresolved"
    # nobody's fault: intake pauses, no dead letter carries these
    THROTTLED = "throttled"
    DAILY_LIMIT = "daily_limit"
    UNAUTHENTICATED = "unauthenticated"
    SCOPE_MISSING = "scope_missing"
    ID_PROPERTY_NOT_UNIQUE = "id_property_not_unique"
    ENDPOINT_UNKNOWN = "endpoint_unknown"
    MIGRATING = "migrating"
    OUTAGE = "outage"


@dataclass(frozen=True, slots=True)
class Reason:
    """One occurrence of a cause, as it is written on outcomes and dead letters."""

    code: Code
    message: str  # one sentence that a person understands
    http_status: int | None = None
    category: str | None = None  # HubSpot's
    correlation_id: str | None = None  # HubSpot's: what its support asks for
    property: str | None = None  # the property at fault, where the answer holds it
