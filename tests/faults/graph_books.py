"""The books of complete orders: every line, link and stage accounted for, as `books` does for orders.

Pure. The twin's final graph must be that of one-by-one application of what the receipts say was written; no line is
there twice, none without its order; and no part is reported that the twin's journal does not show.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.twin.journal import Entry
from tests.faults.books import DONE, Account, Receipt
from tests.faults.trace import MARK, Event
from tests.faults.whole_orders import FURTHER, LINE_ID

WRITTEN_LINES = frozenset({"created", "updated", "unchanged"})
GOOD = WRITTEN_LINES | {"removed", "superseded", "linked", "unlinked", "skipped"}
ON = {"contact": "contacts", "company": "companies"}
Links = dict[tuple[str, str], frozenset[str]]


@dataclass(slots=True)
class Model:
    """One order's lines and links, as events applied one by one leave them.

    In doubt are parts of events that failed and are said to be `unresolved`: they may have been written.
    """

    lines: dict[str, dict[str, str]] = field(default_factory=dict)
    links: Links = field(default_factory=dict)
    doubted_lines: set[str] = field(default_factory=set)
    doubted_links: set[tuple[str, str]] = field(default_factory=set)

    def without(self, doubted: "Model") -> "Model":
        """All that another model has no doubt of."""
        lines = {key: of for key, of in self.lines.items() if key not in doubted.doubted_lines}
        links = {name: of for name, of in self.links.items() if name not in doubted.doubted_links}
        return Model(lines, links)

    def apply(self, event: Event, parts: Mapping[str, Any] | None) -> None:
        """What an event leaves behind; of one that failed, what `parts` say was done."""
        if event.operation == "archive":
            self.lines, self.links = {}, {}
            self.doubted_lines, self.doubted_links = set(), set()
            return
        self._lines(event.parts.get("line_items"), parts)
        self._links(event, parts)

    def _lines(self, wish: Mapping[str, Any] | None, parts: Mapping[str, Any] | None) -> None:
        if wish is None:
            return
        told = {each["key"]: each["status"] for each in parts["line_items"]} if parts else {}
        named = {each["key"]: each["properties"] for each in wish["items"]}
        doubted = {key for key, status in told.items() if status == "unresolved"}
        self.doubted_lines = (self.doubted_lines - told.keys()) | doubted
        if parts is None:
            self.doubted_lines -= named.keys() | set(wish.get("remove", ()))
            if wish.get("mode", "replace") == "replace":
                self.doubted_lines = set()
        for key, values in named.items():
            if parts is None or told.get(key) in WRITTEN_LINES:
                self.lines[key] = self.lines.get(key, {}) | values
        goes = set(wish.get("remove", ()))
        if wish.get("mode", "replace") == "replace":
            goes |= self.lines.keys() - named.keys()
        for key in goes:
            if parts is None or told.get(key) == "removed":
                self.lines.pop(key, None)

    def _links(self, event: Event, parts: Mapping[str, Any] | None) -> None:
        told = {name_of(each): each["status"] for each in parts["associations"]} if parts else {}
        named = set()
        self.doubted_links -= {
            name_of(link)
            for side in ("associations", "dissociations")
            for link in event.parts.get(side, ())
        }
        self.doubted_links |= {name for name, status in told.items() if status == "unresolved"}
        for link in event.parts.get("associations", ()):
            name = name_of(link)
            if link.get("on_missing") == "skip" or (parts and told.get(name) != "linked"):
                continue
            named.add(name)
            labels = link.get("labels")
            held = self.links.get(name, frozenset())
            self.links[name] = held if labels is None else frozenset(labels)
            if link.get("exclusive"):
                kept = {n: of for n, of in self.links.items() if n[0] != name[0] or n in named}
                self.links = kept
                if parts is None:
                    self.doubted_links = {n for n in self.doubted_links if n[0] != name[0]}
        for link in event.parts.get("dissociations", ()):
            if parts is None or told.get(name_of(link)) == "unlinked":
                self.links.pop(name_of(link), None)


def name_of(link: Mapping[str, Any]) -> tuple[str, str]:
    """A link's other end as the twin shows it: object type and key."""
    return ON[link["to"]], FURTHER.get(link["value"], link["value"])


def models(published: Sequence[Event], receipts: Sequence[Receipt]) -> dict[str, Model]:
    """Order -> its model, by what the first receipt of each event says."""
    first: dict[str, Receipt] = {}
    for receipt in receipts:
        first.setdefault(receipt.event, receipt)
    made: defaultdict[str, Model] = defaultdict(Model)
    for event in published:
        told = first.get(event.id)
        if told is not None and told.status in DONE:
            made[event.key].apply(event, None)
        elif told is not None and told.wrote:
            made[event.key].apply(event, told.parts)
    return dict(made)


def balance_graphs(
    expected: Mapping[str, Model],
    held: Mapping[str, Mapping[str, Any]],
    journal: Sequence[Entry],
    receipts: Sequence[Receipt],
    events: Mapping[str, Event],
    tainted: frozenset[str],
    account: Account,
) -> None:
    """Enter into the account whatever does not balance. `held`: the twin's graph of orders by key."""
    for key in sorted((expected.keys() | held.keys()) - tainted):
        found = held.get(key)
        if found is None or found["archived"]:
            continue
        model = expected.get(key, Model())
        ours, theirs = shown(key, found["links"]).without(model), model.without(model)
        if ours != theirs:
            account.graphs.append(f"{key}: holds {ours}, should hold {theirs}")
    account.duplicated += _duplicates(journal)
    doubted = {
        line_id(key, line) for key, model in expected.items() for line in model.doubted_lines
    }
    account.orphaned += [
        f"{own} has not line {line}, {owners or 'nobody'} has"
        for own, line, owners in _orphans(journal, held)
        if own not in tainted and line not in doubted
    ]
    for receipt in receipts:
        event = events.get(receipt.event)
        if receipt.parts is not None and event is not None:
            account.unshown += _unshown(receipt, event, journal)
            account.unshown += _untold(receipt, event)


def shown(key: str, links: Mapping[str, Mapping[str, Any]]) -> Model:
    """An order of the twin's graph as a model."""
    names = ("name", "hs_sku")
    return Model(
        {
            unquoted(key, each["properties"].get(LINE_ID, "")): {
                n: v for n, v in each["properties"].items() if n in names
            }
            for each in links.get("line_items", {}).values()
        },
        {
            (kind, other): frozenset(each["labels"])
            for kind in ON.values()
            for other, each in links.get(kind, {}).items()
        },
    )


def unquoted(order: str, held: str) -> str:
    """A line's key within its order; another order's line, and one of nobody, keep their whole name."""
    prefix = f"{order}/"
    if not held.startswith(prefix):
        return f"foreign {held}"
    return held.removeprefix(prefix).replace("%2F", "/").replace("%25", "%")


def line_id(order: str, key: str) -> str:
    """The value that identifies a line at the twin."""
    return f"{order}/{key.replace('%', '%25').replace('/', '%2F')}"


def _duplicates(journal: Sequence[Entry]) -> Iterator[str]:
    """Lines that were made while one of their key was there, or without any key."""
    living: dict[str, str] = {}
    for entry in journal:
        each = entry.written
        if each.kind != "line_items" or each.to_kind:
            continue
        if each.action == "created":
            if "/" not in each.key or each.key in living:
                yield f"{each.key.partition('/')[0]}: line {each.key} twice"
            living[each.key] = each.id
        elif each.action == "archived" and living.get(each.key) == each.id:
            del living[each.key]


def _orphans(
    journal: Sequence[Entry], held: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str, list[str]]]:
    """Living lines that are not linked to their own living order alone."""
    living: dict[str, str] = {}
    for entry in journal:
        each = entry.written
        if each.kind == "line_items" and not each.to_kind:
            if each.action == "archived":
                living.pop(each.id, None)
            else:
                living[each.id] = each.key
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for key, order in held.items():
        if not order["archived"]:
            for line in order["links"].get("line_items", {}).values():
                owners[line["id"]].append(key)
    for record_id, key in living.items():
        own = key.partition("/")[0]
        if owners[record_id] != [own]:
            yield own, key, owners[record_id]


def _unshown(receipt: Receipt, event: Event, journal: Sequence[Entry]) -> Iterator[str]:
    """Parts that are reported as done and that nothing written by then shows."""
    parts = receipt.parts or {}
    then = [entry.written for entry in journal if entry.time <= receipt.time]
    for each in parts["line_items"]:
        name, record_id = line_id(event.key, each["key"]), each["record_id"]
        mine = {
            w.action for w in then if w.kind == "line_items" and w.key == name and w.id == record_id
        }
        linked = any(_joins(w, receipt.record_id, record_id, "linked") for w in then)
        status = each["status"]
        if status in WRITTEN_LINES and not (mine & {"created", "updated"} and linked):
            yield f"{event.id}: line {each['key']} is {status}, and the twin shows {sorted(mine)}"
        if status == "removed" and record_id is not None and "archived" not in mine:
            yield f"{event.id}: line {each['key']} is removed, and the twin shows {sorted(mine)}"
    begun = _begun(event, then)
    for each in parts["associations"]:
        ends = (receipt.record_id, each["record_id"])
        joined = [w.action for w in then if _joins(w, *ends)]
        before = [w.action for w in then[:begun] if _joins(w, *ends) and w.action != "kept"]
        after = [w.action for w in then[begun:] if _joins(w, *ends)]
        if each["status"] == "linked" and "linked" not in joined:
            yield f"{event.id}: {each['value']} is linked, and the twin shows no link"
        there = before[-1:] == ["linked"]
        if each["status"] == "unlinked" and there and "unlinked" not in after:
            yield f"{event.id}: {each['value']} is unlinked, and the twin shows {joined}"


def _begun(event: Event, then: Sequence[Any]) -> int:
    """Where the journal first shows a write of the order that may be this event's."""
    for place, each in enumerate(then):
        _, _, index = each.properties.get(MARK, "").rpartition("-")
        mine = each.kind == "orders" and each.key == event.key and index.isdecimal()
        if mine and int(index) >= event.index:
            return place
    return len(then)


def _joins(written: Any, one: str | None, other: str | None, action: str = "") -> bool:
    ends = {written.id, written.to_id}
    return bool(written.to_kind) and ends == {one, other} and action in ("", written.action)


def _untold(receipt: Receipt, event: Event) -> Iterator[str]:
    """Parts of the event that the receipt leaves out, and bad ones in a receipt that says all is well."""
    parts = receipt.parts or {}
    wish = event.parts.get("line_items", {})
    asked = {each["key"] for each in wish.get("items", ())} | set(wish.get("remove", ()))
    told = {each["key"] for each in parts["line_items"]}
    if not asked <= told:
        yield f"{event.id}: nothing is said of lines {sorted(asked - told)}"
    links = [*event.parts.get("associations", ()), *event.parts.get("dissociations", ())]
    values = [each["value"] for each in parts["associations"]]
    if sorted(values) != sorted(link["value"] for link in links):
        yield f"{event.id}: links are said of {values}"
    bad = {e["status"] for e in (*parts["line_items"], *parts["associations"])} - GOOD
    if receipt.status in DONE and bad:
        yield f"{event.id} is {receipt.status}, with parts {parts}, of {event.parts}"
