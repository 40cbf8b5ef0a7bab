"""Pipelines and their stages; the default order pipeline has HubSpot's own ids.

Unrelated portals show the same ids for it, so code written against the twin may hold them.
"""

from dataclasses import dataclass, field

from service.twin.account.kinds import ORDERS, Kind

ORDER_PIPELINE = "14a2e10e-5471-408a-906e-c51f3b04369e"
ORDER_STAGES = {
    "4b27b500-f031-4927-9811-68a0b525cbae": "Open",
    "937ea84d-0a4f-4dcf-9028-3f9c2aafbf03": "Processed",
    "aa99e8d0-c1d5-4071-b915-d240bbb1aed9": "Shipped",
    "3725360f-519b-4b18-a593-494d60a29c9f": "Delivered",
    "3c85a297-e9ce-400b-b42e-9f16853d69d6": "Cancelled",
}


@dataclass(slots=True)
class Pipeline:
    """One pipeline: its stages are id → label, in order."""

    id: str
    label: str
    stages: dict[str, str] = field(default_factory=dict)


class Pipelines:
    """The pipelines of a portal, by type."""

    def __init__(self) -> None:
        """The default order pipeline."""
        order = Pipeline(ORDER_PIPELINE, "Order Pipeline", dict(ORDER_STAGES))
        self.of: dict[str, dict[str, Pipeline]] = {ORDERS.name: {order.id: order}}

    def stage_ids(self, kind: Kind) -> tuple[str, ...]:
        """The stages a record of this type may be in; empty if the type has no pipeline."""
        return tuple(
            stage for pipeline in self.of.get(kind.name, {}).values() for stage in pipeline.stages
        )
