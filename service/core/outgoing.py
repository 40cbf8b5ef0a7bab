"""A message to be published, as data: what the shell needs to put it on the wire, and nothing of AMQP's client."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal


@dataclass(frozen=True, slots=True, eq=False)
class Outgoing:
    """One message for one of our exchanges. Persistent and mandatory always; `message_id` is the shell's."""

    exchange: Literal["outcomes", "dead_letters", "operations", "journal"]
    routing_key: str
    body: bytes
    content_type: str | None
    correlation_id: str | None
    headers: Mapping[str, Any] | None = None
    content_encoding: str | None = None
    reply_to: str | None = None
    timestamp: datetime | None = None
    message_type: str | None = None
    app_id: str | None = None


# What is read at once arrived at one moment.
@lru_cache(maxsize=1024)
def iso(stamp: datetime) -> str:
    """RFC 3339 in UTC with a Z and milliseconds."""
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")
