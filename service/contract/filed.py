"""One message as it stands in a file, and what the service would find wrong with it.

Law: the verdict is the service's own. The same `parse` reads a line of a file here and a delivery
there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from service.core.account.preflight import AccountSchema, refusals
from service.core.events.deliveries import Delivery, OwnProperties
from service.core.events.events import Contribution, parse
from service.core.events.malformed import Fault, Malformed
from service.core.events.order_event import STRUCTURED

_ITEM: Final = re.compile(r"^data\.line_items\.items\.\d+\.")
# Of `Filed.columns`: the paths of a line's properties, whichever line it is.
ANY_ITEM: Final = "data.line_items.items.*."


class FileError(Exception):
    """The file as a whole cannot be read. The message says why, and what to do."""


class Doubtful(NamedTuple):
    """A value that HubSpot will probably refuse for the way it is written."""

    column: str
    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class Filed:
    """One message as it stands in a file."""

    # "line 7", "orders/first.json".
    where: str
    # 0 where it is a file of its own.
    line: int
    body: bytes
    content_type: str | None = STRUCTURED
    headers: Mapping[str, Any] = field(default_factory=dict)
    # What is wrong with the line, whatever stands in it.
    broken: tuple[Fault, ...] = ()
    doubts: tuple[Doubtful, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)  # path of a fault -> column

    def routing_key(self) -> str:
        """The event's type, "" where it cannot be read."""
        if "ce-type" in self.headers:
            return str(self.headers["ce-type"])
        try:
            event = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return ""
        kind = event.get("type") if isinstance(event, dict) else None
        return kind if isinstance(kind, str) and len(kind.encode()) <= 255 else ""


def faults(
    filed: Filed, id_property: str | None, account: AccountSchema | None = None
) -> tuple[Fault, ...]:
    """All that the service would find wrong, and HubSpot where the account's schema is known; () = nothing.

    `id_property`: the service's default, None = unknown, then what depends on it is not looked at.
    """
    told = {fault.path for fault in filed.broken}
    verdict = read(filed, id_property)
    found: tuple[Fault, ...] = ()
    if isinstance(verdict, Malformed):
        found = verdict.faults
    elif account is not None:
        found = tuple(refusals(verdict, account))
    rest = (fault for fault in found if fault.path not in told)
    return tuple(_placed(fault, filed.columns) for fault in (*filed.broken, *rest))


def _placed(fault: Fault, columns: Mapping[str, str]) -> Fault:
    """The path as the person knows it: with the column's name where that is another."""
    column = columns.get(fault.path) or columns.get(_ITEM.sub(ANY_ITEM, fault.path))
    if column is None or column == fault.path:
        return fault
    return fault._replace(path=f"{fault.path} (column {column})")


def read(filed: Filed, id_property: str | None) -> Contribution | Malformed:
    """What the service would make of it."""
    properties = OwnProperties(content_type=filed.content_type, headers=dict(filed.headers) or None)
    delivery = Delivery(
        epoch=0,
        tag=0,
        queue="",
        exchange="",
        routing_key="",
        redelivered=False,
        properties=properties,
        body=filed.body,
        received_at=datetime.fromtimestamp(0, UTC),
    )
    return parse(delivery, id_property or "")
