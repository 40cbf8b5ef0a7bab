"""What a whole-call fault does: the answer it makes up, or what it does to a true one."""

from typing import Any

from service.twin.faults import FaultRule, Subject
from service.twin.gates.access import expired, forbidden, unauthenticated
from service.twin.gates.limits import throttled
from service.twin.operations.answers import (
    Answer,
    Cut,
    Refusal,
    Reply,
    Truncated,
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


def damaged(rule: FaultRule, call: Call, answer: Answer | None, portal_id: int) -> Reply:
    """The reply to a call that a rule struck; `answer` is the true one if the call was done."""
    match rule.fault:
        case "hang" | "cut":
            return Cut()
        case "truncate":
            return Truncated(answer or _seeded(rule, call))
        case "html":
            return _page(200, call)
        case "drift" | "lump" | "empty":
            return _bent(rule.fault, answer, call)
        case _:
            return _seeded(rule, call, portal_id)


def _bent(fault: str, answer: Answer | None, call: Call) -> Answer:
    answer = answer or Answer(201 if call.operation == "create" else 200, _empty())
    if fault == "drift":
        answer.status = {200: 201, 201: 200}.get(answer.status, answer.status)
    elif fault == "lump":
        _lump(answer)
    return answer


def _empty() -> dict[str, Any]:
    return {"status": "COMPLETE", "results": [], "errors": []}


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


def _seeded(rule: FaultRule, call: Call, portal_id: int = 0) -> Answer:
    if rule.fault == "refuse-batch":
        return refused_batch(rule, call.subjects, call.chosen.blamed, portal_id).answer(
            call.correlation_id
        )
    if rule.body == "empty":
        made = Answer(rule.status, body=b"")
    elif rule.body == "html":
        made = _page(rule.status, call)
    else:
        made = _refusal(rule).answer(call.correlation_id)
    if rule.retry_after is not None:
        made.headers["Retry-After"] = str(rule.retry_after)
    return made


def _refusal(rule: FaultRule) -> Refusal:
    match rule.status:
        case 401:
            return expired() if rule.category == "EXPIRED_AUTHENTICATION" else unauthenticated()
        case 403:
            return forbidden(("crm.objects.orders.write",))
        case 429:
            return throttled(rule.policy)
        case status if status >= 500:
            return refusal(status, rule.message or _TITLES.get(status, "internal error"))
        case status:
            named = rule.category if rule.message else None
            return refusal(status, rule.message or _TITLES.get(status, "refused"), named)


def refused_batch(
    rule: FaultRule, subjects: tuple[Subject, ...], blamed: tuple[int, ...], portal_id: int
) -> Refusal:
    """A batch refused whole because of the `blamed` records, in the manner `blame` says."""
    struck = [subjects[index] for index in blamed]
    if rule.blame == "ids":
        message = rule.message or "Some inputs were invalid. Check that they are allowed"
        return validation(message, context={"ids": [each.key for each in struck]})
    if rule.blame == "nobody":
        return refusal(409, rule.message or "Order already exists", "CONFLICT")
    name = (
        rule.property_name or next(iter(struck[0].properties), "hs_order_name") if struck else "?"
    )
    value = struck[0].properties.get(name, "") if struck else ""
    text = rule.message or f"{value} was not one of the allowed options"
    details = (Detail(rule.code, name, text),)
    message = property_message(details, portal_id)
    return whole_refusal([RecordRefusal("VALIDATION_ERROR", message, details)], portal_id)


def _page(status: int, call: Call) -> Answer:
    title = f"{status}: {_TITLES[status]}" if status in _TITLES else "HubSpot"
    page = _PAGE.format(title=title, ray=call.correlation_id[:16])
    return Answer(status, body=page.encode(), content_type="text/html; charset=UTF-8")
