"""What a whole-call fault does: the answer it makes up, or what it does to a true one."""

from typing import Any, assert_never

from service.twin.faults.faults import (
    Answered,
    CallFault,
    Cut,
    Drift,
    Empty,
    Hang,
    Lump,
    Page,
    RefuseBatch,
    Slow,
    Truncated,
)
from service.twin.faults.when import Subject
from service.twin.gates.access import expired, forbidden, needed_scopes, unauthenticated
from service.twin.gates.limits import throttled
from service.twin.operations.answers import (
    Answer,
    Dropped,
    Halved,
    Refusal,
    Reply,
    refusal,
    validation,
)
from service.twin.operations.batches import whole_refusal
from service.twin.operations.call import Call
from service.twin.operations.plans import Detail, RecordRefusal, property_message

_PAGE = """<!DOCTYPE html>
<html lang="en-US"><head><title>{title}</title></head>
<body><h1>{title}</h1><p>The web server reported an error.</p><p>Ray ID: {ray}</p></body></html>
"""
_TITLES = {
    423: "Locked",
    477: "Migration in progress",
    500: "Internal Server Error",
    502: "Bad gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway time-out",
    521: "Web server is down",
    522: "Connection timed out",
    523: "Origin is unreachable",
    524: "A timeout occurred",
}
_DRIFTED = {200: 201, 201: 200, 207: 200}


def damaged(fault: CallFault, call: Call, answer: Answer | None, portal_id: int) -> Reply:
    """The reply to a call that a fault struck; `answer` is the true one if the call was done."""
    match fault:
        case Hang() | Cut():
            return Dropped()
        case Truncated():
            return Halved(answer or _nothing(call))
        case Page():
            return _page(200, call)
        case Answered():
            return _answered(fault, call)
        case RefuseBatch():
            refused = refused_batch(fault, call, portal_id)
            return refused.answer(call.correlation_id)
        case Drift() | Lump() | Empty() | Slow():
            return _bent(fault, answer or _nothing(call))
        case _:
            assert_never(fault)


def _nothing(call: Call) -> Answer:
    document = {"status": "COMPLETE", "results": [], "errors": []}
    return Answer(201 if call.operation == "create" else 200, document)


def _bent(fault: Drift | Lump | Empty | Slow, answer: Answer) -> Answer:
    match fault:
        case Drift():
            answer.status = _DRIFTED.get(answer.status, answer.status)
        case Lump():
            _lump(answer)
        case Empty() if isinstance(answer.document, dict) and "results" in answer.document:
            answer.document["results"] = []
    return answer


def _lump(answer: Answer) -> None:
    """Make one error entry of all, its context naming every one of them."""
    errors = answer.document.get("errors") if isinstance(answer.document, dict) else None
    if not errors:
        return
    context: dict[str, list[str]] = {}
    for error in errors:
        for name, values in error.get("context", {}).items():
            context.setdefault(name, []).extend(values)
    answer.document["errors"] = [{**errors[0], "context": context}]
    answer.document["numErrors"] = 1


def _answered(fault: Answered, call: Call) -> Answer:
    if fault.body == "empty":
        made = Answer(fault.status, body=b"")
    elif fault.body == "html":
        made = _page(fault.status, call)
    else:
        made = _refusal(fault, call).answer(call.correlation_id)
    if fault.retry_after is not None:
        made.headers["Retry-After"] = str(fault.retry_after)
    return made


def _refusal(fault: Answered, call: Call) -> Refusal:
    message = fault.message or _TITLES.get(fault.status, "")
    match fault.status:
        case 401:
            return expired() if fault.category == "EXPIRED_AUTHENTICATION" else unauthenticated()
        case 403:
            return forbidden(needed_scopes(call))
        case 429:
            return throttled(fault.policy)
        case status if status >= 500:
            return refusal(status, message or "internal error")
        case status:
            return refusal(status, message or "refused", fault.category or None)


def refused_batch(fault: RefuseBatch, call: Call, portal_id: int) -> Refusal:
    """A batch refused whole because of the blamed inputs, in the manner `blame` says."""
    struck = [call.subjects[place] for place in call.chosen.blamed]
    match fault.blame:
        case "ids":
            message = fault.message or "Some inputs were invalid. Check that they are allowed"
            return validation(message, context={"ids": [each.key for each in struck]})
        case "nobody":
            label = call.kind.label.capitalize() if call.kind else "Record"
            return refusal(409, fault.message or f"{label} already exists", "CONFLICT")
        case "property":
            return _of_a_property(fault, struck, portal_id)
        case _:
            assert_never(fault.blame)


def _of_a_property(fault: RefuseBatch, struck: list[Subject], portal_id: int) -> Refusal:
    sent: dict[str, Any] = dict(struck[0].properties) if struck else {}
    name = fault.property_name or next(iter(sent), "?")
    text = fault.message or f"{sent.get(name, '')} was not one of the allowed options"
    details = (Detail(fault.code, name, text),)
    message = property_message(details, portal_id)
    return whole_refusal([RecordRefusal("VALIDATION_ERROR", message, details)], portal_id)


def _page(status: int, call: Call) -> Answer:
    title = f"{status}: {_TITLES[status]}" if status in _TITLES else "HubSpot"
    page = _PAGE.format(title=title, ray=call.correlation_id[:16])
    return Answer(status, body=page.encode(), content_type="text/html; charset=UTF-8")
