"""Deliveries out of a channel's frames, without a task, a queue and two wake-ups for each.

aiormq hands every delivery to a task of its own and awaits it: half of what an event costs on its way in.
`Inbox` stands where a channel keeps its queue of frames. It puts deliveries together itself, a frame at a
time, and passes everything else on to the channel. Content frames of a channel never interleave (AMQP
0-9-1, 4.2.6), so that one half-read delivery is all that it ever holds.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiormq.exceptions import InvalidFrameError
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

Weighed = tuple[int, Any]  # aiormq's: (weight, frame)


class Inbox:
    """`deliver` is called with the method, the header and the body of every delivery; it must not fail."""

    def __init__(
        self,
        others: asyncio.Queue[Weighed],
        deliver: Callable[[Basic.Deliver, ContentHeader, bytes], None],
    ) -> None:
        self._others, self._deliver = others, deliver
        self._method: Basic.Deliver | None = None
        self._header: ContentHeader | None = None
        self._body: list[bytes] = []
        self._missing = 0  # bytes of the body

    async def put(self, weighed: Weighed) -> None:
        """One frame from the connection's reader.

        Raises:
            InvalidFrameError: content out of turn; the connection is of no use any more.
        """
        frame = weighed[1]
        if self._method is None:
            if isinstance(frame, Basic.Deliver):
                self._method = frame
            else:
                await self._others.put(weighed)
            return
        self._take(frame)
        if self._missing <= 0 and self._header is not None:
            method, header, body = self._method, self._header, b"".join(self._body)
            self._method, self._header, self._body = None, None, []
            self._deliver(method, header, body)

    async def get(self) -> Weighed:
        """The channel's own: whatever is not a delivery."""
        return await self._others.get()

    def task_done(self) -> None:
        """The channel's own."""
        self._others.task_done()

    def _take(self, frame: Any) -> None:
        if self._header is None and isinstance(frame, ContentHeader):
            self._header, self._missing = frame, frame.body_size
        elif self._header is not None and isinstance(frame, ContentBody):
            self._body.append(frame.value)
            self._missing -= len(frame.value)
        else:
            raise InvalidFrameError(f"a delivery's content was expected, not {frame!r}")
