"""Since when a value is held, and through what: the newest entry of its history.

Source: `propertiesWithHistory` of a batch/read (orders.v3.json): value, timestamp, sourceType, sourceId, sourceLabel,
updatedByUserId; at most 50 records a call.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from service.core.hubspot.answers import objects


class Since(NamedTuple):
    """Since when (HubSpot's own text), and through what."""

    since: str
    through: str


def held_since(result: Mapping[str, Any], name: str) -> Since | None:
    """The newest entry of a property's history in a result; None where there is none."""
    histories = result.get("propertiesWithHistory")
    entries = objects(histories if isinstance(histories, dict) else {}, name)
    dated = [each for each in entries if isinstance(each.get("timestamp"), str)]
    if not dated:
        return None
    newest = max(dated, key=lambda each: str(each["timestamp"]))
    return Since(newest["timestamp"], _through(newest))


def _through(entry: Mapping[str, Any]) -> str:
    said = [entry.get("sourceType"), entry.get("sourceLabel"), entry.get("sourceId")]
    words = list(dict.fromkeys(str(each) for each in said if each))
    if (user := entry.get("updatedByUserId")) is not None:
        words.append(f"user {user}")
    return " ".join(words)
