"""Fault scripts as text: JSON (a list of objects) and the command line's short form."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from service.twin.faults import FaultRule

_NAMES = {each.name for each in fields(FaultRule)}
_LISTS = {"operation": str, "nth": int}
_NUMBERS = {
    "every": int,
    "rate": float,
    "times": int,
    "since": float,
    "until": float,
    "status": int,
    "retry_after": int,
    "seconds": float,
}


def read_script(document: Any) -> tuple[FaultRule, ...]:
    """A script from its JSON: a list of rules, or an object with such a list under `faults`.

    Raises `ValueError` with a sentence that names the rule at fault.
    """
    listed = document.get("faults") if isinstance(document, dict) else document
    if not isinstance(listed, list):
        raise ValueError("a fault script is a JSON list of rules")  # noqa: TRY004
    return tuple(_rule(number, each) for number, each in enumerate(listed, 1))


def _rule(number: int, given: Any) -> FaultRule:
    if not isinstance(given, Mapping) or "fault" not in given:
        raise ValueError(f"rule {number}: an object with the key `fault` is needed")
    if unknown := given.keys() - _NAMES:
        raise ValueError(f"rule {number}: unknown {', '.join(sorted(unknown))}")
    try:
        return _made(dict(given))
    except (TypeError, ValueError) as error:
        raise ValueError(f"rule {number}: {error}") from None


def _made(given: dict[str, Any]) -> FaultRule:
    fault = str(given.pop("fault"))
    if fault.isdecimal():
        given = {"status": int(fault), **given}
        fault = "answer"
    for name, convert in _NUMBERS.items():
        if name in given:
            given[name] = convert(given[name])
    for name, convert in _LISTS.items():
        if name in given:
            listed = given[name] if isinstance(given[name], list | tuple) else [given[name]]
            given[name] = tuple(convert(each) for each in listed)
    return FaultRule(fault=fault, **given)


def parse_fault(text: str) -> FaultRule:
    """The short form: a fault (or a status code), then `name=value` words.

    `"503 rate=0.02 body=html"`, `"vanish where=hs_order_name:VANISH*"`, `"hang nth=3,7 seconds=5"`.
    Values are JSON where they read as such; `operation` and `nth` are comma-separated; `where` may
    be repeated. Raises `ValueError` with a sentence.
    """
    if not text.split():
        raise ValueError("a fault is missing: write WHAT name=value …")
    fault, *words = text.split()
    given: dict[str, Any] = {"fault": fault}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in _NAMES:
            raise ValueError(f"{word!r} in {text!r}: write name=value, name one of {_listed()}")
        if name == "where":
            prop, _, glob = value.partition(":")
            given.setdefault("where", {})[prop] = glob
        elif name in _LISTS:
            given[name] = value.split(",")
        else:
            given[name] = json.loads(value) if value in ("true", "false") else value
    return _rule(1, given)


def _listed() -> str:
    return ", ".join(sorted(_NAMES - {"fault"}))
