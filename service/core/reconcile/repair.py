"""Differences of one order -> the event that mends them: what is wanted, and nothing else.

Law: an event of this kind is written like a replay: it carries a header of ours, so the service reads HubSpot's history
first and overwrites nothing that is newer than the event's `time`. That is the moment at which the difference was
seen: what changes afterwards stays. Its id follows from its content and that moment, so a second publish of one run's
mends is a repeat.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from service.core.events.graph import Link
from service.core.reconcile.differences import Difference, spelt
from service.core.reconcile.wanted import WantedOrder

SOURCE: Final = "/ordersync/reconcile"
_TYPE: Final = "ordersync.order.{}.v1"


def mend(wanted: WantedOrder, found: Sequence[Difference], time: str) -> dict[str, Any] | None:
    """The event that mends an order; None where nothing of it can be mended. `time`: RFC 3339."""
    can = [each for each in found if each.stays is None]
    if not can:
        return None
    data: dict[str, Any] = {"id_property": wanted.order.id_property}
    if any(each.place == "order" and each.difference == "extra" for each in can):
        return _event(wanted, "archive", data, time)
    if any(each.place == "order" and each.difference == "missing" for each in can):
        data |= _whole(wanted)
        return _event(wanted, "upsert", data, time)
    data |= {"properties": _properties(wanted, can)} | _lines(wanted, can) | _links(wanted, can)
    return _event(wanted, "update", data, time)


def _whole(wanted: WantedOrder) -> dict[str, Any]:
    """An order that is not there gets all that the file says of it."""
    data: dict[str, Any] = {"properties": _nulled(wanted.properties)}
    if wanted.lines:
        data["line_items"] = {
            "mode": "merge",
            "items": [_item(k, v) for k, v in wanted.lines.items()],
        }
    if wanted.links:
        data["associations"] = [_association(each) for each in wanted.links.values()]
    return data


def _properties(wanted: WantedOrder, can: Sequence[Difference]) -> dict[str, str | None]:
    names = {each.property for each in can if each.place == "order"}
    return _nulled({name: value for name, value in wanted.properties.items() if name in names})


def _lines(wanted: WantedOrder, can: Sequence[Difference]) -> dict[str, Any]:
    lines = [each for each in can if each.place == "line"]
    missing = {each.name for each in lines if each.difference == "missing"}
    changed: dict[str, set[str]] = {}
    for each in lines:
        if each.difference == "different":
            changed.setdefault(each.name, set()).add(each.property)
    items = [
        _item(key, {n: v for n, v in values.items() if key in missing or n in changed.get(key, ())})
        for key, values in wanted.lines.items()
        if key in missing or key in changed
    ]
    remove = [each.name for each in lines if each.difference == "extra"]
    said = {"mode": "merge", "items": items} if items else {"mode": "merge"}
    return {"line_items": said | ({"remove": remove} if remove else {})} if items or remove else {}


def _links(wanted: WantedOrder, can: Sequence[Difference]) -> dict[str, Any]:
    names = {each.name for each in can if each.place == "link"}
    links = [_association(each) for each in wanted.links.values() if spelt(each.spelt) in names]
    return {"associations": links} if links else {}


def _association(link: Link) -> dict[str, Any]:
    """The link itself: what it would take away, as an exclusive one, may be newer."""
    to, by, value = link.spelt
    said: dict[str, Any] = {"to": to, "by": by, "value": value, "on_missing": link.on_missing}
    said |= {"labels": list(link.labels)} if link.labels is not None else {}
    return said | ({"properties": dict(link.properties)} if link.properties else {})


def _item(key: str, values: Mapping[str, str]) -> dict[str, Any]:
    return {"key": key, "properties": _nulled(values)}


def _nulled(values: Mapping[str, str]) -> dict[str, str | None]:
    return {name: value or None for name, value in values.items()}


def _event(
    wanted: WantedOrder, operation: str, data: Mapping[str, Any], time: str
) -> dict[str, Any]:
    document = {
        "specversion": "1.0",
        "source": SOURCE,
        "type": _TYPE.format(operation),
        "subject": wanted.order.key,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }
    digest = sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return {"id": f"reconcile-{digest[:32]}", **document}
