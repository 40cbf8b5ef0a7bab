"""The filters of the `dlq` commands, written once: the parameters of `sieve`. `sieved` gives them to a command."""

import inspect
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from service.core.letters.sieve import Sieve

_AGO: Final = re.compile(r"(?P<number>[0-9]{1,5})(?P<unit>[smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many letters.")]
QueueName = Annotated[
    str | None,
    typer.Option("--queue", help="Another queue of dead letters, such as the parked ones."),
]
_Several = list[str] | None


def sieve(
    *,
    reason: Annotated[_Several, typer.Option(help="Reason code; may be repeated.")] = None,
    category: Annotated[_Several, typer.Option(help="HubSpot's category.")] = None,
    order: Annotated[_Several, typer.Option(help="The order's key.")] = None,
    source: Annotated[_Several, typer.Option(help="The event's source.")] = None,
    ids: Annotated[_Several, typer.Option("--id", help="Event id or message id.")] = None,
    fingerprint: Annotated[
        _Several, typer.Option(help="Of a cause, as `dlq stats` shows it.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Failed at or after: 2h, 30m, 1d, or a time.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Failed before: as --since.")] = None,
    text: Annotated[str | None, typer.Option(help="In the sentence or the body.")] = None,
    replays: Annotated[
        int | None, typer.Option(min=0, help="Replayed exactly so many times.")
    ] = None,
) -> "Sieve":
    """What the options mean.

    Raises:
        typer.BadParameter: a reason or a time that is none.
    """
    from service.core.letters.sieve import Sieve

    return Sieve(
        ids=tuple(ids or ()),
        reasons=tuple(map(_reason, reason or ())),
        categories=tuple(category or ()),
        orders=tuple(order or ()),
        sources=tuple(source or ()),
        fingerprints=tuple(fingerprint or ()),
        since=moment_of(since, "--since"),
        until=moment_of(until, "--until"),
        text=text,
        replays=replays,
    )


def sieved(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the filters as its last options; what they mean comes to it as `wanted`.

    Typer reads options from a signature: this one is the command's own and that of `sieve`.
    """
    filters = inspect.signature(sieve).parameters
    own = (p for p in inspect.signature(command).parameters.values() if p.name != "wanted")
    options = [*own, *filters.values()]

    @wraps(command)
    def run(**given: Any) -> None:
        wanted = sieve(**{name: given.pop(name) for name in filters})
        command(**given, wanted=wanted)

    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def _reason(given: str) -> str:
    from service.core.letters.sieve import SieveError, known_reason

    try:
        return known_reason(given)
    except SieveError as error:
        raise typer.BadParameter(str(error), param_hint="--reason") from None


def moment_of(given: str | None, option: str) -> datetime | None:
    """A time, or an age, as somebody types it; None where nothing is.

    Raises:
        typer.BadParameter: neither.
    """
    from service.clock import stamp
    from service.core.letters.failure import moment

    if given is None:
        return None
    if ago := _AGO.fullmatch(given):
        return stamp() - timedelta(**{_UNITS[ago["unit"]]: int(ago["number"])})
    if (at := moment(given)) is None:
        raise typer.BadParameter(
            f"{given!r} is neither an age (30s, 15m, 2h, 1d, 1w) nor a time (2026-11-22, "
            "2026-11-22T10:00Z; UTC where it says no offset)",
            param_hint=option,
        )
    return at
