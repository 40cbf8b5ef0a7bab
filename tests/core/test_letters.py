"""Dead letters read back, sieved and grouped; replays made of them."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from service.core.events.deliveries import Unread
from service.core.events.events import Contribution
from service.core.headers import producers
from service.core.hubspot.pauses import LONG_THROTTLE
from service.core.letters import letters, runbook
from service.core.letters.effects import Effect
from service.core.letters.failure import moment
from service.core.letters.letters import READABLE
from service.core.letters.mends import (
    Mend,
    MendError,
    as_sent,
    checked_path,
    parse_set,
)
from service.core.letters.replays import (
    SILENT,
    Address,
    Inputs,
    Report,
    address,
    event_of,
    obstacle,
    replay,
    steps,
)
from service.core.letters.sieve import Groups, Sieve, SieveError, Unmatched, known_reason, rows
from service.core.reasons import Code
from tests.dead_letters.stand import ID_PROPERTY, delivery, event, letter

INPUTS = Inputs("orders.events", ("orders.events", "orders.eu"))
DIED = datetime(2026, 11, 22, 10, 0, 9, tzinfo=UTC)
DEATH = {
    "reason": "delivery_limit",
    "queue": "orders.events",
    "exchange": "orders.events",
    "routing-keys": ["k"],
    "time": DIED,
    "count": 1,
}


def read(body, headers=None, **more):
    return letters.read(delivery(body, headers, **more), ID_PROPERTY)


def ours(number=1, key="A-1", headers=None, **values):
    written = letter(event(number, key, **values), **(headers or {}))
    return read(written.body, dict(written.headers or {}))


def test_our_letter_reads_back_as_it_was_written():
    found = ours(7, "A-7", total="soon")

    assert (found.id, found.made_by, found.status) == ("7", "ordersync", "rejected")
    assert (found.reason, found.category, found.http_status) == (
        "property_invalid",
        "VALIDATION_ERROR",
        207,
    )
    assert (found.order, found.source, found.time) == ("A-7", "/tests", "2026-11-22T10:00:00Z")
    assert (found.exchange, found.queue, found.replays) == ("orders.events", "orders.events", 0)
    assert found.first_failed_at == found.failed_at
    assert found.row()["property"] == "total"


def test_the_brokers_letter_is_read_from_its_x_death():
    found = read(event(7, "A-7"), {"x-death": [DEATH]})

    assert (found.made_by, found.status, found.reason) == (
        "broker",
        "undelivered",
        "delivery_limit",
    )
    assert (found.queue, found.routing_key, found.failed_at) == (
        "orders.events",
        "k",
        "2026-11-22T10:00:09.000Z",
    )
    assert (found.id, found.order) == ("7", "A-7")


def test_law_whatever_the_broker_carried_here_is_the_brokers_though_it_bears_our_headers():
    """A producer's headers and `expiration` do not pass for us; nor does what was shovelled and died."""
    headers = dict(letter(event(1, "A-1")).headers or {})
    for death in ([DEATH], [DEATH | {"time": datetime(2026, 11, 21, tzinfo=UTC)}]):
        found = read(event(1, "A-1"), headers | {"x-death": death})
        assert (found.made_by, found.reason) == ("broker", "delivery_limit")
    for odd in ("no list", [], [1]):
        assert read(event(1, "A-1"), headers | {"x-death": odd}).made_by == "unknown"


def test_a_letter_of_the_brokers_that_was_parked_is_still_the_brokers():
    headers = dict(letter(event(1, "A-1")).headers or {}) | {"ordersync-status": "undelivered"}

    assert read(event(1, "A-1"), headers).made_by == "broker"


@pytest.mark.parametrize(
    ("headers", "made_by"),
    [
        (None, "unknown"),
        ({"x-death": []}, "unknown"),
        ({"x-death": "no list"}, "unknown"),
        ({"x-death": [1]}, "unknown"),
        ({"x-death": [{"reason": {"a": 1}, "queue": [1], "time": "soon"}]}, "broker"),
    ],
)
def test_a_message_that_nobody_explains_is_still_a_letter(headers, made_by):
    found = read(b"\xff\x00", headers)

    assert (found.reason, found.made_by, found.failed_at) == ("unknown", made_by, None)
    assert found.id.startswith("body-")
    assert read(b"\xff", headers, message_id="m-1").id == "m-1"


def test_headers_that_somebody_made_up_are_read_for_what_they_are():
    """A dead letter can be published by hand; none may break the look at all the others."""
    found = read(
        event(1, "A-1"),
        {"ordersync-reason": "refused", "ordersync-replays": "many", "ordersync-history": [1]}
        | {"ordersync-failed-at": "0001-01-01T00:00:00+23:00", "ordersync-http-status": "four"},
        message_id="m-1",
    )

    assert (found.reason, found.failed_at, found.replays, found.http_status) == (
        "refused",
        None,
        0,
        None,
    )
    assert (found.message_id, len(found.fingerprint), found.lines) == ("m-1", 16, ())
    assert not Sieve(since=DIED).takes(found, b"")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-11-22T11:00:00+01:00", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22t10:00:00z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22T10:00:00", "2026-11-22T10:00:00.000Z"),
    ],
)
def test_times_of_failures_sort_as_text(given, kept):
    assert read(b"", {"ordersync-reason": "x", "ordersync-failed-at": given}).failed_at == kept


def test_only_an_order_event_gives_a_contribution():
    assert letters.contribution(delivery(event(1, "A-1")), ID_PROPERTY) is not None
    assert letters.contribution(delivery(b"{}"), None) is None


def test_every_code_and_every_reason_of_the_broker_has_its_paragraph():
    assert set(runbook.RUNBOOK) == {*Code, *runbook.BROKER_REASONS}
    for reason, entry in runbook.RUNBOOK.items():
        assert f"### `{reason}`" in runbook.page()
        assert all((entry.means, entry.fault, entry.fix, entry.replay, entry.line))
    assert runbook.entry("of a later version") is runbook.UNKNOWN


def test_the_cure_of_a_token_covers_the_variable_as_well_as_the_file():
    cure = runbook.RUNBOOK[Code.UNAUTHENTICATED].fix

    assert "`hubspot/token`" in cure
    assert (
        "`ORDERSYNC_HUBSPOT__TOKEN`, which wins over the file, is read at the start alone" in cure
    )
    assert "kubectl rollout restart" in cure


def test_the_runbook_says_from_when_a_throttle_pauses():
    means = runbook.RUNBOOK[Code.THROTTLED].means

    assert f"Intake pauses when nothing but 429 has been heard for {LONG_THROTTLE:g} s" in means


# --- sieving ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sieve", "takes"),
    [
        (Sieve(), True),
        (Sieve(ids=("1",)), True),
        (Sieve(ids=("2",)), False),
        (Sieve(reasons=("property_invalid", "x")), True),
        (Sieve(reasons=("x",)), False),
        (Sieve(categories=("CONFLICT",)), False),
        (Sieve(orders=("A-2",)), False),
        (Sieve(sources=("/shops",)), False),
        (Sieve(fingerprints=("0",)), False),
        (Sieve(replays=0), True),
        (Sieve(replays=1), False),
        (Sieve(text="VALID number"), True),
        (Sieve(text="soon"), True),
        (Sieve(text="later"), False),
        (Sieve(since=datetime(2026, 11, 22, 10, tzinfo=UTC)), True),
        (Sieve(since=DIED), False),
        (Sieve(until=DIED), True),
        (Sieve(until=datetime(2026, 11, 22, 10, tzinfo=UTC)), False),
    ],
)
def test_a_sieve_takes_what_is_meant(sieve, takes):
    body = event(1, "A-1", total="soon")

    assert sieve.takes(ours(1, "A-1", total="soon"), body) is takes


def test_a_letter_without_a_time_is_in_no_range():
    assert not Sieve(since=DIED).takes(read(b"?"), b"?")
    assert moment("yesterday") is None


def test_groups_count_and_remember_first_last_and_a_sample(monkeypatch):
    groups = Groups()
    for number in range(3):
        groups.add(ours(number, f"A-{number}", {"ordersync-replays": number}))
    groups.add(read(b"?"))

    first, second = groups
    assert (first.count, first.replays, first.sample.id) == (3, 2, "0")
    assert (second.count, second.first) == (1, None)
    assert [row["reason"] for row in rows(groups, str)] == ["property_invalid", "unknown"]

    monkeypatch.setattr("service.core.letters.sieve.GROUPS", 2)
    for by, kept in (("order", 2), ("source", 1), ("hour", 1)):
        other = Groups(by)  # type: ignore[arg-type]
        for number in range(3):
            other.add(ours(number, f"A-{number}"))
        assert (len(list(other)), other.overflown) == (kept, 3 - 2 if by == "order" else 0)
        assert by in next(rows(other, str))


# --- replaying --------------------------------------------------------------------------------------------


def replayed(body, headers=None, mend=Mend(), **more):
    source = delivery(body, headers, **more.pop("properties", {}))
    known = letters.read(source, ID_PROPERTY)
    where = address(known, Address("", more["queue"]) if "queue" in more else INPUTS)
    where = where if isinstance(where, Address) else Address("", "orders.events")
    return replay(
        source,
        known,
        mend,
        name="r",
        by="me",
        at="now",
        force=more.get("force", False),
        to=where,
    )


def test_a_replay_is_the_original_with_its_count_one_higher_and_nothing_for_the_broker():
    written = letter(event(1, "A-1"), Code.REFUSED, tenant="eu", **{"ordersync-replays": 2})
    headers = dict(written.headers or {}) | {"x-death": [DEATH], "CC": ["elsewhere"], "ce-x": "y"}

    sent = replayed(written.body, headers, force=True)

    assert sent.body == written.body
    assert (sent.exchange, sent.routing_key) == ("orders.events", "k")
    assert sent.headers["ordersync-replays"] == 3
    assert sent.headers["ordersync-replay"] == "r"
    assert sent.headers["ordersync-force"] is True
    assert sent.headers["tenant"] == "eu"
    assert "forced" in sent.headers["ordersync-history"]
    assert not {"x-death", "CC", "ordersync-reason"} & set(sent.headers)
    assert producers({"BCC": 1, "X-a": 2, "b": 3}) == {"b": 3}


def test_a_replay_goes_to_a_queue_where_that_is_said():
    sent = replayed(event(1, "A-1"), queue="orders.events")

    assert (sent.exchange, sent.routing_key) == ("", "orders.events")
    assert "ordersync-first-failed-at" not in sent.headers


def test_mending_changes_what_is_said_and_tells_so():
    mend = Mend(
        dict(
            [
                parse_set("properties.total=12.5"),
                parse_set("time=2026-11-22T10:00:00Z"),
                parse_set("data.id_property=no"),
            ]
        ),
        ("data.properties.note",),
    )

    sent = replayed(event(1, "A-1", total="soon", note="x"), mend=mend)

    document = orjson.loads(sent.body)
    assert document["data"] == {"properties": {"total": 12.5}, "id_property": "no"}
    assert document["time"] == "2026-11-22T10:00:00Z"
    assert "set data.properties.total=12.5" in sent.headers["ordersync-history"]
    assert "unset data.properties.note" in sent.headers["ordersync-history"]


def test_mending_a_binary_event_changes_headers_and_data():
    headers = {"ce-id": "1", "ce-time": "bad", "tenant": "eu"}
    mend = Mend(dict([parse_set("properties.a.b=text"), parse_set("time=now")]))

    sent = replayed(b"", headers, mend, properties={"content_type": "application/json"})

    assert orjson.loads(sent.body) == {"properties": {"a.b": "text"}}
    assert (sent.headers["ce-time"], sent.headers["ce-id"], sent.headers["tenant"]) == (
        "now",
        "1",
        "eu",
    )


@pytest.mark.parametrize("body", [b"{", b"[]"])
def test_what_is_no_object_cannot_be_mended(body):
    with pytest.raises(MendError, match="nothing in it to mend"):
        replayed(body, mend=Mend(unset=("time",)))


@pytest.mark.parametrize(
    "text", ["properties.total", "=1", "properties.=1", "data=1", "data.x=1", "a.b=1", "tenant=eu"]
)
def test_a_change_must_name_a_place_and_a_value(text):
    with pytest.raises(MendError):
        parse_set(text)


def test_values_are_json_where_they_can_be():
    assert parse_set("properties.a=true") == ("data.properties.a", True)
    assert parse_set("properties.a=[1]") == ("data.properties.a", "[1]")
    assert parse_set('properties.a="1"') == ("data.properties.a", "1")
    assert parse_set("subject=1") == ("subject", "1")
    assert checked_path("properties.a") == "data.properties.a"


def test_parts_of_an_order_are_set_as_json():
    mended = parse_set('data.line_items={"mode": "merge", "remove": ["2"]}')

    assert mended == ("data.line_items", {"mode": "merge", "remove": ["2"]})
    assert parse_set("data.stage=Shipped") == ("data.stage", "Shipped")
    for text in ("2", "Zelt", "{"):
        with pytest.raises(MendError, match="takes JSON"):
            parse_set(f"data.line_items={text}")


def test_the_history_is_bounded():
    history = "\n".join(f"{n} " + "x" * 330 for n in range(3))
    headers = dict(
        letter(event(1, "A-1"), Code.REFUSED, **{"ordersync-history": history}).headers or {}
    )

    sent = replayed(event(1, "A-1"), headers)

    lines = sent.headers["ordersync-history"].splitlines()
    assert len(sent.headers["ordersync-history"]) <= 1024
    assert lines[-1].endswith("replay 1 at now by me")
    assert lines[0].startswith("1 ")


def test_a_letter_is_left_alone_after_so_many_replays_or_without_an_address():
    known = ours(1, "A-1", {"ordersync-replays": 5})

    assert obstacle(known, 5, Address("", "q")) == "replayed 5 times already (--max-replays)"
    assert obstacle(known, 6, INPUTS) is None
    assert obstacle(read(b"?", None), 5, Address("", "q")) is None
    assert obstacle(read(b"?", None), 5, INPUTS) == "nothing says where it came from (--to-queue)"


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({}, Address("orders.events", "k")),
        ({"queue": "orders.eu"}, Address("", "orders.eu")),
        ({"exchange": "orders.outcomes"}, Address("", "orders.events")),
        ({"exchange": "", "routing-key": "orders.results"}, Address("", "orders.events")),
    ],
)
def test_law_a_replay_reaches_an_input_queue_whatever_address_a_letter_gives(said, where):
    headers = dict(letter(event(1, "A-1")).headers or {}) | {"ordersync-routing-key": "k"}
    known = read(event(1, "A-1"), headers | {f"ordersync-{n}": v for n, v in said.items()})

    assert address(known, INPUTS) == where


def test_a_letter_from_elsewhere_is_sent_only_where_the_operator_says():
    headers = dict(letter(event(1, "A-1")).headers or {}) | {"ordersync-queue": "orders.results"}
    known = read(event(1, "A-1"), headers)

    assert "orders.results, which is no input queue" in (obstacle(known, 5, INPUTS) or "")
    assert address(known, Address("", "orders.results")) == Address("", "orders.results")


def test_steps_grow_and_end_at_the_limit():
    assert list(steps(140)) == [1, 5, 25, 100, 9]
    assert list(steps(0)) == []
    endless = steps(None)
    assert [next(endless) for _ in range(6)] == [1, 5, 25, 100, 500, 500]


def test_a_step_with_too_many_failures_or_without_outcomes_is_the_last():
    report = Report()

    assert report.step({"a": "applied", "b": "rejected"}, 1)
    assert not report.step({"c": "rejected", "d": "malformed"}, 1)
    assert report.stopped == "2 of 2 failed again, more than 1"
    assert report.fates == {"applied": 1, "rejected": 2, "malformed": 1}
    assert not Report().step({"a": SILENT}, 1)


# --- what goes, mended ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "mend", "told"),
    [
        (b"{", Mend(), "no order event (invalid_json): mend it"),
        (event(1, ""), Mend(), "no order event (invalid_event): mend it"),
        (
            event(1, ""),
            Mend({"time": "2026-11-22T10:00:00Z"}),
            "mended, it is still no order event",
        ),
        (event(1, ""), Mend({"subject": "A-1"}), None),
        (event(1, "A-1"), Mend(unset=("id",)), "mended, it is still no order event: id:"),
    ],
)
def test_what_would_be_malformed_again_is_not_sent(body, mend, told):
    event = event_of(as_sent(delivery(body), mend), mend, None)

    if told is None:
        assert isinstance(event, Contribution)
    else:
        assert isinstance(event, str)
        assert told in event


def test_an_event_is_judged_as_it_will_be_sent():
    mend = Mend({"data.properties.total": 4}, ("data.properties.note",))
    sent = as_sent(delivery(event(1, "A-1", note="x"), {"ordersync-reason": "refused"}), mend)

    read = event_of(sent, mend, ID_PROPERTY)

    assert isinstance(read, Contribution)
    assert read.values == {"total": "4"}


@pytest.mark.parametrize(
    ("mend", "changed", "idle"),
    [
        (Mend({"data.properties.note": "y"}, ("data.properties.total",)), 2, []),
        (
            Mend({"data.properties.note": "x"}),
            0,
            ["--set data.properties.note: they hold this value already"],
        ),
        (Mend({"data.properties.paid": 1}), 2, []),  # to Python, True is 1
        (
            Mend({"data.properties.note": "y"}, ("data.properties.totl",)),
            2,
            [
                "--unset data.properties.totl: none of them has it; did you mean data.properties.total?"
            ],
        ),
        (Mend(unset=("sequence",)), 0, ["--unset sequence: none of them has it"]),
    ],
)
def test_the_parts_of_a_mend_that_change_nothing_are_told(mend, changed, idle):
    effect = Effect(mend)
    for number in range(2):
        effect.note(delivery(event(number, "A-1", note="x", total=5, paid=True)))

    assert list(effect.idle()) == idle
    assert effect.changed == changed


def test_a_part_that_changes_one_of_many_is_not_idle():
    effect = Effect(Mend(unset=("data.properties.note",)))
    effect.note(delivery(event(1, "A-1", note="x")))
    effect.note(delivery(event(2, "A-2")))

    assert (list(effect.idle()), effect.changed) == ([], 1)
    assert list(Effect(Mend(unset=("time",))).idle()) == []  # no letter, no judgement


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("total", "did you mean properties.total?"),
        ("data.total", "did you mean properties.total?"),
        ("propertes.total", "did you mean properties.total?"),
        ("subjct", "did you mean subject?"),
        ("Time", "did you mean time?"),
        (
            "lines.9.price",
            "did you mean line_items.KEY.NAME, a property of the line with this key?",
        ),
        (
            "line_items.price",
            "did you mean line_items.KEY.NAME, a property of the line with this key?",
        ),
        ("id_property", "did you mean data.id_property?"),
        ("data.properties", "nothing would be changed"),
        ("properties.", "nothing would be changed"),
    ],
)
def test_a_path_that_changes_nothing_is_refused_with_the_one_that_was_meant(path, told):
    with pytest.raises(
        MendError, match=r"is neither properties\.NAME nor line_items\.KEY\.NAME nor a field"
    ) as caught:
        parse_set(f"{path}=5")

    assert str(caught.value).endswith(told)


def test_a_reason_that_no_letter_can_have_is_refused_with_the_one_that_was_meant():
    assert [known_reason(code) for code in (*Code, *runbook.BROKER_REASONS, "unknown")]
    with pytest.raises(
        SieveError,
        match=r"'property_unkown' is no reason code .* did you mean property_unknown\?; `ordersync",
    ):
        known_reason("property_unkown")
    with pytest.raises(
        SieveError, match="is no reason code of this version; `ordersync dlq stats`"
    ):
        known_reason("xyz")


def test_words_of_a_filter_that_no_letter_has_are_told():
    sieve = Sieve(ids=("1", "2"), categories=("VALIDATION_EROR",), orders=("A-1",), sources=("/x",))
    unmatched = Unmatched(sieve)
    unmatched.note(ours(1, "A-1", total="soon"))

    assert list(unmatched.told()) == [
        "no dead letter has --id 2",
        "no dead letter has --category VALIDATION_EROR; did you mean VALIDATION_ERROR?",
        "no dead letter has --source /x",
    ]


def test_where_there_are_too_many_to_know_no_word_is_called_absent(monkeypatch):
    monkeypatch.setattr("service.core.letters.sieve.GROUPS", 1)
    unmatched = Unmatched(Sieve(orders=("A-2",)))
    unmatched.note(ours(1, "A-1", total="soon"))
    unmatched.note(ours(2, "A-2", total="soon"))

    assert list(unmatched.told()) == []


def test_the_effect_of_a_mend_on_a_binary_event_is_seen_in_headers_and_data():
    effect = Effect(Mend({"time": "now", "data.properties.total": 4}, ("data.properties.no",)))

    effect.note(delivery(b"", {"ce-time": "then"}, content_type="application/json"))

    assert effect.changed == 1
    assert list(effect.idle()) == ["--unset data.properties.no: none of them has it"]


def test_a_letter_too_large_to_be_read_is_not_replayed():
    giant = replace(delivery(b"", {"x-death": [DEATH]}), unread=Unread(READABLE + 1, b"d"))

    known = letters.read(giant, ID_PROPERTY)

    assert "too large to be read" in (obstacle(known, 5, INPUTS) or "")
