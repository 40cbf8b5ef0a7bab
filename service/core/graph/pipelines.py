"""Stages by name: an account's pipelines, and the ids that an event's words stand for.

A stage is named by label or id within its pipeline, the pipeline by label or id; letter case does not count for labels.
Without a pipeline the account's default one is meant: the one with the lowest `displayOrder`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from service.core.events.graph import Stage
from service.core.hubspot.answers import name_of, objects


class Labelled(NamedTuple):
    """A pipeline's or a stage's id and label."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class OrderPipeline:
    """A pipeline with its stages, in the order that HubSpot shows."""

    name: Labelled
    stages: tuple[Labelled, ...]


class StageIds(NamedTuple):
    """The two values that move an order."""

    pipeline: str
    stage: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The words stand for nothing, or for more than one thing; `message` says for what there is."""

    message: str


def pipelines_of(body: Mapping[str, Any]) -> tuple[OrderPipeline, ...]:
    """The pipelines of a GET …/pipelines/<object>, the default one first; archived ones are left out."""
    entries = sorted(_living(body, "results"), key=place_of)
    return tuple(
        OrderPipeline(
            _named(entry),
            tuple(_named(each) for each in sorted(_living(entry, "stages"), key=place_of)),
        )
        for entry in entries
    )


def resolve(wanted: Stage, pipelines: Sequence[OrderPipeline]) -> StageIds | Unknown:
    """The ids of a wanted stage."""
    pipeline = pipelines[0] if pipelines and wanted.pipeline is None else None
    if wanted.pipeline is not None:
        chosen = _one(wanted.pipeline, [each.name for each in pipelines], "pipeline")
        if isinstance(chosen, Unknown):
            return chosen
        pipeline = next(each for each in pipelines if each.name == chosen)
    if pipeline is None:
        return Unknown("the account has no pipeline of orders")
    stage = _one(wanted.stage, pipeline.stages, "stage", f" in the pipeline {pipeline.name.label}")
    return stage if isinstance(stage, Unknown) else StageIds(pipeline.name.id, stage.id)


def _one(wanted: str, known: Sequence[Labelled], noun: str, where: str = "") -> Labelled | Unknown:
    """The one that is meant: an id counts before a label."""
    for each in known:
        if each.id == wanted:
            return each
    meant = [each for each in known if _fold(each.label) == _fold(wanted)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        ids = ", ".join(each.id for each in meant)
        return Unknown(
            f"{len(meant)} {noun}s{where} are called {wanted}: name one by its id ({ids})"
        )
    there = ", ".join(f"{each.label} ({each.id})" for each in known) or "none"
    return Unknown(f"there is no {noun} {wanted}{where}; there are: {there}")


def _living(body: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    entries = (entry for entry in objects(body, name) if entry.get("archived") is not True)
    return [entry for entry in entries if name_of(entry.get("id")) is not None]


def place_of(entry: Mapping[str, Any]) -> int:
    """Its `displayOrder`."""
    order = entry.get("displayOrder")
    return order if type(order) is int else 0


def _named(entry: Mapping[str, Any]) -> Labelled:
    return Labelled(name_of(entry.get("id")) or "", str(entry.get("label") or ""))


def _fold(label: str) -> str:
    return label.strip().casefold()
