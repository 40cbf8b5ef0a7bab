"""BatchCall -> BatchReply | NoReply: the orders' address, the token, one deadline for the whole.

One call, one request: no retries here (core.settlement.retries decides). How a request is made is http's.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from service.core.account.questions import Defined, Listing, Question, Single
from service.core.events.order_event import ORDERS
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.requests import Call, ListCall
from service.hubspot.addresses import address_of, records_path
from service.hubspot.http import Http
from service.hubspot.token import Token


def orders_path(api_version: str) -> str:
    """The orders collection."""
    return records_path(ORDERS, api_version)


class HubSpot:
    """A connection pool, a token and the orders' address."""

    def __init__(
        self,
        base_url: str,
        api_version: str,
        token: Token,
        *,
        timeout: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._token, self._timeout = token, timeout
        self._api_version = api_version
        self._http = Http(base_url, timeout=timeout, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def send(self, call: Call | Question) -> BatchReply | NoReply:
        """One request. NoReply where no whole answer came within the deadline; never raises for HubSpot's sake."""
        try:
            # The token's refresh is within it.
            async with asyncio.timeout(self._timeout):
                token = await self._token.current(self._http)
                if isinstance(token, NoReply | BatchReply):
                    return token
                method, path = address_of(call, self._api_version)
                return await self._http.ask(
                    method,
                    path,
                    headers={
                        "authorization": f"Bearer {token}",
                        "content-type": "application/json",
                    },
                    query=_query(call),
                    body=None
                    if isinstance(call, ListCall | Listing | Single | Defined)
                    else call.body,
                )
        except TimeoutError:
            return NoReply(f"no answer within {self._timeout:g} s", sent=True)

    async def renew(self) -> bool:
        """After a 401: whether there is another token to try."""
        return await self._token.renew()


def _query(call: Call | Question) -> Mapping[str, str] | None:
    if isinstance(call, Listing | Single):
        return call.query
    archived = isinstance(call, BatchCall) and call.archived
    return {"archived": "true"} if archived else None
