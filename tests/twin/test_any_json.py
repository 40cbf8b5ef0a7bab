"""Whatever is sent to whatever path is answered, and never by a 500."""

from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.twin import Transport, Twin, TwinOptions
from service.twin.gates.oauth import TokenOffice
from service.twin.http.routes import paths
from tests.virtual_time import run

TWIN = Twin(TwinOptions())
ROUTES = sorted({(path.method, path.pattern) for path in paths(TokenOffice(TWIN.access))})
NAMED = """
inputs id idProperty properties associations to from types associationCategory associationTypeId
objectWriteTraceId filterGroups filters propertyName operator value values highValue sorts query limit
after name label stages displayOrder type options primaryObjectId objectIdToMerge EQ IN HAS_PROPERTY
propertiesWithHistory hasUniqueValue fieldType groupName associations.contact hs_order_name email price
HUBSPOT_DEFINED
"""
WORDS = st.sampled_from(NAMED.split())
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.just(10**400)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        "orders",
        "line_items",
        "contacts",
        "companies",
        "2-1",
        "moons",
        "1",
        "x",
        "9" * 5000,
        "²",
        "٣",
    ]
)


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    route=st.sampled_from(ROUTES),
    body=st.dictionaries(WORDS, VALUES, max_size=5) | VALUES,
    names=st.lists(NAMES, min_size=6, max_size=6),
    query=st.dictionaries(WORDS, NAMES, max_size=3),
)
def test_no_json_makes_the_twin_fail(
    route: tuple[str, str], body: Any, names: list[str], query: dict[str, str]
):
    method, pattern = route
    twin = Twin(TwinOptions(calls=0, search_calls=0, custom=("2-1",)))

    async def story() -> int:
        async with httpx.AsyncClient(
            transport=Transport(twin),
            base_url="http://twin",
            headers={"Authorization": "Bearer x"},
        ) as client:
            for kind in ("orders", "contacts"):
                await client.post(f"/crm/v3/objects/{kind}", json={"properties": {}})
            answer = await client.request(method, path(pattern, names), params=query, json=body)
            return answer.status_code

    assert run(story()) < 500


async def post(path: str, body: Any, **query: str) -> int:
    """The status that a fresh twin answers with."""
    async with httpx.AsyncClient(
        transport=Transport(Twin(TwinOptions())),
        base_url="http://twin",
        headers={"Authorization": "Bearer x"},
    ) as client:
        method = "POST" if body is not None else "GET"
        return (await client.request(method, path, json=body, params=query)).status_code


async def test_bodies_that_once_made_it_fail():
    kind = {"associationCategory": {}, "associationTypeId": 1}
    link = {"inputs": [{"from": {"id": "1"}, "to": {"id": "2"}, "types": [kind]}]}

    statuses = [
        await post("/crm/v4/associations/orders/contacts/batch/create", link),
        await post("/crm/v3/properties/orders/batch/create", {"inputs": [[]]}),
        await post("/crm/v3/objects/orders", None, after="9" * 5000),
        await post("/crm/v3/objects/orders", None, limit="9" * 5000),
    ]

    assert statuses == [400, 400, 400, 400]


def path(pattern: str, names: list[str]) -> str:
    """A path with its parameters filled in."""
    parts = iter(names)
    return "/".join(
        "2026-03" if part.startswith("{version") else next(parts) if part.startswith("{") else part
        for part in pattern.split("/")
    )
