"""A HubSpot for the core's tests: answers calls from `model.Orders`, in the documented shapes, with faults.

A function of bytes and chance: no sockets, no time. It reads what is on the wire (the body) and never the
call's own idea of it. Shapes are those of the batch endpoints of CRM objects; the words are our own where
HubSpot's words do not matter to a reader.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from tests.core.model import BAD, UNKNOWN, Orders, refusable

Answer = BatchReply | NoReply


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong: chances in [0, 1]."""

    throttle: float = 0.0
    server: float = 0.0  # 5xx: gateways' HTML, empty, JSON; half of them after the write was done
    silence: float = 0.0  # no reply; a third unsent, a third written, a third not
    locked: float = 0.0
    halted: float = 0.0  # 401, 403, 477
    vanish: float = 0.0  # of a 2xx: an entry that is left out
    contextless: float = 0.0  # of an error entry: nothing that names the record
    whole: float = 0.5  # of a call with a bad record: refused whole, nothing written
    anonymous: float = 0.4  # of a whole refusal: 409 without a name
    named: float = 0.3  # of a whole refusal: by context.ids; otherwise by the message's array


CALM = Faults(whole=0.0)
ROUGH = Faults(
    throttle=0.08,
    server=0.06,
    silence=0.06,
    locked=0.02,
    halted=0.01,
    vanish=0.03,
    contextless=0.05,
)


@dataclass
class HubSpot:
    """Orders behind the batch endpoints."""

    chance: Random
    faults: Faults = CALM
    echo: bool = False  # whether results carry the trace id (unknown of the real one)
    fold: bool = False  # whether keys come back in lower case
    orders: Orders = field(default_factory=Orders)
    records: dict[str, str] = field(default_factory=dict)  # key -> record id
    calls: list[str] = field(default_factory=list)
    faulty: int = 0  # answers that were faults of the call, not of a record

    def answer(self, call: BatchCall) -> Answer:
        """What comes back for one call."""
        self.calls.append(call.endpoint)
        inputs = orjson.loads(call.body)
        for likelihood, fault in self._fates():
            if self.chance.random() < likelihood:
                self.faulty += 1
                return fault(call.endpoint, inputs)
        return self._serve(call.endpoint, inputs)

    def _fates(self) -> Sequence[tuple[float, Callable[[str, Any], Answer]]]:
        f = self.faults
        return (
            (f.throttle, self._throttled),
            (f.server, self._broken),
            (f.silence, self._silent),
            (f.locked, lambda *_: problem(423, "The object is locked", None)),
            (f.halted, self._halted),
        )

    def _throttled(self, *_: Any) -> Answer:
        words = {"message": "You have reached your ten_secondly_rolling limit."}
        shape = self.chance.choice(
            [
                {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"},
                {"category": "RATE_LIMITS"},
                {"errorType": "RATE_LIMIT"},
            ]
        )
        return reply(429, words | shape)

    def _broken(self, endpoint: str, inputs: Any) -> Answer:
        if self.chance.random() < 0.5:
            self._serve(endpoint, inputs)
        body = self.chance.choice([b"", b"<html>Bad gateway</html>", b'{"message":"internal"}'])
        return BatchReply(self.chance.choice([500, 502, 503, 504, 521, 523, 524]), {}, body)

    def _silent(self, endpoint: str, inputs: Any) -> Answer:
        match self.chance.randrange(3):
            case 0:
                return NoReply("connection refused", sent=False)
            case 1:
                self._serve(endpoint, inputs)
        return NoReply("timed out", sent=True)

    def _halted(self, *_: Any) -> Answer:
        return self.chance.choice(
            [
                problem(401, "no such token", "INVALID_AUTHENTICATION"),
                problem(403, "scope missing", "MISSING_SCOPES"),
                BatchReply(477, {"retry-after": "3"}, b""),
            ]
        )

    def _serve(self, endpoint: str, document: Mapping[str, Any]) -> Answer:
        inputs = document["inputs"]
        ids = [i["id"] for i in inputs]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            said = f"Duplicate IDs found in batch input: {twice}. IDs must be unique"
            return problem(400, said, "VALIDATION_ERROR", context={"ids": twice})
        match endpoint:
            case "archive":
                return self._archive(ids)
            case "read":
                return self._read(document)
            case _:
                return self._write(endpoint, inputs)

    def _archive(self, ids: Sequence[str]) -> Answer:
        by_record = {record: key for key, record in self.records.items()}
        for record in ids:
            key = by_record.get(record)
            if key is not None:
                self.orders.apply("archive", key, {})
                del self.records[key]
        return BatchReply(204, {}, b"")

    def _read(self, document: Mapping[str, Any]) -> Answer:
        name = document["idProperty"]
        keys = [i["id"] for i in document["inputs"]]
        found = [self._result(k, {name: k}) for k in keys if k in self.records]
        missing = [k for k in keys if k not in self.records]
        errors = [_entry("OBJECT_NOT_FOUND", "Could not get some", ids=missing)] if missing else []
        return self._mixed(found, errors)

    def _write(self, endpoint: str, inputs: Sequence[dict[str, Any]]) -> Answer:
        bad = [i for i in inputs if refusable(i["properties"])]
        if bad and self.chance.random() < self.faults.whole:
            return self._refusal(bad)
        results, errors, missing = [], [], []
        for i in inputs:
            key, values, trace = i["id"], i["properties"], i["objectWriteTraceId"]
            new = key not in self.records
            if self.orders.apply(endpoint, key, values):
                self.records.setdefault(key, str(len(self.calls) * 1000 + len(results)))
                result = self._result(key, values)
                if endpoint == "upsert":
                    result["new"] = new
                if self.echo:
                    result["objectWriteTraceId"] = trace
                results.append(result)
            elif refusable(values):
                words = "Property values were not valid: " + orjson.dumps(_array([i])).decode()
                errors.append(_entry("VALIDATION_ERROR", words, objectWriteTraceId=[trace]))
            else:
                missing.append(key)
        if missing:
            errors.append(_entry("OBJECT_NOT_FOUND", "Could not get some", ids=missing))
        return self._mixed(results, errors)

    def _result(self, key: str, values: Mapping[str, str]) -> dict[str, Any]:
        values = {n: v.lower() if v == key and self.fold else v for n, v in values.items()}
        return {"id": self.records[key], "properties": values, "archived": False}

    def _mixed(self, results: list[dict[str, Any]], errors: list[dict[str, Any]]) -> Answer:
        f = self.faults
        self.chance.shuffle(results)
        results = [r for r in results if self.chance.random() >= f.vanish]
        for error in errors:
            if self.chance.random() < f.contextless:
                del error["context"]
        kept = [e for e in errors if self.chance.random() >= f.vanish]
        body: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if kept:
            body |= {"errors": kept, "numErrors": len(kept)}
        return reply(207 if kept else 200, body)

    def _refusal(self, bad: Sequence[dict[str, Any]]) -> Answer:
        how = self.chance.random()
        if how < self.faults.anonymous:
            return problem(409, "Order already exists", "CONFLICT")
        if how < self.faults.anonymous + self.faults.named:
            context = {"ids": [i["id"] for i in bad]}
            return problem(400, "some are invalid", "VALIDATION_ERROR", context=context)
        array = _array(bad)
        nested = [
            {"message": a["message"], "code": a["error"], "context": {"propertyName": [a["name"]]}}
            for a in array[:3]  # shorter than the array in one recording
        ]
        words = "Property values were not valid: " + orjson.dumps(array).decode()
        return problem(400, words, "VALIDATION_ERROR", errors=nested)


def reply(status: int, body: Any, **headers: str) -> BatchReply:
    """An answer with a JSON body."""
    return BatchReply(status, headers, orjson.dumps(body))


def problem(status: int, message: str, category: str | None, **more: Any) -> BatchReply:
    """A refusal in HubSpot's envelope."""
    body = {"status": "error", "message": message, "correlationId": "c-1"} | more
    return reply(status, body if category is None else body | {"category": category})


def _entry(category: str, message: str, **context: Any) -> dict[str, Any]:
    return {"status": "error", "category": category, "message": message, "context": context}


def _array(bad: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The faults as HubSpot puts them into a message: one a record and property, no record named."""
    return [
        {
            "isValid": False,
            "message": f'Property "{name}" does not exist'
            if name == UNKNOWN
            else f"{value} was not a valid long.",
            "error": "PROPERTY_DOESNT_EXIST" if name == UNKNOWN else "INVALID_LONG",
            "name": name,
        }
        for i in bad
        for name, value in i["properties"].items()
        if name == UNKNOWN or value.startswith(BAD)
    ]
