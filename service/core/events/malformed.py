"""A delivery that holds no order event, and every fault of it with its path, each said once."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from pydantic import (
    ValidationError,
)
from pydantic_core import ErrorDetails

from service.core.events.deliveries import Delivery
from service.core.events.order_event import ENVELOPE, OPERATIONS
from service.core.reasons import Code

# Of one event; the rest is counted.
_FAULTS_SHOWN = 20
# Naming 80,000 of one message would hold up the others for half a second.
_FAULTS_READ = 2_000
# Characters of one step of a path: a property's name may fill the message.
_STEP_SHOWN = 100


class Fault(NamedTuple):
    """One thing that is wrong with an event."""

    # "data.properties.total", "ce-id", "" for the whole.
    path: str
    message: str


class Identity(NamedTuple):
    """What could be read of a malformed event, so that its producer can find it."""

    id: str | None = None
    source: str | None = None
    type: str | None = None
    time: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Malformed:
    """A delivery that holds no order event."""

    delivery: Delivery
    code: Code
    faults: tuple[Fault, ...]
    identity: Identity

    @property
    def message(self) -> str:
        """Every fault in one sentence."""
        shown = "; ".join(
            f"{path}: {message}" if path else message
            for path, message in self.faults[:_FAULTS_SHOWN]
        )
        hidden = len(self.faults) - _FAULTS_SHOWN
        return f"{shown}; and {hidden} more faults" if hidden > 0 else shown


def leniently(body: bytes) -> Any:
    """Whatever JSON the body holds; None where it holds none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def identity_of(document: Any) -> Identity:
    """What its producer would know it by, as far as it can be read."""
    if not isinstance(document, dict):
        return Identity()
    known = (document.get(name) for name in Identity._fields)
    return Identity(
        *(value if isinstance(value, str) and 0 < len(value) <= 1024 else None for value in known)
    )


def faults_of(error: ValidationError, *, binary: bool) -> tuple[Code, tuple[Fault, ...]]:
    """Every fault once, with its path; a value of no allowed type is one fault, not one a type."""
    if error.error_count() > _FAULTS_READ:
        return Code.INVALID_EVENT, (
            Fault("", f"more than {_FAULTS_READ} faults: too many to name"),
        )
    details = error.errors(include_url=False, include_context=True)
    if details[0]["type"] == "json_invalid":
        return Code.INVALID_JSON, (Fault("", f"the body is not JSON: {details[0]['msg']}"),)
    if details[0]["type"] in _NO_TYPE and isinstance(details[0]["input"], dict):
        details += _envelope_errors(details[0]["input"])
    faults = {fault.path: fault for fault in (_fault(detail, binary=binary) for detail in details)}
    return Code.INVALID_EVENT, tuple(faults.values())


def _envelope_errors(document: dict[str, Any]) -> list[ErrorDetails]:
    try:
        ENVELOPE.validate_python(document)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _fault(detail: ErrorDetails, *, binary: bool) -> Fault:
    loc = detail["loc"][1:] if detail["loc"] and detail["loc"][0] in OPERATIONS else detail["loc"]
    path = [_step(str(step)) for step in loc]
    at = path.index("properties") + 2 if "properties" in path else len(path)
    if len(path) > at:
        return Fault(
            ".".join(path[:at]),
            _NAME if path[at] == "[key]" else "must be a string, number, boolean or null",
        )
    if detail["type"] in _NO_TYPE:
        path, message = ["type"], f"must be one of {', '.join(OPERATIONS)}"
    else:
        known = _MESSAGES.get(detail["type"])
        message = known.format(**detail.get("ctx", {})) if known else detail["msg"]
    # Found in the event as a whole.
    if detail["type"] == "id_property":
        path = ["data", "id_property"]
    if binary and path and path[0] != "data":
        path[0] = f"ce-{path[0]}"
    return Fault(".".join(path), message)


def _step(name: str) -> str:
    return name if len(name) <= _STEP_SHOWN else f"{name[:_STEP_SHOWN]}…"


_NO_TYPE = {"union_tag_not_found", "union_tag_invalid"}
_NAME = "a property's name has 1 to 255 characters"
_MESSAGES = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "none_required": "is not a part of an archive",
    "string_pattern_mismatch": "must be one of the object types, as contact or 2-123456",
    "too_long": "must have at most {max_length} entries",
    "list_type": "must be a list",
    "bool_type": "must be true or false",
}
