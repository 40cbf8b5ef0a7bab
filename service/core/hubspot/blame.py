"""Who is at fault when an answer says no: the record, the whole call, or the set-up.

An accusation is believed only as far as the answer proves it: a trace id or an id of ours; a value that
exactly one record carries; a property that does not exist, for every record that carries it. What is
pointed at without proof is `Refused(named=True)`: set aside, tried apart from the rest.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from service.core.hubspot.accusations import Faults, accusations
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
SHOWN: Final = 3  # faults of one record that its sentence tells in full
LISTED: Final = 20  # properties that it names besides


def set_up_fault(said: Problem, status: int, id_property: str) -> Halted | None:
    """The pause that an answer calls for when no record is at fault; None when one may be."""
    if said.category in THROTTLES:
        return None
    known = SET_UP.get(said.category or "") or _BY_STATUS.get(status)
    if known is None and _is_about_the_id_property(said, id_property):
        known = Code.ID_PROPERTY_NOT_UNIQUE, _NOT_UNIQUE
    if known is None and _lacks(said, id_property):
        known = Code.ID_PROPERTY_NOT_UNIQUE, _NO_PROPERTY
    if known is None and (is_unknown_type(said) or _no_endpoint(said, status)):
        known = Code.ENDPOINT_UNKNOWN, _NO_ENDPOINT
    if known is None:
        return None
    code, advice = known
    if said.scopes:
        advice = f"the app lacks a scope: grant it one or more of {', '.join(said.scopes)}"
    message = f"{advice} (HubSpot: {said.message})" if said.message else advice
    return Halted(
        Reason(
            code=code,
            message=message,
            http_status=status,
            category=said.category,
            correlation_id=said.correlation_id,
        )
    )


def is_unknown_type(said: Problem) -> bool:
    """Whether HubSpot says that it has no such type of record."""
    return _UNKNOWN_TYPE.fullmatch(said.message) is not None


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


def reason_of(said: Problem, status: int, faults: Faults | None = None) -> Reason:
    """One sentence, one code and the first property at fault, from whatever the entry holds.

    `faults` are those of `said`, where they are sorted already.
    """
    detail = said.details[0] if said.details else Detail(None, "", said.message)
    code = _BY_CATEGORY.get(said.category or "") or _BY_ERROR.get(detail.error)
    if code is None:
        code = Code.PROPERTY_INVALID if detail.property else Code.REFUSED
    firsts = (faults or Faults(said)).firsts
    message = _sentence(firsts[:SHOWN], [each.property or "" for each in firsts]) or detail.message
    message = message or said.message or f"HubSpot refused it ({status}) without a word"
    if code is Code.ORDER_NOT_FOUND:
        message = f"HubSpot has no order with this key, or it is archived ({message})"
    return Reason(
        code=code,
        message=message,
        http_status=status,
        category=said.category,
        correlation_id=said.correlation_id,
        property=detail.property,
    )


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
            Reason(
                code=Code.THROTTLED,
                message=reason.message,
                http_status=status,
                category=said.category,
                correlation_id=said.correlation_id,
            ),
            Cause.THROTTLE,
        )
    if is_final(said):
        return Rejected(reason)
    unknown = Reason(
        code=Code.UNRECOGNISED,
        message=reason.message,
        http_status=status,
        category=said.category,
        correlation_id=said.correlation_id,
        property=reason.property,
    )
    return Retryable(unknown, Cause.RECORD)


def whole_call(call: BatchCall, said: Problem, status: int) -> tuple[Verdict, ...]:
    """A refused call: the guilty where the answer proves them, its suspects, and the rest of the company."""
    faults = Faults(said)
    reason = reason_of(said, status, faults)
    if len(call.inputs) == 1:
        return (Rejected(_about(call.inputs[0], faults, reason)),)
    # Of duplicates each is fine alone.
    duplicates = _DUPLICATES.fullmatch(said.message)
    return tuple(
        Rejected(_about(sent, faults, reason))
        if each.proven and not duplicates
        else Refused(reason, named=each.pointed_at)
        for sent, each in zip(call.inputs, accusations(call, said, faults), strict=True)
    )


def _about(sent: Input, faults: Faults, reason: Reason) -> Reason:
    """The reason told with the faults of the properties that this record carries."""
    names = faults.carried(sent.values)
    if not names:
        return reason
    first = faults.about(names[0], sent.values)
    shown = [faults.about(name, sent.values) for name in names[:SHOWN]]
    return replace(
        reason,
        code=_BY_ERROR.get(first.error, Code.PROPERTY_INVALID),
        message=_sentence(shown, names) or reason.message,
        property=first.property,
    )


def _sentence(shown: Sequence[Detail], names: Sequence[str]) -> str:
    """One fault in HubSpot's words; several with the property before each, the rest by name."""
    if not shown:
        return ""
    if len(shown) == 1 and (shown[0].message or not shown[0].error):
        return shown[0].message
    told = "; ".join(f"{each.property}: {each.message or each.error}" for each in shown)
    more = names[len(shown) :]
    if not more:
        return told
    listed = ", ".join(more[:LISTED]) + (" …" if len(more) > LISTED else "")
    return f"{told}; and {len(more)} more: {listed}"
