"""Every request that HubSpot is sent, as data: batches of records, batches of links, and lists that are read whole."""

from dataclasses import dataclass
from typing import Literal

from service.core.hubspot.associations import LinkCall
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.verdicts import Where


@dataclass(frozen=True, slots=True)
class ListCall:
    """GET of a list that comes whole: an object type's pipelines, or the link types between two."""

    endpoint: Literal["pipelines", "labels"]
    object: str
    to: str = ""

    @property
    def size(self) -> int:
        """It is about no record."""
        return 0

    @property
    def name(self) -> str:
        """Its kind, in metrics and logs."""
        return self.endpoint

    @property
    def where(self) -> Where:
        """Where it asks."""
        return Where("list", self.endpoint, self.object, self.to)


Call = BatchCall | LinkCall | ListCall


def object_of(call: Call) -> str:
    """The object type that a request is about, in metrics and logs; of links the far end's."""
    return call.to if isinstance(call, LinkCall | ListCall) and call.to else call.object
