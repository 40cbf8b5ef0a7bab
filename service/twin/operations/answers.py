"""Answers and the error envelopes HubSpot puts into them.

`Refusal` is raised where a call is refused as a whole; the twin catches it in one place and turns
it into an answer whose `correlationId` equals the `X-HubSpot-Correlation-Id` header.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

JSON_TYPE = "application/json;charset=utf-8"


@dataclass(slots=True)
class Answer:
    """One HTTP answer: `document` is encoded unless `body` holds the bytes already."""

    status: int
    document: Any = None
    body: bytes | None = None
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """The body's bytes; empty for a 204."""
        if self.body is None:
            self.body = b"" if self.document is None else orjson.dumps(self.document)
        return self.body


@dataclass(frozen=True, slots=True)
class Dropped:
    """No answer: the connection is dropped."""


@dataclass(frozen=True, slots=True)
class Halved:
    """The head and the first half of an answer, then the connection is dropped."""

    answer: Answer


Reply = Answer | Dropped | Halved


class Refusal(Exception):
    """The whole call is refused; `envelope` lacks only the correlation id."""

    def __init__(
        self, status: int, envelope: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(envelope.get("message", ""))
        self.status = status
        self.envelope = envelope
        self.headers = dict(headers or {})

    def answer(self, correlation_id: str) -> Answer:
        """As an answer, with the id that ties it to its header."""
        document = {**self.envelope, "correlationId": correlation_id}
        if (category := document.pop("category", None)) is not None:
            document["category"] = category
        return Answer(self.status, document, headers=self.headers)


def refusal(status: int, message: str, category: str | None = None, **more: Any) -> Refusal:
    """A whole-call refusal in HubSpot's envelope; `category` is left out where HubSpot does."""
    envelope = {"status": "error", "message": message, **more}
    if category is not None:
        envelope["category"] = category
    return Refusal(status, envelope)


def validation(message: str, **more: Any) -> Refusal:
    """400 VALIDATION_ERROR."""
    return refusal(400, message, "VALIDATION_ERROR", **more)


def bad_shape(message: str) -> Refusal:
    """400 for JSON of the wrong shape: HubSpot's has no category."""
    return refusal(400, f"Invalid input JSON on line 1, column 1: {message}")


def not_found() -> Refusal:
    """404 of a single record: no category."""
    return refusal(404, "resource not found")
