"""What an answer to a question is worth: a document, another try, or an end that says why.

Law: a question is repeated only for HubSpot's sake (a limit, a failure of its own, no answer), at most TRIES times,
and a day's limit ends it at once. A question changes nothing, so that repeating it does no harm; a definition that is
made twice is answered 409, which is taken for what it says.
"""

from dataclasses import dataclass, replace
from typing import Final

from service.core.hubspot.answers import (
    BatchReply,
    NoReply,
    Problem,
)
from service.core.hubspot.throttles import DAILY, SECONDLY, Throttle, throttle_of

TRIES: Final = 4
# With 5xx: HubSpot's own, whatever was asked.
FAILURES: Final = frozenset({408, 423, 477})
# Seconds before the second try; each further one waits twice as long.
FIRST: Final = 0.5
# The window of the limit of searches.
SECOND: Final = 1.0


@dataclass(frozen=True, slots=True)
class Readable:
    """An answer of 2xx with a document."""

    reply: BatchReply


@dataclass(frozen=True, slots=True)
class AskAgain:
    """In so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NotReached:
    """HubSpot does not answer, or cannot now."""

    message: str


@dataclass(frozen=True, slots=True)
class NotLetIn:
    """The token is not accepted."""

    message: str


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The token lacks a scope; `scopes`: one or more of these, where HubSpot names them."""

    message: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TurnedDown:
    """HubSpot will not have the question itself."""

    status: int
    message: str


Worth = Readable | AskAgain | NotReached | NotLetIn | NotAllowed | TurnedDown


def worth(reply: BatchReply | NoReply, tries: int, window: float) -> Worth:
    """What to make of an answer; `tries`: how often it was asked; `window`: seconds of the burst limit."""
    if isinstance(reply, NoReply):
        return _again(tries, NotReached(f"HubSpot cannot be reached: {reply.message}"))
    if (throttle := throttle_of(reply, window, 1, 1)) is not None:
        return _throttled(throttle, tries, window)
    if reply.status in FAILURES or reply.status >= 500:
        return _again(tries, NotReached(f"HubSpot answers {reply.status}: {_said(reply).message}"))
    if not reply.accepted:
        return _refused(reply)
    if reply.document is not None:
        return Readable(reply)
    return _again(tries, NotReached("HubSpot's answer is no JSON object: some proxy's, perhaps"))


def _refused(reply: BatchReply) -> NotLetIn | NotAllowed | TurnedDown:
    said = _said(reply)
    match reply.status:
        case 401:
            return NotLetIn(f"HubSpot does not accept the token: {said.message}")
        case 403:
            needed = f" ({', '.join(said.scopes)})" if said.scopes else ""
            return NotAllowed(f"the token lacks a scope{needed}: {said.message}", said.scopes)
        case status:
            return TurnedDown(status, said.message)


def _throttled(throttle: Throttle, tries: int, window: float) -> AskAgain | NotReached:
    said = f": {throttle.said}" if throttle.said else ""
    ended = NotReached(f"HubSpot answers 429{said} (limit {throttle.policy})")
    if throttle.policy == DAILY:
        return ended
    seconds = SECOND if throttle.policy == SECONDLY else throttle.seconds or window
    return _again(tries, ended, seconds)


def _again(tries: int, ended: NotReached, seconds: float | None = None) -> AskAgain | NotReached:
    return AskAgain(seconds or FIRST * 2 ** (tries - 1)) if tries < TRIES else ended


def _said(reply: BatchReply) -> Problem:
    said = reply.refusal or Problem()
    return said if said.message else replace(said, message=f"status {reply.status}")
