"""What people are told of at once, each once."""

from datetime import timedelta

import orjson

from service.core.events.events import parse
from service.core.events.malformed import Malformed
from service.core.outgoing import Outgoing
from service.core.reasons import Code, Reason
from service.core.settlement import announcements
from service.core.settlement.announcements import Announcements
from service.core.settlement.outcomes import Settlement, conclude_malformed
from tests.strategies import ID_PROPERTY, STAMP, delivery

TOKEN = Reason(Code.UNAUTHENTICATED, "HubSpot refuses the token.", 401)
OUTAGE = Reason(Code.OUTAGE, "HubSpot fails every call: 503")


def _data(announcement: Outgoing | None) -> dict[str, object]:
    assert announcement is not None
    return orjson.loads(announcement.body)["data"]


def _failed(body: bytes) -> Settlement:
    malformed = parse(delivery(body), ID_PROPERTY)
    assert isinstance(malformed, Malformed)
    return conclude_malformed(malformed, STAMP)


def test_a_pause_is_told_once_with_what_to_do_and_its_end_once() -> None:
    told = Announcements("pod-1")

    first = told.paused(TOKEN, STAMP)
    probes = [told.paused(TOKEN, STAMP) for _ in range(50)]
    other = told.paused(OUTAGE, STAMP)
    over, again = told.resumed(61.2, STAMP), told.resumed(1.0, STAMP)

    sentence = str(_data(first)["sentence"])
    assert sentence.startswith(
        "ordersync pauses: HubSpot refuses the token. Nothing is lost, events wait. "
    )
    assert "token" in sentence.rpartition("events wait.")[2]
    assert probes == [None] * 50
    assert _data(other)["reason"] == "outage"
    assert _data(over)["sentence"] == (
        "ordersync goes on after a pause of 61 s (HubSpot fails every call: 503)."
    )
    assert again is None
    ids = {orjson.loads(each.body)["id"] for each in (first, other, over) if each}
    assert len(ids) == 3


def test_a_cause_of_dead_letters_is_told_once_a_day_under_one_id_whoever_tells_it() -> None:
    here, there = Announcements("pod-1"), Announcements("pod-2")
    broken = [_failed(b"{"), _failed(b"[1"), _failed(b"no json at all")]

    first, second = here.failed(broken, STAMP), here.failed(broken, STAMP)
    elsewhere = there.failed(broken, STAMP)
    tomorrow = here.failed(broken, STAMP + timedelta(days=1))

    ids = [orjson.loads(each.body)["id"] for each in first]
    assert ids
    assert len(set(ids)) == len(ids)
    assert second == []
    assert [orjson.loads(each.body)["id"] for each in elsewhere] == ids
    assert not set(ids) & {orjson.loads(each.body)["id"] for each in tomorrow}


def test_causes_without_end_are_not_told_without_end(monkeypatch) -> None:
    monkeypatch.setattr(announcements, "CAUSES", 5)
    told = Announcements("pod-1")

    sent = [
        told.failed(
            [_failed(b'{"specversion":"1.0","x' + bytes([97 + n]) + b'":' + b"[" * n)], STAMP
        )
        for n in range(20)
    ]

    assert sum(len(each) for each in sent) <= 5
