"""Errors that a user can mend -> what to tell, and the exit code. All others are bugs: None.

Imported when something went wrong, not before.
"""

from collections.abc import Iterator
from typing import NamedTuple

from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ProbableAuthenticationError,
)

from service.cli.exits import Exit
from service.event_files import FileError
from service.misconfiguration import ConfigurationError
from service.probes import ProbesError
from service.publish import NotPublishedError
from service.topology import NotPermittedError, TopologyError


class Refusal(NamedTuple):
    """What to print on stderr, and how to exit."""

    lines: tuple[str, ...]
    code: Exit


def explain(error: BaseException) -> Refusal | None:
    """The refusal behind an error, also one inside a task group's; None = a bug."""
    for leaf in _leaves(error):
        if (refusal := _explain(leaf)) is not None:
            return refusal
    return None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _explain(error: BaseException) -> Refusal | None:
    match error:
        case ConfigurationError(lines=lines):
            return Refusal(lines, Exit.CONFIGURATION)
        case NotPermittedError():
            return Refusal((str(error),), Exit.NOT_AUTHORISED)
        case TopologyError() | NotPublishedError() | FileError() | ProbesError():
            return Refusal((str(error),), Exit.FAILED)
        case AuthenticationError() | ProbableAuthenticationError():
            return Refusal((f"RabbitMQ does not let this user in: {error}",), Exit.NOT_AUTHORISED)
        case ChannelAccessRefused():
            return Refusal((f"RabbitMQ's user may not do that: {error}",), Exit.NOT_AUTHORISED)
        case AMQPError() | ConnectionError() | TimeoutError():
            said = str(error) or "it does not answer"
            return Refusal((f"RabbitMQ cannot be reached: {said}",), Exit.UNREACHABLE)
        case _:
            return None
