"""HubSpot's orders as a person would explain them: the reference that merged writes are measured against.

Independent of service/ on purpose, and as small as the rules allow: an upsert creates or changes, an
update changes what exists, an archive takes out and never fails. A write with a value that HubSpot does
not take is refused whole and changes nothing. After an archive the key is free; what was is gone.
"""

from collections.abc import Mapping

BAD = "bad"  # a value that starts like this is refused
UNKNOWN = "no_such_property"  # a property that does not exist


class Orders:
    """Live orders by key."""

    def __init__(self) -> None:
        self.live: dict[str, dict[str, str]] = {}

    def apply(self, operation: str, key: str, values: Mapping[str, str]) -> bool:
        """Do what one event asks; False = refused, nothing changed."""
        if operation == "archive":
            self.live.pop(key, None)
            return True
        if refusable(values) or (operation == "update" and key not in self.live):
            return False
        order = self.live.setdefault(key, {})
        order.update(values)
        return True

    def state(self) -> dict[str, dict[str, str]]:
        """Every live order without cleared values."""
        return {
            key: {name: value for name, value in order.items() if value}
            for key, order in self.live.items()
        }


def refusable(values: Mapping[str, str]) -> bool:
    """Whether HubSpot would refuse these values."""
    return any(name == UNKNOWN or value.startswith(BAD) for name, value in values.items())
