"""A value of an event as HubSpot takes it: always text, "" clears, no exponents."""

from decimal import Decimal
from typing import assert_never

from service.core.events.order_graph import Scalar


def as_hubspot(value: Scalar) -> str:
    """A property's value as HubSpot takes it: always a string, "" clears, no exponents."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return format(Decimal(repr(value)), "f")
        case unreachable:
            assert_never(unreachable)
