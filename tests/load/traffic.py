"""Real traffic without end: a trace again and again, each round with orders and events that nobody has seen.

Encoded once: what differs from round to round is eight digits before the event's id and the order's key.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import orjson

from service.demo.samples import samples

REAL = Path(__file__).parents[3] / "shared" / "data" / "orders-real.ndjson"
ORDERS = 1_800  # of the seeded trace: about as many events as the real one has
DIGITS = 8
_ID, _KEY = "%ID%", "%KEY%"  # in no event


class Traffic:
    """`name` says which trace; `rounds` are endless."""

    def __init__(self, trace: Path = REAL) -> None:
        self.name = "orders-real.ndjson" if trace.exists() else f"seeded, of {ORDERS} orders"
        lines = trace.read_bytes().splitlines() if trace.exists() else list(_seeded())
        self._events = [_encoded(orjson.loads(line)) for line in lines]

    def __len__(self) -> int:
        return len(self._events)

    def rounds(self) -> Iterator[Iterator[tuple[str, str, bytes]]]:
        """Rounds of (event id, routing key, body)."""
        for number in count():
            yield self._round(b"%0*d-" % (DIGITS, number))

    def _round(self, mark: bytes) -> Iterator[tuple[str, str, bytes]]:
        text = mark.decode()
        for event in self._events:
            before, between, after = event.parts
            yield text + event.id, event.kind, b"".join((before, mark, between, mark, after))


class _Encoded(NamedTuple):
    id: str
    kind: str
    parts: tuple[bytes, bytes, bytes]  # between them belongs the round's mark


def _encoded(event: dict) -> _Encoded:
    marked = {"id": _ID + event["id"], "subject": _KEY + event["subject"]}
    rest = {name: value for name, value in event.items() if name not in marked}
    body = orjson.dumps(marked | rest)
    before, _, left = body.partition(_ID.encode())
    between, _, after = left.partition(_KEY.encode())
    return _Encoded(event["id"], event["type"], (before, between, after))


def _seeded() -> Iterator[bytes]:
    """The demo's shop, without what cannot be read."""
    for sample in samples(ORDERS):
        try:
            event = orjson.loads(sample.body)
        except orjson.JSONDecodeError:
            continue
        if event["time"].endswith("Z"):
            yield sample.body
