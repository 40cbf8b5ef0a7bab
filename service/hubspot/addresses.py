"""Where each request goes: `v3` and the dated versions differ in their paths, not in their bodies.

Associations are v4's in the API's first line of versions (HubSpot's OpenAPI files, associations.v4.json), and carry
the date like everything else in the dated one.
"""

from typing import Literal, assert_never
from urllib.parse import quote

from service.core.account.questions import Define, Defined, Listing, Question, Single, Sought
from service.core.hubspot.associations import LinkCall
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.requests import Call, ListCall

Method = Literal["GET", "POST"]
_FIRST = "v3"


def address_of(call: Call | Question, api_version: str) -> tuple[Method, str]:
    """The method and path of a request."""
    match call:
        case BatchCall():
            return "POST", f"{records_path(call.object, api_version)}/batch/{call.endpoint}"
        case LinkCall():
            return "POST", f"{links_path(call.object, call.to, api_version)}/batch/{call.endpoint}"
        case ListCall():
            return "GET", _list_path(call, api_version)
        case Listing() | Single():
            record = f"/{quote(call.id, safe='')}" if isinstance(call, Single) else ""
            return "GET", f"{records_path(call.object, api_version)}{record}"
        case Sought():
            return "POST", f"{records_path(call.object, api_version)}/search"
        case Defined() | Define():
            return _definitions_address(call, api_version)
        case unreachable:
            assert_never(unreachable)


def _definitions_address(call: Defined | Define, api_version: str) -> tuple[Method, str]:
    path = f"{_path('properties', 'v3', api_version)}/{call.object}"
    if isinstance(call, Define):
        return "POST", path
    return "GET", f"{path}/{call.name}" if call.name else path


def _list_path(call: ListCall, api_version: str) -> str:
    match call.endpoint:
        case "labels":
            return f"{links_path(call.object, call.to, api_version)}/labels"
        case "pipelines":
            return f"{_path('pipelines', 'v3', api_version)}/{call.object}"
        case unreachable:
            assert_never(unreachable)


def records_path(object_type: str, api_version: str) -> str:
    """The collection of one object type."""
    if api_version == _FIRST:
        return f"/crm/v3/objects/{object_type}"
    return f"/crm/objects/{api_version}/{object_type}"


def links_path(origin: str, to: str, api_version: str) -> str:
    """The links of one object type to another."""
    return f"{_path('associations', 'v4', api_version)}/{origin}/{to}"


def _path(area: str, first: str, api_version: str) -> str:
    return f"/crm/{first}/{area}" if api_version == _FIRST else f"/crm/{area}/{api_version}"
