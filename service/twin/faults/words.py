"""Rules as text: the command line's short form, JSON scripts, and what help and page say of them."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from inspect import cleandoc
from textwrap import fill
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from service.twin.faults.faults import BY_WORD, CALL_FAULTS, RECORD_FAULTS, Answered, Fault, Rule
from service.twin.faults.when import When

_WHEN = {each.name for each in fields(When)}
Made = TypeVar("Made")


def parse_fault(text: str) -> Rule:
    """The short form: a fault (or a status code), then `name=value` words.

    `"503 rate=0.02 body=html"`, `"vanish where=hs_order_name:VANISH*"`, `"hang nth=3,7 seconds=5"`.
    Lists are comma-separated; `where` may be repeated. Raises `ValueError` with a sentence.
    """
    if not text.split():
        raise ValueError("a fault is missing: write WHAT name=value …")
    fault, *words = text.split()
    given: dict[str, Any] = {"fault": fault}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} in {text!r}: write name=value")
        if name == "where":
            prop, _, glob = value.partition(":")
            given.setdefault("where", {})[prop] = glob
        else:
            given[name] = value
    return _rule(given, repr(text))


def read_script(document: Any) -> tuple[Rule, ...]:
    """A script from its JSON: a list of rules, or an object with such a list under `faults`.

    Raises `ValueError` with a sentence that names the rule at fault.
    """
    listed = document.get("faults") if isinstance(document, dict) else document
    if not isinstance(listed, list):
        raise ValueError("a fault script is a JSON list of rules")  # noqa: TRY004
    return tuple(_rule(each, f"rule {number}") for number, each in enumerate(listed, 1))


def _rule(given: Any, where: str) -> Rule:
    if not isinstance(given, Mapping) or "fault" not in given:
        raise ValueError(f"{where}: an object with the key `fault` is needed")
    words = dict(given)
    kind = _kind(str(words.pop("fault")), words, where)
    hows = {each.name for each in fields(kind)}
    if unknown := sorted(words.keys() - hows - _WHEN):
        known = ", ".join([*sorted(hows), *sorted(_WHEN)])
        raise ValueError(f"{where}: {kind.word} knows no {', '.join(unknown)}; it knows {known}")
    try:
        return Rule(_made(kind, words), _made(When, words))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _kind(word: str, words: dict[str, Any], where: str) -> type[Fault]:
    if word.isascii() and word.isdecimal():
        words.setdefault("status", word)
        return Answered
    if kind := BY_WORD.get(word):
        return kind
    known = ", ".join(sorted(BY_WORD))
    raise ValueError(f"{where}: unknown fault {word!r}: use a status code or one of {known}")


def _made(kind: type[Made], words: Mapping[str, Any]) -> Made:
    hints = get_type_hints(kind)
    names = [name for name in hints if name in words]
    return kind(**{name: converted(name, words[name], hints[name]) for name in names})


def converted(name: str, given: Any, hint: Any) -> Any:
    """A value as its field's type asks for; lists may be comma-separated text.

    Raises `ValueError` with a sentence.
    """
    choices = get_args(hint)
    match get_origin(hint) or hint:
        case origin if origin is Literal:
            if given not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}, not {given!r}")
            return given
        case origin if origin is UnionType:
            return converted(name, given, choices[0])
        case origin if origin is tuple:
            listed = given if isinstance(given, list | tuple) else str(given).split(",")
            return tuple(converted(name, each, choices[0]) for each in listed if each != "")
        case origin if origin is bool:
            return _truth(name, given)
        case origin if origin in (int, float, str):
            return hint(given)
        case _:
            return dict(given)


def _truth(name: str, given: Any) -> bool:
    if given in (True, False):
        return bool(given)
    if given not in ("true", "false"):
        raise ValueError(f"{name} is true or false, not {given!r}")
    return bool(given == "true")


def _hows(kind: type[Fault]) -> str:
    """The words that a fault knows, with their defaults."""
    return " ".join(f"{each.name}={_default(each.default)}" for each in fields(kind))


def _default(value: Any) -> str:
    match value:
        case None | "":
            return "…"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _told(kind: type[Fault]) -> str:
    return " ".join(cleandoc(kind.__doc__ or "").split())


def help_text(width: int = 76) -> str:
    """The faults and conditions for a terminal, at most `width` columns wide."""
    return "\n".join(_help_lines(width))


def _help_lines(width: int) -> Iterator[str]:
    for title, kinds in (("A call:", CALL_FAULTS), ("A record of a batch:", RECORD_FAULTS)):
        yield title
        for kind in kinds:
            head = f"  {kind.word:<13} "
            told = f"{_told(kind)} {_hows(kind)}".strip()
            yield fill(told, width, initial_indent=head, subsequent_indent=" " * 16)
    yield "When, joined by and:"
    for name, told in _conditions():
        yield fill(told, width, initial_indent=f"  {name:<13} ", subsequent_indent=" " * 16)


def _conditions() -> Iterator[tuple[str, str]]:
    """The conditions and their explanations, from the docstring of `When`."""
    name, told = "", ""
    for line in cleandoc(When.__doc__ or "").splitlines()[2:]:
        if not line.startswith(" "):
            if name:
                yield name, told
            name, _, told = line.partition(": ")
        else:
            told += " " + line.strip()
    yield name, told


def page_tables() -> str:
    """The faults and conditions as the page's Markdown tables."""
    rows = ["| fault | | with |", "|---|---|---|"]
    rows += [
        f"| `{kind.word}` | {_told(kind)} | {_coded(_hows(kind))} |"
        for kind in (*CALL_FAULTS, *RECORD_FAULTS)
    ]
    rows += ["", "| when | |", "|---|---|"]
    rows += [
        f"| {', '.join(f'`{each}`' for each in name.split(', '))} | {told} |"
        for name, told in _conditions()
    ]
    return "\n".join(rows)


def _coded(words: str) -> str:
    return " ".join(f"`{word}`" for word in words.split())
