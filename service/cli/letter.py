"""One dead letter with all that is known of it, as a document and as people read it."""

from typing import TYPE_CHECKING, Any, Final

import orjson

from service.core.letters.failure import HEADERS
from service.core.visible import visible

if TYPE_CHECKING:
    from service.dead_letters.looker import Found
    from service.settings.sections import HubSpot

PROPERTIES: Final = (
    "content_type", "content_encoding", "correlation_id", "timestamp", "message_type", "app_id",
    "reply_to",
)  # fmt: skip


async def document(found: "Found", account: "HubSpot | str") -> dict[str, Any]:
    """The letter, its event, AMQP headers and properties, what HubSpot holds, the runbook; fit for JSON."""
    from service.core.letters import runbook

    entry = runbook.entry(found.letter.reason)
    properties = {name: getattr(found.delivery.properties, name) for name in PROPERTIES}
    whole = {
        "letter": found.letter.row(),
        "event": _readable(found.delivery.body),
        "headers": dict(found.delivery.headers),
        "properties": {name: value for name, value in properties.items() if value is not None},
        "hubspot": await _held(found, account),
        "runbook": {
            "means": entry.means,
            "fault": entry.fault,
            "fix": entry.fix,
            "replay": entry.replay,
        },
    }
    read: dict[str, Any] = orjson.loads(
        orjson.dumps(whole, default=_as_json, option=orjson.OPT_UTC_Z)
    )
    return read


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
_TOLD: Final = frozenset(each.header for each in HEADERS)  # the letter's own lines say them


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


async def _held(found: "Found", account: "HubSpot | str") -> dict[str, Any] | str:
    """What HubSpot holds for the order, or why that is not known."""
    if isinstance(account, str):
        return f"not asked: {account}"
    from service.app import asking
    from service.dead_letters.planning import held_now

    async with asking(account) as send:
        held = await held_now(found, send, account.id_property)
    if isinstance(held, str):
        return held
    newest = held.newest or {}
    archived = {"archived": held.archived} if held.archived is not None else {}
    return archived | {
        "record_id": held.record_id,
        "updated": held.updated,
        "properties": {name: {"since": at, "value": value} for name, (at, value) in newest.items()},
    }


def _readable(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "backslashreplace")


def _as_json(value: Any) -> Any:
    """What JSON has no form for: bytes of a header, numbers that AMQP knows."""
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "backslashreplace")
    return str(value)
