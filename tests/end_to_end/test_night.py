"""What who is on call sees: a throttle at its first 429, a pause while it lasts, why events were refused."""

from pathlib import Path

import pytest

from service.twin import TwinOptions, parse_fault
from service.twin.pytest_plugin import running_twin
from tests.end_to_end.night import night
from tests.stage import event

LIMITS = ("TEN_SECONDLY_ROLLING", "DAILY")


async def test_a_429_storm_is_told_at_its_first_answer_and_when_it_is_over(
    amqp_url: str, tmp_path: Path
) -> None:
    storm = parse_fault("429 times=2")
    with running_twin(TwinOptions(calls=0, faults=(storm,))) as twin:
        async with night(amqp_url, twin.url, tmp_path, HUBSPOT__WINDOW="3") as at:
            await at.publish(event(1, "A-1", hs_order_name="Tent"))
            await at.until(lambda: bool(at.lines("throttled")))
            status, reasons = await at.ready()
            throttled = await at.metric("ordersync_throttled", policy="TEN_SECONDLY_ROLLING")
            await at.until(lambda: bool(at.lines("events_settled")))
            after = await at.ready()
            over = await at.metric("ordersync_throttled", policy="TEN_SECONDLY_ROLLING")

    (told,) = at.lines("throttled")
    assert told["level"] == "warning"
    assert told["policy"] == "TEN_SECONDLY_ROLLING"
    assert "calls get through again within 3 s" in told["message"]
    assert "calls in this window are ours" in told["advice"]
    assert status == 200  # a roll-out must not stop for it
    assert len(reasons) == 1
    assert reasons[0].startswith("throttled (429s so far: 1): HubSpot answers 429")
    assert (throttled, over) == (1.0, 0.0)
    assert after == (200, [])
    assert [line["answers"] for line in at.lines("throttle_over")] == [2]


async def test_a_storm_that_goes_on_for_another_limit_is_told_and_shown_as_that_one(
    amqp_url: str, tmp_path: Path
) -> None:
    storm = (parse_fault("429 times=1"), parse_fault("429 policy=DAILY times=1"))
    with running_twin(TwinOptions(calls=0, faults=storm)) as twin:
        async with night(amqp_url, twin.url, tmp_path, HUBSPOT__WINDOW="1") as at:
            await at.publish(event(1, "A-1", hs_order_name="Tent"))
            await at.until(lambda: len(at.lines("throttled")) == 2)
            during = [await at.metric("ordersync_throttled", policy=limit) for limit in LIMITS]
            await at.until(lambda: bool(at.lines("throttle_over")))
            after = [await at.metric("ordersync_throttled", policy=limit) for limit in LIMITS]

    assert [line["policy"] for line in at.lines("throttled")] == ["TEN_SECONDLY_ROLLING", "DAILY"]
    assert during == [0.0, 1.0]
    assert after == [0.0, 0.0]


@pytest.mark.parametrize(
    ("fault", "reason", "code"),
    [("401", "unauthenticated", 503), ("429 policy=DAILY", "daily_limit", 200)],
)
async def test_the_reason_of_a_pause_and_its_seconds_show_while_it_lasts(
    amqp_url: str, tmp_path: Path, fault: str, reason: str, code: int
) -> None:
    with running_twin(TwinOptions(calls=0, faults=(parse_fault(fault),))) as twin:
        async with night(amqp_url, twin.url, tmp_path) as at:
            await at.publish(event(1, "A-1", hs_order_name="Tent"))
            await at.until(lambda: bool(at.lines("intake_paused")))
            paused = await at.metric("ordersync_paused", reason=reason)
            first = await at.metric("ordersync_paused_seconds_total", reason=reason)
            await at.until(lambda: bool(at.lines("probe_failed")))
            later = await at.metric("ordersync_paused_seconds_total", reason=reason)
            others = await at.metric("ordersync_paused", reason="outage")
            status, reasons = await at.ready()

    assert (paused, others) == (1.0, 0.0)
    assert 0.0 < first < later
    assert status == code
    assert reasons[0].startswith("paused: HubSpot")


async def test_a_refusal_is_logged_with_its_code_and_properties_and_one_search_finds_its_event(
    amqp_url: str, tmp_path: Path
) -> None:
    with running_twin(TwinOptions(calls=0)) as twin:
        async with night(amqp_url, twin.url, tmp_path) as at:
            await at.publish(
                event("Größe-token-1", "A-1", hs_total_price="129,9O"),
                event(2, "A-2", hs_total_price="soon"),
                event(3, "A-3", hs_ordr_name="Tent"),
                event(4, "A-4", hs_order_name="Tent"),
            )
            await at.until(lambda: sum(line["count"] for line in at.lines("events_failed")) == 3)

    failed = at.lines("events_failed")
    counted: dict[tuple[str, str], int] = {}
    for line in failed:
        assert (line["level"], line["status"]) == ("warning", "rejected")
        for name, count in line["properties"].items():
            counted[line["reason"], name] = counted.get((line["reason"], name), 0) + count
    assert counted == {
        ("property_invalid", "hs_total_price"): 2,
        ("property_unknown", "hs_ordr_name"): 1,
    }
    assert {number for line in failed for number in line["event_ids"]} == {
        "Größe-token-1",
        "2",
        "3",
    }
    text = at.log.read_text()
    assert "129,9O" not in text
    assert len([line for line in text.splitlines() if '"Größe-token-1"' in line]) == 2
