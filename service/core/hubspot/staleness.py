"""What a replayed event may still write: nothing that is older than what the order holds.

Law: a value goes out only where the property's history has nothing newer than the event's `time`, or where
the newest entry is that very value (it was written by an earlier try of the same event, or says the same).
An order that was archived after the event's time is not brought back by it; one that was written after
an archive's time is not archived by it. Times are compared as they are: the event's is the producer's
clock, the history's is HubSpot's, so a write that was late counts as newer. That errs towards keeping what
is there; `--force` is for who knows better.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from service.core.events.events import Contribution
from service.core.events.order_event import Operation
from service.core.hubspot import lookups
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.lookups import Found, Missing
from service.core.hubspot.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Holding:
    """What HubSpot holds for one key. Times are aware, in UTC."""

    record_id: str
    # The record's last change, None where the answer does not say.
    updated: datetime | None = None
    archived: datetime | None = None
    # Property -> since when, and what.
    newest: Mapping[str, tuple[datetime, str]] | None = None
    made: datetime | None = None
    # Every value that a property has had, as far as its history goes.
    had: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False)


def holdings(
    call: BatchCall, reply: BatchReply | NoReply
) -> tuple[Holding | Missing | Verdict, ...]:
    """What a batch/read says of every key: its record with histories, that there is none, or a failure."""
    known = lookups.read_keys(call, reply)
    records: dict[int, Holding] = {}
    for result in reply.results if isinstance(reply, BatchReply) else ():
        if (at := call.index.result(result)) is not None:
            records[at] = _holding(result)
    return tuple(records[at] if isinstance(k, Found) else k for at, k in enumerate(known))


def left_out(contribution: Contribution, holding: Holding) -> tuple[str, ...]:
    """The event's properties that HubSpot holds something newer for."""
    return older(contribution, contribution.values, holding)


def moot(contribution: Contribution, holding: Holding | Missing) -> bool:
    """Whether nothing is left of an event to be written: HubSpot holds its every value, or newer ones.

    What an event says of lines, links and a stage is not looked up: such an event is never moot.
    """
    if contribution.graph is not None:
        return False
    if contribution.operation is Operation.ARCHIVE:
        if isinstance(holding, Missing):
            return True
        return holding.archived is not None or written_since(contribution, holding)
    if isinstance(holding, Missing) or holding.archived is not None or not contribution.values:
        return False
    then, newest = moment(contribution.event.time), holding.newest or {}
    return all(
        name in newest and (newest[name][1] == value or newest[name][0] > then)
        for name, value in contribution.values.items()
    )


def older(
    contribution: Contribution, values: Mapping[str, str], holding: Holding
) -> tuple[str, ...]:
    """The names of values that the record holds something newer, and other, for."""
    then, newest = moment(contribution.event.time), holding.newest or {}
    return tuple(
        name
        for name, value in values.items()
        if name in newest and newest[name][0] > then and newest[name][1] != value
    )


def made_or_written_since(contribution: Contribution, holding: Holding) -> bool:
    """Whether the record was made, changed or archived after the event."""
    made = holding.made is not None and holding.made > moment(contribution.event.time)
    return made or written_since(contribution, holding)


def written_since(contribution: Contribution, holding: Holding) -> bool:
    """Whether the order was changed, or archived, after the event."""
    then = moment(contribution.event.time)
    last = max((at for at in (holding.updated, holding.archived) if at is not None), default=None)
    return last is not None and last > then


def moment(text: str) -> datetime:
    """An RFC 3339 time, to the microsecond; aware, in its own offset (the year 1 has no UTC of +01:00)."""
    return datetime.fromisoformat(text.upper())  # which knows no small z


def _holding(result: Mapping[str, Any]) -> Holding:
    return Holding(
        record_id=str(result["id"]),
        updated=_time(result.get("updatedAt")),
        archived=_time(result.get("archivedAt")),
        newest=dict(_newest(result.get("propertiesWithHistory"))),
        made=_time(result.get("createdAt")),
        had=dict(_had(result.get("propertiesWithHistory"))),
    )


def _had(histories: Any) -> Iterator[tuple[str, frozenset[str]]]:
    for name, entries in histories.items() if isinstance(histories, dict) else ():
        listed = entries if isinstance(entries, list) else ()
        values = (str(each.get("value") or "") for each in listed if isinstance(each, dict))
        yield name, frozenset(values)


def _newest(histories: Any) -> Iterator[tuple[str, tuple[datetime, str]]]:
    """The newest entry of each; by its time, not by its place in the list."""
    for name, entries in histories.items() if isinstance(histories, dict) else ():
        dated = [
            (at, str(entry.get("value") or ""))
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict) and (at := _time(entry.get("timestamp"))) is not None
        ]
        if dated:
            yield name, max(dated, key=lambda entry: entry[0])


def _time(value: Any) -> datetime | None:
    """HubSpot writes its times as text; a number would be milliseconds since 1970."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):  # no time, or none that a calendar has
        return None
    return read if read is None or read.tzinfo else read.replace(tzinfo=UTC)
