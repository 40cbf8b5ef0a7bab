"""Which record of a call an answer means: by trace id, by key, by record id; never by position.

HubSpot's order of results is its own, and it may have normalised a key before it gives it back.
"""

from collections.abc import Mapping
from typing import Any

from service.core.events.order_event import RECORD_ID
from service.core.hubspot.answers import Problem, name_of
from service.core.hubspot.calls import BatchCall


class Index:
    """Where in a call a record stands, by all that an answer may name it by."""

    def __init__(self, call: BatchCall) -> None:
        self._id_property, self._endpoint = call.id_property, call.endpoint
        self._by_trace = {i.trace: at for at, i in enumerate(call.inputs) if i.trace}
        self._by_id = {i.id: at for at, i in enumerate(call.inputs)}
        self._inputs = call.inputs
        self._by_folded: dict[str, int | None] | None = None

    def named(self, said: Problem) -> list[int]:
        """Every input that an error names; one entry may name many."""
        if said.traces:
            return [self._by_trace[t] for t in said.traces if t in self._by_trace]
        return [at for at in (self._key(i) for i in said.ids) if at is not None]

    def result(self, result: Mapping[str, Any]) -> int | None:
        """The input that a result answers; None for a stranger or a result without an id."""
        record_id = name_of(result.get("id"))
        if record_id is None:
            return None
        # Any JSON: what is no text is no trace.
        trace = result.get("objectWriteTraceId")
        if isinstance(trace, str) and (at := self._by_trace.get(trace)) is not None:
            return at
        if self._id_property == RECORD_ID or self._endpoint == "archive":
            return self._by_id.get(record_id)
        properties = result.get("properties")
        key = name_of(properties.get(self._id_property)) if isinstance(properties, dict) else None
        return None if key is None else self._key(key)

    def _key(self, key: str) -> int | None:
        at = self._by_id.get(key)
        return at if at is not None else self._folded().get(_fold(key))

    def _folded(self) -> Mapping[str, int | None]:
        """Keys as HubSpot may have normalised them; those that fold to one value identify nobody."""
        if self._by_folded is None:
            self._by_folded = {}
            for at, sent in enumerate(self._inputs):
                folded = _fold(sent.id)
                self._by_folded[folded] = None if folded in self._by_folded else at
        return self._by_folded


def _fold(key: str) -> str:
    return key.strip().casefold()
