"""Random events of complete orders, merged, with calls cut before and after they are carried out.

The orders end as one-by-one application would leave them: no line twice, none lost, none taken from another order, and
lines that are not ours untouched.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.requests import Call
from service.core.hubspot.verdicts import Applied, Partly, Rejected
from service.core.waiting.slots import Slot, coalesce, separate, slot_of
from tests.graph.driving import LINE_ID, Stand, batch_of, stand
from tests.strategies import graph_contribution

EMAIL = {"to": "contact", "by": "email"}
ON_ORDER = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 514}]
ORDERS = ["A-1", "A-2", "A/1"]


class Model:
    """One order, as applying its events one by one leaves it."""

    def __init__(self) -> None:
        self.note: str | None = None
        self.lines: dict[str, dict[str, str]] = {}
        self.links: dict[str, set[str]] = {}

    def apply(self, data: dict[str, Any]) -> None:
        self.note = data.get("properties", {}).get("note", self.note)
        if (lines := data.get("line_items")) is not None:
            named = {each["key"]: each["properties"] for each in lines["items"]}
            kept = {} if lines["mode"] == "replace" else self.lines
            gone = set(lines.get("remove", ()))
            before = self.lines
            self.lines = {key: values for key, values in kept.items() if key not in gone} | {
                key: before.get(key, {}) | values for key, values in named.items()
            }
        named_links = data.get("associations", [])
        for link in named_links:
            self.links.setdefault(link["value"], set())
        for link in data.get("dissociations", []):
            self.links.pop(link["value"], None)
        if any(link.get("exclusive") for link in named_links):
            names = {link["value"] for link in named_links}
            self.links = {name: of for name, of in self.links.items() if name in names}


def an_event(dice: random.Random) -> dict[str, Any]:
    data: dict[str, Any] = {
        "properties": {"note": str(dice.randrange(100))} if dice.random() < 0.7 else {}
    }
    if dice.random() < 0.7:
        keys = dice.sample("123", dice.randrange(4))
        items = [{"key": key, "properties": {"name": str(dice.randrange(100))}} for key in keys]
        others = [key for key in "123" if key not in keys]
        data["line_items"] = (
            {"mode": "replace", "items": items}
            if dice.random() < 0.5
            else {
                "mode": "merge",
                "items": items,
                "remove": dice.sample(others, dice.randrange(len(others) + 1)),
            }
        )
    names = dice.sample("abc", dice.randrange(3))
    if names:
        cut = dice.randrange(len(names) + 1)
        data["associations"] = [EMAIL | {"value": f"{n}@example.com"} for n in names[:cut]]
        data["dissociations"] = [EMAIL | {"value": f"{n}@example.com"} for n in names[cut:]]
        if data["associations"] and dice.random() < 0.4:
            data["associations"][0]["exclusive"] = True
    return data


class Cutting(Stand):
    """Calls are cut, before or after they are carried out."""

    dice: random.Random
    rate = 0.0

    async def send(self, call: Call) -> BatchReply | NoReply:
        if self.dice.random() < self.rate:
            if self.dice.random() < 0.5:
                return NoReply("cut before", sent=True)
            await super().send(call)
            return NoReply("cut after", sent=True)
        return await super().send(call)


def merged(events: Sequence[Any]) -> list[Slot]:
    slots = [slot_of(events[0], 0.0)]
    for event in events[1:]:
        together = coalesce(slots[-1], event)
        slots[-1:] = [together] if together is not None else [slots[-1], slot_of(event, 0.0)]
    return slots


async def carried_out(hubspot: Stand, lanes: dict[str, list[Slot]]) -> None:
    """Every order's slots, one after the other, until all are settled."""
    for _ in range(40):
        heads = {key: lane[0] for key, lane in lanes.items() if lane}
        if not heads:
            return
        fates = await hubspot.carry(batch_of(*heads.values()))
        for (key, slot), fate in zip(heads.items(), fates, strict=True):
            rest = fate.rest if isinstance(fate, Partly) else fate
            progress = fate.progress if isinstance(fate, Partly) else slot.progress
            if isinstance(rest, Applied):
                lanes[key].pop(0)
            elif isinstance(rest, Rejected):
                assert len(slot.contributions) > 1, rest
                lanes[key][:1] = separate(slot)
            else:
                lanes[key][0] = replace(slot, progress=progress, attempts=slot.attempts + 1)
    raise AssertionError("no end")


@pytest.mark.parametrize("seed", range(40))
async def test_law_orders_end_as_one_by_one_whatever_is_cut(seed):
    dice = random.Random(seed)
    async with stand() as hubspot:
        for name in "abc":
            await hubspot.post(
                "/crm/v3/objects/contacts", {"properties": {"email": f"{name}@example.com"}}
            )
        events = {key: [an_event(dice) for _ in range(dice.randrange(1, 7))] for key in ORDERS}
        models = {key: Model() for key in ORDERS}
        for key, datas in events.items():
            for data in datas:
                models[key].apply(data)
        cutting = Cutting(hubspot.twin, hubspot.http, hubspot.hubspot)
        cutting.dice, cutting.rate = dice, dice.choice([0.0, 0.2, 0.5])
        await carried_out(
            cutting,
            {
                key: merged([graph_contribution(d, key=key) for d in datas])
                for key, datas in events.items()
            },
        )

        for key, model in models.items():
            held = await hubspot.order(key)
            lines = await hubspot.lines(held["id"])
            prefix = key.replace("/", "%2F") + "/"
            assert {k: {"name": v["name"]} if v.get("name") else {} for k, v in lines.items()} == {
                prefix + k: v for k, v in model.lines.items()
            }
            linked = await hubspot.links(held["id"], "contacts")
            assert len(linked) == len(model.links)
            assert held["properties"].get("note") == model.note
        every = await hubspot.get("/crm/v3/objects/line_items", limit="100", properties=LINE_ID)
        keys = [each["properties"].get(LINE_ID) for each in every["results"]]
        assert len(keys) == len(set(keys)) == sum(len(model.lines) for model in models.values())
