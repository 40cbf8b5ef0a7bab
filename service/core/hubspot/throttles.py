"""HubSpot's 429, told from the first one on: which limit, until when, and who may be using it.

Law: a throttle begins with the first 429, is told anew when a 429 names another limit, and is over with
the first other answer to a call that left after the last 429. It decides nothing: when a call may leave is
the budget's to say, when intake stops is core.pauses'.

The three shapes of a 429 name the limit by `policyName`, by their words, or not at all (docs/hubspot.md).
"""

from dataclasses import dataclass, replace
from typing import Final

from service.core.hubspot.answers import BatchReply, NoReply, Problem

DAILY: Final = "DAILY"
BURST: Final = "TEN_SECONDLY_ROLLING"
# Of search; the two shapes without a policy.
SECONDLY: Final = "SECONDLY"
UNKNOWN: Final = "UNKNOWN"
POLICIES: Final = (DAILY, BURST, SECONDLY, UNKNOWN)
# Seconds after the limit's own: nobody has called since, so nobody knows.
FORGOTTEN: Final = 120.0
_WORDS: Final = (("daily limit", DAILY), ("ten_secondly", BURST), ("secondly", SECONDLY))


@dataclass(frozen=True, slots=True)
class Throttle:
    """A limit that is used up. `ours` of `limit` calls in its window are this process's."""

    policy: str  # one of POLICIES
    said: str  # HubSpot's words
    # Until calls get through again; None: at midnight in the account's zone.
    seconds: float | None
    ours: int
    limit: int
    correlation_id: str | None = None

    @property
    def message(self) -> str:
        """What is used up and until when, in one sentence."""
        said = f" ({self.said})" if self.said else ""
        return (
            f"HubSpot answers 429, limit {self.policy}{said}; calls get through again {self._until}"
        )

    @property
    def _until(self) -> str:
        if self.seconds is None:
            return "at midnight in the account's time zone"
        return f"within {self.seconds:.0f} s"

    @property
    def advice(self) -> str:
        """Who may be using the limit, and what to look at."""
        if self.policy == DAILY:
            return (
                "the day's calls belong to the account: see in HubSpot (Settings, Integrations, API "
                "usage) which app uses them, or buy the API add-on"
            )
        if self.ours < self.limit:
            return (
                f"{self.ours} of {self.limit} calls in this window are ours: another process with the "
                "same token or app is calling, or ORDERSYNC_HUBSPOT__CALLS is more than the account has"
            )
        return f"all {self.ours} calls of this window are ours: lower ORDERSYNC_HUBSPOT__CALLS"


def throttle_of(
    reply: BatchReply | NoReply, window: float, ours: int, limit: int
) -> Throttle | None:
    """What a 429 says; None for any other answer. `window`: seconds of the burst limit."""
    if not isinstance(reply, BatchReply) or not reply.limited:
        return None
    said = reply.refusal or Problem(correlation_id=reply.correlation_id)
    policy = said.policy if said.policy in POLICIES else _by_words(said.message)
    seconds = reply.retry_after
    if seconds is None and policy != DAILY:
        seconds = window
    return Throttle(
        policy=policy,
        said=said.message,
        seconds=seconds,
        ours=ours,
        limit=limit,
        correlation_id=said.correlation_id,
    )


def _by_words(message: str) -> str:
    low = message.lower()
    return next((policy for word, policy in _WORDS if word in low), UNKNOWN)


@dataclass(frozen=True, slots=True)
class Spell:
    """One throttle from its first 429 on. Moments are `now`s."""

    throttle: Throttle  # as the latest 429 told it
    since: float
    last: float  # the latest 429
    answers: int  # how many 429s


@dataclass(frozen=True, slots=True)
class Began:
    """The first 429 of this limit."""

    spell: Spell


@dataclass(frozen=True, slots=True)
class Over:
    """A call got through."""

    spell: Spell
    # From the first 429 to that answer.
    seconds: float


class Throttles:
    """Whether HubSpot throttles us now."""

    def __init__(self) -> None:
        self._spell: Spell | None = None

    def spell(self, now: float) -> Spell | None:
        """The throttle that holds us up; None = none, as far as anybody has asked lately."""
        spell = self._spell
        if spell is None or now > spell.last + (spell.throttle.seconds or 0.0) + FORGOTTEN:
            return None
        return spell

    def note(
        self, reply: BatchReply | NoReply, throttle: Throttle | None, left: float, now: float
    ) -> Began | Over | None:
        """Take in the answer to the call that left at `left`; what of it is news."""
        spell = self.spell(now)
        if throttle is not None:
            if spell is None:
                self._spell = Spell(throttle, now, now, 1)
                return Began(self._spell)
            self._spell = replace(spell, throttle=throttle, last=now, answers=spell.answers + 1)
            other = throttle.policy != spell.throttle.policy
            return Began(self._spell) if other else None
        if spell is None or isinstance(reply, NoReply) or left < spell.last:
            return None
        self._spell = None
        return Over(spell, now - spell.since)
