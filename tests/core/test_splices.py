"""A mend changes what it says and no other byte."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.letters.mends import Mend, as_sent, parse_set
from service.core.letters.splices import drop, put
from tests.dead_letters.stand import delivery

EXACT = b'{ "big": 123456789012345678901234567890,\n "fine": 0.10000000000000000000001, "e": 1E40, "n": -0.0 }'


def test_large_numbers_beside_a_mend_stay_as_they_are_to_the_byte():
    """Parsed and dumped again they became 1.2345678901234568e29 and 0.1."""
    body = b'{"data": {"properties": {"total": "soon", "numbers": ' + EXACT + b"}}}"

    sent = as_sent(delivery(body), Mend({"data.properties.total": 4}, ("data.id_property",)))

    assert sent.body == body.replace(b'"soon"', b"4")


@pytest.mark.parametrize(
    "number", ["123456789012345678901234567890", "0.10000000000000000000001", "12.5", "-7"]
)
def test_a_number_is_set_as_it_was_typed(number):
    path, value = parse_set(f"properties.total={number}")

    sent = as_sent(delivery(b'{"data":{}}'), Mend({path: value}))

    assert sent.body == b'{"data":{"properties":{"total":' + number.encode() + b"}}}"


@pytest.mark.parametrize(
    ("body", "path", "there", "gone"),
    [
        (b"{}", ["a"], b'{"a":1}', b"{}"),
        (b' { "b" : 2 } ', ["a"], b' {"a":1, "b" : 2 } ', b' { "b" : 2 } '),
        (b'{"a": {"b": [1, {"a": 2}]}, "c": 3}', ["a", "b"], b'{"a": {"b": 1}, "c": 3}', b'{"a": {}, "c": 3}'),
        (b'{"a":0,"b":"{,}\\"","a":5}', ["a"], b'{"a":0,"b":"{,}\\"","a":1}', b'{"b":"{,}\\""}'),
        (b'{"x":7,"a":"no object"}', ["a", "b"], b'{"x":7,"a":{"b":1}}', b'{"x":7,"a":"no object"}'),
        (b'{"\\u0061":0}', ["a"], b'{"\\u0061":1}', b"{}"),
        (b'{"a":[3, {"b":2 }]}', ["a", 1, "b"], b'{"a":[3, {"b":1 }]}', b'{"a":[3, { }]}'),
        (b'{"a":[[{}],"]",{"b":[2]}]}', ["a", 2, "b"], b'{"a":[[{}],"]",{"b":1}]}', b'{"a":[[{}],"]",{}]}'),
        (b'{"a":[{}]}', ["a", 0, "b", "c"], b'{"a":[{"b":{"c":1}}]}', b'{"a":[{}]}'),
    ],
)  # fmt: skip
def test_a_member_is_put_and_dropped_where_it_stands(body, path, there, gone):
    assert put(body, path, b"1") == there
    assert drop(body, path) == gone


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from('ab{}",:\\é '), VALUES, max_size=5)


class _Exact(json.JSONEncoder):
    def default(self, o):
        return float(o) if isinstance(o, Decimal) else super().default(o)


@given(
    OBJECTS,
    st.lists(st.sampled_from('ab{}",:\\é '), min_size=1, max_size=3),
    VALUES,
    st.integers(0, 3),
)
def test_law_a_splice_is_what_parsing_changing_and_dumping_is(document, path, value, indent):
    body = json.dumps(document, cls=_Exact, indent=indent or None).encode()
    text = json.dumps(value, cls=_Exact)
    expected = json.loads(body)
    place = expected
    for step in path[:-1]:
        if not isinstance(place.get(step), dict):
            place[step] = {}
        place = place[step]
    place[path[-1]] = json.loads(text)

    there = put(body, path, text.encode())

    assert json.loads(there) == expected
    del place[path[-1]]
    assert json.loads(drop(there, path)) == expected
