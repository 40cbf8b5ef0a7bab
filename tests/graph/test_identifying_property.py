"""An identifying property that is not unique: a fault of the set-up, unless the event itself chose it."""

from collections.abc import Sequence

import orjson
import pytest

from service.core.graph.directory import Directory
from service.core.graph.flow import flow_for
from service.core.graph.order_flow import Account
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.verdicts import Fate, Halted, Partly, Rejected
from service.core.reasons import Code
from service.core.waiting.slots import slot_of
from tests.graph.driving import batch_of
from tests.strategies import graph_contribution


def _refused(id_property: str) -> BatchReply:
    said = f"Unable to perform upsert by non-unique 0-123 property {id_property}"
    return BatchReply(400, {}, orjson.dumps({"message": said, "category": "VALIDATION_ERROR"}))


def _fates(id_property: str, configured: str) -> Sequence[Fate]:
    """Of two complete orders, where HubSpot says to every call that the property is not unique."""
    slots = [
        slot_of(
            graph_contribution(
                {
                    "id_property": id_property,
                    "properties": {"note": "x"},
                    "associations": [{"to": "cart", "by": "hs_object_id", "value": "1"}],
                },
                "upsert",
                key,
            ),
            0.0,
        )
        for key in ("A-1", "A-2")
    ]
    flow = flow_for(batch_of(*slots), "t", Account(configured, None), Directory(), 0.0)
    calls = next(flow)
    while True:
        try:
            calls = flow.send(tuple(_refused(id_property) for _ in calls))
        except StopIteration as end:
            fates: Sequence[Fate] = end.value
            return fates


@pytest.mark.parametrize(("configured", "verdict"), [("k", Halted), ("other", Rejected)])
def test_complete_orders_are_condemned_by_it_only_where_their_events_chose_it(configured, verdict):
    """It condemned every complete order, one by one, where the set-up itself was wrong."""
    for fate in _fates("k", configured):
        assert isinstance(fate, Partly)
        assert isinstance(fate.rest, verdict)
        assert fate.rest.reason.code is Code.ID_PROPERTY_NOT_UNIQUE
