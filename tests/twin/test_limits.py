"""Limits, in virtual time: never above them in any rolling window, and told as HubSpot tells."""

import asyncio
from itertools import pairwise
from random import Random

import httpx
import pytest

from service.twin.gates.limits import Limits
from service.twin.operations.answers import Refusal
from service.twin.options import TwinOptions
from tests.twin.lab import ORDERS, SEARCH, hubspot

pytestmark = pytest.mark.looptime


async def seconds_between_admissions(limits: Limits, random: Random) -> list[float]:
    """Knock at random for a while; when was it opened."""
    now, opened = 100.0, []
    for _ in range(3000):
        now += random.expovariate(40.0)
        try:
            limits.admit("app", now, search=False)
            opened.append(now)
        except Refusal:
            continue
    return opened


@pytest.mark.parametrize("seed", range(5))
async def test_no_rolling_window_holds_more_than_the_limit(seed: int):
    limits = Limits(TwinOptions(calls=19, window=1.0))

    opened = await seconds_between_admissions(limits, Random(seed))

    assert len(opened) > 1000
    # The n-th call after one must lie a whole window later: no window holds n + 1.
    assert all(b - a >= 1.0 for a, b in zip(opened, opened[19:], strict=False))


@pytest.mark.parametrize("seed", range(5))
async def test_another_client_takes_its_part_of_the_window(seed: int):
    limits = Limits(TwinOptions(calls=20, window=1.0, rival_rate=10.0))

    opened = await seconds_between_admissions(limits, Random(seed))

    per_second = len(opened) / (opened[-1] - opened[0])
    assert 9.0 <= per_second <= 11.0


async def test_the_190th_call_passes_and_the_191st_waits_for_the_window():
    async with hubspot(calls=190, window=10.0) as (twin, client):
        passed = [(await client.get(ORDERS)).status_code for _ in range(190)]
        refused = await client.get(ORDERS)
        await asyncio.sleep(9.9)
        still = await client.get(ORDERS)
        await asyncio.sleep(0.2)
        again = await client.get(ORDERS)

        assert set(passed) == {200}
        assert [refused.status_code, still.status_code, again.status_code] == [429, 429, 200]
        document = refused.json()
        assert document["policyName"] == "TEN_SECONDLY_ROLLING"
        assert document["errorType"] == "RATE_LIMIT"
        assert document["message"] == "You have reached your ten_secondly_rolling limit."
        assert "category" not in document
        assert "Retry-After" not in refused.headers
        assert twin.stats()["throttled"] == {"TEN_SECONDLY_ROLLING": 2}
        assert twin.stats()["busiest_window"] == 192


@pytest.mark.parametrize(
    ("calls", "links"), [(100, 100), (190, 150), (250, 200), (0, 300)], ids=str
)
async def test_association_calls_have_a_burst_limit_of_their_own_by_tier(calls: int, links: int):
    async with hubspot(calls=calls, window=10.0, daily=0) as (_, client):
        path = "/crm/v4/associations/orders/contacts/labels"
        seen = [(await client.get(path)).status_code for _ in range(links + 1)]
        others = await client.get(ORDERS)
        await asyncio.sleep(10.1)
        again = await client.get(path)

        assert seen[:links] == [200] * links
        assert seen[links] == (200 if calls == 0 else 429)
        # At 100 both windows are full: association calls count towards the app's, too.
        assert others.status_code == (429 if calls == 100 else 200)
        assert again.status_code == 200


async def test_association_calls_have_a_day_of_their_own_and_may_count_apart():
    options = {"calls": 2, "association_calls": 9, "association_daily": 4}
    async with hubspot(**options, associations_apart=True) as (twin, client):
        path = "/crm/v4/associations/orders/contacts/labels"
        seen = [(await client.get(path)).status_code for _ in range(5)]
        others = [(await client.get(ORDERS)).status_code for _ in range(3)]

        assert seen == [200, 200, 200, 200, 429]
        assert others == [200, 200, 429]
        assert twin.stats()["throttled"] == {"DAILY": 1, "TEN_SECONDLY_ROLLING": 1}


async def test_headers_count_down():
    async with hubspot(calls=3, window=10.0, daily=100) as (_, client):
        answers = [await client.get(ORDERS) for _ in range(4)]

        remaining = [answer.headers["X-HubSpot-RateLimit-Remaining"] for answer in answers]
        assert remaining == ["2", "1", "0", "0"]
        assert answers[0].headers["X-HubSpot-RateLimit-Max"] == "3"
        assert answers[0].headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
        assert answers[0].headers["X-HubSpot-RateLimit-Daily"] == "100"
        assert answers[0].headers["X-HubSpot-RateLimit-Daily-Remaining"] == "99"


async def test_limits_count_per_token():
    async with hubspot(calls=1) as (_, client):
        first = await client.get(ORDERS)
        other = await client.get(ORDERS, headers={"Authorization": "Bearer pat-other"})
        again = await client.get(ORDERS)

        assert [a.status_code for a in (first, other, again)] == [200, 200, 429]


async def test_the_daily_limit_is_the_account_s_and_lasts_until_the_next_day():
    async with hubspot(daily=2) as (_, client):
        await client.get(ORDERS)
        await client.get(ORDERS, headers={"Authorization": "Bearer pat-other"})
        refused = await client.get(ORDERS)
        await asyncio.sleep(86_400)
        again = await client.get(ORDERS)

        assert refused.status_code == 429
        assert refused.json()["policyName"] == "DAILY"
        assert again.status_code == 200


async def test_search_has_a_limit_of_its_own_and_no_burst_headers():
    async with hubspot(calls=190, search_calls=5) as (_, client):
        answers: list[httpx.Response] = [await client.post(SEARCH, json={}) for _ in range(6)]
        await asyncio.sleep(1.01)
        again = await client.post(SEARCH, json={})

        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert answers[-1].json()["category"] == "RATE_LIMITS"
        assert "policyName" not in answers[-1].json()
        assert again.status_code == 200
        assert (
            not {"x-hubspot-ratelimit-max", "x-hubspot-ratelimit-remaining"} & again.headers.keys()
        )
        assert "X-HubSpot-RateLimit-Daily" in again.headers


async def test_a_429_can_say_when_to_come_back():
    async with hubspot(calls=1, retry_after=True) as (_, client):
        answers = [await client.get(ORDERS) for _ in range(2)]

        assert answers[1].headers["Retry-After"] == "11"


@pytest.mark.parametrize(("counted", "passed"), [(False, 2), (True, 1)])
async def test_refused_calls_may_use_up_quota(counted: bool, passed: int):
    async with hubspot(calls=1, window=10.0, refused_count=counted) as (_, client):
        statuses = []
        for _ in range(3):
            statuses.append((await client.get(ORDERS)).status_code)
            await asyncio.sleep(5.1)

        assert statuses.count(200) == passed


async def test_latency_is_what_a_call_takes():
    async with hubspot(latency=0.02) as (_, client):
        loop = asyncio.get_running_loop()
        moments = [loop.time()]
        for _ in range(3):
            await client.get(ORDERS)
            moments.append(loop.time())

        assert all(later - sooner == pytest.approx(0.02) for sooner, later in pairwise(moments))


async def test_limits_can_be_off():
    async with hubspot(calls=0, daily=0) as (_, client):
        answer = await client.get(ORDERS)

        assert not [name for name in answer.headers if "ratelimit" in name.lower()]
