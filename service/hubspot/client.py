"""BatchCall -> BatchReply | NoReply over HTTP. The only place that knows httpx, and catches its errors.

One call, one request: no retries here (core.retries decides), no redirects, one deadline for the whole.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

import httpx

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.hubspot.token import Token

_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)


def orders_path(api_version: str) -> str:
    """The orders collection: `v3` and the dated versions differ in their paths, not in their bodies."""
    return "/crm/v3/objects/orders" if api_version == "v3" else f"/crm/objects/{api_version}/orders"


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
        self._path = orders_path(api_version)
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeout,
            transport=transport,
            headers={"user-agent": "ordersync"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def send(self, call: BatchCall) -> BatchReply | NoReply:
        """One request. NoReply where no whole answer came within the deadline; never raises for HubSpot's sake."""
        try:
            async with asyncio.timeout(self._timeout):
                token = await self._token.current(self._client)
                if isinstance(token, NoReply | BatchReply):
                    return token
                answer = await self._client.post(
                    f"{self._path}/batch/{call.endpoint}",
                    content=call.body,
                    params={"archived": "true"} if call.archived else None,
                    headers={
                        "authorization": f"Bearer {token}",
                        "content-type": "application/json",
                    },
                )
        except TimeoutError:
            return NoReply(f"no answer within {self._timeout:g} s", sent=True)
        except httpx.RequestError as error:
            return NoReply(_said(error), sent=not isinstance(error, _NOT_SENT))
        # It is read. A response and its stream hold each other, and what was sent: they would wait for the
        # collector, 150 KB a call.
        del answer.stream
        return BatchReply(
            answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content
        )

    async def renew(self) -> bool:
        """After a 401: whether there is another token to try."""
        return await self._token.renew()


def _said(error: httpx.RequestError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
