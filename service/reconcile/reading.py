"""What HubSpot holds of some orders: records, lines, links and their other ends, in as few calls as they take.

For 500 orders of three lines and a buyer each: 5 reads of orders, 1 of their lines' links, 15 of lines, 1 of links
to buyers, 5 of buyers. HubSpot takes 100 records a call, and 1,000 in a read of links.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from service.core.events.graph import Target
from service.core.events.order_event import ORDERS, RECORD_ID
from service.core.graph.lines import LINE_ITEMS
from service.core.hubspot import associations
from service.core.hubspot.associations import Linked
from service.core.hubspot.calls import look_up, portions
from service.core.hubspot.lookups import Missing
from service.core.reconcile.differences import targets_of
from service.core.reconcile.held import HeldParts, HeldRecord, own_line, records_of
from service.core.reconcile.history import Since, held_since
from service.core.reconcile.wanted import WantedOrder
from service.core.waiting.backlog import HISTORIES
from service.hubspot.enquirer import Enquirer

# Records of one call.
RECORDS: Final = 100


class HeldReader:
    """Asks one account; `id_property` and `line_id_property` are the configured ones."""

    def __init__(self, enquirer: Enquirer, id_property: str, line_id_property: str | None) -> None:
        self._enquirer = enquirer
        self._id_property, self._line_id_property = id_property, line_id_property

    async def held(self, orders: Sequence[WantedOrder]) -> list[HeldParts]:
        """What HubSpot holds of each."""
        held = [HeldParts() for _ in orders]
        both = list(zip(orders, held, strict=True))
        await self._records(both)
        there = [(wanted, has) for wanted, has in both if has.id is not None and not wanted.gone]
        await self._lines([each for each in there if each[0].wants_lines])
        await self._links(there)
        return held

    async def since(
        self, object_type: str, wanted: Mapping[str, Collection[str]]
    ) -> dict[tuple[str, str], Since]:
        """(record id, property) -> since when its value is held, and through what."""
        found: dict[tuple[str, str], Since] = {}
        for ids in portions(wanted, HISTORIES):
            names = sorted({name for each in ids for name in wanted[each]})
            call = look_up(object_type, RECORD_ID, ids, histories=names)
            for result in (await self._enquirer.answer(call)).results:
                for name in wanted.get(str(result.get("id")), ()):
                    if (held := held_since(result, name)) is not None:
                        found[str(result["id"]), name] = held
        return found

    async def _records(self, both: Sequence[tuple[WantedOrder, HeldParts]]) -> None:
        by: dict[str, list[tuple[WantedOrder, HeldParts]]] = {}
        for each in both:
            by.setdefault(each[0].order.id_property, []).append(each)
        for id_property, some in by.items():
            for few in portions(some, RECORDS):
                names = {name for wanted, _ in few for name in wanted.properties}
                keys = [wanted.order.key for wanted, _ in few]
                call = look_up(ORDERS, id_property, keys, sorted(names | {self._id_property}))
                answers = records_of(call, await self._enquirer.answer(call))
                for (_, held), record in zip(few, answers, strict=True):
                    held.record = record

    async def _lines(self, there: Sequence[tuple[WantedOrder, HeldParts]]) -> None:
        if self._line_id_property is None:
            for _, held in there:
                held.lines = None
            return
        linked = await self._linked(LINE_ITEMS, [held.id for _, held in there if held.id])
        holders: dict[str, tuple[WantedOrder, HeldParts]] = {}
        for wanted, held in there:
            if (links := linked.get(held.id or "")) is None:
                held.lines = None
                continue
            holders |= {each.target: (wanted, held) for each in links}
        await self._line_records(holders, self._line_id_property)

    async def _line_records(
        self, holders: Mapping[str, tuple[WantedOrder, HeldParts]], line_id_property: str
    ) -> None:
        for ids in portions(holders, RECORDS):
            names = {
                n for each in ids for values in holders[each][0].lines.values() for n in values
            }
            call = look_up(LINE_ITEMS, RECORD_ID, ids, sorted(names | {line_id_property}))
            answers = records_of(call, await self._enquirer.answer(call))
            for record_id, record in zip(ids, answers, strict=True):
                self._sort(*holders[record_id], record, line_id_property)

    def _sort(
        self,
        wanted: WantedOrder,
        held: HeldParts,
        record: HeldRecord | Missing | None,
        line_id_property: str,
    ) -> None:
        if record is None:
            held.lines = None
        if held.lines is None or not isinstance(record, HeldRecord):
            return
        key = own_line(self._own_key(wanted, held), record, line_id_property)
        if key is not None:
            held.lines[key] = record

    def _own_key(self, wanted: WantedOrder, held: HeldParts) -> str:
        """Whatever identifies the order in the event, its lines' keys start with the configured property's value."""
        if wanted.order.id_property == self._id_property:
            return wanted.order.key
        return (
            held.record.values.get(self._id_property, "")
            if isinstance(held.record, HeldRecord)
            else ""
        )

    async def _links(self, there: Sequence[tuple[WantedOrder, HeldParts]]) -> None:
        targets = await self._targets({t for wanted, _ in there for t in targets_of(wanted)})
        for object_type in sorted({name for wanted, _ in there for name in wanted.objects}):
            some = [each for each in there if object_type in each[0].objects]
            linked = await self._linked(object_type, [held.id for _, held in some if held.id])
            for _, held in some:
                links = linked.get(held.id or "")
                known = None if links is None else {each.target: each.types for each in links}
                held.links[object_type] = known
        for wanted, held in there:
            held.targets = {target: targets.get(target) for target in targets_of(wanted)}

    async def _linked(self, to: str, ids: Sequence[str]) -> dict[str, list[Linked]]:
        """Order's record id -> its links to an object type; one of which no answer speaks is not in here."""
        links: dict[str, list[Linked]] = {}
        silent: set[str] = set()
        asked: list[tuple[str, str | None]] = [(each, None) for each in ids]
        turned = set(asked)
        while asked:
            further: list[tuple[str, str | None]] = []
            for some in portions(asked, associations.READ_AT_MOST):
                call = associations.read(ORDERS, to, some)
                found = associations.found(call, (await self._enquirer.answer(call)).document or {})
                silent |= {each for each, _ in some if each not in found}
                for origin, page in found.items():
                    links.setdefault(origin, []).extend(page.links)
                    if page.after is not None:
                        further.append((origin, page.after))
            # A cursor that comes again leads nowhere new.
            silent |= {origin for origin, after in further if (origin, after) in turned}
            asked = [each for each in further if each not in turned]
            turned |= set(asked)
        return {origin: found for origin, found in links.items() if origin not in silent}

    async def _targets(self, targets: Iterable[Target]) -> dict[Target, str | Missing | None]:
        known: dict[Target, str | Missing | None] = {}
        by: dict[tuple[str, str], list[Target]] = {}
        for target in sorted(targets):
            if target.by == RECORD_ID:
                known[target] = target.value
            else:
                by.setdefault((target.object, target.by), []).append(target)
        for (object_type, name), some in by.items():
            for few in portions(some, RECORDS):
                known |= await self._named(object_type, name, few)
        return known

    async def _named(
        self, object_type: str, by: str, targets: Sequence[Target]
    ) -> dict[Target, str | Missing | None]:
        call = look_up(object_type, by, [each.value for each in targets])
        reply = await self._enquirer.answer(call)
        answers = records_of(call, reply)
        found = dict(zip(targets, map(_id, answers), strict=True))
        if len(targets) == 1 and found[targets[0]] is None and len(reply.results) == 1:
            # Asked alone, the one record that comes is it, whatever it shows: a contact its other address.
            found[targets[0]] = str(reply.results[0].get("id"))
        elif len(targets) > 1:
            for each in [target for target, record in found.items() if record is None]:
                found |= await self._named(object_type, by, [each])
        return found


def _id(record: HeldRecord | Missing | None) -> str | Missing | None:
    return record.id if isinstance(record, HeldRecord) else record
