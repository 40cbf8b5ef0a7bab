"""An order's repeated failure is one row, and no letter is left out of the count."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.core.letters.repeated import as_one

ROWS = st.lists(
    st.fixed_dictionaries(
        {"order": st.sampled_from(["A-1", "A-2", None]), "fingerprint": st.sampled_from("xy")}
    )
)


@given(ROWS)
def test_every_letter_is_counted_once_and_those_of_no_order_stay_apart(
    rows: list[dict[str, Any]],
) -> None:
    numbered = [{**row, "id": number} for number, row in enumerate(rows)]

    shown = as_one(numbered)

    assert sum(row["times"] for row in shown) == len(rows)
    assert sum(row["order"] is None for row in shown) == sum(row["order"] is None for row in rows)
    causes = [(row["order"], row["fingerprint"]) for row in shown if row["order"] is not None]
    assert len(causes) == len(set(causes))


def test_the_row_stands_where_the_first_stood_and_shows_the_last() -> None:
    first, other, last = (
        {"order": "A-1", "fingerprint": "x", "value": "1"},
        {"order": "A-2", "fingerprint": "x", "value": "2"},
        {"order": "A-1", "fingerprint": "x", "value": "3"},
    )

    assert as_one([first, other, last]) == [{**last, "times": 2}, {**other, "times": 1}]
