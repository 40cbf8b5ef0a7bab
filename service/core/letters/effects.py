"""What a mend does to the letters of a plan: how many it changes, and which part of it may be a slip.

Law: a part that changes no letter is told (`idle`), and so is a property that is added beside one of nearly the
same name (`strange`): the first cannot be meant, the second may be.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from service.core.events.deliveries import Delivery
from service.core.headers import producers
from service.core.letters.mends import (
    LINES,
    PROPERTIES,
    Mend,
    as_sent,
    document_of,
    held,
    key_and_name,
    lines_of,
    object_at,
)
from service.core.misspelt import did_you_mean, nearest

# Names of properties and keys of lines that a guess is made from.
_NAMES: Final = 1_000


@dataclass(slots=True)
class Effect:
    """What a mend does to the letters of a plan."""

    mend: Mend
    changed: int = 0  # letters
    seen: int = 0  # letters
    _touched: set[str] = field(default_factory=set)  # paths
    _names: set[str] = field(default_factory=set)  # paths of the properties of the letters
    _lines: set[str] = field(default_factory=set)  # keys of lines of the letters

    def note(self, delivery: Delivery) -> None:
        """One letter that would go."""
        document = document_of(delivery, producers(delivery.headers))
        touched = _touched(delivery, document, self.mend)
        self.seen += 1
        self.changed += bool(touched)
        self._touched |= touched
        if not self._full:
            self._names |= {f"{PROPERTIES}{name}" for name in object_at(document, "properties")}
            for line in lines_of(document):
                its = line.get("properties")
                names = its if isinstance(its, dict) else {}
                self._names |= {f"{LINES}{line.get('key')}.{name}" for name in names}
                self._lines.add(str(line.get("key")))

    def idle(self) -> Iterator[str]:
        """A sentence for each part of the mend that changes none of them."""
        if not self.seen:
            return
        for path in (path for path in self.mend.set if path not in self._touched):
            yield f"--set {path}: {self._no_line(path) or 'they hold this value already'}"
        for path in (path for path in self.mend.unset if path not in self._touched):
            guess = did_you_mean(path, sorted(self._names), cutoff=0.8)
            yield f"--unset {path}: {self._no_line(path) or f'none of them has it{guess}'}"

    def strange(self) -> Iterator[str]:
        """A sentence for each property that the mend adds, and that may be misspelt or meant for a line."""
        for path in self.mend.set if not self._full else ():
            added = path in self._touched and path not in self._names
            if added and path.startswith((PROPERTIES, LINES)) and (meant := self._meant(path)):
                yield f"--set {path}: none of them had it before; did you mean {meant}?"

    @property
    def _full(self) -> bool:
        return len(self._names) + len(self._lines) >= _NAMES

    def _meant(self, path: str) -> str | None:
        """The line's property of the same name; else the property of nearly the same one."""
        others = sorted(self._names - {*self.mend.set, *self.mend.unset})
        of_lines = {_name(each): each for each in others if each.startswith(LINES)}
        of_order = {_name(each): each for each in others if each.startswith(PROPERTIES)}
        if path.startswith(LINES):
            return of_lines.get(nearest(_name(path), of_lines, cutoff=0.85) or "")
        near = of_order.get(nearest(_name(path), of_order, cutoff=0.85) or "")
        return of_lines.get(_name(path), near)

    def _no_line(self, path: str) -> str | None:
        """That no letter has the line of a path."""
        key = key_and_name(path)[0] if path.startswith(LINES) else None
        if key is None or key in self._lines or self._full:
            return None
        return f"none of them has a line {key}{did_you_mean(key, sorted(self._lines))}"


def _touched(delivery: Delivery, before: dict[str, Any], mend: Mend) -> set[str]:
    """The paths whose change is one."""
    sent = as_sent(delivery, mend)
    after = document_of(sent, sent.headers)
    paths = (*mend.set, *mend.unset)
    return {path for path in paths if not _same(held(before, path), held(after, path))}


def _name(path: str) -> str:
    return path.rpartition(".")[2]


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)  # to Python, True is 1
