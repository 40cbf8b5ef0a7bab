"""One request over HTTP, and its answer read up to a limit. The only place that knows httpx.

Laws:
- One request, no repeat, no redirect, one deadline for the whole of it. What went wrong is a value
  (`NoReply`), never an exception.
- An answer of more than LARGEST bytes, on the wire or unpacked, is no answer of HubSpot's. It is given
  up at the limit, with its connection. Of answers above SMALL one at a time is held, so that memory is
  bounded whatever comes back and however many calls are in flight.
- The connection pool is never contended: it has no upper bound, because calls in flight have one.
  httpcore 1.0 loses a connection of a pool that is full when the call that waits for it is cancelled
  (encode/httpcore#1093); 20 calls on 10 connections, cancelled, leave a pool in which nothing works.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Final, Literal, Self

import httpx

from service.core.hubspot.answers import BatchReply, NoReply

# bytes; a batch of the largest records is a few MB.
LARGEST: Final = 32 << 20
SMALL: Final = 1 << 20
# Python's zlib unpacks all that it is given at once: 64 KB from the wire may be 64 MB.
_STEP: Final = 64 << 10
# zlib's word for a gzip header.
_GZIP: Final = 31
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)


class UnreadableAnswerError(Exception):
    """No client needs to read on: the message says what the answer is."""


class Http:
    """A pool of connections to one origin."""

    def __init__(
        self,
        origin: str,
        *,
        timeout: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`timeout`: seconds for one request, connecting and reading included."""
        self._timeout = timeout
        self._large = asyncio.Lock()
        self._client = httpx.AsyncClient(
            base_url=origin,
            timeout=timeout,
            transport=transport,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            headers={"user-agent": "ordersync", "accept-encoding": "gzip"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def ask(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> BatchReply | NoReply:
        """One request. NoReply where no whole answer came within the deadline and the limit."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(
                    method, path, headers=headers, params=query, content=body
                ) as answer,
            ):
                read = await self._read(answer)
            return _reply(answer, read)
        except TimeoutError:
            return NoReply(f"no answer within {self._timeout:g} s", sent=True)
        except httpx.RequestError as error:
            return NoReply(_said(error), sent=not isinstance(error, _NOT_SENT))
        except UnreadableAnswerError as error:
            return NoReply(f"{error}: no answer of HubSpot's", sent=True)

    async def _read(self, answer: httpx.Response) -> bytearray:
        body = bytearray()
        async with aclosing(_unpacked(answer)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > SMALL:
                    async with self._large:
                        await _read_on(pieces, body)
        return body


async def _read_on(pieces: AsyncIterator[bytes], body: bytearray) -> None:
    async for piece in pieces:
        body += piece
        if len(body) > LARGEST:
            raise UnreadableAnswerError(f"an answer of more than {LARGEST >> 20} MiB")
        # Unpacking 32 MiB takes 60 ms; the loop has other work.
        await asyncio.sleep(0)


def _reply(answer: httpx.Response, body: bytearray) -> BatchReply:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    # The body has been read. Without this the response and its stream hold each other, and the
    # request, until the garbage collector runs: 150 KB per call.
    del answer.stream
    return BatchReply(answer.status_code, headers, bytes(body))


def _unpacked(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The body in pieces as they come off the wire, or of at most _STEP bytes.

    Raises:
        UnreadableAnswerError: it is packed in a way that we did not ask for.
    """
    packing = answer.headers.get("content-encoding", "identity").strip().lower()
    match packing:
        case "identity" | "":
            return answer.aiter_raw()  # type: ignore[return-value]  # httpx's is a generator
        case "gzip":
            return _gunzipped(answer)
        case _:
            raise UnreadableAnswerError(f"an answer packed as {packing[:40]!r}")


async def _gunzipped(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    gunzip = zlib.decompressobj(wbits=_GZIP)
    packed = b""
    try:
        async for packed in answer.aiter_raw():
            if gunzip.eof:
                raise UnreadableAnswerError("an answer that goes on behind its end")
            piece = gunzip.decompress(packed, _STEP)
            while piece:
                yield piece
                piece = gunzip.decompress(gunzip.unconsumed_tail, _STEP)
    except zlib.error as error:
        raise UnreadableAnswerError(f"an answer that does not unpack ({error})") from error
    if packed and not gunzip.eof:
        raise UnreadableAnswerError("an answer that is cut short")


def _said(error: httpx.RequestError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
