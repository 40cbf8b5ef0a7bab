"""Tokens: missing, wrong, expired and refreshed ones, scopes, and the endpoints that give them."""

import asyncio

import pytest

from tests.twin.lab import ORDERS, UPSERT, hubspot, inputs, order

pytestmark = pytest.mark.looptime

FORM = {
    "grant_type": "refresh_token",
    "client_id": "twin-client",
    "client_secret": "twin-secret",
    "refresh_token": "twin-refresh",
}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer "])
async def test_a_call_without_a_token_is_a_401(header: str):
    async with hubspot() as (twin, client):
        answer = await client.post(
            UPSERT, json=inputs(order("A-1")), headers={"Authorization": header}
        )

        assert answer.status_code == 401
        assert answer.json()["category"] == "INVALID_AUTHENTICATION"
        assert twin.state() == {}


async def test_only_the_tokens_named_are_accepted():
    async with hubspot(tokens=("pat-good",)) as (_, client):
        good = await client.get(ORDERS, headers=bearer("pat-good"))
        bad = await client.get(ORDERS, headers=bearer("pat-bad"))

        assert [good.status_code, bad.status_code] == [200, 401]


async def test_a_missing_scope_is_a_403_that_names_it():
    async with hubspot(scopes=("crm.objects.orders.read",)) as (_, client):
        read = await client.get(ORDERS)
        write = await client.post(UPSERT, json=inputs(order("A-1")))

        assert read.status_code == 200
        assert write.status_code == 403
        assert write.json()["category"] == "MISSING_SCOPES"
        needed = write.json()["errors"][0]["context"]["requiredGranularScopes"]
        assert needed == ["crm.objects.orders.write"]


@pytest.mark.parametrize("path", ["/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-03/token"])
async def test_a_token_is_given_expires_and_is_given_anew(path: str):
    async with hubspot(tokens=("pat-static",), token_life=1800) as (_, client):
        given = (await client.post(path, data=FORM)).json()
        fresh = await client.get(ORDERS, headers=bearer(given["access_token"]))
        await asyncio.sleep(1801)
        stale = await client.get(ORDERS, headers=bearer(given["access_token"]))
        again = (await client.post(path, data=FORM)).json()
        renewed = await client.get(ORDERS, headers=bearer(again["access_token"]))

        assert given["expires_in"] == 1800
        assert len(given["access_token"]) > 300
        assert [a.status_code for a in (fresh, stale, renewed)] == [200, 401, 200]
        assert stale.json()["category"] == "EXPIRED_AUTHENTICATION"
        assert "X-HubSpot-RateLimit-Daily" not in fresh.headers


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"refresh_token": "stolen"}, "BAD_REFRESH_TOKEN"),
        ({"client_id": "other"}, "BAD_CLIENT_ID"),
        ({"client_secret": "wrong"}, "BAD_CLIENT_SECRET"),
        ({"grant_type": "password"}, "BAD_GRANT_TYPE"),
    ],
)
async def test_a_refresh_error_has_an_envelope_of_its_own(change: dict[str, str], status: str):
    async with hubspot() as (_, client):
        answer = await client.post("/oauth/v1/token", data={**FORM, **change})

        assert answer.status_code == 400
        assert answer.json()["status"] == status
        assert {"error", "error_description", "message"} <= answer.json().keys()
        assert "category" not in answer.json()


async def test_other_grants_are_given_too():
    async with hubspot() as (_, client):
        machine = await client.post(
            "/oauth/v3/token", data={**FORM, "grant_type": "client_credentials"}
        )
        code = await client.post(
            "/oauth/v3/token", data={**FORM, "grant_type": "authorization_code", "code": "x"}
        )

        assert "refresh_token" not in machine.json()
        assert code.json()["refresh_token"] == "twin-refresh"
