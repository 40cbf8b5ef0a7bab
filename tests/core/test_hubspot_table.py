"""Every answer of docs/hubspot.md gets the verdict it promises; recorded answers too, where they are at hand."""

from pathlib import Path

import orjson
import pytest

from service.core.hubspot import lookups, replies
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.calls import BatchCall, Input
from service.core.hubspot.verdicts import Applied, Stale
from tests.core import graph_table
from tests.core.hubspot_table import PAGE, ROWS, SECTIONS, judge, names, page, told

RECORDED = Path(__file__).parents[3] / "shared" / "reference" / "hubspot" / "bodies"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "+".join(row.answers))
def test_the_answer_means_what_the_table_says(row):
    verdicts = judge(row)

    assert [told(v, operation=row.operation) for v in verdicts] == [row.first, row.second]
    for verdict in verdicts:
        if not isinstance(verdict, Applied | Stale):
            assert verdict.reason.message


@pytest.mark.parametrize("row", graph_table.ROWS, ids=lambda row: f"{row.at}: {row.means}")
def test_the_answer_about_a_part_means_what_the_table_says(row):
    assert [graph_table.told(fate) for fate in graph_table.run(row)] == [row.first, row.second]


def test_the_page_is_what_the_table_says():
    """`python -m tests.core.hubspot_table` writes it."""
    assert PAGE.read_text() == page()


def test_every_kept_answer_has_a_row():
    used = {name for row in ROWS for name in row.answers}

    assert set(names()) <= used
    assert len({section.title for section in SECTIONS}) == len(SECTIONS)


def _call(endpoint, id_property, *inputs):
    """Inputs as (id, values) or (id, values, trace)."""
    made = [Input(i[0], i[0], i[2] if len(i) > 2 else f"t.{n}", i[1]) for n, i in enumerate(inputs)]
    return BatchCall(endpoint, id_property, tuple(made), b"", object="orders")


ANY = _call("upsert", "shop_order_id", ("A-1", {}), ("A-2", {}))
NOBODY = ["refused in company"] * 2
BAD_NAMES = {"first000name": "x", "last000name": "y"}
# A body recorded or documented by others -> the call that it could have answered, and its verdicts.
VERDICTS = {
    "200-create-results-in-order": (
        _call(
            "upsert",
            "email",
            ("testuser31847@testmail.com", {}),
            ("testuser31848@testmail.com", {}),
        ),
        ["applied", "applied"],
    ),
    "200-orders-batch-upsert-ok-new-false": (
        _call("upsert", "my_unique_property_1", ("2", {"city": "mumbai"})),
        ["again: unconfirmed, in doubt"],  # the key was not among the properties
    ),
    "200-update-ok-contacts": (
        _call("update", "hs_object_id", ("171591000199", {}), ("171591000198", {}), ("17", {})),
        ["applied, found", "applied, found", "again: unconfirmed, in doubt"],
    ),
    "201-create-ok-contacts": (
        _call("upsert", "email", ("marleyfleming@hubspot.com", {}), ("nobody@example.com", {})),
        ["applied", "again: unconfirmed, in doubt"],
    ),
    "201-orders-batch-create-ok": (
        _call("update", "hs_object_id", ("395591235948", {"hs_currency_code": "USD"})),
        ["applied, found"],
    ),
    "207-create-tickets-official": (
        _call(
            "upsert", "hs_ticket_id", ("1145814089", {}), ("2", {"missing": "1"}, "549b1c2a9351")
        ),
        ["applied", "rejected: property_unknown (missing)"],
    ),
    "207-update-partial-object-not-found": (
        _call("update", "hs_object_id", ("unknownIdentifier888", {}), ("171591000199", {})),
        ["rejected: order_not_found", "applied, found"],
    ),
    "207-upsert-partial-traceid-composed": (
        _call("upsert", "shop_order_id", ("A-1", {}), ("A-2", {"shop_paid_at": "x"}, "t-2")),
        ["applied, created", "rejected: property_invalid (shop_paid_at)"],
    ),
    "2xx-silent-no-op": (ANY, ["again: unconfirmed, in doubt"] * 2),
    "400-contact-unique-value-conflict": (
        _call("upsert", "k", ("1", {"email": "a@example.com"}), ("2", {"email": "TAKEN"})),
        ["suspect"] * 2,  # neither carries the value in this form
    ),
    "400-create-bad-association": (ANY, NOBODY),
    "400-create-invalid-properties-whole-batch": (
        _call("upsert", "k", ("1", BAD_NAMES), ("2", {"firstname": "z"}), ("3", BAD_NAMES)),
        [
            "rejected: property_unknown (first000name)",
            "refused in company",
            "rejected: property_unknown (first000name)",
        ],
    ),
    "400-empty-body": (ANY, ["again: unrecognised, in doubt"] * 2),
    "400-generic-envelope-official": (
        _call("upsert", "k", ("1", {"discount": "some"}), ("2", {"amount": "1"})),
        ["rejected: property_invalid (discount)", "refused in company"],
    ),
    "400-invalid-json-shape": (ANY, ["again: unrecognised, in doubt"] * 2),
    "400-single-create-property-doesnt-exist": (
        _call("upsert", "k", ("1", {"testproperty": "x"}), ("2", {"amount": "1"})),
        ["rejected: property_unknown (testproperty)", "refused in company"],
    ),
    "400-unknown-object-type": (ANY, ["pause: endpoint_unknown"] * 2),
    "400-update-duplicate-ids": (
        _call("update", "hs_object_id", ("123456", {}), ("7", {})),
        ["suspect", "refused in company"],
    ),
    "401-invalid-authentication": (ANY, ["pause: unauthenticated"] * 2),
    "403-missing-scopes-official": (ANY, ["pause: scope_missing"] * 2),
    "404-single-resource-not-found": (ANY, ["pause: endpoint_unknown"] * 2),
    "409-contact-already-exists": (ANY, NOBODY),
    "429-daily-official": (ANY, ["pause: daily_limit"] * 2),
    "429-search-secondly-category": (ANY, ["again: throttled"] * 2),
    "429-ten-secondly": (ANY, ["again: throttled"] * 2),
}


def _recorded(name):
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded answers beside the repository ({RECORDED.name}/)")
    document = orjson.loads((RECORDED / f"{name}.json").read_bytes())
    body = document.get("body", document)
    status = 200 if name.startswith("2xx") else int(name[:3])
    return BatchReply(status, {}, orjson.dumps(body))


@pytest.mark.parametrize("name", VERDICTS)
def test_a_recorded_answer_gets_its_verdicts(name):
    call, expected = VERDICTS[name]

    verdicts = replies.read(call, _recorded(name))

    assert [told(v, operation=call.endpoint if call.endpoint == "upsert" else "") for v in verdicts]
    assert [told(v) for v in verdicts] == expected


def test_a_recorded_look_up_of_a_missing_key():
    call = _call("read", "email", ("meows@loudly.lol", {}))

    assert lookups.read_keys(call, _recorded("207-read-missing-by-idproperty")) == (
        lookups.Missing(),
    )


def test_no_recorded_answer_is_a_false_success():
    """Whatever the body, as the answer to a call of strangers: nothing is applied."""
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded answers beside the repository ({RECORDED.name}/)")
    for path in sorted(RECORDED.glob("*.json")):
        for status in (200, 201, 202, 207):
            body = _recorded(path.stem).body
            verdicts = replies.read(ANY, BatchReply(status, {}, body))

            applied = [v for v in verdicts if isinstance(v, Applied)]
            assert len(applied) == (1 if b'"A-1"' in body else 0), path.name
