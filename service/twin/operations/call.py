"""One HTTP call as the operations see it: already read, timed and numbered; nothing of ASGI."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson

from service.twin.account.kinds import Kind
from service.twin.faults.script import Chosen
from service.twin.faults.when import Subject
from service.twin.operations.answers import bad_shape, validation

Action = Literal["created", "updated", "archived", "merged", "linked", "kept", "unlinked"]


class Written(NamedTuple):
    """One record or link that a call wrote: what the journal keeps of it.

    `key` is the record's unique value, or its id. A link (`linked`, `unlinked`, and `kept` where a
    call changed nothing) names its other end in `to_kind`, `to_id` and `to_key`, and in `types` those
    that it has afterwards, or that were taken away.
    """

    action: Action
    kind: str
    id: str
    key: str
    properties: dict[str, str]
    to_kind: str = ""
    to_id: str = ""
    to_key: str = ""
    types: tuple[int, ...] = ()


@dataclass(slots=True)
class Call:
    """A call: what was asked, when (loop seconds and stamp), and what it came to write."""

    method: str
    path: str
    operation: str
    kind: Kind | None
    params: dict[str, str]
    query: dict[str, list[str]]
    body: bytes
    token: str
    version: str
    now: float
    stamp: int
    correlation_id: str
    number: int = 0
    arrived: float = 0.0
    document: Any = None
    chosen: Chosen = field(default_factory=Chosen)
    writes: list[Written] = field(default_factory=list)
    subjects: tuple[Subject, ...] = ()
    group: str = ""
    end: Kind | None = None

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET" or self.operation in ("read", "search", "links")

    @property
    def table_kind(self) -> Kind:
        """The type of a call that is about one; routes guarantee it."""
        if self.kind is None:
            raise LookupError("this route names no object type")
        return self.kind

    def one(self, name: str, default: str = "") -> str:
        """A query parameter; the last one of several."""
        values = self.query.get(name)
        return values[-1] if values else default

    def listed(self, name: str) -> list[str]:
        """A query parameter that is a list: repeated, comma-separated, or both."""
        return [
            part for value in self.query.get(name, ()) for part in value.split(",") if part.strip()
        ]

    def flag(self, name: str) -> bool:
        """A boolean query parameter; false without it, 400 if it is neither true nor false."""
        text = self.one(name, "false").lower()
        if text not in ("true", "false"):
            raise validation(f"Invalid boolean for query parameter {name}: {text}")
        return text == "true"

    def read_object(self) -> dict[str, Any]:
        """The JSON object in the body; a `Refusal` for anything else."""
        document = self.read_json()
        if not isinstance(document, dict):
            raise bad_shape(f"Cannot deserialize value of type `object` from {_token(document)}")
        return document

    def read_json(self) -> Any:
        """The JSON in the body, read once; a `Refusal` where there is none."""
        if self.document is None:
            if not self.body.strip():
                raise validation("Invalid JSON input: a request body was expected, but none found")
            try:
                self.document = orjson.loads(self.body)
            except orjson.JSONDecodeError as error:
                raise bad_shape(str(error)) from None
        return self.document


def _token(value: Any) -> str:
    match value:
        case list():
            return "Array value (token `JsonToken.START_ARRAY`)"
        case str():
            return "String value (token `JsonToken.VALUE_STRING`)"
        case _:
            return "a scalar value"


def expect_list(value: Any, where: str) -> list[Any]:
    """`value` if it is a list; a 400 for the shape otherwise."""
    if not isinstance(value, list):
        raise bad_shape(f"Cannot deserialize {where} from {_token(value)}")
    return value


def expect_object(value: Any, where: str) -> dict[str, Any]:
    """`value` if it is an object; a 400 for the shape otherwise."""
    if not isinstance(value, dict):
        raise bad_shape(f"Cannot deserialize {where} from {_token(value)}")
    return value


def expect_text(value: Any, where: str) -> str:
    """`value` as text if it is a JSON scalar; a 400 for the shape otherwise."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    raise bad_shape(f"Cannot deserialize {where} from {_token(value)}")
