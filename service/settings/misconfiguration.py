"""Pydantic's errors and stray variables -> one line a fault, for whoever has to mend it.

A line names the variable, says what is wrong, and repeats the value unless it is a secret.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

from service.core.misspelt import did_you_mean

PREFIX: Final = "ORDERSYNC_"
SECRETS_FOLDER: Final = "/var/run/secrets/ordersync"
# Says where they are: the one name without a section.
SECRETS_DIR: Final = f"{PREFIX}SECRETS_DIR"
# Kubernetes gives a pod the addresses of the namespace's Services, in variables named after them: a
# Service called "ordersync" must not keep ordersync from starting.
_SERVICE_LINK = re.compile(
    r"ORDERSYNC_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_LINKED_PORT = re.compile(r"(tcp|udp|sctp)://.*")


class ConfigurationError(Exception):
    """Wrong configuration; nothing was started. `lines` says what to mend, a line a fault."""

    def __init__(self, lines: Collection[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def variable(section: str, field: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{section}__{field}".upper()


def unknown_names(environ: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """A line for each variable that looks like ours and is no setting."""
    for name, value in sorted(environ.items()):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or _linked(upper, value):
            continue
        yield f"{name}: is not a setting{did_you_mean(upper, known, cutoff=0.8)}"


def _linked(name: str, value: str) -> bool:
    """Whether Kubernetes set it: `…_PORT=tcp://10.0.0.1:80` and its likes."""
    if _SERVICE_LINK.fullmatch(name):
        return True
    return name.endswith("_PORT") and _LINKED_PORT.fullmatch(value) is not None


def fault_line(error: ErrorDetails, *, secret: bool) -> str:
    """One fault: the variable (or file), what is wrong, the value where it may be seen."""
    section, field = (*(str(step) for step in error["loc"]), "", "")[:2]
    if error["type"] == "extra_forbidden":
        return f"{section}/{field}: is not a setting; remove the file from the secrets folder"
    shown = "" if secret or error["type"] in _SELF_EXPLAINING else f", not {_shown(error['input'])}"
    # A section's own check is named after the field it is about.
    field = field or error["type"]
    return f"{variable(section, field)}: {_sentence(error)}{shown}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _sentence(error: ErrorDetails) -> str:
    wording = _WORDINGS.get(error["type"])
    return wording(error.get("ctx", {})) if wording else error["msg"]


_SELF_EXPLAINING: Final = frozenset(
    {"missing", "auth", "distinct", "patience", "secret", "id_property"}
)
_WORDINGS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda _: "is required",
    "greater_than": lambda ctx: f"must be more than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']:g}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']:g}",
    "finite_number": lambda _: "must be a number",
    "int_parsing": lambda _: "must be a whole number",
    "float_parsing": lambda _: "must be a number",
    "bool_parsing": lambda _: "must be true or false",
    "literal_error": lambda ctx: f"must be {ctx['expected']}",
    "string_too_short": lambda _: "must not be empty",
    "string_too_long": lambda ctx: f"must have at most {ctx['max_length']} characters",
    "string_pattern_mismatch": lambda _: "must be v3 or a dated version as 2026-03",
    "too_short": lambda _: "must name at least one",
    "tuple_type": lambda _: "must be a JSON list of names",
}
