"""Text of somebody else's does nothing to a terminal, and loses nothing of what can be read."""

import json
import sys
import unicodedata

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.visible import visible, visible_json

UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def test_everything_that_a_terminal_would_act_on_is_escaped_and_nothing_else():
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        category = unicodedata.category(character)
        escaped = visible(character) != character
        assert escaped == (category in UNSEEN) or category == "Cn", hex(number)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("A\u202eB", r"A\u202eB"),
        ("A\u200bB", r"A\u200bB"),
        ("\x9b2J", r"\x9b2J"),
        ("a\nb", r"a\nb"),
        ("Größe 4 · 木", "Größe 4 · 木"),
        ("\ud800", r"\ud800"),
    ],
)
def test_escapes_are_as_python_writes_them(text, shown):
    assert visible(text) == shown


@given(st.dictionaries(st.text(), st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_json_stays_the_same_json(document):
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()

    shown = visible_json(text)

    assert json.loads(shown) == document
    assert not any(unicodedata.category(c) in UNSEEN for c in shown.replace("\n", ""))
