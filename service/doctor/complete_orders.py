"""What complete orders need beside the orders: the property of their lines' keys, and the scopes of the other records.

Law: nothing is written. Whether a token may write shows in what HubSpot answers to a batch of nothing: 403 for its
scopes, anything else for being empty. Which scopes a link needs is not documented (the specification lists dozens of
alternatives per endpoint), so that reading and writing of both ends are looked for.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from service.core.hubspot.answers import BatchReply
from service.doctor.findings import Finding, Trouble, unseen, well

READY_KEY: Final = "hs_external_order_id"
_CREATE = (
    "create a property of line items with `hasUniqueValue`, and set "
    "ORDERSYNC_HUBSPOT__LINE_ID_PROPERTY to its name"
)
# What links most often go to, and the lines.
_OBJECTS: Final = ("line_items", "contacts", "companies")

# A batch of nothing.
_NOTHING: Final = b'{"inputs":[]}'

Get = Callable[[str], Awaitable[BatchReply]]
Post = Callable[[str, bytes], Awaitable[BatchReply]]
Document = Callable[[bytes], Mapping[str, Any]]
_COST: Final = {
    "line_items": "the lines",
    "contacts": "links to contacts, and new ones,",
    "companies": "links to companies, and new ones,",
}


class Addresses(NamedTuple):
    """Paths of one API version."""

    definitions: str  # of all properties
    records: Callable[[str], str]  # of an object type
    links: Callable[[str], str]  # of orders to an object type


async def line_findings(
    line_id_property: str | None,
    addresses: Addresses,
    get: Get,
    post: Post,
    read: Document,
) -> AsyncIterator[Finding]:
    """Look at the lines' key, and at which records and links may be read and written."""
    if line_id_property is None:
        found = "no property of line items is configured: an event with lines is refused"
        yield unseen("lines", found, f"if events are to bring lines: {_CREATE}")
        return
    answer = await get(f"{addresses.definitions}/line_items/{line_id_property}")
    yield _key(line_id_property, answer, read)
    missing = [fault for name in _OBJECTS async for fault in _refused(name, addresses, get, post)]
    for finding in missing:
        yield finding
    if not missing:
        yield well("scopes", f"{', '.join(_OBJECTS)} may be read, written and linked")


async def _refused(name: str, addresses: Addresses, get: Get, post: Post) -> AsyncIterator[Finding]:
    tried = {
        "read": await get(addresses.records(name)),
        "written": await post(f"{addresses.records(name)}/batch/update", _NOTHING),
        "linked": await post(f"{addresses.links(name)}/batch/create", _NOTHING),
    }
    refused = [what for what, answer in tried.items() if answer.status == 403]
    if refused:
        found = (
            f"{name} may not be {' or '.join(refused)}: {_COST[name]} of events would be refused"
        )
        fix = f"grant crm.objects.{name}.read and .write"
        yield Finding("scopes", found, Trouble.NOT_AUTHORISED, fix)


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
