"""What complete orders need beside the orders: the property of their lines' keys, and reading of the other records."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from service.core.hubspot.answers import BatchReply
from service.doctor.findings import Finding, Trouble, unseen, well

READY_KEY: Final = "hs_external_order_id"
_CREATE = (
    "create a property of line items with `hasUniqueValue`, and set "
    "ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY to its name"
)
# What links most often go to, and the lines.
_OBJECTS: Final = ("line_items", "contacts", "companies")

Get = Callable[[str], Awaitable[BatchReply]]
Document = Callable[[bytes], Mapping[str, Any]]


async def line_findings(
    line_id_property: str | None,
    definitions: str,
    records: Callable[[str], str],
    get: Get,
    read: Document,
) -> AsyncIterator[Finding]:
    """Look at the lines' key and at who may be read; `definitions` is the address of all properties."""
    if line_id_property is None:
        found = "no property of line items is configured: an event with lines is refused"
        yield unseen("lines", found, f"if events are to bring lines: {_CREATE}")
        return
    answer = await get(f"{definitions}/line_items/{line_id_property}")
    yield _key(line_id_property, answer, read)
    for name in _OBJECTS:
        answer = await get(records(name))
        if answer.status == 403:
            scope = "crm.objects." + name if name != "line_items" else "crm.objects.line_items"
            found = f"{name} may not be read: lines or links of events would be refused"
            yield Finding("scopes", found, Trouble.NOT_AUTHORISED, f"grant {scope}.read and .write")


async def ready_key(id_property: str, definitions: str, get: Get, read: Document) -> Finding | None:
    """HubSpot's own order key, where the account says that it is unique and another one is configured."""
    if id_property == READY_KEY:
        return None
    answer = await get(f"{definitions}/orders/{READY_KEY}")
    if answer.status != 200 or read(answer.body).get("hasUniqueValue") is not True:
        return None
    return well("property", f"{READY_KEY} is unique in this account: it could be the key as well")


def _key(name: str, answer: BatchReply, read: Document) -> Finding:
    if answer.status == 404:
        return Finding("lines", f"line items have no property {name}", Trouble.WRONG, _CREATE)
    if answer.status != 200:
        found = f"the definition of {name} answers {answer.status}"
        return unseen("lines", found, "grant the scope crm.schemas.line_items.read")
    definition = read(answer.body)
    if definition.get("archived") or definition.get("hasUniqueValue") is not True:
        found = f"{name} of line items exists, but is archived or its values need not be unique"
        return Finding("lines", found, Trouble.WRONG, _CREATE)
    return well("lines", f"{name} of line items exists and is unique")
