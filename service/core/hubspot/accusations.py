"""Which records of a refused call the answer accuses, and of what: Problem x BatchCall -> an Accusation each.

A record is named by a trace id or an id of ours; or it carries the value that is quoted, as no more records do
than the answer accuses of it; or it carries a property that does not exist, as every carrier is at fault then.
What only points at a record proves nothing: it is a suspect.

Law: the work is linear in what was sent and what was answered. An answer may name a hundred records' thousand
properties each, and the loop must not stop for it. So faults and values are sorted by property once, a
property's faults are looked into only as long as records without a proof carry it, and each value is met once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from service.core.hubspot.answers import Detail, Problem
from service.core.hubspot.calls import BatchCall, Input

OF_EVERY_CARRIER: Final = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"})
# As in "soon was not a valid long."
_WAS_NOT: Final = " was not"


class Accusation(NamedTuple):
    """Of one record: `proven`, or only pointed at."""

    proven: bool
    pointed_at: bool


class Faults:
    """An answer's faults by property, each property's in the answer's order."""

    def __init__(self, said: Problem) -> None:
        self._of: defaultdict[str, list[Detail]] = defaultdict(list)
        for detail in said.details:
            if detail.property is not None:
                self._of[detail.property].append(detail)
        self._place = {name: place for place, name in enumerate(self._of)}
        self._quoting: dict[str, dict[str | None, Detail]] = {}

    @property
    def firsts(self) -> list[Detail]:
        """Of each property at fault the first fault."""
        return [faults[0] for faults in self._of.values()]

    def of(self, name: str) -> Sequence[Detail]:
        """The faults of one property."""
        return self._of.get(name, ())

    def carried(self, values: Mapping[str, str]) -> list[str]:
        """The properties at fault that these values have, in the answer's order."""
        return sorted((name for name in values if name in self._place), key=self._place.__getitem__)

    def about(self, name: str, values: Mapping[str, str]) -> Detail:
        """The fault that a value has: the one that quotes it, else the first."""
        if name not in self._quoting:
            # Of two that quote one value the first counts.
            faults = reversed(self._of[name])
            self._quoting[name] = {_quoted(fault): fault for fault in faults}
        return self._quoting[name].get(values[name], self._of[name][0])


def accusations(call: BatchCall, said: Problem, faults: Faults) -> list[Accusation]:
    """One for every record of a refused call, in its order."""
    if said.traces or said.ids:
        traces, ids = frozenset(said.traces), frozenset(said.ids)
        named = (sent.trace in traces or sent.id in ids for sent in call.inputs)
        return [Accusation(each, each) for each in named]
    bench = _Bench(call.inputs)
    for name, carriers in _carriers(call.inputs, faults).items():
        if not bench.proven.issuperset(carriers):
            bench.hear(_Case(name, faults.of(name), carriers), key=name == call.id_property)
    return [
        Accusation(at in bench.proven, at in bench.proven or at in bench.pointed_at)
        for at in range(len(call.inputs))
    ]


@dataclass(frozen=True, slots=True)
class _Case:
    """One property: its faults, and the places of the records that carry it."""

    name: str
    faults: Sequence[Detail]
    carriers: Sequence[int]


class _Bench:
    """What is proven so far."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._inputs = inputs
        self.proven: set[int] = set()
        self.pointed_at: set[int] = set()

    def hear(self, case: _Case, *, key: bool) -> None:
        """Take in one property's faults. Every record carries its key: of the key only a quoted value accuses."""
        by_value: defaultdict[str, list[int]] = defaultdict(list)
        for at in case.carriers:
            by_value[self._inputs[at].values[case.name]].append(at)
        # How often, at the most, one fault is told that quotes nobody's value.
        general = 0
        for fault, count in Counter(case.faults).items():
            quoted = by_value.get(_quoted(fault) or "")
            if quoted and _quoted(fault):
                self._accuse(quoted, proven=len(quoted) <= count or fault.error in OF_EVERY_CARRIER)
            elif not key:
                everybody = fault.error in OF_EVERY_CARRIER
                general = max(general, len(case.carriers) if everybody else count)
        if general:
            self._accuse(case.carriers, proven=len(case.carriers) <= general)

    def _accuse(self, places: Iterable[int], *, proven: bool) -> None:
        (self.proven if proven else self.pointed_at).update(places)


def _carriers(inputs: Sequence[Input], faults: Faults) -> dict[str, list[int]]:
    """Property at fault -> the places of the records that carry it."""
    carriers: defaultdict[str, list[int]] = defaultdict(list)
    for at, sent in enumerate(inputs):
        for name in sent.values:
            if faults.of(name):
                carriers[name].append(at)
    return carriers


def _quoted(fault: Detail) -> str | None:
    """The value that a fault quotes: its own field, or the beginning of HubSpot's sentence."""
    if fault.value is not None:
        return fault.value
    value, found, _ = fault.message.rpartition(_WAS_NOT)
    return value if found else None
