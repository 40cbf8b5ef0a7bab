"""probe: requests that write nothing, at the place that is doubted, and no more of them than can tell."""

import orjson
import pytest

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.probe import KEY, probe
from service.core.hubspot.verdicts import Where

FINE = BatchReply(200, {}, b'{"status":"COMPLETE","results":[]}')
NOT_THERE = BatchReply(207, {}, b'{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND"}]}')


def _records(endpoint, object_type="orders", id_property="k", *, chosen=False):
    return Where("records", endpoint, object_type, id_property=id_property, chosen=chosen)


def _asked(where, *answers):
    """The requests of a probe that is answered so, and what it found."""
    asking, asked = probe(where), []
    call = next(asking)
    for answer in (*answers, *[FINE] * 9):
        asked.append(call)
        try:
            call = asking.send(answer)
        except StopIteration as end:
            return asked, end.value
    raise AssertionError("a probe without an end")


PLACES = {
    _records("read"): ["read"],
    _records("update"): ["update", "update"],
    _records("upsert"): ["update", "upsert"],
    _records("create"): ["read", "create"],
    _records("archive"): ["read", "archive"],
    _records("upsert", id_property=""): ["upsert"],
    _records("upsert", "contacts", "email"): ["read", "upsert"],
    Where("links", "create", "orders", "contacts"): ["link/create"],
    Where("links", "archive", "orders", "contacts"): ["link/archive"],
    Where("list", "labels", "orders", "contacts"): ["labels"],
}


@pytest.mark.parametrize("where", PLACES, ids=lambda w: f"{w.kind} {w.endpoint} {w.object}")
def test_a_probe_asks_at_the_place_that_is_doubted_and_writes_nothing(where):
    asked, found = _asked(where)

    assert [call.name for call in asked] == PLACES[where]
    assert found is None
    for call in asked:
        assert call.object == where.object
        if where.kind == "list":
            continue
        inputs = orjson.loads(call.body)["inputs"]
        assert not inputs or (call.name in {"read", "update"} and inputs[0]["id"] == KEY)
        assert all(not i.get("properties") for i in inputs)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 477, 500, 503])
@pytest.mark.parametrize("at", [0, 1])
def test_what_everybody_would_meet_is_trouble_and_ends_the_probe(status, at):
    answers = [NOT_THERE, BatchReply(status, {}, b"{}")][1 - at :]

    asked, found = _asked(_records("upsert"), *answers)

    assert len(asked) == at + 1
    assert found is not None


def test_no_answer_is_trouble_too():
    assert _asked(_records("upsert"), NoReply("timed out", sent=True))[1] is not None


@pytest.mark.parametrize(
    "said",
    [
        BatchReply(400, {}, b'{"message":"Invalid input JSON","category":"VALIDATION_ERROR"}'),
        BatchReply(400, {}, b"{}"),
        BatchReply(204, {}, b""),
        BatchReply(200, {}, b'{"status":"COMPLETE","results":[]}'),
    ],
)
def test_a_no_to_a_call_without_records_is_to_its_being_empty(said):
    assert _asked(_records("archive", id_property=""), said)[1] is None


def test_a_no_that_is_no_judgement_is_trouble_where_something_was_asked():
    """A gateway that says no to everybody."""
    assert _asked(_records("upsert"), BatchReply(400, {}, b"{}"))[1] is not None


def test_a_property_that_an_event_chose_is_the_events_affair():
    words = b"Unable to perform update by non-unique 0-123 property other"
    said = BatchReply(400, {}, b'{"message":"%s","category":"VALIDATION_ERROR"}' % words)

    assert _asked(_records("upsert", id_property="other", chosen=True), said)[1] is None
    own = BatchReply(400, {}, said.body.replace(b"other", b"k"))
    assert _asked(_records("upsert"), own)[1] is not None
