"""Which dead letters are meant, and how they fall into groups. Both in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, assert_never

from service.core.letters.failure import UNEXPLAINED, moment
from service.core.letters.letters import Letter
from service.core.letters.runbook import RUNBOOK
from service.core.misspelt import did_you_mean

By = Literal["reason", "order", "source", "hour"]
# Kept apart; by order there may be as many as letters.
GROUPS: Final = 10_000
_REASONS: Final = (*RUNBOOK, UNEXPLAINED)


@dataclass(frozen=True, slots=True)
class Sieve:
    """All that is given must hold; within one of them any may. Empty = every letter."""

    ids: tuple[str, ...] = ()  # event or message ids
    reasons: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    # Of the failure; a letter without a time is in no range.
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = (
        # In the sentence, the property, the correlation id or the body, case ignored.
        None
    )
    replays: int | None = None  # exactly so many

    def takes(self, letter: Letter, body: bytes) -> bool:
        """Whether it is meant."""
        return (
            _any(self.ids, letter.event_id, letter.message_id, letter.id)
            and _any(self.reasons, letter.reason)
            and _any(self.categories, letter.category)
            and _any(self.orders, letter.order)
            and _any(self.sources, letter.source)
            and _any(self.fingerprints, letter.fingerprint)
            and (self.replays is None or letter.replays == self.replays)
            and self._in_range(letter)
            and (self.text is None or _holds(letter, body, self.text))
        )

    def _in_range(self, letter: Letter) -> bool:
        if self.since is None and self.until is None:
            return True
        at = moment(letter.failed_at)
        if at is None:
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class SieveError(Exception):
    """A filter that no letter can pass. The message says why."""


def known_reason(code: str) -> str:
    """The reason as it was given.

    Raises:
        SieveError: no letter ever has it.
    """
    if code in _REASONS:
        return code
    raise SieveError(
        f"{code!r} is no reason code of this version{did_you_mean(code, _REASONS)}; "
        "`ordersync dlq stats` shows the reasons that are there"
    )


@dataclass(slots=True)
class Unmatched:
    """Which words of a sieve no letter has, and what they may have meant."""

    sieve: Sieve
    # Option -> values of letters.
    _seen: dict[str, set[str]] = field(default_factory=dict)

    def note(self, letter: Letter) -> None:
        """One letter that was looked at, whether or not it is meant."""
        for option, asked, fields in _WORDS:
            seen = self._seen.setdefault(option, set())
            if getattr(self.sieve, asked) and len(seen) < GROUPS:
                seen.update(filter(None, (getattr(letter, name) for name in fields)))

    def told(self) -> Iterator[str]:
        """A sentence for each word that no letter has; none where there are too many to know."""
        for option, asked, _ in _WORDS:
            seen = self._seen.get(option, set())
            for word in getattr(self.sieve, asked) if len(seen) < GROUPS else ():
                if word not in seen:
                    guess = did_you_mean(word, sorted(seen), cutoff=0.8)
                    yield f"no dead letter has {option} {word}{guess}"


# Option, the words that a sieve asks for, where a letter has them. The reasons are a closed list.
_WORDS: Final = (
    ("--id", "ids", ("event_id", "message_id", "id")),
    ("--category", "categories", ("category",)),
    ("--order", "orders", ("order",)),
    ("--source", "sources", ("source",)),
    ("--fingerprint", "fingerprints", ("fingerprint",)),
)


def _any(wanted: tuple[str, ...], *values: str | None) -> bool:
    return not wanted or any(value in wanted for value in values)


def _holds(letter: Letter, body: bytes, text: str) -> bool:
    said = f"{letter.message}\n{letter.property}\n{letter.correlation_id}".casefold()
    return text.casefold() in said or text.casefold() in body.decode(errors="replace").casefold()


@dataclass(slots=True)
class Group:
    """Dead letters of one cause."""

    key: tuple[str, ...]
    sample: Letter
    count: int = 0
    first: str | None = None
    last: str | None = None
    replays: int = 0  # the most of any
    looked_up: int = 0  # in HubSpot, for a plan
    # Of those: nothing would be written.
    stale: int = 0
    # Of those: some values would be left out.
    partly: int = 0
    # Of those: updates of orders that are not there.
    missing: int = 0

    def add(self, letter: Letter) -> None:
        """One more."""
        self.count += 1
        self.replays = max(self.replays, letter.replays)
        if letter.failed_at is not None:
            self.first = min(self.first or letter.failed_at, letter.failed_at)
            self.last = max(self.last or letter.failed_at, letter.failed_at)


@dataclass(slots=True)
class Groups:
    """Letters counted by what they have in common."""

    by: By = "reason"
    total: int = 0
    # Letters beyond the groups that are kept apart.
    overflown: int = 0
    _groups: dict[tuple[str, ...], Group] = field(default_factory=dict)

    def add(self, letter: Letter) -> Group | None:
        """Count one; its group, None = beyond those that are kept apart."""
        self.total += 1
        key = _key(letter, self.by)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= GROUPS:
                self.overflown += 1
                return None
            group = self._groups[key] = Group(key, letter)
        group.add(letter)
        return group

    def __iter__(self) -> Iterator[Group]:
        """The largest first."""
        return iter(sorted(self._groups.values(), key=lambda group: (-group.count, group.key)))


def _key(letter: Letter, by: By) -> tuple[str, ...]:
    match by:
        case "reason":
            return letter.reason, letter.fingerprint
        case "order":
            return (letter.order or "",)
        case "source":
            return (letter.source or "",)
        case "hour":
            return ((letter.failed_at or "")[:13],)
        case _:
            assert_never(by)


def rows(groups: Groups, line: Any) -> Iterator[dict[str, Any]]:
    """A row a group, as it is printed; `line` gives the runbook's line of a reason."""
    for group in groups:
        sample = group.sample
        head = (
            {"reason": sample.reason, "fingerprint": sample.fingerprint}
            if groups.by == "reason"
            else {groups.by: group.key[0]}
        )
        yield head | {
            "count": group.count,
            "first": group.first,
            "last": group.last,
            "sample": sample.id,
            "message": sample.message,
            "runbook": line(sample.reason),
        }
