"""Bodies are held up to a limit, a beginning of what came, and what is kept is settled before the rest comes again."""

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.events.deliveries import Delivery
from service.core.intake.crashes import SUSPECTED
from service.core.intake.load import PLAIN, WARY, WIDE, Load
from tests.stage import EPOCH

MEMORY = 1000 * PLAIN


def _delivery(tag: int, size: int, returns: int = 0) -> Delivery:
    properties: Any = SimpleNamespace(headers={"x-delivery-count": returns} if returns else {})
    body = b"x" * size
    return Delivery(1, tag, "q", "x", "k", returns > 0, properties, body, EPOCH)


sizes = st.lists(st.integers(0, 400), max_size=40)


@given(sizes=sizes, settled=st.sets(st.integers(0, 39)))
def test_what_is_held_is_what_was_kept_and_is_not_settled(
    sizes: list[int], settled: set[int]
) -> None:
    load, deliveries = Load(MEMORY), [_delivery(tag, size) for tag, size in enumerate(sizes)]
    for each in deliveries:
        assert load.takes(each)
    gone = [each for each in deliveries if each.tag in settled]
    load.settled(gone)
    load.settled(gone)  # said twice, counted once
    assert load.held == PLAIN * sum(
        len(each.body) for each in deliveries if each.tag not in settled
    )
    assert load.full is (load.held >= MEMORY)
    assert not load.spent


@given(sizes=sizes, at=st.integers(0, 40))
def test_overflowing_keeps_a_beginning_and_is_spent_when_that_is_settled(
    sizes: list[int], at: int
) -> None:
    load, kept = Load(MEMORY), list[Delivery]()
    for tag, size in enumerate(sizes):
        if tag == at:
            load.overflow()
        if load.takes(delivery := _delivery(tag, size)):
            kept.append(delivery)
    assert [each.tag for each in kept] == list(range(min(at, len(sizes))))
    for each in kept:
        assert not load.spent
        load.settled([each])
    assert load.spent is (at < len(sizes))
    load.lost()
    assert load.takes(_delivery(1, 1))


def test_a_suspect_lets_a_quarter_be_kept_until_all_is_settled() -> None:
    load = Load(MEMORY)
    suspect = _delivery(1, MEMORY // PLAIN // WARY, returns=SUSPECTED)
    assert load.takes(suspect)
    assert load.full
    load.settled([suspect])
    assert load.takes(_delivery(2, MEMORY // PLAIN // WARY))
    assert not load.full


def test_returns_that_we_lived_through_make_nobody_a_suspect() -> None:
    load = Load(MEMORY)
    load.lost()
    load.takes(_delivery(1, MEMORY // PLAIN // WARY, returns=SUSPECTED))
    assert not load.full


def test_the_end_of_the_channels_frees_all() -> None:
    load = Load(MEMORY)
    load.takes(_delivery(1, MEMORY // PLAIN, returns=SUSPECTED))
    load.overflow()
    load.lost()
    assert (load.held, load.full, load.spent) == (0, False, False)


@pytest.mark.parametrize("text", ["snow ☃", "face \U0001f600", "escaped \\ud83d\\ude00"])
def test_text_that_python_keeps_wide_weighs_more(text: str) -> None:
    """One such character, and every other one of its string takes four bytes."""
    body = (text + "x" * 90_000).encode()
    load = Load(MEMORY)
    assert load.takes(replace(_delivery(1, 0), body=body))
    assert load.held == WIDE * len(body)
    read = sys.getsizeof(orjson.loads(b'"' + body + b'"')) - sys.getsizeof("")
    assert load.held >= len(body) + read + len(body) - 100
