"""Errors that a user can mend -> what to tell, and the exit code. All others are bugs: None.

Imported when something went wrong, not before.
"""

import errno
from collections.abc import Iterator
from typing import Final, NamedTuple

from service.broker import NoBroker
from service.cli.exits import Exit
from service.contract.filed import FileError
from service.contract.publish import NotPublishedError
from service.dead_letters.approving import PlanError
from service.dead_letters.looker import DeadLettersError, LockedOutError
from service.dead_letters.moving import ExportError
from service.dead_letters.sender import NotSentError
from service.hubspot.enquirer import NotLetInError, NotReachedError, TurnedDownError
from service.orders.sending import NoOutcomeError
from service.rabbitmq.errors import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelClosed,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from service.rabbitmq.topology import NotPermittedError, TopologyError
from service.reconcile.shelf import ShelfError
from service.settings.misconfiguration import ConfigurationError
from service.setup.account import SetupError
from service.watch.probes import ProbesError


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
    if isinstance(error, ConfigurationError):
        return Refusal(error.lines, Exit.CONFIGURATION)
    if isinstance(error, OSError) and error.errno in _FULL:
        return Refusal((f"what is printed cannot be written: {error.strerror}",), Exit.FAILED)
    for kinds, code, sentence, advice in _SENTENCES:
        if isinstance(error, kinds):
            said = sentence.format(str(error) or "it does not answer")
            return Refusal((said, advice) if advice else (said,), code)
    return None


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_CREDENTIALS: Final = "check user and password in ORDERSYNC_RABBITMQ__URL, percent-encoded"
_VHOST: Final = (
    "check the last part of ORDERSYNC_RABBITMQ__URL: there is no such virtual host, or the user has no "
    "permissions on it (rabbitmqctl list_vhosts, list_user_permissions)"
)
_PERMISSION: Final = (
    "give it the permission (rabbitmqctl set_permissions); deploy/rabbitmq/definitions.json has what "
    "each user needs"
)
_REACH: Final = "check ORDERSYNC_RABBITMQ__URL and the way there; `ordersync doctor` looks closer"

_LET_IN: Final = (
    "copy the private app's access token anew into ORDERSYNC_HUBSPOT__TOKEN or its file, and see its scopes; "
    "`ordersync doctor` and `ordersync setup` name them"
)
_HUBSPOT: Final = (
    "see that HTTPS to it is let out, and what ORDERSYNC_HUBSPOT__BASE_URL says; a 5xx is HubSpot's own: "
    "status.hubspot.com"
)

# The first that fits: a NotPermittedError is a TopologyError, too.
_SENTENCES: Final[tuple[tuple[tuple[type[BaseException], ...], Exit, str, str], ...]] = (
    ((NotPermittedError, LockedOutError), Exit.NOT_AUTHORISED, "{}", ""),
    (
        (
            TopologyError,
            NotPublishedError,
            FileError,
            ProbesError,
            DeadLettersError,
            PlanError,
            NotSentError,
            ExportError,
            SetupError,
            ShelfError,
        ),
        Exit.FAILED,
        "{}",
        "",
    ),
    (
        (AuthenticationError, ProbableAuthenticationError),
        Exit.NOT_AUTHORISED,
        "RabbitMQ does not let this user in: {}",
        _CREDENTIALS,
    ),
    ((NotLetInError,), Exit.NOT_AUTHORISED, "{}", _LET_IN),
    ((NotReachedError,), Exit.UNREACHABLE, "{}", _HUBSPOT),
    ((TurnedDownError,), Exit.FAILED, "HubSpot refused: {}", ""),
    ((NoBroker, NoOutcomeError), Exit.UNREACHABLE, "{}", ""),
    (
        (ChannelAccessRefused,),
        Exit.NOT_AUTHORISED,
        "RabbitMQ's user may not do that: {}",
        _PERMISSION,
    ),
    (
        (ChannelNotFoundEntity,),
        Exit.FAILED,
        "RabbitMQ does not have it: {}",
        "`ordersync topology show` lists the names, `ordersync topology apply` declares what is missing",
    ),
    (
        (ChannelClosed,),
        Exit.FAILED,
        "RabbitMQ refused: {}",
        "`ordersync doctor` compares what is there with what is wanted",
    ),
    # What the client makes of "vhost not found" and "access refused".
    (
        (InvalidFrameError,),
        Exit.NOT_AUTHORISED,
        "RabbitMQ let the user in, but not to the virtual host",
        _VHOST,
    ),
    # What the client says of a channel whose connection has gone.
    (
        (ChannelInvalidStateError,),
        Exit.UNREACHABLE,
        "the connection to RabbitMQ ended; what was not confirmed is where it was",
        "run the command again; " + _REACH,
    ),
    (
        (AMQPError, ConnectionError, TimeoutError),
        Exit.UNREACHABLE,
        "RabbitMQ cannot be reached: {}",
        _REACH,
    ),
)
