"""The filters of the `dlq` commands: the same options everywhere, read into a Sieve."""

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from service.core.sieve import Sieve

_AGO: Final = re.compile(r"(?P<number>[0-9]{1,5})(?P<unit>[smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Reason = Annotated[list[str] | None, typer.Option("--reason", help="Reason code; may be repeated.")]
Category = Annotated[list[str] | None, typer.Option("--category", help="HubSpot's category.")]
OrderKey = Annotated[list[str] | None, typer.Option("--order", help="The order's key.")]
Source = Annotated[list[str] | None, typer.Option("--source", help="The event's source.")]
EventId = Annotated[list[str] | None, typer.Option("--id", help="Event id or message id.")]
Fingerprint = Annotated[
    list[str] | None, typer.Option("--fingerprint", help="Of a cause, as `dlq stats` shows it.")
]
Since = Annotated[
    str | None, typer.Option("--since", help="Failed at or after: 2h, 30m, 1d, or a time.")
]
Until = Annotated[str | None, typer.Option("--until", help="Failed before: as --since.")]
Text = Annotated[str | None, typer.Option("--text", help="In the sentence or the body.")]
Replays = Annotated[
    int | None, typer.Option("--replays", min=0, help="Replayed exactly so many times.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many letters.")]
QueueName = Annotated[
    str | None,
    typer.Option("--queue", help="Another queue of dead letters, such as the parked ones."),
]


def sieve(  # noqa: PLR0913  (one a filter)
    *,
    reason: list[str] | None,
    category: list[str] | None,
    order: list[str] | None,
    source: list[str] | None,
    ids: list[str] | None,
    fingerprint: list[str] | None,
    since: str | None,
    until: str | None,
    text: str | None,
    replays: int | None,
) -> "Sieve":
    """What the options mean.

    Raises:
        typer.BadParameter: a time that is none.
    """
    from service.core.sieve import Sieve  # noqa: PLC0415

    return Sieve(
        ids=tuple(ids or ()),
        reasons=tuple(reason or ()),
        categories=tuple(category or ()),
        orders=tuple(order or ()),
        sources=tuple(source or ()),
        fingerprints=tuple(fingerprint or ()),
        since=_time(since, "--since"),
        until=_time(until, "--until"),
        text=text,
        replays=replays,
    )


def _time(given: str | None, option: str) -> datetime | None:
    from service.clock import stamp  # noqa: PLC0415
    from service.core.letters import moment  # noqa: PLC0415

    if given is None:
        return None
    ago = _AGO.fullmatch(given)
    try:
        at = (
            stamp() - timedelta(**{_UNITS[ago["unit"]]: int(ago["number"])})
            if ago
            else moment(given)
        )
    except OverflowError:  # 99999w
        at = None
    if at is None:
        raise typer.BadParameter(
            f"{given!r} is neither an age (30s, 15m, 2h, 1d, 1w) nor a time (2026-11-22, "
            "2026-11-22T10:00Z; UTC where it says no offset)",
            param_hint=option,
        )
    return at
