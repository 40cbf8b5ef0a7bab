"""What was learnt of the account a short while ago: its pipelines, its labels, which record a name stands for.

Law: nothing is remembered for longer than `KEPT`, and only what was found: contacts merge, labels change, and a record
that was missing a moment ago may be there now. What a remembered answer refuses is asked anew first (`forget`).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from service.core.events.graph import Target
from service.core.graph.pipelines import OrderPipeline
from service.core.hubspot.associations import LinkType

KEPT: Final = 300.0  # seconds
# targets; the oldest is forgotten first.
REACH: Final = 20_000


@dataclass(slots=True)
class Directory:
    """Shared by all flows; `now` in monotonic seconds."""

    _pipelines: tuple[float, tuple[OrderPipeline, ...]] | None = None
    _labels: dict[str, tuple[float, dict[str | None, LinkType]]] = field(default_factory=dict)
    _targets: OrderedDict[Target, tuple[float, str]] = field(default_factory=OrderedDict)

    def pipelines(self, now: float) -> tuple[OrderPipeline, ...] | None:
        """The account's pipelines of orders; None = they have to be read."""
        known = self._pipelines
        return known[1] if known is not None and now - known[0] < KEPT else None

    def learn_pipelines(self, pipelines: tuple[OrderPipeline, ...], now: float) -> None:
        """They were just read."""
        self._pipelines = (now, pipelines)

    def labels(self, to: str, now: float) -> dict[str | None, LinkType] | None:
        """The link types from orders to an object type; None = they have to be read."""
        known = self._labels.get(to)
        return known[1] if known is not None and now - known[0] < KEPT else None

    def learn_labels(self, to: str, labels: dict[str | None, LinkType], now: float) -> None:
        """They were just read."""
        self._labels[to] = (now, labels)

    def target(self, target: Target, now: float) -> str | None:
        """The record id that a name stands for; None = it has to be asked."""
        known = self._targets.get(target)
        return known[1] if known is not None and now - known[0] < KEPT else None

    def learn_target(self, target: Target, record_id: str, now: float) -> None:
        """HubSpot has just named it."""
        self._targets[target] = (now, record_id)
        self._targets.move_to_end(target)
        if len(self._targets) > REACH:
            self._targets.popitem(last=False)

    def forget(self, target: Target) -> None:
        """HubSpot does not know the record any more."""
        self._targets.pop(target, None)

    def forget_labels(self, to: str) -> None:
        """HubSpot refuses a link type that was remembered."""
        self._labels.pop(to, None)

    def forget_pipelines(self) -> None:
        """HubSpot refuses a stage that was remembered."""
        self._pipelines = None
