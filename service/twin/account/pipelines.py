"""Pipelines and their stages. Default ones have HubSpot's own ids, which unrelated accounts share.

A record's stage must be one of its pipeline's. Where none is named, the default pipeline is meant:
the one with the lowest display order.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from service.twin.account.kinds import Kind, Kinds

_CLOSED = frozenset(("Delivered", "Cancelled", "Closed won", "Closed lost", "Closed"))
# Type → pipeline's id and label → stages' ids and labels. Order and deal ids as recorded.
_DEFAULTS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "orders": (
        "14a2e10e-5471-408a-906e-c51f3b04369e",
        "Order Pipeline",
        {
            "4b27b500-f031-4927-9811-68a0b525cbae": "Open",
            "937ea84d-0a4f-4dcf-9028-3f9c2aafbf03": "Processed",
            "aa99e8d0-c1d5-4071-b915-d240bbb1aed9": "Shipped",
            "3725360f-519b-4b18-a593-494d60a29c9f": "Delivered",
            "3c85a297-e9ce-400b-b42e-9f16853d69d6": "Cancelled",
        },
    ),
    "deals": (
        "default",
        "Sales Pipeline",
        {
            "appointmentscheduled": "Appointment scheduled",
            "qualifiedtobuy": "Qualified to buy",
            "presentationscheduled": "Presentation scheduled",
            "decisionmakerboughtin": "Decision maker bought-in",
            "contractsent": "Contract sent",
            "closedwon": "Closed won",
            "closedlost": "Closed lost",
        },
    ),
    "tickets": ("0", "Support Pipeline", {"1": "New", "2": "Waiting", "4": "Closed"}),
}


@dataclass(slots=True)
class Stage:
    """One stage of a pipeline; an archived one takes no records and is not listed."""

    id: str
    label: str
    order: int
    archived: bool = False

    @property
    def closed(self) -> bool:
        """Whether an order in it is done, as HubSpot's metadata say."""
        return self.label in _CLOSED


@dataclass(slots=True)
class Pipeline:
    """One pipeline."""

    id: str
    label: str
    order: int = 0
    stages: dict[str, Stage] = field(default_factory=dict)

    def add(self, stage_id: str, label: str, order: int | None = None) -> Stage:
        """A further stage; the last one, unless `order` says otherwise."""
        made = Stage(stage_id, label, len(self.stages) if order is None else order)
        self.stages[stage_id] = made
        return made

    def open_stages(self) -> list[Stage]:
        """The stages that are listed, in order."""
        return sorted((s for s in self.stages.values() if not s.archived), key=lambda s: s.order)


class Pipelines:
    """The pipelines of one account, by object type."""

    def __init__(self, kinds: Kinds, more: Iterable[str] = ()) -> None:
        """The default ones, and `more`: `[kind.]Label:Stage|Stage`, their labels being their ids.

        Raises `ValueError` for a type without pipelines.
        """
        self.of: dict[str, dict[str, Pipeline]] = {}
        for kind in kinds.all:
            if kind.stages:
                self.of[kind.name] = {each.id: each for each in _defaults(kind)}
        for text in more:
            self._parse(kinds, text)

    def _parse(self, kinds: Kinds, text: str) -> None:
        name, _, stages = text.partition(":")
        kind_name, dot, label = name.partition(".")
        kind = kinds.named(kind_name) if dot else kinds.all[0]
        if kind is None or not kind.stages or not stages:
            raise ValueError(f"{text!r}: write [kind.]Label:Stage|Stage, of a kind with pipelines")
        pipeline = self.add(kind, label if dot else name, label if dot else name)
        for stage in stages.split("|"):
            pipeline.add(f"{pipeline.id}-{stage}".lower().replace(" ", "-"), stage)

    def add(self, kind: Kind, pipeline_id: str, label: str, order: int | None = None) -> Pipeline:
        """A further pipeline; the last one, unless `order` says otherwise."""
        listed = self.of.setdefault(kind.name, {})
        made = Pipeline(pipeline_id, label, len(listed) if order is None else order)
        listed[pipeline_id] = made
        return made

    def listed(self, kind: Kind) -> list[Pipeline]:
        """The pipelines of a type, in order."""
        return sorted(self.of.get(kind.name, {}).values(), key=lambda pipeline: pipeline.order)

    def assumed(self, kind: Kind, clean: Mapping[str, str]) -> dict[str, str]:
        """The default pipeline, where values name a stage alone."""
        if kind.stages is None or not clean.get(kind.stages[1]) or kind.stages[0] in clean:
            return {}
        return {kind.stages[0]: listed[0].id} if (listed := self.listed(kind)) else {}

    def refused(self, kind: Kind, clean: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Property and message for a pipeline or stage in judged values that does not exist."""
        if kind.stages is None or clean.keys().isdisjoint(kind.stages):
            return
        in_pipeline, in_stage = kind.stages
        listed = self.listed(kind)
        named = clean.get(in_pipeline) or (listed[0].id if listed else "")
        pipeline = self.of.get(kind.name, {}).get(named)
        if pipeline is None:
            known = ", ".join(each.id for each in listed)
            yield in_pipeline, f"{named} is not a valid pipeline ID. Valid options are: [{known}]"
            return
        stage = clean.get(in_stage)
        if stage and stage not in {each.id for each in pipeline.open_stages()}:
            known = ", ".join(
                f"pipelineId={each.id} : [{', '.join(s.id for s in each.open_stages())}]"
                for each in listed
            )
            yield in_stage, f"{stage} is not a valid pipeline stage ID. Valid options are: {known}"


def _defaults(kind: Kind) -> Iterator[Pipeline]:
    if kind.name in _DEFAULTS:
        pipeline_id, label, stages = _DEFAULTS[kind.name]
        pipeline = Pipeline(pipeline_id, label)
        for stage_id, stage in stages.items():
            pipeline.add(stage_id, stage)
        yield pipeline
