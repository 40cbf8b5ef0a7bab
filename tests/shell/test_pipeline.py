"""The pipeline's story in virtual time: the real HubSpot client, the twin behind it, no sleeping."""

import asyncio
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.core.settlement.retries import RetryPolicy
from service.core.waiting.batch import BatchPolicy
from service.demo.samples import samples
from service.hubspot.token import StaticToken
from service.twin import Rule, TwinOptions, parse_fault
from tests import virtual_time
from tests.one_by_one import one_by_one, shown
from tests.stage import PORTAL, Stage, event, stage, until

PLAIN = TwinOptions(latency=0.02, properties=PORTAL, calls=0)
REAL_TRAFFIC = Path(__file__).parents[3] / "shared" / "data" / "orders-real.ndjson"


async def carried(bodies: list[bytes], options: TwinOptions = PLAIN) -> Stage:
    """All of them through the pipeline; checks that each has one outcome and that the end state is right."""
    async with stage(options) as on:
        on.queue.put(bodies)
        await until(lambda: not on.queue.unacked and not on.queue.ready)
    assert len(on.outcomes) == len(bodies)
    assert len({outcome["id"] for outcome in on.outcomes}) == len(bodies)
    accepted = {
        o["data"]["event"]["id"]
        for o in on.outcomes
        if o["data"]["status"] in {"applied", "superseded"}
    }
    events = [
        document
        for document in map(_document, bodies)
        if document and document.get("id") in accepted
    ]
    quiet = replace(options, calls=0, latency=0.0, daily=0)
    assert shown(on.twin, "shop_order_id") == await one_by_one(events, quiet, "shop_order_id")
    return on


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def test_the_sample_day_ends_as_one_by_one_application_would() -> None:
    async def story() -> None:
        on = await carried([sample.body for sample in samples(400)])
        codes = {o["data"]["reason"]["code"] for o in on.outcomes if o["data"]["reason"]}
        assert len(codes) >= 4, codes

    virtual_time.run(story())


@pytest.mark.skipif(
    not REAL_TRAFFIC.exists(), reason="no ../shared/data/orders-real.ndjson beside the repository"
)
def test_real_traffic_ends_as_one_by_one_application_would_in_few_calls() -> None:
    async def story() -> None:
        on = await carried(REAL_TRAFFIC.read_bytes().splitlines())
        stats = on.twin.stats()
        fewest = sum(ceil(records / 100) for records in stats["records_written"].values())
        print(
            f"{stats['total_calls']} calls for {stats['records_written']}, the fewest possible: {fewest}"
        )
        assert stats["total_calls"] <= 1.15 * fewest

    virtual_time.run(story())


def test_an_outage_is_nobodys_dead_letter() -> None:
    """Half an hour of 503: what is held stays, and goes back once, before the broker would fetch it."""
    bodies = [event(n, f"A-{n}", hs_order_name="x") for n in range(500)]
    outage = parse_fault("503 until=1800")

    async def story() -> None:
        async with stage(TwinOptions(latency=0.02, faults=(outage,), calls=0)) as on:
            on.queue.put(bodies)
            await until(lambda: len(on.outcomes) == len(bodies))
        assert on.statuses() == {"applied": 500}
        assert not on.dead_letters
        assert max(on.queue.returned.values()) == 1

    virtual_time.run(story())


def test_an_outage_of_writes_alone_is_nobodys_dead_letter() -> None:
    """The probe reads, and reads work: resuming gets slower as long as no write succeeds."""
    bodies = [event(n, f"A-{n}", hs_order_name="x") for n in range(50)]
    outage = parse_fault("502 operation=upsert until=1800")

    async def story() -> None:
        async with stage(TwinOptions(latency=0.02, faults=(outage,), calls=0)) as on:
            on.queue.put(bodies)
            await until(lambda: len(on.outcomes) == len(bodies), seconds=7200)
        assert on.statuses() == {"applied": 50}
        assert max(on.queue.returned.values()) <= 2

    virtual_time.run(story())


def test_a_night_without_writes_leaves_deliveries_enough() -> None:
    """The broker dead-letters what went back 50 times."""
    outage = parse_fault("502 operation=upsert until=43200")

    async def story() -> None:
        async with stage(TwinOptions(latency=0.02, faults=(outage,), calls=0)) as on:
            on.queue.put([event(n, f"A-{n}", hs_order_name="x") for n in range(20)])
            await until(lambda: len(on.outcomes) == 20, seconds=100_000)
        assert on.statuses() == {"applied": 20}
        assert max(on.queue.returned.values()) <= 15

    virtual_time.run(story())


def test_one_order_alone_in_an_outage_waits_for_it() -> None:
    outage = parse_fault("503 until=600")

    async def story() -> None:
        async with stage(TwinOptions(faults=(outage,), calls=0)) as on:
            on.queue.put([event(1, "A-1", hs_order_name="x")])
            await until(lambda: len(on.outcomes) == 1)
        assert on.statuses() == {"applied": 1}

    virtual_time.run(story())


@pytest.mark.parametrize(("key", "exhausted"), [("A-13", 1), ("", 0)])
def test_a_lock_is_blamed_on_the_locked_order_alone(key: str, exhausted: int) -> None:
    """A 423 is about the whole call and names nobody; one that meets every call is nobody's fault."""
    lock = parse_fault(f"423 key={key} until=600")
    bodies = [event(n, f"A-{n}", hs_order_name="x") for n in range(300)]

    async def story() -> None:
        async with stage(TwinOptions(latency=0.02, faults=(lock,), calls=0)) as on:
            on.queue.put(bodies)
            await until(lambda: len(on.outcomes) == len(bodies))
        assert on.statuses()["exhausted"] == exhausted
        assert on.statuses()["applied"] == 300 - exhausted

    virtual_time.run(story())


def test_one_order_that_makes_its_calls_fail_is_given_up_and_its_neighbours_are_not() -> None:
    poison = parse_fault("500 key=A-13")
    bodies = [event(n, f"A-{n}", hs_order_name="x") for n in range(100)]

    async def story() -> None:
        async with stage(TwinOptions(latency=0.02, faults=(poison,), calls=0)) as on:
            on.queue.put(bodies)
            await until(lambda: len(on.outcomes) == len(bodies))
        assert on.status_of(13) == ["exhausted"]
        assert on.statuses() == {"applied": 99, "exhausted": 1}

    virtual_time.run(story())


@pytest.mark.parametrize(
    "fault",
    [
        parse_fault("401 until=60"),
        parse_fault("403 until=60"),
        parse_fault("477 retry_after=30 until=60"),
        parse_fault("429 policy=DAILY until=60"),
    ],
    ids=["bad token", "missing scope", "migration", "daily limit"],
)
def test_a_fault_of_the_set_up_condemns_no_event(fault: Rule) -> None:
    async def story() -> None:
        async with stage(TwinOptions(faults=(fault,), calls=0)) as on:
            on.queue.put([event(n, f"A-{n}", hs_order_name="x") for n in range(5)])
            await until(lambda: on.pipeline.desk.gate.reason is not None)
            await until(lambda: len(on.outcomes) == 5)
        assert on.statuses() == {"applied": 5}

    virtual_time.run(story())


def test_a_channel_that_ends_mid_call_is_not_acked_and_its_events_keep_their_order() -> None:
    """The old call's answer settles nothing; the redelivered events are written again, in order."""

    async def story() -> None:
        async with stage(TwinOptions(latency=1.0, calls=0)) as on:
            on.queue.put([event(n, f"A-{n}", hs_order_name="first") for n in range(10)])
            await asyncio.sleep(0.5)  # the call is on its way
            on.queue.put([event(n + 10, f"A-{n}", hs_order_name="second") for n in range(10)])
            on.queue.cut()
            on.queue.pump()
            await until(lambda: not on.queue.unacked)
        assert len(on.outcomes) == 20
        names = {values["hs_order_name"] for _, values in shown(on.twin, "shop_order_id").values()}
        assert names == {"second"}

    virtual_time.run(story())


def test_a_repeat_of_an_applied_event_gets_the_same_outcome_and_no_second_write() -> None:
    async def story() -> None:
        async with stage() as on:
            first = event(1, "A-1", hs_order_name="old")
            on.queue.put([first])
            await until(lambda: len(on.outcomes) == 1)
            on.queue.put([event(2, "A-1", hs_order_name="new")])
            await until(lambda: len(on.outcomes) == 2)
            on.queue.put([first])
            await until(lambda: len(on.outcomes) == 3)
        assert on.outcomes[0] == on.outcomes[2]
        assert shown(on.twin, "shop_order_id")["A-1"][1]["hs_order_name"] == "new"

    virtual_time.run(story())


def test_a_timeout_after_the_write_does_not_claim_creation() -> None:
    lost = parse_fault("hang nth=1 seconds=100")

    async def story() -> None:
        async with stage(TwinOptions(faults=(lost,), calls=0), timeout=5.0) as on:
            on.queue.put([event(1, "A-1", hs_order_name="x")])
            await until(lambda: len(on.outcomes) == 1)
        assert on.outcomes[0]["data"]["status"] == "applied"
        assert on.outcomes[0]["data"]["created"] is None
        assert on.outcomes[0]["data"]["attempts"] == 2

    virtual_time.run(story())


def test_a_record_that_hubspot_never_mentions_is_exhausted_never_applied() -> None:
    silent = parse_fault("vanish key=A-3")

    async def story() -> None:
        async with stage(
            TwinOptions(faults=(silent,), calls=0), retry=RetryPolicy(attempts=4)
        ) as on:
            on.queue.put([event(n, f"A-{n}", hs_order_name="x") for n in range(6)])
            await until(lambda: len(on.outcomes) == 6)
        assert on.status_of(3) == ["exhausted"]
        assert on.statuses() == {"applied": 5, "exhausted": 1}

    virtual_time.run(story())


def test_the_quota_is_used_to_the_last_call_and_never_exceeded() -> None:
    """190 per 10 s enforced by the twin: no 429, at least 97 % of it used while there is work."""
    bodies = (event(n, f"A-{n}", hs_order_name="x") for n in range(100_000))

    async def story() -> None:
        options = TwinOptions(
            latency=0.05, calls=190, window=10.0, journal="calls", journal_size=10_000
        )
        async with stage(options, batch=BatchPolicy(size=1, linger=0.0), grace=1.0) as on:
            on.queue.put(next(bodies) for _ in range(3000))
            await asyncio.sleep(100.0)
            on.queue.close()
        stats = on.twin.stats()
        use = stats["total_calls"] / (190 * 10)
        print(
            f"{use:.1%} of the quota used, busiest window {stats['busiest_window']}, 429s {stats['throttled']}"
        )
        assert not stats["throttled"]
        assert stats["busiest_window"] <= 190
        assert use >= 0.97

    virtual_time.run(story())


def test_stopping_settles_what_is_held_and_requeues_the_rest() -> None:
    async def story() -> None:
        async with stage(TwinOptions(latency=0.5, calls=0), grace=25.0) as on:
            on.queue.put([event(n, f"A-{n}", hs_order_name="x") for n in range(10)])
            await asyncio.sleep(0.01)
            on.stop.set()
            await asyncio.sleep(0)
            on.queue.put([event(99, "A-99", hs_order_name="too late")])
        assert on.statuses() == {"applied": 10}
        assert len(on.queue.unacked) == 1

    virtual_time.run(story())


def test_stopping_in_an_outage_ends_within_the_grace() -> None:
    dead = parse_fault("hang seconds=1e+06")

    async def story() -> float:
        async with stage(TwinOptions(faults=(dead,), calls=0), grace=25.0) as on:
            on.queue.put([event(n, f"A-{n}", hs_order_name="x") for n in range(10)])
            await asyncio.sleep(1.0)
            on.stop.set()
        assert not on.outcomes
        return asyncio.get_running_loop().time()

    assert virtual_time.run(story()) < 30.0


def test_a_token_that_is_replaced_in_its_file_ends_the_pause(tmp_path: Any) -> None:
    file = tmp_path / "token"
    file.write_text("old")

    async def story() -> None:
        token = StaticToken("old", file)
        async with stage(TwinOptions(tokens=("new",), calls=0), token=token) as on:
            on.queue.put([event(1, "A-1", hs_order_name="x")])
            await until(lambda: on.pipeline.desk.gate.reason is not None)
            file.write_text("new")
            await until(lambda: len(on.outcomes) == 1)
        assert on.statuses() == {"applied": 1}

    virtual_time.run(story())


def test_malformed_events_neither_stop_nor_slow_the_others() -> None:
    async def story() -> None:
        async with stage() as on:
            on.queue.put(
                [b"{" if n % 2 else event(n, f"A-{n}", hs_order_name="x") for n in range(100)]
            )
            await until(lambda: len(on.outcomes) == 100)
        assert on.statuses() == {"applied": 50, "malformed": 50}
        assert all(
            orjson.loads(m.body)["data"]["reason"]
            for m in on.published
            if m.routing_key == "outcome.malformed"
        )
        assert {letter.body for letter in on.dead_letters} == {b"{"}

    virtual_time.run(story())


def test_a_bad_value_that_a_later_event_overwrote_before_anything_was_written_is_saved() -> None:
    async def story() -> None:
        async with stage() as on:
            on.queue.put(
                [event(1, "A-1", hs_total_price="tomorrow"), event(2, "A-1", hs_total_price=12.5)]
            )
            await until(lambda: len(on.outcomes) == 2)
        assert on.status_of(1) == ["superseded"]
        assert on.status_of(2) == ["applied"]

    virtual_time.run(story())


def test_a_merged_write_that_is_refused_is_tried_event_by_event() -> None:
    async def story() -> None:
        async with stage() as on:
            on.queue.put(
                [
                    event(1, "A-1", hs_order_name="kept"),
                    event(2, "A-1", hs_total_price="tomorrow"),
                    event(3, "A-1", hs_order_note="kept too"),
                ]
            )
            await until(lambda: len(on.outcomes) == 3)
        assert [on.status_of(n) for n in (1, 2, 3)] == [["applied"], ["rejected"], ["applied"]]
        (letter,) = on.dead_letters
        assert letter.headers is not None
        assert letter.headers["ordersync-property"] == "hs_total_price"

    virtual_time.run(story())


def _returned(on: Stage, bodies: list[bytes], times: int) -> None:
    """As a standby finds the queue: everything was somebody else's, `times` times."""
    on.queue.ready += [(body, True) for body in bodies]
    on.queue.returned.update(dict.fromkeys(bodies, times))
    on.queue.pump()


def test_a_new_owner_lets_a_former_owners_call_land_before_it_writes_what_is_newer() -> None:
    """The former owner's write arrives five seconds late; the newest event is there in the end."""

    async def story() -> None:
        async with stage(PLAIN, overlap=30.0) as on:
            _returned(on, [event(n, "A-1", hs_order_name=f"name {n}") for n in (1, 2)], times=1)
            on.queue.put([event(3, "B-1", hs_order_name="somebody else's order waits for nothing")])
            await until(lambda: len(on.outcomes) == 2, seconds=2.0)
            assert on.status_of(1) == ["applied"]
            assert on.status_of(3) == ["applied"]
            await asyncio.sleep(20.0)
            assert not on.status_of(2)
            await until(lambda: len(on.outcomes) == 3, seconds=15.0)
        assert shown(on.twin, "shop_order_id")["A-1"][1]["hs_order_name"] == "name 2"

    virtual_time.run(story())


def test_what_we_gave_back_ourselves_is_written_at_once() -> None:
    async def story() -> None:
        async with stage(PLAIN, overlap=30.0) as on:
            on.queue.put([event(n, "A-1", hs_order_name=f"name {n}") for n in (1, 2)])
            on.queue.cut()
            on.queue.pump()
            await until(lambda: len(on.outcomes) == 2, seconds=2.0)

    virtual_time.run(story())


def test_no_call_begins_without_a_lease_and_none_for_what_was_lost_meanwhile() -> None:
    async def story() -> None:
        leased = asyncio.Event()

        async def held() -> None:
            await leased.wait()

        async with stage(PLAIN, wrap=lambda shell: replace(shell, leased=held)) as on:
            on.queue.put([event(1, "A-1", hs_order_name="x")])
            await asyncio.sleep(5.0)
            assert not on.twin.stats()["total_calls"]
            on.queue.cut()
            leased.set()
            await asyncio.sleep(5.0)
            assert not on.twin.stats()["total_calls"]
            on.queue.pump()
            await until(lambda: len(on.outcomes) == 1)

    virtual_time.run(story())


def test_suspects_are_taken_one_at_a_time_and_the_one_in_front_is_condemned() -> None:
    bodies = [event(n, f"A-{n}", hs_order_name="x") for n in range(40)]

    async def story() -> None:
        async with stage(PLAIN) as on:
            _returned(on, bodies, times=20)
            await until(lambda: len(on.outcomes) == 40)
        assert on.status_of(0) == ["exhausted"]
        assert on.statuses() == {"exhausted": 1, "applied": 39}
        (letter,) = on.dead_letters
        assert letter.routing_key == "crash_suspect"
        sizes = [call["size"] for call in on.twin.journal.calls]
        assert sizes[:9] == [1] * 9
        assert max(sizes) > 1, "later ones in company"

    virtual_time.run(story())


def test_a_call_that_lands_between_two_redeliveries_is_no_reason_to_skip_the_second() -> None:
    """Else the first would be written again, over the second, which is answered from memory."""

    async def story() -> None:
        async with stage(TwinOptions(latency=1.0, calls=0)) as on:
            on.queue.put(
                [event(1, "A-1", hs_order_name="old"), event(2, "A-1", hs_order_name="new")]
            )
            await asyncio.sleep(0.5)  # both are on their way, in one write
            on.queue.cut()
            second = on.queue.ready.pop()
            on.queue.pump()
            await asyncio.sleep(1.0)  # the write lands
            on.queue.ready.append(second)
            on.queue.pump()
            await until(lambda: not on.queue.unacked)
        assert shown(on.twin, "shop_order_id")["A-1"][1]["hs_order_name"] == "new"

    virtual_time.run(story())


def test_a_repeat_of_an_event_that_failed_gets_the_same_refusal_and_newer_values_stand() -> None:
    """Its value would be taken by now, and written over the newer one."""

    async def story() -> None:
        flaky = parse_fault("refuse key=A-1 times=1")
        async with stage(TwinOptions(latency=0.5, calls=0, faults=(flaky,))) as on:
            first = event(1, "A-1", hs_order_name="old")
            on.queue.put([first])
            await asyncio.sleep(0.4)  # its call is out
            on.queue.put([first, event(2, "A-1", hs_order_name="new")])
            await until(lambda: len(on.outcomes) == 3)
            on.queue.put([first])
            await until(lambda: len(on.outcomes) == 4)
        assert on.status_of(1) == ["rejected"] * 3
        assert len({o["id"] for o in on.outcomes if o["data"]["event"]["id"] == "1"}) == 1
        assert len(on.dead_letters) == 1
        assert on.status_of(2) == ["applied"]
        assert shown(on.twin, "shop_order_id")["A-1"][1]["hs_order_name"] == "new"

    virtual_time.run(story())
