"""Which rules strike a call: the script in force, its counters and its own chance.

A rule that does not fire leaves no trace; the same seed and calls give the same faults.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from service.twin.faults.faults import CallFault, Fault, RecordFault, Rule, Slow
from service.twin.faults.when import Asked, Marks, Subject


@dataclass(slots=True)
class Chosen:
    """The faults of one call: a fault of the whole, a delay, and faults by place of the input.

    `blamed` are the places of the inputs that a fault of the whole points at.
    """

    whole: CallFault | None = None
    delay: float = 0.0
    records: dict[int, RecordFault] = field(default_factory=dict)
    blamed: tuple[int, ...] = ()

    @property
    def word(self) -> str:
        """The name of the first fault; empty if there is none."""
        struck: list[Fault] = [self.whole] if self.whole else list(self.records.values())
        return struck[0].word if struck else ""


@dataclass(slots=True)
class _Armed:
    """A rule with its compiled patterns and its counters."""

    rule: Rule
    marks: Marks
    seen: int = 0
    fired: int = 0

    def spent(self) -> bool:
        times = self.rule.when.times
        return bool(times) and self.fired >= times


class FaultScript:
    """The rules in force."""

    def __init__(self, rules: Sequence[Rule], seed: int) -> None:
        """Arm `rules`; `since` and `until` count from 0."""
        self._random = Random(f"faults {seed}")  # noqa: S311
        self.replace(rules, 0.0)

    def replace(self, rules: Sequence[Rule], now: float) -> None:
        """Put other rules in force; `since` and `until` count from `now`."""
        self.began = now
        self._armed = [_Armed(rule, Marks(rule.when)) for rule in rules]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force."""
        return tuple(armed.rule for armed in self._armed)

    def choose(self, asked: Asked, now: float, subjects: Callable[[], Sequence[Subject]]) -> Chosen:
        """The faults of this call: the first whole-call fault that fires, and all others."""
        chosen = Chosen()
        listed: Sequence[Subject] | None = None
        for armed in self._armed:
            if armed.spent() or not armed.rule.when.covers(asked, now - self.began):
                continue
            if listed is None:
                listed = subjects()
            struck = self._struck(armed, listed)
            if struck is not None and self._due(armed):
                self._note(chosen, armed, struck)
        return chosen

    def _struck(self, armed: _Armed, subjects: Sequence[Subject]) -> tuple[int, ...] | None:
        """Places of the subjects that match; None if the rule needs some and has none."""
        if armed.marks:
            return armed.marks.found(subjects) or None
        every = tuple(range(len(subjects)))
        return None if isinstance(armed.rule.fault, RecordFault) and not every else every

    def _due(self, armed: _Armed) -> bool:
        when = armed.rule.when
        armed.seen += 1
        if when.nth and armed.seen not in when.nth:
            return False
        if when.every and armed.seen % when.every:
            return False
        each_record = isinstance(armed.rule.fault, RecordFault)
        return each_record or when.rate is None or self._random.random() < when.rate

    def _note(self, chosen: Chosen, armed: _Armed, struck: tuple[int, ...]) -> None:
        match armed.rule.fault:
            case fault if isinstance(fault, RecordFault):
                for place in self._picked(armed, struck):
                    if not armed.spent():
                        armed.fired += 1
                        chosen.records.setdefault(place, fault)
            case Slow(seconds=seconds):
                armed.fired += 1
                chosen.delay += seconds
            case fault if chosen.whole is None:
                armed.fired += 1
                chosen.whole, chosen.blamed = fault, self._picked(armed, struck)

    def _picked(self, armed: _Armed, struck: tuple[int, ...]) -> tuple[int, ...]:
        rate = armed.rule.when.rate
        if isinstance(armed.rule.fault, RecordFault) and rate is not None:
            return tuple(place for place in struck if self._random.random() < rate)
        if armed.marks or not struck:
            return struck
        return (self._random.choice(struck),)
