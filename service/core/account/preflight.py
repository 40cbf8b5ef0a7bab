"""What HubSpot would refuse of an event, said before anything is sent: by the account's own definitions.

Law: what is named here, HubSpot refuses; what is not named, it may refuse all the same (rules of the account, values
that another record holds, records that are not there). So a value is only judged where its type leaves no doubt, and
options only where the account lists them: those of stages and of other outside lists are kept elsewhere.

Sources: the forms of values in HubSpot's guide to properties; white space since its changelog of 2025-04-07; the words
of refused values in docs/hubspot.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Final

from service.core.account.definitions import Definition, Definitions
from service.core.events.events import Contribution
from service.core.events.graph import Stage
from service.core.events.malformed import Fault
from service.core.events.order_event import RECORD_ID, ArchiveEvent
from service.core.graph.pipelines import OrderPipeline, Unknown, resolve
from service.core.misspelt import did_you_mean
from service.core.waiting.claims import STAGE_PROPERTIES

# Options that a sentence lists.
LISTED: Final = 12
_DAY: Final = 86_400_000
_CALENDAR: Final = range(-62_135_596_800_000, 253_402_300_800_000)  # milliseconds since 1970


@dataclass(frozen=True, slots=True)
class AccountSchema:
    """What an account takes: properties of orders and of lines, and the pipelines of orders."""

    orders: Definitions
    lines: Definitions
    pipelines: Sequence[OrderPipeline] = ()


def refusals(event: Contribution, account: AccountSchema) -> Iterator[Fault]:
    """What HubSpot would refuse of it, each with its path in the event."""
    if (by := event.order.id_property) and by != RECORD_ID:
        yield from _identifying(by, account.orders)
    if isinstance(event.event, ArchiveEvent):
        return
    own = {name: value for name, value in event.values.items() if name != by}
    yield from _values("data.properties", "orders", own, account.orders)
    yield from _stage_ids(event.values, account.pipelines)
    if (graph := event.graph) is None:
        return
    if graph.stage is not None:
        yield from _stage(graph.stage, account.pipelines)
    for at, values in enumerate(graph.lines.items.values() if graph.lines else ()):
        path = f"data.line_items.items.{at}.properties"
        yield from _values(path, "line_items", values, account.lines)


def _identifying(name: str, definitions: Definitions) -> Iterator[Fault]:
    definition = definitions.get(name)
    if definition is None:
        yield Fault("data.id_property", f"orders have no property {name}")
    elif not definition.unique:
        yield Fault("data.id_property", f"{name} is not unique, so that it identifies no order")


def _values(
    path: str, object_type: str, values: Mapping[str, str], definitions: Definitions
) -> Iterator[Fault]:
    for name, value in values.items():
        definition = definitions.get(name)
        if definition is None:
            advice = did_you_mean(name, definitions)
            yield Fault(f"{path}.{name}", f"{object_type} have no property {name}{advice}")
        elif definition.read_only:
            yield Fault(f"{path}.{name}", f"{name} is read-only: HubSpot keeps it itself")
        elif value and (why := wrong(definition, value)) is not None:
            yield Fault(f"{path}.{name}", why)


def wrong(definition: Definition, value: str) -> str | None:
    """Why HubSpot refuses a value that is not empty; None = nothing is known against it."""
    judge = _JUDGES.get(definition.type)
    if judge is None:
        return None
    if value != value.strip():
        return f"{value!r} has white space around it, which only texts may have"
    return judge(definition, value)


def _number(_: Definition, value: str) -> str | None:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    return None if isfinite(number) and "_" not in value else f"{value} is no number"


def _truth(_: Definition, value: str) -> str | None:
    return None if value.lower() in {"true", "false"} else f"{value} is neither true nor false"


def _option(definition: Definition, value: str) -> str | None:
    if definition.external or not definition.options:
        return None
    known = {each.value for each in definition.options}
    chosen = [part for part in value.split(";") if part] if definition.several else [value]
    strange = next((part for part in chosen if part not in known), None)
    if strange is None:
        return None
    labelled = [o.value for o in definition.options if o.label.casefold() == strange.casefold()]
    if labelled:
        return f"{strange} is a label: its value is {labelled[0]}"
    more = "" if len(known) <= LISTED else f" and {len(known) - LISTED} more"
    listed = ", ".join(each.value for each in definition.options[:LISTED])
    return f"{strange} is no option of {definition.name}; there are {listed}{more}"


def _moment(_: Definition, value: str) -> str | None:
    return (
        None if milliseconds(value) is not None else f"{value} is no time, as 2026-11-22T10:00:00Z"
    )


def _date(_: Definition, value: str) -> str | None:
    stamp = milliseconds(value)
    if stamp is None:
        return f"{value} is no date, as 2026-11-22"
    return f"{value} is not midnight UTC, as a date must be" if stamp % _DAY else None


def milliseconds(value: str) -> int | None:
    """The moment that a value means, since 1970; None where it is none."""
    if value.removeprefix("-").isdecimal() and value.isascii():
        return int(value) if len(value) <= 16 and int(value) in _CALENDAR else None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


_JUDGES: Final[Mapping[str, Callable[[Definition, str], str | None]]] = {
    "number": _number,
    "bool": _truth,
    "enumeration": _option,
    "date": _date,
    "datetime": _moment,
}


def _stage(stage: Stage, pipelines: Sequence[OrderPipeline]) -> Iterator[Fault]:
    if pipelines and isinstance(found := resolve(stage, pipelines), Unknown):
        yield Fault("data.stage", found.message)


def _stage_ids(values: Mapping[str, str], pipelines: Sequence[OrderPipeline]) -> Iterator[Fault]:
    """`hs_pipeline_stage` takes an id of the pipeline that is named, or of any where none is."""
    named, stage = (values.get(name, "") for name in STAGE_PROPERTIES)
    if pipelines and named and named not in {each.name.id for each in pipelines}:
        there = ", ".join(f"{each.name.label} ({each.name.id})" for each in pipelines)
        yield Fault(
            f"data.properties.{STAGE_PROPERTIES[0]}",
            f"{named} is no pipeline's id; there are: {there}",
        )
        return
    within = [each for each in pipelines if named in {"", each.name.id}]
    if pipelines and stage and stage not in {s.id for each in within for s in each.stages}:
        yield Fault(
            f"data.properties.{STAGE_PROPERTIES[1]}",
            f"{stage} is no stage's id; a stage goes by its name as data.stage (`ordersync pipelines` lists them)",
        )
