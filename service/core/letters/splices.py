"""A JSON document -> the same bytes, but for the members that are changed.

Law: what is not changed is not read and written anew. Whoever parses a document and dumps it again rewrites
integers beyond 64 bits and decimals beyond a double, here and there the order, and all the white space.
So the place of a member is found in the text, and its bytes alone are replaced. Of members of one name the
last one counts, as parsers have it.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import orjson

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
# A member's name, or the number of an item, from 0.
Step = str | int
_OPENS, _CLOSES = frozenset((b"{", b"[")), frozenset((b"}", b"]"))


class _Member(NamedTuple):
    """A member of an object: where its name begins, and where its value does and ends."""

    name: str
    start: int
    value: int
    end: int


def put(body: bytes, path: Sequence[Step], value: bytes) -> bytes:
    """The document with this JSON text as the value at a path; objects on the way are made.

    `body` is JSON, and an object. A path ends with a name; the items that it leads through are there, as objects.
    """
    return _put(body, 0, path, value)


def drop(body: bytes, path: Sequence[Step]) -> bytes:
    """The document without the members at a path."""
    start = 0
    for step, then in pairwise(path):
        found = _found(body, start, step)
        if found is None or not _leads(body, found, then):
            return body
        start = found
    while (cut := _cut(body, start, path[-1])) is not None:
        body = body[: cut[0]] + body[cut[1] :]
    return body


def _put(body: bytes, start: int, path: Sequence[Step], value: bytes) -> bytes:
    step, *rest = path
    if isinstance(step, int):
        return _put(body, _item(body, start, step), rest, value)
    members = list(_members(body, start))
    found = [member for member in members if member.name == step]
    if not found:
        return _added(body, start, step, _nested(rest, value), first=not members)
    place = found[-1]
    if rest and _leads(body, place.value, rest[0]):
        return _put(body, place.value, rest, value)
    return body[: place.value] + _nested(rest, value) + body[place.end :]


def _found(body: bytes, start: int, step: Step) -> int | None:
    """Where the value at a step begins."""
    if isinstance(step, int):
        return _item(body, start, step)
    return next((m.value for m in reversed([*_members(body, start)]) if m.name == step), None)


def _leads(body: bytes, at: int, step: Step) -> bool:
    """Whether the value that begins here has members, or items."""
    return body[at : at + 1] == (b"[" if isinstance(step, int) else b"{")


def _item(body: bytes, start: int, number: int) -> int:
    """Where an item begins that is there, of the list that begins at `start`."""
    depth, seen = 0, 0
    for token in _TOKEN.finditer(body, start):
        text = token.group()
        if depth == 1 and text != b",":
            if seen == number:
                break
            seen += 1
        depth += (text in _OPENS) - (text in _CLOSES)
    return token.start()


def _added(body: bytes, start: int, name: str, value: bytes, *, first: bool) -> bytes:
    at = _start(body, start) + 1
    return body[:at] + orjson.dumps(name) + b":" + value + (b"" if first else b",") + body[at:]


def _nested(path: Sequence[Step], value: bytes) -> bytes:
    for name in reversed(path):
        value = b"{" + orjson.dumps(name) + b":" + value + b"}"
    return value


def _cut(body: bytes, start: int, name: Step) -> tuple[int, int] | None:
    """From where to where one member of this name stands, with the comma that goes with it."""
    members = list(_members(body, start))
    for number, member in enumerate(members):
        if member.name == name:
            if number + 1 < len(members):
                return member.start, members[number + 1].start
            return (members[number - 1].end if number else member.start), member.end
    return None


def _members(body: bytes, start: int) -> Iterator[_Member]:
    """The members of the object that begins at or after `start`."""
    depth, name, begins, value, end = 0, None, 0, None, 0
    for token in _TOKEN.finditer(body, _start(body, start)):  # pragma: no branch  (it has an end)
        text = token.group()
        closing = text in _CLOSES
        if depth == 1 and (closing or text == b","):
            if name is not None and value is not None:
                yield _Member(name, begins, value, end)
            name, value = None, None
            if closing:
                return
            continue
        if depth == 1 and name is None:
            name, begins = orjson.loads(text), token.start()
        elif depth == 1 and value is None and text != b":":
            value = token.start()
        depth += (text in _OPENS) - closing
        end = token.end()


def _start(body: bytes, start: int) -> int:
    return body.index(b"{", start)
