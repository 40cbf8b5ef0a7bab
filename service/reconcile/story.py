"""Order by order: what the file asks for, what HubSpot holds, what differs, what mends it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import orjson

from service.clock import stamp
from service.contract.filed import Filed, read
from service.core.account.preflight import AccountSchema
from service.core.events.events import Contribution
from service.core.events.order_event import ORDERS
from service.core.graph.lines import LINE_ITEMS
from service.core.graph.link_types import labels_of
from service.core.hubspot.requests import ListCall
from service.core.reconcile.differences import Difference, differences
from service.core.reconcile.held import HeldParts, HeldRecord
from service.core.reconcile.repair import mend
from service.core.reconcile.wanted import WantedOrder, fold
from service.hubspot.enquirer import Enquirer
from service.reconcile.reading import HeldReader
from service.reconcile.shelf import Place, Shelf

# Orders that are read together.
TOGETHER: Final = 500

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What it takes to compare the orders of a shelf."""

    enquirer: Enquirer
    reader: HeldReader
    account: AccountSchema
    id_property: str
    # Mends carry the time of the file's own event: what HubSpot holds since is newer, and stays.
    keep_newer: bool = False

    async def run(self, shelf: Shelf, advance: Advance) -> None:
        """Compare all orders that are left; note what is found, group by group."""
        place, done = shelf.done()
        rest = shelf.after(place)
        labels: dict[str, Any] = {}
        while group := list(islice(rest, TOGETHER)):
            found = await self._group(group, labels)
            rows = [orjson.dumps(row.document()) for each, _ in found for row in each]
            mends = [orjson.dumps(event) for _, event in found if event is not None]
            done += len(group)
            shelf.note(group[-1][0], done, rows, mends)
            advance(len(group))

    async def _group(
        self, group: Sequence[tuple[Place, list[Filed]]], labels: dict[str, Any]
    ) -> list[tuple[list[Difference], dict[str, Any] | None]]:
        # What changes from here on is newer than what is about to be seen.
        seen = stamp()
        orders = [wanted for _, events in group if (wanted := self._wanted(events)) is not None]
        await self._learn(orders, labels)
        held = await self.reader.held(orders)
        found = [
            list(differences(wanted, has, self.account, labels))
            for wanted, has in zip(orders, held, strict=True)
        ]
        dated = await self._dated(held, found)
        return [
            (rows, mend(wanted, rows, wanted.time if self.keep_newer else _text(seen)))
            for wanted, rows in zip(orders, dated, strict=True)
        ]

    def _wanted(self, events: Sequence[Filed]) -> WantedOrder | None:
        return fold(_contributions(events, self.id_property), self.account.pipelines)

    async def _learn(self, orders: Sequence[WantedOrder], labels: dict[str, Any]) -> None:
        """The account's labels, of the object types that labelled links lead to."""
        for name in {
            t.object for o in orders for t, link in o.links.items() if link.labels is not None
        }:
            if name not in labels:
                labels[name] = labels_of(await self.enquirer.ask(ListCall("labels", ORDERS, name)))

    async def _dated(
        self, held: Sequence[HeldParts], found: Sequence[list[Difference]]
    ) -> list[list[Difference]]:
        """With since when and through what each value is held that differs."""
        records = [
            [_record(has, row) for row in rows] for has, rows in zip(held, found, strict=True)
        ]
        wanted: dict[str, dict[str, set[str]]] = {ORDERS: {}, LINE_ITEMS: {}}
        for rows, ids in zip(found, records, strict=True):
            for row, record_id in zip(rows, ids, strict=True):
                if record_id is not None:
                    kind = ORDERS if row.place == "order" else LINE_ITEMS
                    wanted[kind].setdefault(record_id, set()).add(row.property)
        known: dict[tuple[str, str], Any] = {}
        for kind, names in wanted.items():
            known |= await self.reader.since(kind, names)
        return [
            [
                _with(row, known.get((each or "", row.property)))
                for row, each in zip(rows, ids, strict=True)
            ]
            for rows, ids in zip(found, records, strict=True)
        ]


def _contributions(events: Sequence[Filed], id_property: str) -> Iterator[Contribution]:
    for filed in events:
        event = read(filed, id_property)
        if isinstance(event, Contribution):
            yield event


def _record(held: HeldParts, row: Difference) -> str | None:
    """The record whose value differs."""
    if row.difference != "different" or row.place == "link":
        return None
    if row.place == "order":
        return held.id
    line = (held.lines or {}).get(row.name)
    return line.id if isinstance(line, HeldRecord) else None


def _with(row: Difference, held: Any) -> Difference:
    return row if held is None else replace(row, since=held.since, through=held.through)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
