"""Text of somebody else's -> text that a terminal shows, and does nothing about.

Law: what comes out is printable on one line. Controls (C0 and C1: colours, cursor, titles), formats (what
turns the direction of writing around, what has no width), line and paragraph separators and halves of
surrogate pairs are written as escapes; everything else stays.
"""

import re
from typing import Final

# Unicode's categories Cc, Cf, Zl, Zp and Cs, as of Unicode 15; a test compares.
_UNSEEN: Final = (
    "\\x00-\\x1f\\x7f-\\x9f\\xad\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u180e"
    "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\u2066-\\u206f\\ud800-\\udfff\\ufeff\\ufff9-\\ufffb"
    "\\U000110bd\\U000110cd\\U00013430-\\U0001343f\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a"
    "\\U000e0001\\U000e0020-\\U000e007f"
)
_ANY: Final = re.compile(f"[{_UNSEEN}]")
_IN_JSON: Final = re.compile(f"(?!\\n)[{_UNSEEN}]")


def visible(text: str) -> str:
    """One line, with escapes as Python writes them."""
    return _ANY.sub(lambda found: repr(found[0])[1:-1], text)


def visible_json(text: str) -> str:
    """The same JSON; unseen characters, which can only stand in its strings, as JSON's own escapes.

    Line ends between its parts stay.
    """
    return _IN_JSON.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
