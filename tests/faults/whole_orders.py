"""The parts of the trace's complete orders: buyers, lines, stages, and a few parts that deserve to fail.

Every line's name names the event that wrote it. A part that is to fail stands in an event that takes nothing away, so
that the event's good parts are the same whether it is written alone or with its neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx
import orjson

from service.twin import Twin, app

LINE_ID: Final = "shop_line_id"
CUSTOMER: Final = "shop_customer_no"
LABEL: Final = "Bill to"
UNIQUE: Final = (f"line_items.{LINE_ID}", f"companies.{CUSTOMER}")
LABELS: Final = (f"orders.companies:{LABEL}",)

BUYERS: Final = tuple(f"buyer{n}@example.com" for n in range(8))
# A further address of a buyer -> the one that HubSpot shows.
FURTHER: Final[Mapping[str, str]] = {f"old{n}@example.com": f"buyer{n}@example.com" for n in (0, 1)}
COMPANIES: Final = ("C-0", "C-1", "C-2")
NOBODY: Final = "nobody@example.com"
# Label -> the id that every account has for it.
STAGES: Final[Mapping[str, str]] = {
    "Open": "4b27b500-f031-4927-9811-68a0b525cbae",
    "Processed": "937ea84d-0a4f-4dcf-9028-3f9c2aafbf03",
    "Shipped": "aa99e8d0-c1d5-4071-b915-d240bbb1aed9",
    "Delivered": "3725360f-519b-4b18-a593-494d60a29c9f",
}
PIPELINE: Final = "14a2e10e-5471-408a-906e-c51f3b04369e"
KEYS: Final = ("1", "2", "3", "4/%")
# The key of lines that HubSpot refuses; no good line has it.
BAD_LINE: Final = "bad"


@dataclass(frozen=True, slots=True)
class Parts:
    """Of one event: `data`'s fields beside the properties, and the code that it deserves where it is to fail."""

    data: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    create: bool = False
    # Nothing of the event is written, so that it may carry no value of its own.
    bare: bool = False


def first_parts(key: str, identity: str, chance: Random) -> Parts:
    """Of an order's first event: lines and a buyer, who is new in every third order."""
    fresh = chance.random() < 0.33
    buyer = (
        _contact(f"{key.lower()}@example.com", on_missing="create", properties={"firstname": key})
        if fresh
        else _contact(_buyer(chance))
    )
    return Parts(
        {"line_items": _all_lines(identity, chance, least=1), "associations": [buyer]},
        create=chance.random() < 0.4,
    )


def later_parts(identity: str, chance: Random) -> Parts:
    """Of a change; one in twelve deserves to fail."""
    if chance.random() < 0.08:
        return _to_fail(identity, chance)
    data: dict[str, Any] = {}
    if chance.random() < 0.7:
        lines = _all_lines if chance.random() < 0.5 else _some_lines
        data["line_items"] = lines(identity, chance)
    if chance.random() < 0.25:
        data["stage"] = chance.choice(tuple(STAGES))
    links, unlinks = _links(chance)
    return Parts(
        data | {n: v for n, v in (("associations", links), ("dissociations", unlinks)) if v}
    )


def _to_fail(identity: str, chance: Random) -> Parts:
    match chance.choice(("line", "stage", "target", "label", "exists")):
        case "line":
            items = [_line(BAD_LINE, identity) | {"properties": {"name": identity, "price": "-1"}}]
            items.append(_line("1", identity))
            return Parts({"line_items": {"mode": "merge", "items": items}}, "line_item_rejected")
        case "stage":
            return Parts({"stage": "Lost at sea"}, "stage_unknown", bare=True)
        case "target":
            link = _contact(NOBODY, on_missing="fail")
            return Parts({"associations": [link]}, "association_target_missing")
        case "label":
            link = _company("C-0", labels=["Friend of"])
            return Parts({"associations": [link]}, "association_refused")
        case _:
            lines = {"line_items": {"items": [_line("1", identity)]}}
            return Parts(lines, "order_exists", create=True, bare=True)


def _all_lines(identity: str, chance: Random, least: int = 0) -> dict[str, Any]:
    keys = chance.sample(KEYS, chance.randint(least, 3))
    return {"mode": "replace", "items": [_line(key, identity, chance) for key in keys]}


def _some_lines(identity: str, chance: Random) -> dict[str, Any]:
    keys = chance.sample(KEYS, 3)
    cut = chance.randint(0, 2)
    named = [_line(key, identity, chance) for key in keys[:cut]]
    return {"mode": "merge", "items": named, "remove": keys[cut : chance.randint(cut, 3)]}


def _line(key: str, identity: str, chance: Random | None = None) -> dict[str, Any]:
    values: dict[str, Any] = {"name": f"line {key} of {identity}"}
    if chance is not None and chance.random() < 0.5:
        values["hs_sku"] = f"sku of {identity}"
    return {"key": key, "properties": values}


def _links(chance: Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    links: list[dict[str, Any]] = []
    unlinks: list[dict[str, Any]] = []
    if chance.random() < 0.35:
        exclusive = {"exclusive": True} if chance.random() < 0.4 else {}
        links.append(_contact(_buyer(chance), **exclusive))
    if chance.random() < 0.25:
        unlinks.append(_contact(chance.choice(BUYERS[2:])))
        links = [link for link in links if link["value"] != unlinks[0]["value"]]
    if chance.random() < 0.1:
        links.append(_contact(NOBODY, on_missing="skip"))
    if chance.random() < 0.25:
        labels = {"labels": chance.choice(([LABEL], []))} if chance.random() < 0.6 else {}
        links.append(_company(chance.choice(COMPANIES), **labels))
    elif chance.random() < 0.1:
        unlinks.append(_company(chance.choice(COMPANIES)))
    return links, unlinks


def _buyer(chance: Random) -> str:
    return chance.choice((*BUYERS, *FURTHER))


def _contact(email: str, **more: Any) -> dict[str, Any]:
    return {"to": "contact", "by": "email", "value": email, **more}


def _company(number: str, **more: Any) -> dict[str, Any]:
    return {"to": "company", "by": CUSTOMER, "value": number, **more}


def own_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """An event without its lines and links, its stage by id: what becomes of the order's own values."""
    data = document["data"]
    if "properties" not in data:
        return dict(document)
    stage = (
        {"hs_pipeline": PIPELINE, "hs_pipeline_stage": STAGES[data["stage"]]}
        if "stage" in data
        else {}
    )
    kind = document["type"].replace("create", "upsert")
    return {**document, "type": kind, "data": {"properties": data["properties"] | stage}}


async def furnish(twin: Twin) -> None:
    """Put the buyers and companies into the account that events take for granted."""
    further = {shown: other for other, shown in FURTHER.items()}
    buyers = [{"email": email, "hs_additional_emails": further.get(email, "")} for email in BUYERS]
    transport = httpx.ASGITransport(app(twin))
    headers = {"authorization": "Bearer t"}
    async with httpx.AsyncClient(
        base_url="http://twin", transport=transport, headers=headers
    ) as http:
        for kind, records in (
            ("contacts", buyers),
            ("companies", [{CUSTOMER: number, "name": number} for number in COMPANIES]),
        ):
            body = {"inputs": [{"properties": each} for each in records]}
            made = await http.post(
                f"/crm/v3/objects/{kind}/batch/create", content=orjson.dumps(body)
            )
            assert made.status_code == 201, made.text
