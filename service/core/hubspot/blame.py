"""Who is at fault when an answer says no: the record, the whole call, or the set-up.

An accusation is believed only as far as the answer proves it: a trace id or an id of ours; a value that
exactly one record carries; a property that does not exist, for every record that carries it. What is
pointed at without proof is `Refused(named=True)`: set aside, tried apart from the rest.
"""

import re
from collections.abc import Mapping
from typing import Final

from service.core.hubspot.answers import Detail, Problem
from service.core.hubspot.calls import BatchCall, Input
from service.core.hubspot.verdicts import Cause, Halted, Refused, Rejected, Retryable, Verdict
from service.core.reasons import Code, Reason

# HubSpot's category -> a fault of the set-up, whatever the status that it came with
SET_UP: Final[Mapping[str, tuple[Code, str]]] = {
    "INVALID_AUTHENTICATION": (
        Code.UNAUTHENTICATED,
        "HubSpot does not accept the token: check ORDERSYNC_HUBSPOT__TOKEN or its file",
    ),
    "EXPIRED_AUTHENTICATION": (
        Code.UNAUTHENTICATED,
        "HubSpot says that the token has expired: give out a new one",
    ),
    "MISSING_SCOPES": (
        Code.SCOPE_MISSING,
        "the app lacks a scope: grant it crm.objects.orders.read and crm.objects.orders.write",
    ),
}
_BY_STATUS: Final[Mapping[int, tuple[Code, str]]] = {
    401: SET_UP["INVALID_AUTHENTICATION"],
    403: SET_UP["MISSING_SCOPES"],
}
_NO_ENDPOINT = (
    "HubSpot does not know the address: check ORDERSYNC_HUBSPOT__BASE_URL and …__API_VERSION"
)
_NOT_UNIQUE = "the identifying property is not unique in HubSpot: create it with hasUniqueValue, or name another"
_NO_PROPERTY = "the identifying property does not exist in HubSpot: create it with hasUniqueValue"

# HubSpot's own sentences, whole: a value that an event wrote may stand inside of any other sentence.
_BY_NON_UNIQUE: Final = re.compile(r"Unable to perform \S+ by non-unique \S+ property (\S+?)\.?")
_DUPLICATES: Final = re.compile(
    r"Duplicate IDs found in batch input: \[.*\]\. IDs must be unique\.?", re.DOTALL
)
_UNKNOWN_TYPE: Final = re.compile(r"Unable to infer object type from: \S+")

FINAL: Final = frozenset({"VALIDATION_ERROR", "CONFLICT", "OBJECT_NOT_FOUND"})
THROTTLES: Final = frozenset({"RATE_LIMITS", "RATE_LIMIT"})
_BY_CATEGORY: Final[Mapping[str, Code]] = {
    "CONFLICT": Code.CONFLICT,
    "OBJECT_NOT_FOUND": Code.ORDER_NOT_FOUND,
}
_BY_ERROR: Final[Mapping[str, Code]] = {
    "PROPERTY_DOESNT_EXIST": Code.PROPERTY_UNKNOWN,
    "READ_ONLY_VALUE": Code.PROPERTY_READ_ONLY,
    "VALUE_TAKEN": Code.VALUE_TAKEN,
}
# Besides these, all that begin with INVALID_ (INVALID_LONG, INVALID_OPTION, INVALID_EMAIL …).
_OF_A_PROPERTY: Final = frozenset({*_BY_ERROR, "LEADING_TRAILING_WHITESPACE"})
_OF_EVERY_CARRIER: Final = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"})


def set_up_fault(said: Problem, status: int, id_property: str) -> Halted | None:
    """The pause that an answer calls for when no record is at fault; None when one may be."""
    if said.category in THROTTLES:
        return None
    known = SET_UP.get(said.category or "") or _BY_STATUS.get(status)
    if known is None and _is_about_the_id_property(said, id_property):
        known = Code.ID_PROPERTY_NOT_UNIQUE, _NOT_UNIQUE
    if known is None and _lacks(said, id_property):
        known = Code.ID_PROPERTY_NOT_UNIQUE, _NO_PROPERTY
    if known is None and (_UNKNOWN_TYPE.fullmatch(said.message) or _no_endpoint(said, status)):
        known = Code.ENDPOINT_UNKNOWN, _NO_ENDPOINT
    if known is None:
        return None
    code, advice = known
    message = f"{advice} (HubSpot: {said.message})" if said.message else advice
    return Halted(Reason(code, message, status, said.category, said.correlation_id))


def _is_about_the_id_property(said: Problem, id_property: str) -> bool:
    found = _BY_NON_UNIQUE.fullmatch(said.message)
    return found is not None and found[1] == id_property


def _lacks(said: Problem, id_property: str) -> bool:
    """Every record carries its key: where that property does not exist, no record is at fault."""
    return any(
        detail.property == id_property and detail.error == "PROPERTY_DOESNT_EXIST"
        for detail in said.details
    )


def _no_endpoint(said: Problem, status: int) -> bool:
    return (300 <= status < 400 or status in {404, 405, 410}) and said.category is None


def reason_of(said: Problem, status: int) -> Reason:
    """One sentence, one code and the property at fault, from whatever the entry holds."""
    detail = said.details[0] if said.details else Detail(None, "", said.message)
    code = _BY_CATEGORY.get(said.category or "") or _BY_ERROR.get(detail.error)
    if code is None:
        code = Code.PROPERTY_INVALID if detail.property else Code.REFUSED
    message = detail.message or said.message or f"HubSpot refused it ({status}) without a word"
    if code is Code.ORDER_NOT_FOUND:
        message = f"HubSpot has no order with this key, or it is archived ({message})"
    more = len({d.property for d in said.details} - {detail.property})
    if more:
        message = f"{message} (and {more} more properties)"
    return Reason(code, message, status, said.category, said.correlation_id, detail.property)


def is_final(said: Problem) -> bool:
    """Whether trying again changes nothing: one of HubSpot's three final categories, or a property's fault.

    Any other no (`{}`, a gateway's "Bad Request", INTERNAL_ERROR) is no judgement on a record.
    """
    if said.category is not None:
        return said.category in FINAL
    return any(
        d.property and (d.error in _OF_A_PROPERTY or d.error.startswith("INVALID_"))
        for d in said.details
    )


def verdict_of(said: Problem, status: int) -> Verdict:
    """What an error entry that names a record says of it."""
    reason = reason_of(said, status)
    if said.category in THROTTLES:
        return Retryable(
            Reason(Code.THROTTLED, reason.message, status, said.category, said.correlation_id),
            Cause.THROTTLE,
        )
    if is_final(said):
        return Rejected(reason)
    unknown = Reason(
        Code.UNRECOGNISED,
        reason.message,
        status,
        said.category,
        said.correlation_id,
        reason.property,
    )
    return Retryable(unknown, Cause.RECORD)


def whole_call(call: BatchCall, said: Problem, status: int) -> tuple[Verdict, ...]:
    """A refused call: the guilty where the answer proves them, its suspects, and the rest of the company."""
    reason = reason_of(said, status)
    if len(call.inputs) == 1:
        return (Rejected(reason),)
    duplicates = _DUPLICATES.fullmatch(said.message)
    verdicts: list[Verdict] = []
    for sent in call.inputs:
        guilty, suspect = _accused(sent, call, said)
        # Of duplicates each is fine alone.
        if guilty and not duplicates:
            verdicts.append(Rejected(_about(sent, said, reason)))
        else:
            verdicts.append(Refused(reason, named=guilty or suspect))
    return tuple(verdicts)


def _about(sent: Input, said: Problem, reason: Reason) -> Reason:
    """The reason told with the first fault that this record carries."""
    for detail in said.details:
        if detail.property in sent.values:
            code = _BY_ERROR.get(detail.error, Code.PROPERTY_INVALID)
            message = detail.message or reason.message
            return Reason(
                code,
                message,
                reason.http_status,
                reason.category,
                reason.correlation_id,
                detail.property,
            )
    return reason


def _accused(sent: Input, call: BatchCall, said: Problem) -> tuple[bool, bool]:
    """(proven, pointed at) for one record of a refused call."""
    if said.traces or said.ids:
        named = sent.trace in said.traces or sent.id in said.ids
        return named, named
    suspect = False
    for detail in said.details:
        carriers = _carriers(detail, call)
        if sent in carriers:
            suspect = True
            if detail.error in _OF_EVERY_CARRIER or len(carriers) <= _counted(detail, said):
                return True, True
    return False, suspect


def _carriers(detail: Detail, call: BatchCall) -> list[Input]:
    """The records that could be meant: they carry the property, and the value where it is quoted."""
    carriers = [i for i in call.inputs if detail.property in i.values]
    quoted = [i for i in carriers if _quotes(detail, i.values[detail.property or ""])]
    if detail.property == call.id_property:
        # Every record carries its key: only the quoted one is meant.
        return quoted
    return quoted or carriers


def _quotes(detail: Detail, value: str) -> bool:
    if detail.value is not None:
        return detail.value == value
    return bool(value) and detail.message.startswith(f"{value} was not")


def _counted(detail: Detail, said: Problem) -> int:
    """How many records the answer accuses of this: its array has an element for each."""
    return sum(d.property == detail.property and d.message == detail.message for d in said.details)
