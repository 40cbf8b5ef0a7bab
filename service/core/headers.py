"""The headers that ordersync writes on messages: `ordersync-` and a word. No other module spells one.

A header is named after its field: `http_status` travels as `ordersync-http-status`. The headers of a dead
letter are the fields of `Failure` (core/letters/failure.py); the ones here are read before anybody knows
whether a message is a letter.
"""

from collections.abc import Mapping
from typing import Any, Final

PREFIX: Final = "ordersync-"


def header(field: str) -> str:
    """The header that carries a field."""
    return PREFIX + field.replace("_", "-")


# Of a replay; the first three are a dead letter's too.
REPLAYS: Final = header("replays")
# Of an event that mends a difference: written like a replay, so that nothing newer is overwritten.
RECONCILED: Final = header("reconciled")
HISTORY: Final = header("history")
FIRST_FAILED_AT: Final = header("first_failed_at")
REPLAY: Final = header("replay")
FORCE: Final = header("force")
# What no message could carry any more.
DROPPED: Final = header("headers_dropped")
# The broker's own: how a message came to be a dead letter.
DEATH: Final = "x-death"

_ROUTING: Final = frozenset({"cc", "bcc"})


def producers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers that the producer set, as far as they may travel: nothing that the broker acts on."""
    return {name: value for name, value in headers.items() if travels(name)}


def travels(name: str) -> bool:
    """Whether a header is the producer's own, and one that the broker does not act on."""
    lower = name.lower()
    return not lower.startswith(("x-", PREFIX)) and lower not in _ROUTING
