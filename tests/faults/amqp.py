"""Just enough of AMQP 0-9-1 to see frames pass: where each ends, and which method it is."""

from collections.abc import Iterator
from typing import NamedTuple

HEADER = 7  # type, channel, size
GREETING = b"AMQP"

METHODS = {
    (10, 50): "connection.close",
    (10, 60): "connection.blocked",
    (20, 40): "channel.close",
    (60, 20): "basic.consume",
    (60, 40): "basic.publish",
    (60, 50): "basic.return",
    (60, 60): "basic.deliver",
    (60, 80): "basic.ack",
    (60, 120): "basic.nack",
    (85, 10): "confirm.select",
}


class Frame(NamedTuple):
    """One frame: its bytes, and its method's name ("" for what is none, or not told apart here)."""

    octets: bytes
    method: str


class Frames:
    """Cuts one direction of a connection into frames."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, octets: bytes) -> Iterator[Frame]:
        """The frames that are complete with these octets; the rest is kept."""
        self._left += octets
        start = 0
        while (end := self._end(start)) is not None:
            yield Frame(self._left[start:end], self._method(start))
            start = end
        self._left = self._left[start:]

    def _end(self, start: int) -> int | None:
        if self._left.startswith(GREETING, start):
            return start + 8 if len(self._left) >= start + 8 else None
        if len(self._left) < start + HEADER:
            return None
        size = int.from_bytes(self._left[start + 3 : start + 7])
        end = start + HEADER + size + 1
        return end if len(self._left) >= end else None

    def _method(self, start: int) -> str:
        if self._left[start] != 1:
            return ""
        body = start + HEADER
        numbers = (
            int.from_bytes(self._left[body : body + 2]),
            int.from_bytes(self._left[body + 2 : body + 4]),
        )
        return METHODS.get(numbers, "")
