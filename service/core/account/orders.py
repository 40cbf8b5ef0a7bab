"""A record out of a list or a search -> a row: values as HubSpot holds them, stage and pipeline by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.core.account.filters import PIPELINE, STAGE
from service.core.graph.pipelines import OrderPipeline

# Where nobody says which.
USUAL = ("hs_order_name", "hs_total_price", "hs_currency_code", STAGE, "hs_lastmodifieddate")


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order as HubSpot holds it. Values that it has not are None."""

    id: str
    properties: Mapping[str, str | None]
    pipeline: str | None
    stage: str | None
    archived: bool

    def document(self) -> dict[str, Any]:
        """For programs: values as they are, names beside them."""
        return {
            "id": self.id,
            "properties": dict(self.properties),
            "pipeline": self.pipeline,
            "stage": self.stage,
            "archived": self.archived,
        }

    def cells(self) -> dict[str, str | None]:
        """For people and sheets: a column a property; `stage` and `pipeline` by name, where HubSpot has one."""
        names = {STAGE: ("stage", self.stage), PIPELINE: ("pipeline", self.pipeline)}
        cells: dict[str, str | None] = {"id": self.id}
        for name, value in self.properties.items():
            column, label = names.get(name, (name, None))
            cells[column] = label or value
        return cells


def order_row(
    entry: Mapping[str, Any], names: Sequence[str], pipelines: Sequence[OrderPipeline]
) -> OrderRow:
    """One record; `names` are the properties to show, in their order."""
    held = entry.get("properties")
    values = held if isinstance(held, dict) else {}
    shown = {name: _text(values.get(name)) for name in names}
    return OrderRow(
        id=str(entry.get("id") or ""),
        properties=shown,
        pipeline=_label(values.get(PIPELINE), [each.name for each in pipelines]),
        stage=_label(values.get(STAGE), [s for each in pipelines for s in each.stages]),
        archived=entry.get("archived") is True,
    )


def _label(value: Any, known: Sequence[Any]) -> str | None:
    return next((each.label for each in known if each.id == value), None)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
