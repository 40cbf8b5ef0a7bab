"""One dead letter with all that is known of it, as people read it."""

from typing import Any, Final

import orjson

from service.core.letters.failure import HEADERS
from service.core.visible import visible


def told(document: dict[str, Any]) -> list[str]:
    """For people, a line each: what matters first."""
    return [visible(line) for line in _told(document)]


def _told(document: dict[str, Any]) -> list[str]:
    letter, book = document["letter"], document["runbook"]
    by = f"  {letter['status']} by {letter['made_by']}" if letter["made_by"] != "unknown" else ""
    lines = [f"{letter['id']}  {letter['reason']}{by}"]
    lines += [f"  {line}" for line in letter["message"].splitlines()] + [""]
    lines += _pairs({n: v for n, v in letter.items() if n not in _ELSEWHERE})
    lines += ["", "history of replays"] if letter["history"] else []
    lines += [f"  {line}" for line in letter["history"]]
    lines += ["", "the message", *_pairs(document["properties"])]
    lines += _pairs({n: v for n, v in document["headers"].items() if n not in _TOLD})
    lines += ["", "the original event", *_indented(document["event"])]
    lines += ["", "HubSpot holds now", *_indented(document["hubspot"])]
    lines += ["", f"runbook: {letter['reason']}", *_pairs(book, 8)]
    return [*lines, ""]


_ELSEWHERE: Final = frozenset({"id", "reason", "status", "made_by", "message", "history"})
# The letter's own lines say them.
_TOLD: Final = frozenset(each.header for each in HEADERS)


def _pairs(facts: dict[str, Any], width: int = 16) -> list[str]:
    return [
        f"  {name:{width}} {value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for name, value in facts.items()
        if value not in (None, "", [])
    ]


def _indented(value: Any) -> list[str]:
    text = (
        value
        if isinstance(value, str)
        else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    )
    return [f"  {line}" for line in text.splitlines()]
