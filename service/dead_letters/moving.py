"""Out of the way: export to a file, park in a queue. Nothing leaves the dead letters before it is elsewhere."""

import os
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import FileIO
from typing import Any

import orjson
import structlog

from service.core.events.deliveries import Delivery
from service.core.headers import producers
from service.core.letters.letters import MESSAGE_ID, sent_as
from service.core.letters.replays import Replay
from service.core.letters.sieve import Sieve
from service.core.visible import visible_json
from service.dead_letters.looker import PARKED, FoundLetter, Looker
from service.dead_letters.sender import WINDOW, Sender

Answers = Callable[[Sequence[FoundLetter]], list[Replay]]
log = structlog.get_logger(__name__)


class ExportError(Exception):
    """The file cannot be written to its end. The message says what is in it and what is on the queue."""


async def export(
    looker: Looker, sieve: Sieve, to: FileIO, *, limit: int | None = None, remove: bool = False
) -> int:
    """A line a letter, as `ordersync publish` reads it back; the number of lines. `to` is not buffered.

    With `remove` a letter is taken off after its line is on the disk.

    Raises:
        ExportError: the disk is full, or whatever else keeps a line from being written whole.
    """
    written, window, file = 0, list[FoundLetter](), _Lines(to)
    async for found in looker.read():
        if not sieve.takes(found.letter, found.delivery.body) or _too_large(found):
            continue
        file.write(line(found))
        written += 1
        if remove:
            window.append(found)
        if len(window) == WINDOW or written == limit:
            await _remove(looker, file, window)
            window = []
        if written == limit:
            break
    await _remove(looker, file, window)
    return written


async def _remove(looker: Looker, file: "_Lines", window: list[FoundLetter]) -> None:
    if not window:
        return
    file.sync()
    for found in window:
        await looker.take(found)
    file.taken += len(window)


class _Lines:
    """A file of whole lines: what cannot be written whole is cut off again."""

    def __init__(self, to: FileIO) -> None:
        self._to, self._whole, self._lines = to, 0, 0
        # Letters that stand here and no longer on the queue.
        self.taken = 0

    def write(self, text: bytes) -> None:
        rest = memoryview(text)
        try:
            while rest:
                rest = rest[self._to.write(rest) :]
        except BrokenPipeError:  # whoever read has seen enough
            raise
        except OSError as error:
            with suppress(OSError):  # a pipe has no length
                os.ftruncate(self._to.fileno(), self._whole)
            raise self._told(error) from error
        self._whole += len(text)
        self._lines += 1

    def sync(self) -> None:
        try:
            os.fsync(self._to.fileno())
        except OSError as error:
            raise self._told(error) from error

    def _told(self, error: OSError) -> ExportError:
        return ExportError(
            f"{self._to.name} cannot be written: {error.strerror}; it holds {self._lines} dead letters, "
            f"whole, of which {self.taken} were taken off the queue; all others are where they were"
        )


async def park(
    looker: Looker,
    sender: Sender,
    sieve: Sieve,
    answers: Answers,
    *,
    limit: int | None = None,
) -> int:
    """Move letters as they are to `<queue>.parked`; how many. `answers`: outcomes that are due first.

    Raises:
        NotSentError: the broker took one not; it is where it was.
    """
    await sender.keep_queue(looker.queue + PARKED)
    number, window = 0, list[FoundLetter]()
    async for found in looker.read():
        if not sieve.takes(found.letter, found.delivery.body) or _too_large(found):
            continue
        window.append(found)
        number += 1
        if len(window) == WINDOW or number == limit:
            await _move(looker, sender, window, answers)
            window = []
        if number == limit:
            break
    await _move(looker, sender, window, answers)
    return number


async def _move(
    looker: Looker, sender: Sender, window: list[FoundLetter], answers: Answers
) -> None:
    await sender.send([*answers(window), *moved(window, looker.queue + PARKED)])
    for found in window:
        await looker.take(found)


def _too_large(found: FoundLetter) -> bool:
    """Whether its body was not read, so that it cannot be elsewhere."""
    if found.delivery.unread:
        log.warning("letter_too_large", id=found.letter.id, bytes=found.letter.size)
    return found.delivery.unread is not None


def moved(window: Sequence[FoundLetter], queue: str) -> list[Replay]:
    """Letters as they are, for another queue of letters."""
    return [
        Replay(
            exchange="",
            routing_key=queue,
            body=f.delivery.body,
            headers=_kept(f),
            like=f.delivery.properties,
        )
        for f in window
    ]


def line(found: FoundLetter) -> bytes:
    """One line of NDJSON: the message as RabbitMQ's management API takes it, and what is known of it."""
    payload, encoding = _payload(found.delivery)
    document: dict[str, Any] = {
        "properties": dict(_properties(found.delivery)) | {"headers": _kept(found)},
        "payload": payload,
        "payload_encoding": encoding,
        "dead_letter": found.letter.row(),
    }
    text = orjson.dumps(document, default=str, option=orjson.OPT_APPEND_NEWLINE)
    return text if text.isascii() else visible_json(text.decode()).encode()


def _properties(delivery: Delivery) -> Iterator[tuple[str, Any]]:
    """As the management API names them; the content type first, by which `publish` knows an export."""
    known = delivery.properties
    yield "content_type", known.content_type
    for name, value in (
        ("content_encoding", known.content_encoding),
        ("correlation_id", known.correlation_id),
        ("reply_to", known.reply_to),
        ("timestamp", known.timestamp and int(known.timestamp.timestamp())),
        ("type", known.message_type),
        ("app_id", known.app_id),
    ):
        if value is not None:
            yield name, value


def _payload(delivery: Delivery) -> tuple[str, str]:
    try:
        return delivery.body.decode(), "string"
    except UnicodeDecodeError:
        return b64encode(delivery.body).decode(), "base64"


def _kept(found: FoundLetter) -> dict[str, Any]:
    """The producer's headers, and what the letter says: the broker's is known again by it.

    What its reader did not believe does not go along: without its x-death it would be taken for ours.
    """
    kept = producers(found.delivery.headers) | found.letter.to_headers()
    if (
        sent_as(found.delivery) is None
        # The message id is of our own making, and changes with each move.
    ):
        kept.pop(MESSAGE_ID, None)
    return kept
