"""Questions of the reading commands -> documents: paced, asked again where HubSpot is the cause, else an error.

Laws:
- One question at a time. A kind of question has a window of its own: a call leaves no sooner than one window after
  the answer of the call that is `calls` before it. What HubSpot counts lies between a call's departure and its
  answer, so no rolling window of HubSpot's holds more of them.
- Searches have HubSpot's own limit, five a second and account; everything else counts in the app's burst limit, which
  live traffic needs: these commands take a part of it (`SHARE`).
- What to make of an answer is `core.account.patience`'s to say.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, assert_never

from service.core.account.patience import (
    AskAgain,
    NotAllowed,
    NotLetIn,
    NotReached,
    Readable,
    TurnedDown,
    Worth,
    worth,
)
from service.core.account.questions import Question, Sought
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.requests import Call
from service.hubspot.client import HubSpot
from service.hubspot.token import token_of
from service.settings.hubspot import HubSpotSettings

# Five searches a second and account (HubSpot's search guide).
SEARCHES: Final = 5
SECOND: Final = 1.0
# Of the app's burst limit.
SHARE: Final = 0.1


class HubSpotError(Exception):
    """HubSpot did not say what it was asked. The message says why."""


class NotReachedError(HubSpotError):
    """It does not answer, or a limit is used up."""


class NotLetInError(HubSpotError):
    """The token is refused."""


class NotAllowedError(NotLetInError):
    """The token lacks a scope: one or more of `scopes`, where HubSpot names them."""

    def __init__(self, message: str, scopes: tuple[str, ...]) -> None:
        super().__init__(message)
        self.scopes = scopes


class TurnedDownError(HubSpotError):
    """It will not have the question: a 4xx that no other try mends."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Pace:
    """At most `calls` in any rolling window of `window` seconds, however HubSpot counts."""

    def __init__(self, calls: int, window: float) -> None:
        self._window = window
        self._answered: deque[float] = deque(maxlen=calls)

    async def leave(self) -> None:
        """Wait until the next call may leave."""
        if len(self._answered) == self._answered.maxlen:
            free = self._answered[0] + self._window
            await asyncio.sleep(max(0.0, free - asyncio.get_running_loop().time()))

    def answered(self) -> None:
        """It has been answered, or given up."""
        self._answered.append(asyncio.get_running_loop().time())


class Enquirer:
    """Asks one account. Use `enquiring`."""

    def __init__(self, hubspot: HubSpot, window: float, calls: int) -> None:
        self._hubspot, self._window = hubspot, window
        self._searches, self._others = Pace(SEARCHES, SECOND), Pace(calls, window)

    async def ask(self, question: Question | Call) -> Mapping[str, Any]:
        """The document that answers a question; raises as `answer` does."""
        return (await self.answer(question)).document or {}

    async def answer(self, question: Question | Call) -> BatchReply:
        """The answer to a question: a 2xx with a document.

        Raises:
            NotReachedError: no answer, a failure of HubSpot's, or a limit, and again in every further try.
            NotLetInError: 401; as NotAllowedError: 403.
            TurnedDownError: any other 4xx.
        """
        tries = 0
        found: Worth = AskAgain(0.0)
        while isinstance(found, AskAgain):
            await asyncio.sleep(found.seconds)
            tries += 1
            found = worth(await self.reply(question), tries, self._window)
        match found:
            case Readable(reply):
                return reply
            case NotReached(message):
                raise NotReachedError(message)
            case NotLetIn(message):
                raise NotLetInError(message)
            case NotAllowed(message, scopes):
                raise NotAllowedError(message, scopes)
            case TurnedDown(status, message):
                raise TurnedDownError(message, status)
            case unreachable:
                assert_never(unreachable)

    async def reply(self, question: Question | Call) -> BatchReply | NoReply:
        """One try, at the pace; whatever comes."""
        pace = self._searches if isinstance(question, Sought) else self._others
        await pace.leave()
        try:
            return await self._hubspot.send(question)
        finally:
            pace.answered()


@asynccontextmanager
async def enquiring(settings: HubSpotSettings, calls: int | None = None) -> AsyncIterator[Enquirer]:
    """An account to ask; `calls`: in a window at the most, searches apart; None = a tenth of the limit."""
    share = calls or max(1, int(settings.calls * SHARE))
    async with HubSpot(
        settings.base_url, settings.api_version, token_of(settings), timeout=settings.timeout
    ) as hubspot:
        yield Enquirer(hubspot, settings.window, share)
