"""When a rule strikes: which calls, which of them, and which records inside."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any, NamedTuple


class Subject(NamedTuple):
    """One record, or one link, that a call is about.

    `keys` are the names it goes by: its unique value and its id; of a link those of both ends.
    """

    keys: tuple[str, ...]
    properties: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The first name."""
        return self.keys[0] if self.keys else ""


class Asked(NamedTuple):
    """A call as conditions see it: names of its endpoint, and of its object types."""

    operations: Collection[str]
    kinds: Collection[str] = ()
    ends: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Conditions; all of them must hold. Without any, every call is struck.

    operation: names of endpoints; `associations`, `properties`, `pipelines`, `token` mean all of theirs.
    kind: object type of the call, in any of its spellings.
    to: object type at the other end of an association call.
    nth: numbers of the calls that meet the other conditions, counted from 1.
    every: each n-th of those calls.
    rate: chance from 0 to 1, drawn per call, or per record for faults of a record.
    times: at most so often.
    since, until: seconds after the script began.
    key: pattern of a record's unique value or id; of a link, of either end's.
    where: `property:pattern` of the values sent, or of the stored ones where none are sent.
    """

    operation: tuple[str, ...] = ()
    kind: str = ""
    to: str = ""
    nth: tuple[int, ...] = ()
    every: int = 0
    rate: float | None = None
    times: int = 0
    since: float = 0.0
    until: float = math.inf
    key: str = ""
    where: Mapping[str, str] = field(default_factory=dict)

    def covers(self, asked: Asked, elapsed: float) -> bool:
        """Whether a call of this kind, at this time, can be struck."""
        return (
            (not self.operation or not set(self.operation).isdisjoint(asked.operations))
            and (not self.kind or self.kind in asked.kinds)
            and (not self.to or self.to in asked.ends)
            and self.since <= elapsed < self.until
        )


class Marks:
    """The patterns of a condition, compiled: which records are meant."""

    def __init__(self, when: When) -> None:
        """Compile `key` and `where`; `*` and `?` stand for anything."""
        self._key = re.compile(translate(when.key)) if when.key else None
        self._where = [(name, re.compile(translate(glob))) for name, glob in when.where.items()]

    def __bool__(self) -> bool:
        """Whether there is any pattern."""
        return self._key is not None or bool(self._where)

    def found(self, subjects: Sequence[Subject]) -> tuple[int, ...]:
        """The places of the subjects that match."""
        return tuple(place for place, each in enumerate(subjects) if self._match(each))

    def _match(self, subject: Subject) -> bool:
        if self._key is not None and not any(map(self._key.match, subject.keys)):
            return False
        return all(
            pattern.match(str(subject.properties.get(name, ""))) for name, pattern in self._where
        )
