"""What a replay would do, before anything goes: which letters, why not the others, what is newer in HubSpot."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from service.core.events.events import Contribution
from service.core.events.order_event import ORDERS, Operation
from service.core.hubspot import calls, staleness
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.lookups import Missing
from service.core.hubspot.staleness import Holding
from service.core.hubspot.verdicts import Verdict
from service.core.letters import letters
from service.core.letters.effects import Effect
from service.core.letters.mends import Mend, MendError, as_sent
from service.core.letters.replays import Address, Inputs, event_of, obstacle
from service.core.letters.sieve import Group, Groups, Sieve, Unmatched
from service.core.waiting.backlog import HISTORIES
from service.dead_letters.looker import FoundLetter, Looker, Move

Send = Callable[[BatchCall], Awaitable[BatchReply | NoReply]]
# Letters of a plan that HubSpot is asked about: ten calls.
LOOKED_UP: Final = 500
NO_INPUTS: Final = Inputs("", ())
# Reasons not to replay that are told apart.
KINDS: Final = 20


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator asked for."""

    sieve: Sieve
    by: str  # who, for the history
    limit: int | None = None  # events; None = all
    max_failures: int = 0  # of one step
    max_replays: int = 5
    # Events a second; the service takes about 30 beside live traffic.
    rate: float = 20.0
    # Seconds for a step's outcomes; 0 = send and do not wait.
    wait: float = 60.0
    mend: Mend = field(default_factory=Mend)
    force: bool = False
    to_queue: str | None = None
    inputs: Inputs = NO_INPUTS
    id_property: str | None = None
    # Of the letters of a plan that was written down.
    keys: frozenset[int] | None = None

    def mean(self, found: FoundLetter, key: int) -> bool:
        """Whether a letter is among those that are asked for."""
        if self.keys is not None:
            return key in self.keys
        return self.sieve.takes(found.letter, found.delivery.body)

    @property
    def to(self) -> Inputs | Address:
        """Where events may go: to the inputs, or to the queue that the operator names."""
        return Address("", self.to_queue) if self.to_queue is not None else self.inputs


@dataclass(frozen=True, slots=True)
class Asked:
    """An event that HubSpot is asked about, and where what it says is counted."""

    event: Contribution
    group: Group


@dataclass(slots=True)
class Plan:
    """What would go, before anything goes."""

    groups: Groups = field(default_factory=Groups)
    read: int = 0  # letters on the queue
    left: dict[str, int] = field(default_factory=dict)  # why not -> how many
    effect: Effect = field(default_factory=lambda: Effect(Mend()))
    unmatched: Unmatched = field(default_factory=lambda: Unmatched(Sieve()))
    # Why HubSpot did not say what it holds.
    unanswered: str | None = None
    keys: set[int] = field(default_factory=set)  # of the letters to replay
    # Those that HubSpot is asked about.
    asked: list[Asked] = field(default_factory=list)
    # The queue is too long for a look.
    swept: bool = False
    # And nothing says what is behind the letters that were read.
    cut_short: bool = False

    @property
    def looked_up(self) -> int:
        """Events that HubSpot was asked about."""
        return sum(group.looked_up for group in self.groups)

    @property
    def stale(self) -> int:
        """Of those looked up: nothing of them would be written."""
        return sum(group.stale for group in self.groups)

    @property
    def partly(self) -> int:
        """Of those looked up: some values would be left out."""
        return sum(group.partly for group in self.groups)

    @property
    def missing(self) -> int:
        """Of those looked up: updates of orders that HubSpot does not have; they would fail again."""
        return sum(group.missing for group in self.groups)

    def rows(self) -> list[dict[str, Any]]:
        """A row a group, as it is printed."""
        return [
            {
                "count": group.count,
                "reason": group.sample.reason,
                "looked_up": group.looked_up,
                "superseded": group.stale,
                "in_part": group.partly,
                "no_order": group.missing,
                "sample": group.sample.id,
                "message": group.sample.message,
            }
            for group in self.groups
        ]

    def leave(self, why: str) -> None:
        """One that is not replayed. The reasons are few, but for what producers may have written."""
        why = why if why in self.left or len(self.left) < KINDS else "for other reasons"
        self.left[why] = self.left.get(why, 0) + 1


async def plan(looker: Looker, wishes: Wishes, sweeper: Move | None = None) -> Plan:
    """Read everything once, and give it back: by a look, or, where it takes too long, by a sweep.

    Without a `sweeper` the plan is of what the look has seen, and says so (`cut_short`).
    """
    made = Plan(effect=Effect(wishes.mend), unmatched=Unmatched(wishes.sieve))
    async for found in looker.read():
        _note(made, found, wishes)
    await looker.give_back()
    if not looker.cut_short:
        return made
    if sweeper is None:
        made.cut_short = True
        return made
    made = Plan(effect=Effect(wishes.mend), unmatched=Unmatched(wishes.sieve), swept=True)
    async for window in looker.sweep(sweeper):
        for found in window:
            _note(made, found, wishes)
    return made


def _note(made: Plan, found: FoundLetter, wishes: Wishes) -> None:
    made.read += 1
    made.unmatched.note(found.letter)
    key = found.key
    if not wishes.mean(found, key) or key in made.keys:
        return
    meant = event(found, wishes)
    if isinstance(meant, str):
        made.leave(meant)
    elif wishes.limit is None or made.groups.total < wishes.limit:
        made.keys.add(key)
        group = made.groups.add(found.letter)
        if wishes.mend:
            made.effect.note(found.delivery)
        if meant is not None and group is not None and len(made.asked) < LOOKED_UP:
            made.asked.append(Asked(meant, group))


async def look_up(made: Plan, send: Send) -> None:
    """Ask HubSpot what it holds for the first of the plan's orders: what is newer there stays."""
    await _look_up(made, made.asked, send)


def event(found: FoundLetter, wishes: Wishes) -> Contribution | str | None:
    """The event that would go; a text says why it does not; None: who reads the queue it goes to will know."""
    addressed = wishes.to_queue is not None
    hindrance = obstacle(found.letter, wishes.max_replays, wishes.to)
    if hindrance is not None:
        return hindrance
    try:
        sent = as_sent(found.delivery, wishes.mend)
    except MendError as error:
        return str(error)
    read = event_of(sent, wishes.mend, wishes.id_property)
    return None if addressed and isinstance(read, str) else read


async def _look_up(made: Plan, asked: Sequence[Asked], send: Send) -> None:
    by_property: dict[str, list[Asked]] = {}
    for one in asked:
        by_property.setdefault(one.event.order.id_property, []).append(one)
    for id_property, group in by_property.items():
        for some in calls.portions(group, HISTORIES):
            await _look_up_some(made, some, send, id_property)


async def _look_up_some(made: Plan, asked: Sequence[Asked], send: Send, id_property: str) -> None:
    keys = list(dict.fromkeys(one.event.order.key for one in asked))
    names = sorted({name for one in asked for name in one.event.values})
    call = calls.find(ORDERS, keys, id_property, histories=names)
    known = dict(zip(keys, staleness.holdings(call, await send(call)), strict=True))
    for one in asked:
        match known[one.event.order.key]:
            case Holding() as held:
                _compare(one, held)
            case Missing():
                one.group.looked_up += 1
                one.group.missing += one.event.operation is Operation.UPDATE
            case failed:
                made.unanswered = why_not(failed)


def _compare(one: Asked, held: Holding) -> None:
    event, group = one.event, one.group
    group.looked_up += 1
    if event.operation is Operation.ARCHIVE:
        group.stale += staleness.written_since(event, held)
        return
    older = staleness.left_out(event, held)
    group.stale += bool(older) and len(older) == len(event.values)
    group.partly += 0 < len(older) < len(event.values)


def why_not(failed: Verdict) -> str:
    """Why HubSpot does not say what it holds."""
    reason = getattr(failed, "reason", None)
    return str(reason.message) if reason is not None else "HubSpot did not say"


async def held_now(found: FoundLetter, send: Send, id_property: str) -> Holding | str:
    """What HubSpot holds for a letter's order; a sentence where it cannot be told."""
    event = letters.contribution(found.delivery, id_property)
    if event is None:
        return "it holds no order event"
    call = calls.find(
        ORDERS, [event.order.key], event.order.id_property, histories=sorted(event.values)
    )
    (held,) = staleness.holdings(call, await send(call))
    match held:
        case Holding():
            return held
        case Missing():
            return "HubSpot has no such order, or has archived it"
        case failed:
            return why_not(failed)
