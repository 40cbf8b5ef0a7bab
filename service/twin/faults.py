"""Seeded faults: a script of rules says which call or record goes wrong, when, and how.

Choosing is done here and nothing else: what a fault does to an answer is `damage`'s part, what it
does to a record inside a batch is `batches`'. A rule that does not fire leaves no trace.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from random import Random
from typing import Any, Literal, NamedTuple, get_args

CallFault = Literal[
    "answer", "hang", "cut", "truncate", "html", "slow", "drift", "empty", "refuse-batch", "lump"
]
RecordFault = Literal["vanish", "anonymous", "refuse", "merged"]
Body = Literal["json", "html", "empty"]
Policy = Literal["TEN_SECONDLY_ROLLING", "DAILY", "SEARCH", "BARE"]
Blame = Literal["ids", "property", "nobody"]
_CHOICES: dict[str, tuple[object, ...]] = {
    "body": get_args(Body),
    "policy": get_args(Policy),
    "blame": get_args(Blame),
    "written": (None, True, False),
}
CALL_FAULTS: frozenset[str] = frozenset(get_args(CallFault))
RECORD_FAULTS: frozenset[str] = frozenset(get_args(RecordFault))
# A reply that never comes still had its write; the others say `written` when they mean it.
_WRITTEN_BY_NATURE = frozenset({"hang", "truncate", "slow", "drift", "lump", "merged"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One rule: what goes wrong (`fault`), when, and how.

    What (a call): `answer` (with `status`: 401, 403, 423, 429, 477, 500…; `written=true` answers
    so after the write), `hang` (write, then no answer for `seconds`, then the connection drops),
    `cut` (drop the connection at once), `truncate` (drop it mid-answer), `html` (200 with a page),
    `slow` (`seconds` more), `drift` (200 for 201 and 201 for 200), `empty` (2xx without results,
    nothing written), `refuse-batch` (whole-batch refusal despite trace ids, see `blame`), `lump`
    (all error entries in one that names them all).
    What (a record of a batch): `vanish` (in neither list), `anonymous` (error entry without
    context), `refuse` (its own error entry), `merged` (comes back under another id).

    When, all must hold: `operation` (upsert, update, create, read, archive, search, get, …; any
    without it), `kind`, `nth` (1-based numbers of the calls that match the rest), `every` (each
    n-th of them), `rate` (chance; of each record for record faults), `since`/`until` (seconds
    after the script began), `times` (at most so often), `key` (pattern of the order's key),
    `where` (property → pattern, of the values sent; of the stored ones where none are sent).
    Patterns know `*` and `?`. A record fault without key, where and rate takes one record.

    How: `status`, `body` (json, html, empty), `policy` of a 429 (TEN_SECONDLY_ROLLING, DAILY,
    SEARCH, BARE), `retry_after` seconds, `seconds`, `written`, `blame` (ids: 400 naming the keys
    in context.ids; property: 400 with its message; nobody: anonymous 409), `property_name`,
    `code`, `category`, `message`.
    """

    fault: str
    operation: tuple[str, ...] = ()
    kind: str = ""
    nth: tuple[int, ...] = ()
    every: int = 0
    rate: float | None = None
    times: int = 0
    since: float = 0.0
    until: float = math.inf
    key: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    status: int = 503
    body: Body = "json"
    policy: Policy = "TEN_SECONDLY_ROLLING"
    retry_after: int | None = None
    seconds: float = 120.0
    written: bool | None = None
    blame: Blame = "property"
    property_name: str = ""
    code: str = "INVALID_OPTION"
    category: str = "VALIDATION_ERROR"
    message: str = ""

    def __post_init__(self) -> None:
        """Refuse a fault nobody knows."""
        if self.fault not in CALL_FAULTS | RECORD_FAULTS:
            known = ", ".join(sorted(CALL_FAULTS | RECORD_FAULTS))
            raise ValueError(f"unknown fault {self.fault!r}: use a status code or one of {known}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(map(str, choices))}")

    @property
    def writes(self) -> bool:
        """Whether the write happens all the same."""
        return self.fault in _WRITTEN_BY_NATURE if self.written is None else self.written

    @property
    def on_record(self) -> bool:
        """Whether it strikes records inside a batch rather than the call."""
        return self.fault in RECORD_FAULTS


class Subject(NamedTuple):
    """One record that a call is about, as the rules see it."""

    key: str
    properties: Mapping[str, Any]


@dataclass(slots=True)
class Chosen:
    """What befalls one call."""

    whole: FaultRule | None = None
    delay: float = 0.0
    records: dict[int, FaultRule] = field(default_factory=dict)
    blamed: tuple[int, ...] = ()


@dataclass(slots=True)
class _Armed:
    """A rule with its compiled patterns and its counters."""

    rule: FaultRule
    key: re.Pattern[str] | None
    where: tuple[tuple[str, re.Pattern[str]], ...]
    seen: int = 0
    fired: int = 0

    def matches(self, subject: Subject) -> bool:
        if self.key is not None and not self.key.match(subject.key):
            return False
        return all(
            pattern.match(str(subject.properties.get(name, ""))) for name, pattern in self.where
        )

    def spent(self) -> bool:
        return bool(self.rule.times) and self.fired >= self.rule.times


class FaultScript:
    """The rules in force, with their counters and their own chance."""

    def __init__(self, rules: Sequence[FaultRule], seed: int) -> None:
        """Arm `rules`; the same seed and calls give the same faults."""
        self._random = Random(f"faults {seed}")  # noqa: S311
        self.replace(rules, 0.0)

    def replace(self, rules: Sequence[FaultRule], now: float) -> None:
        """Put other rules in force; `since` and `until` count from `now`."""
        self.began = now
        self._armed = [
            _Armed(
                rule,
                re.compile(translate(rule.key)) if rule.key else None,
                tuple((name, re.compile(translate(glob))) for name, glob in rule.where.items()),
            )
            for rule in rules
        ]

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules in force."""
        return tuple(armed.rule for armed in self._armed)

    def choose(
        self, operation: str, kind: str, now: float, subjects: Callable[[], Sequence[Subject]]
    ) -> Chosen:
        """What befalls this call: the first whole-call fault that fires, and all others."""
        chosen = Chosen()
        listed: Sequence[Subject] | None = None
        for armed in self._armed:
            if not self._applies(armed, operation, kind, now - self.began):
                continue
            if listed is None:
                listed = subjects()
            struck = self._struck(armed, listed or ())
            if struck is not None and self._due(armed):
                self._note(chosen, armed, struck)
        return chosen

    def _applies(self, armed: _Armed, operation: str, kind: str, elapsed: float) -> bool:
        rule = armed.rule
        return (
            not armed.spent()
            and (not rule.operation or operation in rule.operation)
            and (not rule.kind or kind == rule.kind)
            and rule.since <= elapsed < rule.until
        )

    def _struck(self, armed: _Armed, subjects: Sequence[Subject]) -> tuple[int, ...] | None:
        """Indices of the subjects that match; None if the rule needs some and has none."""
        if not armed.key and not armed.where:
            every = tuple(range(len(subjects)))
            return None if armed.rule.on_record and not every else every
        matching = tuple(i for i, subject in enumerate(subjects) if armed.matches(subject))
        return matching or None

    def _due(self, armed: _Armed) -> bool:
        rule = armed.rule
        armed.seen += 1
        if rule.nth and armed.seen not in rule.nth:
            return False
        if rule.every and armed.seen % rule.every:
            return False
        return rule.on_record or rule.rate is None or self._random.random() < rule.rate

    def _note(self, chosen: Chosen, armed: _Armed, struck: tuple[int, ...]) -> None:
        rule = armed.rule
        if rule.on_record:
            for index in self._picked(armed, struck):
                if not armed.spent():
                    armed.fired += 1
                    chosen.records.setdefault(index, rule)
        elif rule.fault == "slow":
            armed.fired += 1
            chosen.delay += rule.seconds
        elif chosen.whole is None:
            armed.fired += 1
            chosen.whole, chosen.blamed = rule, self._picked(armed, struck)

    def _picked(self, armed: _Armed, struck: tuple[int, ...]) -> tuple[int, ...]:
        rule = armed.rule
        if rule.on_record and rule.rate is not None:
            return tuple(index for index in struck if self._random.random() < rule.rate)
        if armed.key or armed.where or not struck:
            return struck
        return (self._random.choice(struck),)
