"""Events of files, all checked before one is sent.

A fault is what the service itself would call malformed. A doubt is a value that HubSpot will
probably refuse for the way it is written: a column's doubts are told once, with the first of them. With an
account's schema what HubSpot would refuse is a fault, too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from service.contract.filed import Doubtful, Filed, faults
from service.core.account.preflight import AccountSchema

# Lines with faults; after that they are counted.
SHOWN: Final = 50


@dataclass(slots=True)
class Checked:
    """What was found so far."""

    total: int = 0
    wrong: int = 0
    doubtful: int = 0
    doubts: dict[str, tuple[Doubtful, str, int]] = field(default_factory=dict)  # by column

    def told(self) -> Iterator[str]:
        """What `check` left to the end."""
        if self.wrong > SHOWN:
            yield f"and {self.wrong - SHOWN} more lines with something wrong"
        for doubt, where, count in self.doubts.values():
            others = f" (and {count - 1} more)" if count > 1 else ""
            yield f"{where}: column {doubt.column}: {doubt.text}{others}: {doubt.advice}"


def check(
    events: Iterable[Filed],
    id_property: str | None,
    checked: Checked,
    account: AccountSchema | None = None,
) -> Iterator[str]:
    """Look at each; a sentence for every fault of the first `SHOWN` lines that have any."""
    for filed in events:
        checked.total += 1
        found = faults(filed, id_property, account)
        checked.wrong += bool(found)
        for path, message in found if checked.wrong <= SHOWN else ():
            yield f"{filed.where}: {path}: {message}" if path else f"{filed.where}: {message}"
        checked.doubtful += bool(filed.doubts)
        for doubt in filed.doubts:
            first, where, count = checked.doubts.get(doubt.column, (doubt, filed.where, 0))
            checked.doubts[doubt.column] = first, where, count + 1
