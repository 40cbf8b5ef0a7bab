"""What is said, and how: JSON lines from one chain, the libraries' own logs joined in.

No secret passes: names that hold one, bearer headers, passwords in URLs and HubSpot tokens are
blotted out of every field and every traceback, and tracebacks never show local variables (a
client's locals are its headers). Redaction comes last before rendering, so nothing gets around
it.
"""

import logging
import re
import sys
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from service.core.visible import visible, visible_json
from service.settings.sections import Log

BLOT: Final = "[redacted]"
_CHATTY: Final = ("httpx", "httpcore", "aiormq", "aio_pika", "uvicorn", "asyncio")
_SECRET_NAME: Final = re.compile(
    r"authorization|password|passwd|secret|token|cookie|api[-_]?key", re.IGNORECASE
)
_SECRET: Final = re.compile(
    r"(?P<before>\w+://[^\s/:@]*:"  # user:password@ of a URL
    r"|\bbearer\s+"
    r"|\b(?:access_token|refresh_token|client_secret|password)[\"']?\s*[=:]\s*[\"']?"
    # HubSpot's private app tokens.
    r"|\bpat-[a-z]{2,3}\d-)"
    r"(?P<secret>(?<=:)[^\s/@]+(?=@)|(?<!/)[^\s\"'&,;}@/]{4,})",
    re.IGNORECASE,
)
# Objects within objects that a line shows; what is below is text.
_DEEPEST: Final = 20
# Whatever the two expressions match holds one of these, in lower case.
_MARKS: Final = tuple(
    b"://|bearer|authorization|passw|secret|token|cookie|api_key|api-key|apikey|pat-".split(b"|")
)


def configure(log: Log, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging, for the whole process.

    `stream`: stdout (the default) for `run`, stderr for commands whose stdout is data.
    """
    out = sys.stdout if stream is None else stream
    as_json = (log.format or ("console" if out.isatty() else "json")) == "json"
    level = logging.getLevelNamesMapping()[log.level.upper()]
    rendered = _as_json() if as_json else _for_people(colors=out.isatty())
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_DESCRIBED, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(out.buffer)
        if as_json
        else structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    _join_standard_library(out, level, rendered)


def for_command(log: Log) -> None:
    """For the commands whose stdout is data: warnings, on stderr."""
    quiet = (
        log if log.level in {"warning", "error"} else log.model_copy(update={"level": "warning"})
    )
    configure(quiet, sys.stderr)
    # The command tells what went wrong.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The processor that lets no secret through."""
    del logger, method
    return {name: _blotted(name, value) for name, value in event.items()}


_DESCRIBED: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def _as_json() -> tuple[Processor, ...]:
    return (
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        _json_line,
    )


def _for_people(*, colors: bool) -> tuple[Processor, ...]:
    return (
        structlog.processors.format_exc_info,
        redact,
        _seen,
        structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        ),
    )


def _seen(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A message of somebody else's does not move the cursor of whoever reads; tracebacks keep their lines."""
    del logger, method
    return {n: _lines(value) if isinstance(value, str) else value for n, value in event.items()}


def _lines(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def _join_standard_library(out: TextIO, level: int, rendered: tuple[Processor, ...]) -> None:
    """The libraries' records through the same chain; what they chat about is left out."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_DESCRIBED],
            processors=[ProcessorFormatter.remove_processors_meta, *rendered, _as_text],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _blotted(name: str, value: Any) -> Any:
    match value:
        case str() | bytes() if _SECRET_NAME.search(name):
            return BLOT
        case str() | bytes() | BaseException():
            text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
            return _SECRET.sub(rf"\g<before>{BLOT}", text)
        case dict():
            return {key: _blotted(str(key), inner) for key, inner in value.items()}
        case list() | tuple():
            return [_blotted(name, inner) for inner in value]
        case _:
            return value


def _json_line(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    """One serialiser for every line, so that what is searched for is written the same way in each.

    Nearly every line is innocent, which costs one look at it; others are taken apart again.
    """
    try:
        line = _packed(event)
    except orjson.JSONEncodeError:  # an integer above 64 bits, half a surrogate pair
        line = _packed(_plain(event))
    low = line.lower()
    if any(mark in low for mark in _MARKS):
        return _packed(redact(logger, method, orjson.loads(line)))
    return line


def _packed(event: Any) -> bytes:
    line = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
    return line if line.isascii() else visible_json(line.decode()).encode()


def _plain(value: Any, depth: int = 0) -> Any:
    """What JSON can hold of any value."""
    match value:
        case bool() | float() | None:
            return value
        case int() if -(2**63) <= value < 2**64:
            return value
        case dict() if depth < _DEEPEST:
            return {_plain(str(key)): _plain(inner, depth + 1) for key, inner in value.items()}
        case list() | tuple() if depth < _DEEPEST:
            return [_plain(inner, depth + 1) for inner in value]
        case _:
            return str(value).encode("utf-8", "backslashreplace").decode()


def _as_text(logger: WrappedLogger, method: str, line: Any) -> Any:
    """The formatter of the standard library wants text."""
    del logger, method
    return line.decode() if isinstance(line, bytes) else line
