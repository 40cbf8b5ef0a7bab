"""What somebody types of one order -> the order event that says it.

    --set NAME=VALUE                        a property; NAME= clears it
    --line KEY:NAME=VALUE,NAME=VALUE        a line of the order, by its key within the order
    --link TO:BY=VALUE,WORD=VALUE,...       a link to the record of type TO whose unique property BY is VALUE

A value with a comma in it stands in double quotes (`name="Tent, large"`), a quote in it is doubled.

Law: nothing is guessed. A word that is near to one that means something, and is none, is refused: sent as a
property it would be somebody's typing mistake in HubSpot.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.core.events.order_event import Operation
from service.core.events.order_graph import OBJECT_PATTERN, OBJECTS
from service.core.misspelt import did_you_mean, nearest

SOURCE: Final = "/ordersync/send"
# One NAME=VALUE of a list, or a NAME alone.
_FIELD: Final = re.compile(
    r'\s*(?P<name>[^=,"]+?)\s*(?:=(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>(?!")[^,]*)))?(?:,|$)'
)
_OBJECT: Final = re.compile(OBJECT_PATTERN)
_ON_MISSING: Final = ("wait", "skip", "fail", "create")
# How alike a property of a target and a word of ours may be.
_TOO_NEAR: Final = 0.75


class DraftError(Exception):
    """What was typed says no event. `option` is the one to type anew."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The options of one order, as they were typed."""

    properties: Sequence[str] = ()
    lines: Sequence[str] = ()
    removed_lines: Sequence[str] = ()
    all_lines: bool = False
    links: Sequence[str] = ()
    unlinks: Sequence[str] = ()
    stage: str | None = None
    pipeline: str | None = None
    id_property: str | None = None

    @property
    def written(self) -> bool:
        """Whether it says anything to write."""
        return bool(
            self.properties
            or self.lines
            or self.removed_lines
            or self.all_lines
            or self.links
            or self.unlinks
            or self.stage
            or self.pipeline
        )


def drafted(
    operation: Operation, key: str, typed: Typed, event_id: str, time: str
) -> dict[str, Any]:
    """The event; whether it is a good one is for `core.events` to say.

    Raises:
        DraftError: it cannot be read, or asks for nothing.
    """
    if operation is Operation.ARCHIVE and typed.written:
        raise DraftError("archive", "takes the order out of HubSpot and writes nothing beside that")
    if operation is Operation.UPDATE and not typed.written:
        raise DraftError("update", "nothing to change: give --set, --line, --link or --stage")
    data = {} if operation is Operation.ARCHIVE else dict(_written(typed))
    if typed.id_property is not None:
        data["id_property"] = typed.id_property
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": f"ordersync.order.{operation}.v1",
        "subject": key,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }


def _written(typed: Typed) -> Iterator[tuple[str, Any]]:
    yield "properties", _once(map(_property, typed.properties), "--set")
    if typed.pipeline is not None:
        yield "pipeline", typed.pipeline
    if typed.stage is not None:
        yield "stage", typed.stage
    if typed.lines or typed.removed_lines or typed.all_lines:
        yield "line_items", _lines(typed)
    if typed.links:
        yield "associations", [_link(text) for text in typed.links]
    if typed.unlinks:
        yield "dissociations", [_record(text, "--unlink")[0] for text in typed.unlinks]


def _property(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise DraftError("--set", f"{text!r} is not NAME=VALUE, as hs_total_price=59.70")
    return name.strip(), value or None


def _lines(typed: Typed) -> dict[str, Any]:
    items = [_line(text) for text in typed.lines]
    if typed.all_lines:
        if typed.removed_lines:
            raise DraftError("--remove-line", "--all-lines removes what no --line names")
        return {"mode": "replace", "items": items}
    removed = {"remove": list(typed.removed_lines)} if typed.removed_lines else {}
    return {"mode": "merge", "items": items, **removed}


def _line(text: str) -> dict[str, Any]:
    key, _, rest = text.partition(":")
    if not key.strip() or "=" in key:
        raise DraftError(
            "--line", f"{text!r} is not KEY:NAME=VALUE,..., as 1:name=Tent,quantity=3,price=19.90"
        )
    fields = ((name, _valued(name, value, "--line")) for name, value in _fields(rest, "--line"))
    return {"key": key.strip(), "properties": _once(fields, "--line")}


def _link(text: str) -> dict[str, Any]:
    link, rest = _record(text, "--link")
    labels: list[str] = []
    properties: list[tuple[str, str | None]] = []
    for name, value in rest:
        match name:
            case "on_missing":
                link["on_missing"] = _one_of(_valued(name, value, "--link") or "", _ON_MISSING)
            case "label":
                labels.append(_valued(name, value, "--link") or "")
            case "exclusive":
                link["exclusive"] = _flag(value)
            case _:
                properties.append((_no_word_of_ours(name), _valued(name, value, "--link")))
    if labels:
        link["labels"] = labels
    if properties:
        if link.get("on_missing") != "create":
            raise DraftError(
                "--link",
                f"{properties[0][0]} is a property of a record that is made: give on_missing=create",
            )
        link["properties"] = _once(properties, "--link")
    return link


_WORDS: Final = ("on_missing", "label", "exclusive")


def _no_word_of_ours(name: str) -> str:
    if (meant := nearest(name, _WORDS, cutoff=_TOO_NEAR)) is not None:
        raise DraftError("--link", f"{name} means nothing; did you mean {meant}?")
    return name


def _record(text: str, option: str) -> tuple[dict[str, Any], list[tuple[str, str | None]]]:
    """Which record, and what else was said of it."""
    to, _, rest = text.partition(":")
    fields = list(_fields(rest, option))
    if not to or not fields or fields[0][1] is None:
        raise DraftError(option, f"{text!r} is not TO:BY=VALUE, as contact:email=mia@example.com")
    if not _OBJECT.fullmatch(to):
        known = did_you_mean(to, OBJECTS)
        raise DraftError(option, f"there is no object type {to}{known or '; as contact, 2-123456'}")
    by, value = fields[0]
    return {"to": to, "by": by, "value": value}, fields[1:]


def _fields(text: str, option: str) -> Iterator[tuple[str, str | None]]:
    """Each NAME=VALUE; value None where the name stands alone."""
    at = 0
    while at < len(text):
        found = _FIELD.match(text, at)
        if found is None:
            raise DraftError(option, f"cannot be read from {text[at:]!r} on: NAME=VALUE,NAME=VALUE")
        quoted = found["quoted"]
        value = found["plain"] if quoted is None else quoted.replace('""', '"')
        yield found["name"], value
        at = found.end()


def _valued(name: str, value: str | None, option: str) -> str | None:
    """The value; None where it is empty: that clears a property."""
    if value is None:
        raise DraftError(
            option,
            f"{name!r} is no NAME=VALUE; a value with a comma stands in quotes, "
            'as name="Tent, large"',
        )
    return value or None


def _flag(value: str | None) -> bool:
    words: Mapping[str | None, bool] = {None: True, "true": True, "false": False}
    if value not in words:
        raise DraftError("--link", f"exclusive stands alone, or is true or false, not {value}")
    return words[value]


def _one_of(word: str, known: Sequence[str]) -> str:
    if word not in known:
        raise DraftError(
            "--link", f"on_missing is {', '.join(known)}, not {word!r}{did_you_mean(word, known)}"
        )
    return word


def _once(pairs: Iterable[tuple[str, str | None]], option: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, value in pairs:
        if name in found:
            raise DraftError(option, f"{name} is said twice")
        found[name] = value
    return found
