"""The broker's word for every message that was published on one connection.

Laws. Each message is answered once: taken (ack), refused (nack), returned (nothing is bound to take it),
or never, because the connection ended before. What was taken is never published again, whatever becomes
of the rest. While the broker is short of memory or disk it reads nothing of a connection that publishes
(connection.blocked): what was written then is not lost, it lies in the socket.

A returned message is told by its message id, before its ack (rabbitmq.com/docs/confirms).
"""

import asyncio
import struct
from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile
from typing import Final

from aiormq.exceptions import InvalidFrameError
from pamqp.header import ContentHeader

from service.core.outgoing import Outgoing
from service.rabbitmq.frames import BODY, HEADER, METHOD, UNDECODABLE

_RETURN: Final = b"\x00\x3c\x00\x32"  # class 60, method 50
_ACK: Final = b"\x00\x3c\x00\x50"
_NACK: Final = b"\x00\x3c\x00\x78"
_BLOCKED: Final = b"\x00\x0a\x00\x3c"
_UNBLOCKED: Final = b"\x00\x0a\x00\x3d"
# Behind class and method: the tag, multiple.
_TAG: Final = struct.Struct(">4xQB")
# Of the body, behind class and weight.
_SIZE: Final = struct.Struct(">4xQ")


class Parcel:
    """Messages that were written together; `left` are those that the broker has not taken."""

    def __init__(self, messages: Sequence[Outgoing], first: int) -> None:
        self._left = dict(enumerate(messages, start=first))
        self._unanswered = len(messages)
        self.returned: set[int] = set()  # tags
        # All of it, or nothing more will be.
        self.answered = asyncio.Event()

    @property
    def left(self) -> list[Outgoing]:
        """In their order."""
        return list(self._left.values())

    @property
    def unanswered(self) -> bool:
        """Whether the broker still owes a word, or will owe it for ever."""
        return self._unanswered > 0

    @property
    def unroutable(self) -> Outgoing | None:
        """A message that nothing is bound to take, where there is one."""
        return next((self._left[tag] for tag in self.returned), None)

    def answer(self, tag: int, *, taken: bool) -> None:
        """The broker's word for one of them."""
        self._unanswered -= 1
        if taken and tag not in self.returned:
            del self._left[tag]
        if not self._unanswered:
            self.answered.set()


class Confirms:
    """The books of one connection with one publishing channel: read its frames, open a parcel per write."""

    def __init__(self, name: str) -> None:
        # Unique to this connection: it starts every message id.
        self._name = name
        # messages; the last one's tag.
        self._sent = 0
        self._open: dict[int, Parcel] = {}  # by tag, in their order
        # Bytes of a returned message; None = not inside of one.
        self._missing: int | None = None
        self._headed = False  # its header has come
        # Times that the broker has blocked us.
        self.alarms = 0
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self.over = False  # the connection has ended

    def message_ids(self, count: int) -> list[str]:
        """The ids of the next messages."""
        return [f"{self._name}-{self._sent + n}" for n in range(1, count + 1)]

    def expect(self, messages: Sequence[Outgoing]) -> Parcel:
        """These are being written, in this order, with the ids of `message_ids`."""
        parcel = Parcel(messages, self._sent + 1)
        self._open.update(
            dict.fromkeys(range(self._sent + 1, self._sent + 1 + len(messages)), parcel)
        )
        self._sent += len(messages)
        if self.over:
            parcel.answered.set()
        return parcel

    def ended(self) -> None:
        """The connection, or its channel: what is unanswered stays so."""
        self.over = True
        self.unblocked.set()
        for parcel in self._open.values():
            parcel.answered.set()
        self._open.clear()

    def take(self, kind: int, _channel: int, payload: bytes, _now: datetime) -> bool:
        """Whether the frame is a word on what was published, or on an alarm."""
        if self._missing is not None:
            self._returning(kind, payload)
            return True
        if kind != METHOD:
            return False
        method = payload[:4]
        if method in (_ACK, _NACK):
            tag, multiple = _TAG.unpack_from(payload)
            self._answer(tag, multiple=bool(multiple & 1), taken=method == _ACK)
        elif method == _RETURN:
            self._missing, self._headed = 0, False
        else:
            self._alarm(method)
            # Aiormq tells of alarms in the log.
            return False
        return True

    def _alarm(self, method: bytes) -> None:
        if method == _BLOCKED:
            self.alarms += 1
            self.unblocked.clear()
        elif method == _UNBLOCKED:
            self.unblocked.set()

    def _answer(self, tag: int, *, multiple: bool, taken: bool) -> None:
        tags = list(takewhile(lambda each: each <= tag, self._open)) if multiple else [tag]
        for each in tags:
            parcel = self._open.pop(each, None)
            if parcel is not None:
                parcel.answer(each, taken=taken)

    def _returning(self, kind: int, payload: bytes) -> None:
        """One frame of a returned message: its header, which names it, or a part of its body."""
        if kind == HEADER and not self._headed:
            (self._missing,) = _SIZE.unpack_from(payload)
            self._headed = True
            self._return(_message_id(payload))
        elif kind == BODY and self._headed:
            self._missing = (self._missing or 0) - len(payload)
        else:
            raise InvalidFrameError(f"a returned message was expected, not a frame of kind {kind}")
        if self._missing <= 0:
            self._missing = None

    def _return(self, message_id: str) -> None:
        name, _, number = message_id.rpartition("-")
        tag = int(number) if name == self._name and number.isdigit() else 0
        if (parcel := self._open.get(tag)) is None:
            raise InvalidFrameError(f"a message came back that was not sent: {message_id[:80]!r}")
        parcel.returned.add(tag)


def _message_id(payload: bytes) -> str:
    header = ContentHeader()
    try:
        header.unmarshal(payload)
    except UNDECODABLE as error:  # ours, so it cannot be: better a new connection than a false ack
        raise InvalidFrameError(f"the header of a returned message: {error!r}") from error
    return header.properties.message_id or ""
