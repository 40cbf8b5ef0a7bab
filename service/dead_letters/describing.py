"""One dead letter with all that is known of it, as a document fit for JSON."""

from typing import Any, Final

import orjson

from service.core.letters import runbook
from service.dead_letters.looker import FoundLetter
from service.dead_letters.planning import Send, held_now

PROPERTIES: Final = (
    "content_type", "content_encoding", "correlation_id", "timestamp", "message_type", "app_id",
    "reply_to",
)  # fmt: skip


async def described(found: FoundLetter, ask: Send | str, id_property: str) -> dict[str, Any]:
    """The letter, its event, AMQP headers and properties, what HubSpot holds, the runbook.

    `ask` asks HubSpot, or says why it cannot be asked.
    """
    entry = runbook.entry(found.letter.reason)
    properties = {name: getattr(found.delivery.properties, name) for name in PROPERTIES}
    whole = {
        "letter": found.letter.row(),
        "event": _readable(found.delivery.body),
        "headers": dict(found.delivery.headers),
        "properties": {name: value for name, value in properties.items() if value is not None},
        "hubspot": await _held(found, ask, id_property),
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


async def _held(found: FoundLetter, ask: Send | str, id_property: str) -> dict[str, Any] | str:
    """What HubSpot holds for the order, or why that is not known."""
    if isinstance(ask, str):
        return f"not asked: {ask}"
    held = await held_now(found, ask, id_property)
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
