"""A call that writes nothing, to find out whether HubSpot answers: a look for a key that no order has."""

from typing import Final

from service.core.hubspot import calls, replies
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.verdicts import Cause, Halted, Retryable
from service.core.reasons import Reason

KEY: Final = "ordersync-probe"


def probe(id_property: str) -> BatchCall:
    """The call."""
    return calls.find([KEY], id_property)


def trouble(call: BatchCall, reply: BatchReply | NoReply, id_property: str) -> Reason | None:
    """Why orders cannot be written yet; None = HubSpot answers as it should."""
    match replies.read_keys(call, reply, id_property)[0]:
        case Halted(reason):
            return reason
        case Retryable(reason, cause) if cause in {Cause.SERVER, Cause.THROTTLE}:
            return reason
        case _:
            return None
