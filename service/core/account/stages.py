"""The pipelines and stages of orders, as rows: what an event's `stage` and `pipeline` may say.

Source: HubSpot's guide to pipelines (`metadata.state` of an order's stage is OPEN or CLOSED).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from service.core.graph.pipelines import place_of
from service.core.hubspot.answers import name_of, objects


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage in its pipeline. `default`: of the pipeline that is meant where an event names none."""

    pipeline: str
    pipeline_id: str
    default: bool
    stage: str
    stage_id: str
    order: int
    # open, closed; None where HubSpot does not say.
    state: str | None

    def document(self) -> dict[str, Any]:
        """Its columns."""
        return asdict(self)


def stage_rows(body: Mapping[str, Any]) -> Iterator[StageRow]:
    """All stages in the order that HubSpot shows, the default pipeline's first; archived ones are left out."""
    for at, pipeline in enumerate(sorted(_living(body, "results"), key=place_of)):
        for stage in sorted(_living(pipeline, "stages"), key=place_of):
            yield StageRow(
                pipeline=str(pipeline.get("label") or ""),
                pipeline_id=name_of(pipeline.get("id")) or "",
                default=at == 0,
                stage=str(stage.get("label") or ""),
                stage_id=name_of(stage.get("id")) or "",
                order=place_of(stage),
                state=_state(stage.get("metadata")),
            )


def _living(body: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    return (entry for entry in objects(body, name) if entry.get("archived") is not True)


def _state(metadata: Any) -> str | None:
    """Of orders `state`; of deals and tickets there is `isClosed`, as text."""
    said = metadata if isinstance(metadata, dict) else {}
    if isinstance(state := said.get("state"), str) and state:
        return state.lower()
    if (closed := said.get("isClosed")) is not None:
        return "closed" if str(closed).lower() == "true" else "open"
    return None
