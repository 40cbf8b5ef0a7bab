"""What a mend does to letters: of lines, and of properties that nobody had before."""

import json

import pytest

from service.core.letters.effects import Effect
from service.core.letters.mends import Mend, MendError, as_sent, parse_set
from tests.dead_letters.stand import delivery
from tests.stage import event

BIG = "123456789012345678901234567890"


def order(*lines: tuple[str, str], **properties: str) -> bytes:
    """An event whose lines have a price each, and a number that no parser keeps."""
    items = [{"key": key, "properties": {"price": price}} for key, price in lines]
    data = {"properties": properties, "line_items": {"mode": "merge", "items": items}}
    return (
        json.dumps({"data": data, "big": 0})
        .encode()
        .replace(b'"big": 0', b'"big": ' + BIG.encode())
    )


def effect_of(mend: Mend, *bodies: bytes) -> Effect:
    effect = Effect(mend)
    for body in bodies:
        effect.note(delivery(body))
    return effect


def test_a_property_of_a_line_is_mended_and_no_other_byte():
    path, value = parse_set("line_items.9.price=5")
    body = order(("8", "a gift"), ("9", "a gift"))

    sent = as_sent(delivery(body), Mend({path: value}))
    gone = as_sent(delivery(body), Mend(unset=("data.line_items.9.price",)))

    head, _, tail = body.rpartition(b'"a gift"')
    assert sent.body == head + b"5" + tail
    assert gone.body == body.replace(
        b'"9", "properties": {"price": "a gift"}', b'"9", "properties": {}'
    )


def test_a_line_of_a_binary_event_and_a_key_with_dots_are_mended():
    line = {"key": "A-1/1.5"}
    body = json.dumps({"line_items": {"items": [line]}}).encode()
    path, value = parse_set("line_items.A-1/1.5.name=Tent")

    sent = as_sent(
        delivery(body, {"ce-id": "1"}, content_type="application/json"), Mend({path: value})
    )

    assert json.loads(sent.body)["line_items"]["items"] == [line | {"properties": {"name": "Tent"}}]


@pytest.mark.parametrize(
    ("path", "idle"),
    [
        ("data.line_items.9.price", []),
        ("data.line_items.99.price", ["--set data.line_items.99.price: none of them has a line 99; did you mean 9?"]),
        ("data.line_items.Zelt.price", ["--set data.line_items.Zelt.price: none of them has a line Zelt"]),
    ],
)  # fmt: skip
def test_a_line_that_no_letter_has_is_told(path, idle):
    effect = effect_of(Mend({path: 5}), order(("9", "a gift")), order(("8", "1")))

    assert list(effect.idle()) == idle
    assert effect.changed == (not idle)


def test_to_take_out_of_a_line_what_it_does_not_have_is_told():
    effect = effect_of(Mend(unset=("data.line_items.9.prise",)), order(("9", "a gift")))

    assert list(effect.idle()) == [
        "--unset data.line_items.9.prise: none of them has it; did you mean data.line_items.9.price?"
    ]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("data.properties.hs_totl_price", "data.properties.hs_total_price"),
        ("data.properties.price", "data.line_items.9.price"),
        ("data.line_items.9.prices", "data.line_items.9.price"),
        ("data.properties.hs_external_order_id", None),
        ("data.properties.hs_total_price", None),
    ],
)
def test_a_property_that_nobody_had_is_told_where_another_may_be_meant(path, meant):
    effect = effect_of(Mend({path: 5}), order(("9", "a gift"), hs_total_price="tomorrow"))

    told = [f"--set {path}: none of them had it before; did you mean {meant}?"] if meant else []
    assert list(effect.strange()) == told
    assert list(effect.idle()) == []


def test_a_property_that_is_taken_out_is_not_what_was_meant():
    mend = Mend({"data.properties.hs_order_name": "Tent"}, ("data.properties.hs_ordr_name",))

    assert list(effect_of(mend, order(hs_ordr_name="Tent")).strange()) == []


def test_where_there_are_too_many_names_to_know_none_is_called_absent(monkeypatch):
    monkeypatch.setattr("service.core.letters.effects._NAMES", 1)
    effect = effect_of(
        Mend({"data.line_items.7.price": 5, "data.properties.hs_totl_price": 5}),
        order(hs_total_price="1"),
    )

    assert list(effect.strange()) == []
    assert list(effect.idle()) == ["--set data.line_items.7.price: they hold this value already"]


def test_lines_that_are_no_objects_have_no_property_to_mend():
    body = b'{"data":{"line_items":{"items":[7]}}}'
    path, value = parse_set("line_items.7.price=5")

    assert as_sent(delivery(body), Mend({path: value})).body == body
    with pytest.raises(MendError, match="takes JSON"):
        parse_set("data.line_items=7")


def test_an_event_without_lines_stays_as_it_is():
    body = event(1, "A-1", note="x")

    assert as_sent(delivery(body), Mend({"data.line_items.9.price": 5})).body == body
