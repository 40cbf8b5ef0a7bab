"""A misspelt word -> the one that may have been meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that is most like it; None where nothing is near.

    `cutoff`: how alike they must be, from 0 to 1.
    """
    return next(iter(get_close_matches(word, [*known], n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`; did you mean WORD?`, to go on with after a sentence; "" where nothing is near."""
    near = nearest(word, known, cutoff=cutoff)
    return f"; did you mean {near}?" if near else ""
